"""Does the model end as the command line does? A sample of the grid, played for real."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.cloud_model import stage
from benchmarks.cloud_model.methods import Outcome, deployguard
from benchmarks.cloud_model.pool import COLD_S, Cloud
from benchmarks.cloud_model.scenario import Scenario
from benchmarks.cloud_model.stage import Played
from deployguard.exact import chance_of_more
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from deployguard.model import Verdict

VERDICTS = (Verdict.FRESH, Verdict.STALE, Verdict.INCONCLUSIVE)
AT_ONCE = 6  # real runs, most of whose time is waiting
SIMULATED = 400
RESAMPLED = 2000
ALPHA = 0.001  # how often chance alone may break off the whole comparison
SCENARIOS = {
    "good, mru": Scenario(old=0),
    "good, lru, 100 containers": Scenario(size=100, old=0, routing="lru"),
    "one old, mru": Scenario(),
    "one old, random": Scenario(routing="random"),
    "one old of 100, mru": Scenario(size=100),
    "all old, mru": Scenario(old=30),
    "good, 3 partitions": Scenario(old=0, partitions=3),
    "one old, 6 partitions": Scenario(partitions=6),
    "one old, 40 % busy": Scenario(load=0.4),
    "half old, gone within the grace": Scenario(old=15, lasting_s=4.0, grace_s=8.0),
    "half old, gone after the grace": Scenario(old=15, lasting_s=60.0, grace_s=3.0),
    "alias, arrives within the grace": Scenario(move="step", lasting_s=4.0, grace_s=8.0),
    "alias, arrives after the grace": Scenario(move="ramp", lasting_s=60.0, grace_s=3.0),
}


@dataclass(frozen=True)
class Compared:
    """A scenario as it ended for real, and in the model."""

    name: str
    real: tuple[Played, ...]
    model: tuple[Outcome, ...]
    is_timed: bool  # where time decides how many probes there are, which a model has its own of

    @property
    def sides(self) -> dict[str, Sequence[Played | Outcome]]:
        """Return the runs of both, by name."""
        return {"real": self.real, "model": self.model}

    @property
    def chance(self) -> float:
        """Return how often chance makes verdicts differ so much, by Fisher's exact test."""
        ours, theirs = (Counter(run.verdict for run in runs) for runs in self.sides.values())
        counts = (
            (ours[verdict], len(self.real), theirs[verdict], len(self.model))
            for verdict in VERDICTS
        )
        return min(
            min(chance_of_more(a, of_a, b, of_b), chance_of_more(b, of_b, a, of_a))
            for a, of_a, b, of_b in counts
        )

    @property
    def probes_agree(self) -> bool:
        """Say whether the mean of the probes is one that as many runs of the model have."""
        chance, probes = random.Random(self.name), [run.probes for run in self.model]
        means = [mean(chance.choices(probes, k=len(self.real))) for _ in range(RESAMPLED)]
        return self.is_timed or min(means) <= mean(run.probes for run in self.real) <= max(means)

    @property
    def agrees(self) -> bool:
        """Say whether both ended alike; the number of tests is allowed for."""
        return self.chance >= ALPHA / (2 * len(VERDICTS) * len(SCENARIOS)) and self.probes_agree


def compare(*, runs: int, seed: int) -> Iterator[Compared]:
    """Play each scenario of the sample, and run it in the model."""
    with running_lab() as lab, tempfile.TemporaryDirectory() as folder:
        for number, (name, scenario) in enumerate(SCENARIOS.items()):
            root = Path(folder) / f"{number}"
            root.mkdir()
            real = _played(lab, scenario, runs=runs, root=root)
            model = tuple(_modelled(scenario, seed=seed))
            yield Compared(name, real, model, is_timed=scenario.changed_at == 0.0)


def _played(lab: Client, scenario: Scenario, *, runs: int, root: Path) -> tuple[Played, ...]:
    names = [f"bench-{root.name}-{run}" for run in range(runs)]
    stage.turn(lab, scenario, names)
    with ThreadPoolExecutor(AT_ONCE) as crew:
        list(crew.map(lambda name: stage.prepare(lab, scenario, name=name), names))
        lab.set(cold_start_s=COLD_S)
        ended = tuple(
            crew.map(lambda name: stage.judge(lab, scenario, name=name, folder=root / name), names)
        )
    lab.kill_containers()
    return ended


def _modelled(scenario: Scenario, *, seed: int) -> Iterator[Outcome]:
    runs = SIMULATED if scenario.changed_at < 0 else SIMULATED // 4
    for run in range(runs):
        yield deployguard(Cloud(scenario, random.Random(f"{seed} {scenario} {run}")), 0)
