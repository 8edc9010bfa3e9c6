"""What separates the invocations that failed from those that succeeded, by exact tests.

Each factor is tested in one direction, which was chosen before anything was looked at: warm, older,
later and fuller containers fail, or one container, one version, one input. Some of them will look
telling by chance, so what is called proof must come by chance at most once in 20, divided by the
number of factors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deployguard.exact import ALPHA, Split, chance_of_more, split
from deployguard.executions.failures import Trial


class Factor(StrEnum):
    """What may separate outcomes."""

    WARMTH = "cold or warm"
    AGE = "age of the container"
    ORDINAL = "number of the invocation in its container"
    MEMORY = "memory used"
    CONTAINER = "container"
    VERSION = "version"
    INPUT = "input"


@dataclass(frozen=True)
class Separation:
    """How well one factor separates outcomes, in numbers and in words."""

    factor: Factor
    seen: str
    chance: float  # of looking so by accident; 1 where nothing can be compared
    is_perfect: bool = False
    split: Split | None = None

    @property
    def is_proof(self) -> bool:
        """Say whether it is no accident, though all the factors were looked at."""
        return self.chance * len(Factor) <= ALPHA

    def __str__(self) -> str:
        """Return what was seen, and how often that comes by accident."""
        perfect = ", a perfect separation" if self.is_perfect else ""
        by_chance = f" (by chance {self.chance:.2g}{perfect})" if self.chance < 1 else ""
        return f"{self.seen}{by_chance}"


def all_of(trials: Sequence[Trial], factors: Iterable[Factor] = Factor) -> tuple[Separation, ...]:
    """Test factors; the one that separates best comes first."""
    found = (TESTS[factor](trials) for factor in factors)
    told = (separation for separation in found if separation is not None)
    return tuple(sorted(told, key=lambda each: (not each.is_perfect, each.chance)))


def by_warmth(trials: Sequence[Trial]) -> Separation | None:
    """Test whether warm containers fail and cold ones do not."""
    told = [
        (trial.invocation.is_cold, trial.has_failed)
        for trial in _first_tries(trials)
        if trial.invocation is not None and trial.invocation.is_cold is not None
    ]
    if not told:
        return None
    warm = [failed for is_cold, failed in told if not is_cold]
    cold = [failed for is_cold, failed in told if is_cold]
    seen = f"{_failed(warm)} warm, {_failed(cold)} cold"
    if not cold or not warm:
        seen += f": unproven, because no {'cold' if not cold else 'warm'} one is known"
    return Separation(
        Factor.WARMTH,
        seen,
        chance_of_more(sum(warm), len(warm), sum(cold), len(cold)) if warm else 1.0,
        is_perfect=bool(warm and cold) and all(warm) and not any(cold),
    )


def by_age(trials: Sequence[Trial]) -> Separation | None:
    """Test whether old containers fail and young ones do not.

    Where a stream was not read from its start, an age is known as "at least" only: that is enough
    of one that failed, and of no other.
    """

    def age(trial: Trial) -> float | None:
        invocation = trial.invocation
        if invocation is None:
            return None
        if invocation.is_cold:
            return 0.0
        is_exact = invocation.born is not None or invocation.ordinal is not None
        return invocation.container_age_s if trial.has_failed or is_exact else None

    return _by_size(Factor.AGE, trials, age, unit=" s old")


def by_ordinal(trials: Sequence[Trial]) -> Separation | None:
    """Test whether later invocations of a container fail and earlier ones do not."""

    def ordinal(trial: Trial) -> float | None:
        return trial.invocation.ordinal if trial.invocation else None

    return _by_size(Factor.ORDINAL, trials, ordinal)


def by_memory(trials: Sequence[Trial]) -> Separation | None:
    """Test whether those fail that use more memory."""

    def used(trial: Trial) -> float | None:
        return trial.invocation.used_mb if trial.invocation else None

    return _by_size(Factor.MEMORY, trials, used, unit=" MB")


def by_container(trials: Sequence[Trial]) -> Separation | None:
    """Test whether one container fails and the others do not."""
    first = _first_tries(trials)
    told = [(each.invocation.stream, each.has_failed) for each in first if each.invocation]
    return _by_name(Factor.CONTAINER, told)


def by_version(trials: Sequence[Trial]) -> Separation | None:
    """Test whether one version fails and the others do not."""
    told = [(each.version, each.has_failed) for each in trials if each.version and each.is_own]
    return _by_name(Factor.VERSION, told)


def by_input(trials: Sequence[Trial]) -> Separation | None:
    """Test whether an input that failed once fails again, more often than others do at first."""
    told = [trial for trial in trials if trial.item]
    items: dict[str, list[Trial]] = defaultdict(list)
    for trial in sorted(told, key=lambda trial: (trial.number, trial.at)):
        items[trial.item].append(trial)
    first = [tries[0].has_failed for tries in items.values()]
    again = [
        trial.has_failed for tries in items.values() if tries[0].has_failed for trial in tries[1:]
    ]
    if not any(first):
        return None
    seen = f"{_failed(first)} inputs at first, {_failed(again)} when tried again"
    if not again or all(first):
        lacking = "none of them was tried again" if not again else "no other input is known"
        seen += f": unproven, because {lacking}"
    return Separation(
        Factor.INPUT,
        seen,
        chance_of_more(sum(again), len(again), sum(first), len(first)) if again else 1.0,
        is_perfect=bool(again) and all(again) and not all(first),
    )


def _by_name(factor: Factor, told: Iterable[tuple[str, bool]]) -> Separation | None:
    """Test each name against the rest; that each was looked at counts."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for name, has_failed in told:
        outcomes[name].append(has_failed)
    if len(outcomes) < 2:
        return None
    total = sum(map(len, outcomes.values()))
    failed = sum(map(sum, outcomes.values()))

    def one(name: str) -> Separation:
        here = outcomes[name]
        there, of_there = failed - sum(here), total - len(here)
        chance = chance_of_more(sum(here), len(here), there, of_there) * len(outcomes)
        return Separation(
            factor,
            f"{_failed(here)} on {factor} {name}, {there} of {of_there} failed elsewhere",
            min(1.0, chance),
            is_perfect=all(here) and not there,
        )

    return min(map(one, outcomes), key=lambda found: (not found.is_perfect, found.chance))


def _by_size(
    factor: Factor,
    trials: Iterable[Trial],
    size: Callable[[Trial], float | None],
    *,
    unit: str = "",
) -> Separation | None:
    first = _first_tries(trials)
    sizes = [(found, trial.has_failed) for trial in first if (found := size(trial)) is not None]
    bad = [found for found, failed in sizes if failed]
    good = [found for found, failed in sizes if not failed]
    if not bad:
        return None
    if not good:
        seen = f"those that failed were {_span(bad)}{unit}: unproven, because no success is known"
        return Separation(factor, seen, 1.0)
    seen = f"failed: {_span(bad)}{unit}; succeeded: {_span(good)}{unit}"
    found_at = split(bad, good)
    if found_at is None:
        return Separation(factor, seen, 1.0)
    return Separation(factor, seen, found_at.chance, is_perfect=found_at.is_perfect, split=found_at)


def _first_tries(trials: Iterable[Trial]) -> list[Trial]:
    """Return what tells of containers: a retry repeats its input, and comes when they are older."""
    return [trial for trial in trials if trial.number == 1]


def _failed(outcomes: Sequence[bool]) -> str:
    return f"{sum(outcomes)} of {len(outcomes)} failed"


def _span(values: Sequence[float]) -> str:
    least, most = f"{min(values):.4g}", f"{max(values):.4g}"
    return least if least == most else f"{least} to {most}"


TESTS: Mapping[Factor, Callable[[Sequence[Trial]], Separation | None]] = {
    Factor.WARMTH: by_warmth,
    Factor.AGE: by_age,
    Factor.ORDINAL: by_ordinal,
    Factor.MEMORY: by_memory,
    Factor.CONTAINER: by_container,
    Factor.VERSION: by_version,
    Factor.INPUT: by_input,
}
