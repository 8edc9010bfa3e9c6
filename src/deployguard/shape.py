"""The shape of a route's old answers over the rounds: it tells their cause, and moves no verdict.

1. All are old, and it stays so: callers are sent elsewhere, or the image is old inside.
2. Fewer are old from round to round: a move that is still arriving, or containers that go.
3. Old is exactly what was born first: warm containers from before, that no new one has joined.
4. A part is old, and it stays so: AWS chooses between versions, or keeps containers apart.
5. Too few are known to tell.

What is counted: AWS chooses a version anew for each request, so each answer of another version
counts. A container stays what it is however often it is asked, and asking keeps it alive, so it
counts once, or once in each half of the rounds. What is not known to be old or new does not count.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from math import comb

from deployguard import coverage
from deployguard.exact import ALPHA, chance_of_more
from deployguard.model import LATEST, Breadcrumb, Evidence, Probe, Route, State

LASTING_ROUNDS = 2
LASTING_S = 2.0


class ShapeKind(StrEnum):
    """What old answers look like."""

    NONE = "none"
    CONSTANT = "constant"
    FRACTION = "fraction"
    SHRINKING = "shrinking"
    BY_AGE = "by-age"
    UNCLEAR = "unclear"


class Cause(StrEnum):
    """What a shape points to."""

    ROUTING = "routing"  # requests are sent to another version altogether
    PROPAGATION = "propagation"  # the move of the alias is still arriving
    WEIGHTS = "weights"  # requests are divided between versions
    DRAINING = "draining"  # warm containers from before
    PARTITIONS = "partitions"  # old and new containers that are kept apart
    IMAGE = "image"  # it is old inside
    NOTHING = "nothing"


@dataclass(frozen=True)
class Shape:
    """The shape of a route's answers, why it is taken for that, and what it points to."""

    kind: ShapeKind
    reasoning: str
    points_to: Cause


class _Origin(Enum):
    """What makes answers old."""

    IMAGE = "a version that holds the expected image names another build"
    VERSION = "another version ran"
    CONTAINER = "the right version ran, in a container from before"


@dataclass(frozen=True)
class _Answer:
    """An answer that is known to be old or new."""

    number: int  # of its round
    probe: Probe
    container: str
    is_old: bool


@dataclass(frozen=True)
class _Seen:
    """All that is known of one route, some of it old."""

    evidence: Evidence
    route: Route
    origin: _Origin
    old: Sequence[_Answer]
    new: Sequence[_Answer]


@dataclass(frozen=True)
class _Tally:
    """How many of some rounds' answers, or of their containers, are old."""

    old: int
    total: int
    unit: str
    rounds: int

    def __str__(self) -> str:
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.old} of {self.total} {self.unit} in {rounds}"


def of(evidence: Evidence, route: Route, states: Mapping[Probe, State]) -> Shape:
    """Say which shape a route's answers have; `states` tells what each of its probes shows."""
    answers = _known(evidence, states)
    old = [answer for answer in answers if answer.is_old]
    new = [answer for answer in answers if not answer.is_old]
    if not old:
        return Shape(ShapeKind.NONE, "", Cause.NOTHING)
    seen = _Seen(evidence, route, _origin(evidence, route, old), old, new)
    if not new:
        return _constant(seen) or _unclear(seen)
    return _shrinking(seen) or _by_age(seen) or _fraction(seen) or _unclear(seen)


def _known(evidence: Evidence, states: Mapping[Probe, State]) -> list[_Answer]:
    known = [
        (each.number, probe)
        for each in evidence.rounds
        for probe in each.probes
        if states.get(probe, State.UNKNOWN) is not State.UNKNOWN
    ]
    crumbs = [probe.breadcrumb for _, probe in known if probe.breadcrumb is not None]
    names = iter(coverage.identities(crumbs))
    return [
        _Answer(
            number,
            probe,
            container="" if probe.breadcrumb is None else next(names),
            is_old=states[probe] is State.STALE,
        )
        for number, probe in known
    ]


def _origin(evidence: Evidence, route: Route, old: Iterable[_Answer]) -> _Origin:
    """Say what makes the old answers old; where it is several, what explains most."""

    def one(probe: Probe) -> _Origin:
        version = probe.executed_version or ""
        if evidence.survived(probe) or (version == LATEST and not route.is_fixed):
            return _Origin.CONTAINER
        is_expected = evidence.digests.get(version) == evidence.expected.digest
        return _Origin.IMAGE if is_expected and version != LATEST else _Origin.VERSION

    found = {one(answer.probe) for answer in old}
    return next(origin for origin in _Origin if origin in found)


def _constant(seen: _Seen) -> Shape | None:
    tally = _tally(seen, seen.old)
    sent = [answer.probe.sent for answer in seen.old]
    span = max(sent) - min(sent)
    # Were as many new as old, all would be old by chance this often.
    by_chance = 0.5**tally.total
    if by_chance > ALPHA or tally.rounds < LASTING_ROUNDS or span < LASTING_S:
        return None
    match seen.origin:
        case _Origin.VERSION:
            cause = Cause.ROUTING
            why = f"{seen.route.qualifier} serves {_names(seen.route.versions)}"
        case _Origin.IMAGE:
            cause, why = Cause.IMAGE, f"{_versions(seen.old)} holds the expected image"
        case _Origin.CONTAINER:
            cause, why = _old_or_made_old(seen, since=min(sent))
    said = f"{tally} over {span:.0f} s are old, from {_versions(seen.old)}; {why}"
    return Shape(ShapeKind.CONSTANT, said, cause)


def _old_or_made_old(seen: _Seen, *, since: float) -> tuple[Cause, str]:
    """Tell old containers from an image that is old inside, of which new containers are old."""
    late = {a.container for a in seen.old if a.probe.sent - coverage.age(_crumb(a)) >= since}
    if late:
        return Cause.IMAGE, f"{len(late)} of them were born after the first probe was sent"
    is_before = _crumb(_youngest(seen.old)).born < seen.evidence.updated
    moment = "after the update" if is_before else "since the first probe was sent"
    return Cause.DRAINING, f"none of them was born {moment}"


def _shrinking(seen: _Seen) -> Shape | None:
    first, later = _halves(seen)
    chance = _chance_of_fall(first, later)
    if chance > ALPHA:
        return None
    said = f"at first {first} are old, then {later}: a fall (p = {chance:.2g}, Fisher's exact test)"
    match seen.origin:
        case _Origin.VERSION:
            return Shape(ShapeKind.SHRINKING, said, Cause.PROPAGATION)
        case _Origin.IMAGE:
            return Shape(ShapeKind.SHRINKING, said, Cause.IMAGE)
        case _Origin.CONTAINER:
            said = f"{said}; {_age_of_youngest(seen)}"
            return Shape(ShapeKind.SHRINKING, said, Cause.DRAINING)


def _by_age(seen: _Seen) -> Shape | None:
    if seen.origin is not _Origin.CONTAINER:
        return None
    youngest = _crumb(_youngest(seen.old)).born
    if any(_crumb(answer).born <= youngest for answer in seen.new):
        return None
    tally = _tally(seen, [*seen.old, *seen.new])
    # Old ones that were born before the update are explained; others may be first by chance.
    if youngest >= seen.evidence.updated and 1 / comb(tally.total, tally.old) > ALPHA:
        return None
    said = f"{tally} are old, and were born before all others; {_age_of_youngest(seen)}"
    return Shape(ShapeKind.BY_AGE, said, Cause.DRAINING)


def _fraction(seen: _Seen) -> Shape | None:
    first, later = _halves(seen)
    old = first.old + later.old
    most = min(old, first.total)
    steepest = _chance_of_fall(replace(first, old=most), replace(later, old=old - most))
    if steepest > ALPHA or _rises(seen):
        return None  # too few to show a fall if there were one, or no share that stays
    match seen.origin:
        case _Origin.VERSION:
            cause = Cause.WEIGHTS
            why = f"old ones come from {_versions(seen.old)}, new ones from {_versions(seen.new)}"
            if not {a.probe.executed_version for a in seen.old} <= seen.route.versions.keys():
                why += f", though {seen.route.qualifier} shows {_names(seen.route.versions)} alone"
        case _Origin.IMAGE:
            cause, why = Cause.IMAGE, f"{_versions(seen.old)} holds the expected image"
        case _Origin.CONTAINER:
            cause, why = Cause.PARTITIONS, "age does not tell old containers from new ones"
    said = f"at first {first} are old, then {later}: a share that stays; {why}"
    return Shape(ShapeKind.FRACTION, said, cause)


def _unclear(seen: _Seen) -> Shape:
    tally = _tally(seen, [*seen.old, *seen.new])
    if not seen.new:
        wanted = f"5 {tally.unit} in {LASTING_ROUNDS} rounds over {LASTING_S:g} s"
        why = f"too few to tell; {wanted}, or one that is new, would"
    elif _rises(seen):
        why = "their share grows from the first half of the rounds to the second"
    else:
        why = "too few to tell whether their share falls or stays; more rounds would"
    cause = Cause.IMAGE if seen.origin is _Origin.IMAGE else Cause.NOTHING
    return Shape(ShapeKind.UNCLEAR, f"{tally} are old: {why}", cause)


def _tally(seen: _Seen, answers: Sequence[_Answer]) -> _Tally:
    """Count answers, or each container once, where it is the container that makes it old."""
    rounds = len({answer.number for answer in answers})
    if seen.origin is not _Origin.CONTAINER:
        return _Tally(sum(answer.is_old for answer in answers), len(answers), "answers", rounds)
    containers = {(answer.container, answer.is_old) for answer in answers}
    return _Tally(sum(old for _, old in containers), len(containers), "containers", rounds)


def _halves(seen: _Seen) -> tuple[_Tally, _Tally]:
    answers = [*seen.old, *seen.new]
    numbers = sorted({answer.number for answer in answers})
    early = set(numbers[: len(numbers) // 2])
    return (
        _tally(seen, [answer for answer in answers if answer.number in early]),
        _tally(seen, [answer for answer in answers if answer.number not in early]),
    )


def _chance_of_fall(first: _Tally, later: _Tally) -> float:
    """Return how often chance would put so many of the old ones, or more, into the first half."""
    return chance_of_more(first.old, first.total, later.old, later.total)


def _rises(seen: _Seen) -> bool:
    first, later = _halves(seen)
    return _chance_of_fall(later, first) <= ALPHA


def _youngest(answers: Iterable[_Answer]) -> _Answer:
    """Return the last answer of the container that was born last."""
    return max(answers, key=lambda answer: (_crumb(answer).born, answer.probe.sent))


def _age_of_youngest(seen: _Seen) -> str:
    return f"the youngest old one is {coverage.age(_crumb(_youngest(seen.old))):.0f} s old"


def _crumb(answer: _Answer) -> Breadcrumb:
    assert answer.probe.breadcrumb is not None
    return answer.probe.breadcrumb


def _versions(answers: Iterable[_Answer]) -> str:
    return _names(answer.probe.executed_version or "unknown" for answer in answers)


def _names(versions: Iterable[str]) -> str:
    found = sorted(set(versions))
    if found == [LATEST]:
        return LATEST
    return f"{'version' if len(found) == 1 else 'versions'} {' and '.join(found)}"
