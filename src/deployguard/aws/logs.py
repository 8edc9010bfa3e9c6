"""CloudWatch Logs: the events of a log group between two moments, in so many calls at most."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from deployguard.aws.session import Session
from deployguard.errors import NotFound
from deployguard.executions.marks import Logged

PAGE = 10_000
AT_ONCE = 100  # streams, as AWS allows
LONGEST_PATTERN = 1024


class Wanted(NamedTuple):
    """Which events of a log group are wanted."""

    group: str
    since: float
    until: float
    streams: tuple[str, ...] = ()  # none stands for all
    pattern: str = ""


class Read(NamedTuple):
    """What was read: each event with its id, in the order of AWS."""

    events: tuple[tuple[str, Logged], ...]
    is_whole: bool


def read(session: Session, wanted: Wanted, *, most_pages: int) -> Read:
    """Read events, oldest first, and no more pages than allowed.

    A group that does not exist holds nothing, as one to which nothing was ever written.
    """
    found: list[tuple[str, Logged]] = []
    pages = _pages(session, wanted)
    try:
        for _ in range(most_pages):
            page = next(pages, None)
            if page is None:
                return Read(tuple(found), is_whole=True)
            found += page
    except NotFound:
        return Read((), is_whole=True)
    return Read(tuple(found), is_whole=next(pages, None) is None)


def any_of(phrases: Iterable[str]) -> str:
    """Return a pattern for events that hold one of some phrases; nothing where it is too long."""
    pattern = " ".join(f'?"{phrase}"' for phrase in phrases)
    return pattern if len(pattern) <= LONGEST_PATTERN else ""


def _pages(session: Session, wanted: Wanted) -> Iterator[list[tuple[str, Logged]]]:
    named: dict[str, Any] = {
        "logGroupName": wanted.group,
        "startTime": max(0, int(wanted.since * 1000)),
        "endTime": int(wanted.until * 1000) + 1,
        "limit": PAGE,
        **({"logStreamNames": list(wanted.streams)} if wanted.streams else {}),
        **({"filterPattern": wanted.pattern} if wanted.pattern else {}),
    }
    while True:
        page: Any = session.read(
            f"read log group {wanted.group}", session.client("logs").filter_log_events, **named
        )
        yield [(event["eventId"], _logged(event)) for event in page.get("events", ())]
        token = page.get("nextToken")
        if not token or token == named.get("nextToken"):
            return
        named["nextToken"] = token


def _logged(event: Any) -> Logged:
    return Logged(event["logStreamName"], event["timestamp"] / 1000, event["message"])
