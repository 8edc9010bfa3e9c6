"""How often the judge is wrong, over a model of Lambda's pools: `python -m benchmarks.detection`.

The decisions are the product's own (`judge`, `coverage`); only the cloud is a model. Each run
builds a pool of warm containers, some of them stale, and probes until the judge has decided or the
probes are used up. Beside it stand the checks that people write by hand.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush

from deployguard import judge
from deployguard.model import (
    LATEST,
    Answer,
    Breadcrumb,
    Evidence,
    Expected,
    Link,
    Mode,
    Policy,
    Probe,
    Round,
    Route,
    Stamp,
    Verdict,
)

UPDATED, BORN = -601.0, -600.0  # the build ids alone tell old containers from new ones
HOLD_S = 0.5
TRIP_S = 0.01
COLD_S = 0.3
PAUSE_S = 2.0
ACCOUNT_SHARE = 500  # half of the usual account limit of 1,000
NEW, OLD = Stamp("new"), Stamp("old")
DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Scenario:
    """One row of the table."""

    routing: str = "mru"
    partitions: int = 1
    stale: float = 1  # a number of containers from 1 up, a share below
    foreign: float = 0.0  # share of the pool that other traffic holds during a round

    def __str__(self) -> str:
        """Name the row."""
        what = {0.0: "none stale", 1.0: "one stale"}.get(self.stale, f"{self.stale:.0%} stale")
        load = f", {self.foreign:.0%} busy" if self.foreign else ""
        return f"{self.routing}, {self.partitions} part{'s'[: self.partitions - 1]}, {what}{load}"


@dataclass
class Container:
    """One warm process."""

    name: str
    stamp: Stamp
    born: float
    served: int = 0


@dataclass
class Pool:
    """Warm containers in partitions that do not share; a request meets one partition."""

    scenario: Scenario
    chance: random.Random
    parts: list[list[Container]] = field(default_factory=list)  # idle; the last used at the end
    made: int = 0

    @classmethod
    def warm(cls, scenario: Scenario, chance: random.Random) -> Pool:
        """Make a pool of 1 to 200 containers, small ones as likely as large ones by their log."""
        pool = cls(scenario, chance, [[] for _ in range(scenario.partitions)])
        size = round(math.exp(chance.uniform(0, math.log(200))))
        stale = scenario.stale
        old = int(stale) if stale >= 1 or not stale else max(1, round(stale * size))
        stamps = [OLD] * old + [NEW] * (size - old)
        chance.shuffle(stamps)
        for stamp in stamps:
            container = Container(pool.name(), stamp, BORN, served=3)
            chance.choice(pool.parts).append(container)
        return pool

    def name(self) -> str:
        """Return a new container's id."""
        self.made += 1
        return f"{self.made:032x}"

    def take(self, part: list[Container]) -> Container | None:
        """Take an idle container as the routing policy does; none means a cold start."""
        if not part:
            return None
        places = {"mru": -1, "lru": 0, "random": self.chance.randrange(len(part))}
        return part.pop(places[self.scenario.routing])

    def held_by_others(self) -> list[tuple[list[Container], Container]]:
        """Let other traffic take its share before a round."""
        busy = []
        for _ in range(round(self.scenario.foreign * sum(map(len, self.parts)))):
            part = self.chance.choice([part for part in self.parts if part])
            if (container := self.take(part)) is not None:
                container.served += 5
                busy.append((part, container))
        return busy

    def round(self, number: int, size: int, started: float) -> Round:
        """Answer one burst that holds every container it meets."""
        busy = self.held_by_others()
        probes = []
        for place in range(size):
            part = self.chance.choice(self.parts)
            container, sent = self.take(part), started + place * 1e-5
            if container is None:
                container = Container(self.name(), NEW, sent + COLD_S)
                received = container.born + TRIP_S
            else:
                received = sent + TRIP_S * self.chance.uniform(0.5, 2)
            container.served += 1
            busy.append((part, container))
            probes.append(probe_of(container, sent=sent, received=received))
        self.chance.shuffle(busy)
        for part, container in busy:
            part.append(container)
        return Round(number, started, 0.1, size * 1e-5, size, tuple(probes))


def probe_of(container: Container, *, sent: float, received: float) -> Probe:
    """Write what the client would note of one held canary."""
    crumb = Breadcrumb(
        nonce="",
        stamp=container.stamp,
        stamp_error=None,
        container=container.name,
        born=container.born,
        received=received,
        released=received + HOLD_S,
        invocation=container.served,
        function_version=LATEST,
        log_stream=container.name,
        request_id="",
        initialization_type="on-demand",
        uptime_s=received + HOLD_S - container.born,
        remaining_ms=None,
    )
    answered = received + HOLD_S + TRIP_S
    return Probe(LATEST, sent, answered, Answer.BREADCRUMB, "", LATEST, crumb)


def judged(pool: Pool) -> tuple[Verdict, int]:
    """Probe as the product does until it has decided or its probes are used up."""
    evidence = Evidence(
        expected=Expected(DIGEST, NEW.build_id, Link.VERIFIED),
        policy=Policy(),
        mode=Mode(),
        routes=(Route("direct", LATEST, {LATEST: 1.0}),),
        digests={LATEST: DIGEST},
        changed_at=-Policy.grace_s,
        updated=UPDATED,
    )
    spent = 0
    while True:
        ruling = judge.ruling(evidence)
        left = min(Policy.max_probes - spent, ACCOUNT_SHARE)
        if ruling.decided or left <= 0:
            return ruling.verdict, spent
        size = judge.next_size(evidence, evidence.routes[0], ceiling=left)
        number = len(evidence.rounds) + 1
        fired = pool.round(number, size, number * PAUSE_S)
        spent += size
        evidence = replace(evidence, rounds=(*evidence.rounds, fired))


def naive(pool: Pool, starts: list[float], *, lasting: float) -> tuple[Verdict, int]:
    """Invoke at these times and believe what answers."""
    running: list[tuple[float, int, list[Container], Container]] = []
    stale = False
    for place, start in enumerate(sorted(starts)):
        while running and running[0][0] <= start:
            _, _, part, container = heappop(running)
            part.append(container)
        part = pool.chance.choice(pool.parts)
        container = pool.take(part) or Container(pool.name(), NEW, start)
        stale = stale or container.stamp is OLD
        heappush(running, (start + lasting, place, part, container))
    return (Verdict.STALE if stale else Verdict.FRESH), len(starts)


def once(pool: Pool) -> tuple[Verdict, int]:
    """Invoke once."""
    return naive(pool, [0.0], lasting=0.02)


def in_a_row(pool: Pool) -> tuple[Verdict, int]:
    """Invoke 20 times, one after the other."""
    return naive(pool, [n * 0.1 for n in range(20)], lasting=0.02)


def at_once_without_hold(pool: Pool) -> tuple[Verdict, int]:
    """Invoke 20 times from threads, which start over some 0.3 s; each lasts 20 ms."""
    return naive(pool, [pool.chance.uniform(0, 0.3) for _ in range(20)], lasting=0.02)


Method = Callable[[Pool], tuple[Verdict, int]]
METHODS: dict[str, Method] = {
    "deployguard": judged,
    "1 invoke": once,
    "20 in a row": in_a_row,
    "20 at once, no hold": at_once_without_hold,
}
SCENARIOS = (
    *(Scenario(routing) for routing in ("mru", "lru", "random")),
    *(Scenario(routing, stale=0.3) for routing in ("mru", "lru", "random")),
    *(Scenario("mru", partitions) for partitions in (2, 3, 6)),
    Scenario("random", 3),
    Scenario("mru", foreign=0.1),
    Scenario("mru", stale=0),
    Scenario("mru", 3, stale=0),
    Scenario("mru", stale=0, foreign=0.1),
)


def tally(job: tuple[Scenario, str, int, int]) -> tuple[Counter[Verdict], int]:
    """Run one method many times; return its verdicts and the probes used."""
    scenario, method, runs, seed = job
    verdicts: Counter[Verdict] = Counter()
    probes = 0
    for number in range(runs):
        chance = random.Random(f"{seed} {scenario} {number}")
        verdict, used = METHODS[method](Pool.warm(scenario, chance))
        verdicts[verdict] += 1
        probes += used
    return verdicts, probes


def upper_bound(hits: int, runs: int, *, confidence: float = 0.95) -> float:
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


def row(scenario: Scenario, method: str, verdicts: Counter[Verdict], probes: int) -> str:
    """Write one line of the table."""
    runs = sum(verdicts.values())
    fresh, stale = verdicts[Verdict.FRESH], verdicts[Verdict.STALE]
    wrong = f"{fresh / runs:8.3%} (<={upper_bound(fresh, runs):.3%})" if scenario.stale else "-"
    return (
        f"{scenario!s:<34}{method:<21}{wrong:>20}{stale / runs:10.2%}{fresh / runs:10.2%}"
        f"{verdicts[Verdict.INCONCLUSIVE] / runs:10.2%}{probes / runs:9.1f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="per row (default 200)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    options = parser.parse_args()
    jobs = [
        (scenario, method, options.runs, options.seed)
        for scenario in SCENARIOS
        for method in METHODS
        if options.only in f"{scenario} {method}"
    ]
    print(f"pools of 1 to 200 warm containers, {options.runs} runs a row, seed {options.seed}")
    print(
        f"{'scenario':<34}{'method':<21}{'false FRESH (95 %)':>20}{'STALE':>10}{'FRESH':>10}"
        f"{'INCONCL.':>10}{'probes':>9}"
    )
    began = time.monotonic()
    with ProcessPoolExecutor(options.workers) as workers:
        results = workers.map(tally, jobs)
        for (scenario, method, _, _), (verdicts, probes) in zip(jobs, results, strict=True):
            print(row(scenario, method, verdicts, probes), flush=True)
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
