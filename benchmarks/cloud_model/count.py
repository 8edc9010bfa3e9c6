"""Run methods in a scenario many times, and count how they end."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from benchmarks.cloud_model.methods import METHODS, OURS, Outcome
from benchmarks.cloud_model.pool import Cloud
from benchmarks.cloud_model.scenario import Scenario
from deployguard.model import Verdict

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Result:
    """How the runs of one method in one scenario ended."""

    runs: int
    fresh: int
    stale: int
    inconclusive: int
    false_fresh: int
    probes: float  # the mean
    per_container: float  # the mean of probes by containers, which is 1 at best
    wall_s: float  # the mean, of the model


@dataclass(frozen=True)
class Job:
    """A scenario that is to be run so often."""

    scenario: Scenario
    runs: int
    seed: int
    methods: Sequence[str] = tuple(METHODS)


def tally(job: Job) -> dict[str, Result]:
    """Run every method on the same clouds; return what each came to."""
    ended: dict[str, list[tuple[Outcome, int]]] = {name: [] for name in job.methods}
    for number in range(job.runs):
        probes = 0
        for name in job.methods:
            cloud = Cloud(job.scenario, random.Random(f"{job.seed} {job.scenario} {number}"))
            outcome = METHODS[name](cloud, probes)
            probes = outcome.probes if name == OURS else probes
            ended[name].append((outcome, cloud.size))
    return {name: _result(outcomes) for name, outcomes in ended.items()}


def _result(ended: Sequence[tuple[Outcome, int]]) -> Result:
    verdicts = [outcome.verdict for outcome, _ in ended]
    return Result(
        runs=len(ended),
        fresh=verdicts.count(Verdict.FRESH),
        stale=verdicts.count(Verdict.STALE),
        inconclusive=verdicts.count(Verdict.INCONCLUSIVE),
        false_fresh=sum(outcome.is_false_fresh for outcome, _ in ended),
        probes=round(mean(outcome.probes for outcome, _ in ended), 1),
        per_container=round(mean(outcome.probes / size for outcome, size in ended), 2),
        wall_s=round(mean(outcome.wall_s for outcome, _ in ended), 1),
    )


def upper_bound(hits: int, runs: int, *, confidence: float = CONFIDENCE) -> float:
    """Return Clopper and Pearson's one-sided upper bound on a share."""
    if hits >= runs:
        return 1.0
    low, high = hits / runs, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = (
            math.lgamma(runs + 1) - math.lgamma(k + 1) - math.lgamma(runs - k + 1)
            + k * math.log(middle) + (runs - k) * math.log1p(-middle)
            for k in range(hits + 1)
        )  # fmt: skip
        above = math.fsum(math.exp(term) for term in terms) > 1 - confidence
        low, high = (middle, high) if above else (low, middle)
    return high


def bound_of_all(results: Iterable[Result]) -> tuple[int, int, float]:
    """Return the false FRESH of all runs, how many runs there were, and the bound on the share."""
    found = list(results)
    wrong, runs = sum(each.false_fresh for each in found), sum(each.runs for each in found)
    return wrong, runs, upper_bound(wrong, runs)
