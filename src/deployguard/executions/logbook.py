"""The invocations of a function around some attempts, read from its log groups in few calls."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from deployguard.aws import logs
from deployguard.aws.logs import Wanted
from deployguard.executions import lines
from deployguard.executions.asking import Asking
from deployguard.executions.marks import Logged
from deployguard.executions.nouns import Attempt, End, Invocation
from deployguard.traffic import Unread

EARLY_S, LATE_S = 2.0, 10.0  # around an attempt: an initialization before, a report after
LONGEST_S = 900.0  # for which a function can go on that nobody waits for any more
CLOCK_S = 1.0  # AWS tells its time in whole seconds
APART_S = 60.0  # under which two windows are read as one
MOST_PAGES = 200  # of the events in one window
MOST_PAST_PAGES = 30  # of what a hundred containers did before
DAY = re.compile(r"(\d{4})/(\d{2})/(\d{2})/")
PAST = logs.any_of(
    ("START RequestId", "END RequestId", "REPORT RequestId", "platform.", "deployguard")
)


@dataclass(frozen=True)
class _Sought:
    """What is sought in a log group: windows of time, and the requests that are all of them."""

    group: str
    windows: tuple[tuple[float, float], ...]
    pattern: str  # nothing where some attempts name no request, or there are too many


@dataclass
class _Book:
    """The events of one function, each once, by their ids."""

    events: dict[str, Logged] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)  # streams known from their beginning


def read(
    asking: Asking, function: str, attempts: Sequence[Attempt], *, groups: Collection[str]
) -> list[Invocation]:
    """Return the invocations of a function while some of its attempts ran.

    Those of before in the same containers are among them, without the lines of the function.
    """
    windows = tuple(_windows(attempts, now=asking.session.now() + CLOCK_S))
    ids = [attempt.request_id for attempt in attempts]
    pattern = logs.any_of(ids) if all(ids) else ""
    book = _Book()
    for group in groups if windows else ():
        what = f"the log lines of {function.rpartition(':')[2]} in {group}"
        sought = _Sought(group, windows, pattern)
        asking.attempt(what, partial(_read, asking, book, sought, what))
    events = sorted(book.events.values(), key=lambda event: event.at)
    return lines.invocations(events, whole=book.whole)


def _windows(attempts: Sequence[Attempt], *, now: float) -> Iterator[tuple[float, float]]:
    """Yield when attempts ran, those that are near each other as one."""
    since = until = 0.0
    for attempt in sorted(attempts, key=lambda each: each.scheduled):
        goes_on = attempt.end in (End.TIMED_OUT, End.ABORTED)
        late = LONGEST_S if goes_on else LATE_S
        end = (now if attempt.ended is None else attempt.ended) + late
        begin = attempt.scheduled - EARLY_S
        if until and begin > until + APART_S:
            yield since, until
            since = begin
        since, until = since or begin, max(until, end)
    if until:
        yield since, until


def _read(asking: Asking, book: _Book, sought: _Sought, what: str) -> None:
    """Read one group: everything in the windows, or only the streams that serve the requests."""
    streams: set[str] = set()
    if sought.pattern:
        for window in sought.windows:
            wanted = Wanted(sought.group, *window, pattern=sought.pattern)
            found = logs.read(asking.session, wanted, most_pages=MOST_PAGES)
            streams |= {event.stream for _, event in found.events}
        if not streams:
            return
    events: dict[str, Logged] = {}
    for window in sought.windows:
        few = tuple(sorted(streams)) if len(streams) <= logs.AT_ONCE else ()
        found = logs.read(
            asking.session, Wanted(sought.group, *window, streams=few), most_pages=MOST_PAGES
        )
        events |= dict(found.events)
        if not found.is_whole:
            fix = "look at an execution of a time when less was logged"
            asking.note(Unread(f"the rest of {what}", f"it has over {MOST_PAGES} pages", fix))
    seen = streams or {event.stream for event in events.values()}
    past = _past(asking, book, sought, seen)
    book.events |= events | {number: each for number, each in past.items() if number not in events}


def _past(
    asking: Asking, book: _Book, sought: _Sought, streams: Collection[str]
) -> dict[str, Logged]:
    """Read what containers did since they began, by the lines that count it."""
    found: dict[str, Logged] = {}
    wanted_streams = sorted(streams)
    for begin in range(0, len(wanted_streams), logs.AT_ONCE):
        some = tuple(wanted_streams[begin : begin + logs.AT_ONCE])
        since = min(_day(stream) for stream in some)
        wanted = Wanted(sought.group, since, sought.windows[-1][1], streams=some, pattern=PAST)
        told = logs.read(asking.session, wanted, most_pages=MOST_PAST_PAGES)
        found |= dict(told.events)
        if told.is_whole:
            book.whole |= set(some)
    return found


def _day(stream: str) -> float:
    """Return when the day began that a stream's name tells."""
    told = DAY.match(stream)
    try:
        year, month, day = map(int, told.groups()) if told else (1970, 1, 1)
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0
