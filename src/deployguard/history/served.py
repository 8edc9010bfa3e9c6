"""From breadcrumb lines to the share that each build served on each route, over time.

A share is one of what logged a line. Where nothing was logged, nothing is said.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployguard.executions.nouns import Crumb, Move
from deployguard.model import LATEST
from deployguard.traffic import Unread

SLOTS = 48  # of the time that is looked at, for a chart


class Counted(StrEnum):
    """What is counted: what every container in the range tells of."""

    INVOCATIONS = "invocations"
    CONTAINERS = "containers"


@dataclass(frozen=True)
class Span:
    """The time that was looked at, in Unix seconds."""

    since: float
    until: float

    @property
    def slot_s(self) -> float:
        """Return how long one slot of a chart is."""
        return (self.until - self.since) / SLOTS

    def slot(self, at: float) -> int:
        """Return the slot of a moment."""
        return min(SLOTS - 1, max(0, int((at - self.since) / self.slot_s)))


@dataclass(frozen=True)
class Served:
    """What one build, as one version, served on one route."""

    version: str
    build_id: str | None  # None where the container has no stamp
    count: int
    containers: int
    first: float
    last: float
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Route:
    """A qualifier that was called, and what served it, the most first."""

    qualifier: str
    served: tuple[Served, ...]

    @property
    def count(self) -> int:
        """Return how many were counted in all."""
        return sum(each.count for each in self.served)

    def share(self, served: Served) -> float:
        """Return the share of what was counted."""
        return served.count / self.count


@dataclass(frozen=True)
class History:
    """The past of a function, as far as its log and CloudTrail tell it."""

    function: str  # ARN
    span: Span
    counted: Counted
    routes: tuple[Route, ...]
    moves: tuple[Move, ...] = ()  # within the span, oldest first
    canaries: int = 0  # lines of probes, which are not counted
    calls: int = 0
    unread: tuple[Unread, ...] = ()


def fold(crumbs: Iterable[Crumb], *, function: str, span: Span) -> History:
    """Count what each build served; probes are no traffic, and another function's lines no ours."""
    own = [crumb for crumb in crumbs if _is_of(crumb, function)]
    asked = [crumb for crumb in own if not crumb.is_canary]
    counted = _counted(asked)
    by_route: dict[str, list[Crumb]] = defaultdict(list)
    for crumb in asked:
        by_route[crumb.qualifier or LATEST].append(crumb)
    return History(
        function=function,
        span=span,
        counted=counted,
        routes=tuple(
            Route(qualifier, _served(found, counted=counted, span=span))
            for qualifier, found in sorted(by_route.items())
        ),
        canaries=len(own) - len(asked),
    )


def _is_of(crumb: Crumb, function: str) -> bool:
    return crumb.invoked_arn == function or crumb.invoked_arn.startswith(f"{function}:")


def _counted(crumbs: Sequence[Crumb]) -> Counted:
    """Say what can be counted: a container that tells its birth only must not count for less."""
    every = bool(crumbs) and all(crumb.tells_each for crumb in crumbs)
    return Counted.INVOCATIONS if every else Counted.CONTAINERS


def _served(crumbs: Iterable[Crumb], *, counted: Counted, span: Span) -> tuple[Served, ...]:
    by_build: dict[tuple[str, str | None], list[Crumb]] = defaultdict(list)
    for crumb in sorted(crumbs, key=lambda crumb: crumb.at):
        by_build[crumb.version, crumb.build_id].append(crumb)
    found = (_of_build(*key, lines, counted=counted, span=span) for key, lines in by_build.items())
    return tuple(sorted(found, key=lambda served: (-served.count, served.first)))


def _of_build(
    version: str, build_id: str | None, lines: Sequence[Crumb], *, counted: Counted, span: Span
) -> Served:
    first_of = {crumb.container: crumb for crumb in reversed(lines)}
    units = lines if counted is Counted.INVOCATIONS else list(first_of.values())
    slots = Counter(span.slot(crumb.at) for crumb in units)
    return Served(
        version=version,
        build_id=build_id,
        count=len(units),
        containers=len(first_of),
        first=lines[0].at,
        last=lines[-1].at,
        slots=tuple(slots[number] for number in range(SLOTS)),
    )
