"""What else differed between two executions, side by side, without any value of an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from deployguard.executions.names import short
from deployguard.executions.nouns import Case, Configuration, Execution, Step
from deployguard.model import LATEST

UNTOLD = "not known"
HIDDEN = "not shown"
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class Fact(NamedTuple):
    """One thing about each of two executions, and whether it is the same; None for not known."""

    what: str
    values: tuple[str, str]
    is_same: bool | None


def of_executions(cases: tuple[Case, Case]) -> Iterator[Fact]:
    """Yield what tells two executions apart as a whole."""
    runs = cases[0].execution, cases[1].execution
    yield _fact("status", [each.status for each in runs])
    yield _fact("state machine", [short(each.machine) for each in runs])
    yield _fact("by its alias", [short(each.alias) or "none" for each in runs])
    yield _fact("redrives", [str(each.redrives) for each in runs])
    yield _fact("took", [_took(each) for each in runs])
    hashes = {each.input_hash for each in runs}
    sizes = [
        UNTOLD if each.input_size is None else f"{each.input_size} characters" for each in runs
    ]
    is_same = None if "" in hashes else len(hashes) == 1
    yield Fact("input", (sizes[0], sizes[1]), is_same)


def of_function(
    function: str, cases: tuple[Case, Case], reached: tuple[Sequence[Step], Sequence[Step]]
) -> Iterator[Fact]:
    """Yield what tells apart how two executions called a function, and how it was configured."""
    pairs = list(zip(cases, reached, strict=True))
    yield _fact("state", [_joined(step.attempt.state for step in steps) for steps in reached])
    yield _fact("qualifier", [_joined(_qualifiers(steps)) for steps in reached])
    yield _fact("started", [_starts(steps) for steps in reached])
    yield _fact("attempts", [_ends(steps) for steps in reached])
    yield _fact("input size", [_sizes(steps) for steps in reached])
    yield _fact("after deploy", [_delay(function, *pair) for pair in pairs])
    yield from _alias(function, cases, reached)
    known = [_configurations(function, *pair) for pair in pairs]
    for what, of in CONFIGURED.items():
        yield _fact(what, [_joined(map(of, each)) if each else UNTOLD for each in known])
    hashes = [{each.environment_hash for each in told} for told in known]
    is_told = all(hashes) and "" not in hashes[0] | hashes[1]
    is_same = hashes[0] == hashes[1] if is_told else None
    yield Fact("their values", (HIDDEN, HIDDEN), is_same)


CONFIGURED: dict[str, Callable[[Configuration], str]] = {
    "timeout": lambda told: f"{told.timeout_s} s",
    "memory": lambda told: f"{told.memory_mb} MB",
    "architecture": lambda told: told.architecture,
    "role": lambda told: told.role.rpartition("/")[2],
    "layers": lambda told: _joined(map(short, told.layers)),
    "network": lambda told: _joined(told.vpc),
    "variables": lambda told: _joined(told.environment),
}


def _fact(what: str, values: Sequence[str]) -> Fact:
    first, second = values
    return Fact(what, (first, second), None if UNTOLD in values else first == second)


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted(dict.fromkeys(values))) or "none"


def _took(execution: Execution) -> str:
    if execution.stopped is None:
        return "still runs"
    return duration(execution.stopped - execution.started)


def _size(execution: Execution) -> str:
    return UNTOLD if execution.input_size is None else f"{execution.input_size} characters"


def duration(seconds: float) -> str:
    """Return a duration as people say it, in two units at most."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    left = int(seconds)
    said: list[str] = []
    for size, unit in UNITS:
        if left >= size or said:
            said.append(f"{left // size} {unit}")
            left %= size
    return " ".join(said[:2])


def _qualifiers(steps: Iterable[Step]) -> Iterator[str]:
    return (step.attempt.qualifier or f"none ({LATEST})" for step in steps)


def _starts(steps: Sequence[Step]) -> str:
    """Count cold and warm containers; what no line tells is neither."""
    told = [step.invocation.is_cold if step.invocation else None for step in steps]
    counts = {"cold": told.count(True), "warm": told.count(False), UNTOLD: told.count(None)}
    if counts[UNTOLD] == len(told):
        return UNTOLD
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def _ends(steps: Sequence[Step]) -> str:
    ends = [step.attempt.end.value for step in steps]
    return ", ".join(f"{ends.count(end)} {end}" for end in dict.fromkeys(ends)) or "none"


def _sizes(steps: Sequence[Step]) -> str:
    sizes = [step.attempt.input_size for step in steps]
    known = sorted(size for size in sizes if size is not None)
    if not known or len(known) < len(sizes):
        return UNTOLD
    low, high = known[0], known[-1]
    return f"{low} characters" if low == high else f"{low} to {high} characters"


def _delay(function: str, case: Case, steps: Sequence[Step]) -> str:
    """Say how long after the last change of what it ran the function was called first."""
    if not steps:
        return UNTOLD
    first = min(step.attempt.scheduled for step in steps)
    versions = {step.build.version for step in steps}
    qualifiers = {step.attempt.qualifier or LATEST for step in steps}
    moved = [
        move.at
        for move in case.moves
        if move.function == function and move.qualifier in qualifiers and move.at <= first
    ]
    published = [
        known.modified
        for (name, version), known in case.configurations.items()
        if name == function and version in versions and known.modified <= first
    ]
    return duration(first - max([*moved, *published])) if moved or published else UNTOLD


def _alias(
    function: str, cases: tuple[Case, Case], reached: tuple[Sequence[Step], Sequence[Step]]
) -> Iterator[Fact]:
    """Yield what the aliases that were called serve now, which may not be what they served."""
    for alias in sorted({q for steps in reached for q in _qualifiers(steps)}):
        now = [case.serves.get((function, alias)) for case in cases]
        told = [
            " + ".join(f"{share:.0%} {version}" for version, share in each.items())
            for each in now
            if each is not None
        ]
        if told:
            yield Fact(f"{alias} now", (told[-1], told[-1]), None)


def _configurations(function: str, case: Case, steps: Sequence[Step]) -> list[Configuration]:
    """Return the configurations that attempts ran with; none where one of them is not known."""
    found = []
    for step in steps:
        known = case.configurations.get((function, step.build.version or ""))
        # A version never changes; `$LATEST` is known as it is now.
        if known is None or known.modified > step.attempt.scheduled:
            return []
        found.append(known)
    return found
