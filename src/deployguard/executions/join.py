"""Which invocation an attempt was: by the request that both name, or by when both ran."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from deployguard.executions.nouns import Attempt, End, Invocation
from deployguard.model import LATEST

LOOSE_S = 0.25  # by which the clocks of Step Functions and of containers may differ
SLACKS_S = (0.0005, 0.01, LOOSE_S)  # the tightest first: what fits by it, fits best
LATE_S = 10.0  # an initialization, which may end after Step Functions gave up
ANSWERED = (End.SUCCEEDED, End.FAILED)  # so the invocation had ended, too


class Found(NamedTuple):
    """What the logs tell of an attempt."""

    invocation: Invocation | None = None
    version: str | None = None  # that all ran which it can have been
    is_by_time: bool = False


NOTHING = Found()


def joined(
    attempts: Sequence[Attempt], invocations: Mapping[str, Sequence[Invocation]]
) -> list[Found]:
    """Return what was found of each attempt, given the invocations of each function."""
    found = [NOTHING for _ in attempts]
    taken: set[int] = set()
    by_id: dict[tuple[str, str], list[Invocation]] = {}
    for function, of_function in invocations.items():
        for invocation in of_function:
            by_id.setdefault((function, invocation.request_id), []).append(invocation)
    claims: dict[tuple[str, str], int] = {}
    for attempt in attempts:
        key = attempt.function, attempt.request_id
        claims[key] = claims.get(key, 0) + 1
    for number, attempt in enumerate(attempts):
        key = attempt.function, attempt.request_id
        named = [each for each in by_id.get(key, ()) if _fits(attempt, each)]
        if attempt.request_id and len(named) == 1 and claims[key] == 1:
            found[number] = Found(named[0], named[0].version)
            taken.add(id(named[0]))
    for function, of_function in invocations.items():
        left = {
            number: attempt
            for number, attempt in enumerate(attempts)
            if attempt.function == function
            and not attempt.request_id
            and attempt.end is not End.REFUSED
        }
        for slack_s in SLACKS_S:
            free = [each for each in of_function if id(each) not in taken]
            for group, by_time in _by_time(left, free, slack_s):
                for number in group.attempts:
                    found[number] = by_time
                taken |= set(group.invocations)
            left = {number: each for number, each in left.items() if found[number] is NOTHING}
    return found


def _fits(attempt: Attempt, invocation: Invocation, slack_s: float = LOOSE_S) -> bool:
    """Say whether an invocation can have been an attempt, by its version and by when it ran."""
    qualifier = attempt.qualifier or LATEST
    fixed = qualifier if qualifier == LATEST or qualifier.isdigit() else None
    if invocation.version not in (attempt.version or fixed or invocation.version, None):
        return False
    if invocation.started is None:
        return True
    latest = _latest(attempt, slack_s)
    if not attempt.scheduled - slack_s <= invocation.started <= latest:
        return False
    is_after = invocation.ended is not None and invocation.ended > latest
    return not (attempt.end in ANSWERED and is_after)


def _latest(attempt: Attempt, slack_s: float) -> float:
    """Return until when an attempt's invocation may have begun."""
    if attempt.ended is None:
        return math.inf
    is_loose = slack_s == LOOSE_S and attempt.end not in ANSWERED
    return attempt.ended + (LATE_S if is_loose else slack_s)


@dataclass
class _Group:
    """Attempts and invocations of which each may be another's."""

    attempts: list[int] = field(default_factory=list)
    invocations: dict[int, Invocation] = field(default_factory=dict)


def _by_time(
    attempts: Mapping[int, Attempt], invocations: Iterable[Invocation], slack_s: float
) -> Iterator[tuple[_Group, Found]]:
    """Match what ran at the same time; where several did, only what holds whichever was which."""
    for group in _groups(attempts, invocations, slack_s):
        if len(group.attempts) != len(group.invocations):
            continue  # one that is missing, or a stranger among them
        versions = {invocation.version for invocation in group.invocations.values()}
        version = versions.pop() if len(versions) == 1 else None
        only = next(iter(group.invocations.values())) if len(group.invocations) == 1 else None
        yield group, Found(only, version, is_by_time=True)


def _groups(
    attempts: Mapping[int, Attempt], invocations: Iterable[Invocation], slack_s: float
) -> Iterator[_Group]:
    """Yield the groups that share no candidate, in the order of time."""
    timed = sorted(
        ((each.started, number, each) for number, each in enumerate(invocations) if each.started),
        key=lambda each: each[:2],
    )
    starts = [each[0] for each in timed]
    group, until = _Group(), 0
    for number, attempt in sorted(attempts.items(), key=lambda each: each[1].scheduled):
        low = bisect_left(starts, attempt.scheduled - slack_s)
        high = bisect_right(starts, _latest(attempt, slack_s))
        if group.attempts and low >= until:
            yield group
            group = _Group()
        until = max(until, high)
        group.attempts.append(number)
        near = (each for _, place, each in timed[low:high] if _fits(attempt, each, slack_s))
        group.invocations |= {id(each): each for each in near}
    if group.attempts:
        yield group
