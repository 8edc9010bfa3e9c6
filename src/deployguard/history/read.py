"""The story of looking back: the log groups of a function, their breadcrumb lines, its changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from deployguard import lease
from deployguard.aws import functions, logs, trail
from deployguard.aws.logs import Wanted
from deployguard.errors import OutOfTime
from deployguard.executions import crumbs
from deployguard.executions.asking import Asking
from deployguard.executions.nouns import Crumb, Move
from deployguard.history import served
from deployguard.history.served import History, Span
from deployguard.kinds import seconds_of
from deployguard.model import LATEST
from deployguard.resources import Function
from deployguard.traffic import Unread

if TYPE_CHECKING:
    from deployguard.config import Settings
    from deployguard.run import Run
    from deployguard.target import Target

MOST_CALLS = 200  # for log lines; CloudWatch lets five through in a second
HALVINGS = 7  # the newest slice of the time is this often halved
CLOCK_S = 1.0  # AWS tells its time in whole seconds, and so up to one too little
PATTERN = "{ $.deployguard.line = 1 }"


def read(run: Run, settings: Settings, target: Target, *, most_calls: int = MOST_CALLS) -> History:
    """Read what served a function since some time ago; with a qualifier, on that route alone."""
    asking = Asking(run, fewer="--since")
    latest = run.record.function = functions.function(asking.session, target.name)
    until = asking.session.now() + CLOCK_S
    asked = Span(until - seconds_of(settings.since), until)
    lines, span = _lines(asking, _groups(asking, latest), asked, most_calls=most_calls)
    told = served.fold(lines, function=latest.arn, span=span)
    moves = _moves(asking, latest.arn, asked)
    if target.qualifier is not None:
        told = replace(told, routes=tuple(_only(told, target.qualifier)))
    return replace(told, moves=moves, calls=asking.calls, unread=asking.unread)


def _only(told: History, qualifier: str) -> Iterator[served.Route]:
    return (route for route in told.routes if route.qualifier == qualifier)


def _groups(asking: Asking, latest: Function) -> list[str]:
    """Return the log groups that the versions write to that are called now."""
    what = "the log groups of older versions"
    list_all = partial(functions.aliases, asking.session, latest.name)
    aliases = asking.attempt(what, list_all) or ()
    found = {latest.setup.log_group}
    for version in sorted({version for alias in aliases for version in alias.versions} - {LATEST}):
        look = partial(functions.function, asking.session, latest.name, qualifier=version)
        published = asking.attempt(what, look)
        found |= {published.setup.log_group} if published else set()
    return sorted(found)


def _lines(
    asking: Asking, groups: Sequence[str], span: Span, *, most_calls: int
) -> tuple[list[Crumb], Span]:
    """Read the newest lines first, as far back as calls last; return them and the time read."""
    found: dict[str, Crumb] = {}
    covered, last = span.until, asking.calls + most_calls
    for begin, end in _slices(span):
        fresh = _between(asking, groups, begin, end, most_calls=last - asking.calls)
        if fresh is None:
            return list(found.values()), _cut_short(asking, replace(span, since=covered))
        found |= fresh
        covered = begin
        asking.run.checkpoint()
        asking.run.say(f"{len(found)} breadcrumb lines so far, {asking.calls} calls")
    return list(found.values()), span


def _between(
    asking: Asking, groups: Sequence[str], begin: float, end: float, *, most_calls: int
) -> dict[str, Crumb] | None:
    """Read the lines of some time, by the ids of their events; None where not all can be read."""
    found: dict[str, Crumb] = {}
    last = asking.calls + most_calls
    for group in groups:
        if asking.calls >= last:
            return None
        wanted = Wanted(group, begin, end, pattern=PATTERN)
        try:
            told = logs.read(asking.session, wanted, most_pages=last - asking.calls)
        except OutOfTime:
            return None
        if not told.is_whole:
            return None
        for name, event in told.events:
            crumb = crumbs.parse(event.text.strip(), stream=event.stream)
            found |= {} if crumb is None else {name: crumb}
    return found


def _slices(span: Span) -> Iterator[tuple[float, float]]:
    """Yield parts of the time, the newest and shortest first."""
    end = span.until
    for halving in (HALVINGS, *range(HALVINGS, 0, -1)):
        begin = end - (span.until - span.since) / 2**halving
        yield begin, end
        end = begin


def _cut_short(asking: Asking, span: Span) -> Span:
    """Note that older lines were not read; refuse where none were."""
    why = "there are more than the calls or the time of one run bring"
    if span.since == span.until:
        raise OutOfTime(
            f"the newest breadcrumb lines were not read: {why}",
            cause="each invocation writes one, and there are very many",
            fix="give a shorter --since",
        )
    asking.note(Unread("older breadcrumb lines", why, "give a shorter --since"))
    return span


def _moves(asking: Asking, function: str, span: Span) -> tuple[Move, ...]:
    """Return what CloudTrail tells of changes, but for those to the lease."""
    what = "when aliases were moved and code was changed"
    asking.run.say("asking CloudTrail for changes")
    look = partial(trail.between, asking.session, function, since=span.since, until=span.until)
    found, is_whole = asking.attempt(what, look) or ([], True)
    if not is_whole:
        asking.note(Unread(what, f"CloudTrail has over {trail.MOST} of a kind", "shorten --since"))
    return tuple(move for move in found if move.qualifier != lease.ALIAS)
