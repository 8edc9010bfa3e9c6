"""What was seen of each container, and when; times are seconds since the run began.

A container's age is told by its own clock, and put on ours when it answers: clocks that differ,
or are set meanwhile, move no birth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployguard import coverage, judge
from deployguard.model import Evidence, Probe, Round, State

WORST_FIRST = (State.STALE, State.UNKNOWN, State.FRESH)
UNITS = ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (120, 60, "min"), (0, 1, "s"))


@dataclass(frozen=True)
class Answered:
    """One probe that a container, or nothing, answered."""

    sent: float
    until: float
    state: State


@dataclass(frozen=True)
class Life:
    """One container, as far as it was seen."""

    container: str
    build_id: str | None
    version: str
    qualifiers: tuple[str, ...]
    state: State
    born: float
    born_at: float  # Unix seconds by its own clock
    answers: tuple[Answered, ...]

    @property
    def until(self) -> float:
        """Return when it was last seen."""
        return max(each.until for each in self.answers)

    @property
    def birth(self) -> str:
        """Say in words when it was born."""
        return f"{span(-self.born)} before" if self.born < 0 else f"{self.born:.1f} s into the run"


@dataclass(frozen=True)
class Silence:
    """The probes that ended in one other way than with a breadcrumb."""

    answer: str
    answers: tuple[Answered, ...]


def span(seconds: float) -> str:
    """Return a span of time in words."""
    least, unit, name = next(each for each in UNITS if abs(seconds) >= each[0])
    return (
        f"{seconds / unit:.1f} {name}"
        if abs(seconds) < 10 and not least
        else (f"{seconds / unit:.0f} {name}")
    )


def many(number: int, noun: str) -> str:
    """Count something, such as "1 probe" or "2 probes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def rounds(evidence: Evidence) -> Iterator[tuple[str, Round]]:
    """Yield each burst, with the name that people know it by."""
    for kind, found in (("round", evidence.rounds), ("aged", evidence.aged)):
        yield from ((f"{kind} {each.number}", each) for each in found)


def lives(evidence: Evidence) -> list[Life]:
    """Return every container that answered: the worst first, those of one build together."""
    probes = [p for _, each in rounds(evidence) for p in each.probes if p.breadcrumb is not None]
    crumbs = [probe.breadcrumb for probe in probes if probe.breadcrumb is not None]
    found: dict[str, list[Probe]] = {}
    for probe, name in zip(probes, coverage.identities(crumbs), strict=True):
        found.setdefault(name, []).append(probe)
    told = [_life(evidence, name, own) for name, own in found.items()]
    return sorted(
        told,
        key=lambda life: (
            WORST_FIRST.index(life.state),
            life.build_id or "",
            life.version,
            life.born,
        ),
    )


def silences(evidence: Evidence) -> list[Silence]:
    """Return the probes without a breadcrumb, by how they ended."""
    found: dict[str, list[Answered]] = {}
    for _, each in rounds(evidence):
        for probe in each.probes:
            if probe.breadcrumb is None:
                found.setdefault(probe.answer.value, []).append(_answered(evidence, probe))
    return [Silence(answer, tuple(answers)) for answer, answers in sorted(found.items())]


def counted(told: Sequence[Life]) -> str:
    """Count containers by their state, such as "10 stale, 5 fresh"."""
    states = Counter(life.state for life in told)
    return ", ".join(f"{states[state]} {state}" for state in WORST_FIRST if states[state])


def _life(evidence: Evidence, name: str, probes: Sequence[Probe]) -> Life:
    last = probes[-1]
    crumb = last.breadcrumb
    assert crumb is not None
    answers = tuple(_answered(evidence, probe) for probe in probes)
    return Life(
        container=name,
        build_id=crumb.stamp.build_id if crumb.stamp else None,
        version=last.executed_version or "",
        qualifiers=tuple(dict.fromkeys(probe.qualifier for probe in probes)),
        state=min((each.state for each in answers), key=WORST_FIRST.index),
        born=min(map(_born, probes)),
        born_at=crumb.born,
        answers=answers,
    )


def _answered(evidence: Evidence, probe: Probe) -> Answered:
    until = probe.sent if probe.answered is None else probe.answered
    return Answered(probe.sent, until, judge.state(evidence, probe))


def _born(probe: Probe) -> float:
    """Return the birth on our clock: the age when the probe came, before when it was let go."""
    crumb = probe.breadcrumb
    assert crumb is not None
    held = max(0.0, crumb.released - crumb.received)
    came = probe.sent if probe.answered is None else max(probe.sent, probe.answered - held)
    return came - coverage.age(crumb)
