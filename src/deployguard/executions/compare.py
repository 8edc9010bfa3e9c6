"""Two executions held against each other: did they run the same images, and what else differed?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from deployguard.executions import builds, settings
from deployguard.executions.names import short
from deployguard.executions.nouns import Build, Case, End, Known, Step
from deployguard.executions.settings import Fact

ORDER = ("first", "second")
RUNNING = "RUNNING"


class Likeness(StrEnum):
    """Whether two executions ran the same images."""

    SAME = "SAME"
    DIFFERENT = "DIFFERENT"
    UNKNOWN = "UNKNOWN"
    ONE_SIDED = "ONE SIDED"  # only one of them ran the function


EXIT_CODES = {Likeness.SAME: 0, Likeness.DIFFERENT: 10, Likeness.UNKNOWN: 11}


@dataclass(frozen=True)
class Ran:
    """One build that a function ran in an execution, known in one way."""

    build: Build
    attempts: int


@dataclass(frozen=True)
class Side:
    """What one execution did with a function."""

    steps: tuple[Step, ...]
    ran: tuple[Ran, ...]  # of those attempts that reached it, the most first

    @property
    def reached(self) -> tuple[Step, ...]:
        """Return the attempts that may have run code."""
        return tuple(step for step in self.steps if step.attempt.end is not End.REFUSED)


@dataclass(frozen=True)
class Row:
    """One function in both executions."""

    function: str  # ARN; empty for tasks whose function is hidden
    likeness: Likeness
    why: str
    sides: tuple[Side, Side]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Comparison:
    """Two executions, function by function."""

    cases: tuple[Case, Case]
    rows: tuple[Row, ...]
    likeness: Likeness
    why: str
    facts: tuple[Fact, ...]

    @property
    def exit_code(self) -> int:
        """Return the contract's exit code."""
        return EXIT_CODES[self.likeness]


def compare(first: Case, second: Case) -> Comparison:
    """Hold two executions against each other."""
    cases = first, second
    functions = sorted({step.attempt.function for case in cases for step in case.steps})
    rows = tuple(_row(function, cases) for function in functions)
    likeness, why = _overall(cases, rows)
    return Comparison(cases, rows, likeness, why, tuple(settings.of_executions(cases)))


def _row(function: str, cases: tuple[Case, Case]) -> Row:
    sides = _side(function, cases[0]), _side(function, cases[1])
    likeness, why = _likeness(sides)
    facts = settings.of_function(function, cases, (sides[0].reached, sides[1].reached))
    return Row(function, likeness, why, sides, tuple(facts))


def _side(function: str, case: Case) -> Side:
    steps = tuple(step for step in case.steps if step.attempt.function == function)
    reached = [step.build for step in steps if step.attempt.end is not End.REFUSED]
    order: Callable[[Build], str] = repr
    ran = [Ran(build, len(list(same))) for build, same in groupby(sorted(reached, key=order))]
    return Side(steps, tuple(sorted(ran, key=lambda each: -each.attempts)))


def _likeness(sides: tuple[Side, Side]) -> tuple[Likeness, str]:
    """Say whether a function ran the same image, and what that rests on.

    Two images anywhere are a difference: no attempt is known to have had the other's.
    """
    return next(_doubts(sides), (Likeness.SAME, f"every attempt ran {_named(sides[0].ran)}"))


def _doubts(sides: tuple[Side, Side]) -> Iterator[tuple[Likeness, str]]:
    """Yield all that stands against the same image, the gravest first."""
    if not all(side.ran for side in sides):
        reached = [f"only the {name}" for name, side in zip(ORDER, sides, strict=True) if side.ran]
        yield Likeness.ONE_SIDED, f"{next(iter(reached), 'neither')} execution reached it"
        return
    every = [ran for side in sides for ran in side.ran]
    proven = [ran.build for ran in every if builds.is_proven(ran.build)]
    for name, side in zip(ORDER, sides, strict=True):
        if _differ([ran.build for ran in side.ran if builds.is_proven(ran.build)]):
            yield Likeness.DIFFERENT, f"the {name} execution alone ran different images"
    if _differ(proven):
        yield Likeness.DIFFERENT, "each ran its own image"
    unknown = sum(ran.attempts for ran in every if builds.identity(ran.build) is None)
    if unknown:
        yield Likeness.UNKNOWN, f"of {_attempts(unknown)} it is not known which image ran"
    weak = sum(ran.attempts for ran in every if not builds.is_proven(ran.build))
    if weak:
        likely = "different" if _differ([ran.build for ran in every]) else "the same"
        why = f"probably {likely}: of {_attempts(weak)} only {Known.INFERRED} tell what ran"
        yield Likeness.UNKNOWN, why
    if not (all(build.digest for build in proven) or all(build.build_id for build in proven)):
        yield Likeness.UNKNOWN, "some images are known by digest, some by their build id alone"


def _differ(known: Sequence[Build]) -> bool:
    """Say whether there is more than one image: digests tell, and where one lacks, build ids."""
    digests = {build.digest for build in known}
    ids = {build.build_id for build in known}
    return len(digests - {None}) > 1 or (None in digests and len(ids - {None}) > 1)


def _named(ran: Sequence[Ran]) -> str:
    build = ran[0].build if ran else Build(None, Known.NOT)
    known = f"build {build.build_id}" if build.build_id else f"image {(build.digest or '')[:19]}"
    return known if build.version is None else f"{known}, version {build.version}"


def _attempts(count: int) -> str:
    return f"{count} attempt" + ("" if count == 1 else "s")


def _overall(cases: tuple[Case, Case], rows: Sequence[Row]) -> tuple[Likeness, str]:
    """Return the worst of the functions; what was not read can still differ."""
    both = [row for row in rows if row.likeness is not Likeness.ONE_SIDED]
    for likeness in (Likeness.DIFFERENT, Likeness.UNKNOWN):
        found = [row for row in both if row.likeness is likeness]
        if found:
            more = f", and of {len(found) - 1} more" if len(found) > 1 else ""
            return (
                likeness,
                f"the images of {short(found[0].function) or 'a hidden function'}{more}",
            )
    for why in _gaps(cases):
        return Likeness.UNKNOWN, why
    if not both:
        return Likeness.UNKNOWN, "no function was reached by both"
    one_sided = len(rows) - len(both)
    more = f"; {one_sided} ran in one of them only" if one_sided else ""
    return Likeness.SAME, f"the images of every function that both reached{more}"


def _gaps(cases: tuple[Case, Case]) -> Iterator[str]:
    """Yield why attempts may be missing from an execution."""
    for which, case in zip(ORDER, cases, strict=True):
        execution = case.execution
        if execution.children_read < execution.children:
            left = execution.children - execution.children_read
            yield f"{left} children of the {which} execution were not read: see --children"
        if execution.is_partial:
            yield f"not all histories of the {which} execution could be read"
        if execution.status == RUNNING:
            yield f"the {which} execution still runs"
