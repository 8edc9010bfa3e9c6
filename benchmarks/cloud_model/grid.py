"""The grid: what is varied, one or two things at a time, around one centre.

The centre is a pool of 30 warm containers of $LATEST, one of them old, in one pool whose most
recently used container serves, with no other caller, long after the change. Each cell is run with
its old containers and, where time alone does not make it good, once more without any.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.cloud_model.scenario import ANY, Scenario

SIZES = (1, 2, 5, 10, 20, 30, 50, 100, 200, 500, 1000, 2000)
LARGE = {200: 4, 500: 10, 1000: 20, 2000: 40}  # with one run in so many, because each is long
ROUTINGS = ("mru", "lru", "random")
PARTITIONS = (2, 3, 4, 5, 6)
LOADS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
LASTING_S = (2.0, 5.0, 10.0, 14.0, 16.0, 20.0, 60.0)
SHARES = (("one", 1), ("10 %", 3), ("50 %", 15), ("all", 30))
UNLIMITED = 100_000


@dataclass(frozen=True)
class Cell:
    """One scenario of a sweep: the line that it belongs to, and its place on the line."""

    sweep: str
    line: str
    x: str
    scenario: Scenario
    one_in: int = 1
    has_good: bool = True

    @property
    def good(self) -> Scenario | None:
        """Return the same without an old container, where that is another scenario."""
        return replace(self.scenario, old=0) if self.has_good else None


def cells() -> Iterator[Cell]:
    """Yield the whole grid."""
    yield from _pool_sizes()
    yield from _shares()
    yield from _routings()
    yield from _loads()
    yield from _propagation()
    yield from _draining()


def _pool_sizes() -> Iterator[Cell]:
    for size in SIZES:
        one_in = 2 if size > 100 else 1
        yield Cell("pool size", "default limits", f"{size}", Scenario(size=size), one_in)
    for size, one_in in LARGE.items():
        raised = Scenario(size=size, max_probes=UNLIMITED, free=UNLIMITED)
        yield Cell("pool size", "raised limits", f"{size}", raised, one_in)


def _shares() -> Iterator[Cell]:
    for routing in ROUTINGS:
        for x, old in SHARES:
            yield Cell("old share", routing, x, Scenario(old=old, routing=routing), has_good=False)


def _routings() -> Iterator[Cell]:
    for line, size in (("30 containers", 30), ("1 to 200 containers", ANY)):
        for routing in ROUTINGS:
            yield Cell("routing", line, routing, Scenario(size=size, routing=routing))
        for partitions in PARTITIONS:
            scenario = Scenario(size=size, partitions=partitions)
            yield Cell("routing", line, f"{partitions} partitions", scenario)


def _loads() -> Iterator[Cell]:
    for line, roaming in (("the same containers", False), ("others in each round", True)):
        for load in LOADS:
            scenario = Scenario(load=load, roaming=roaming)
            yield Cell("production load", line, f"{load:.0%}".replace("%", " %"), scenario)


def _propagation() -> Iterator[Cell]:
    for move, line in (("step", "all at once"), ("ramp", "fewer and fewer")):
        for seconds in LASTING_S:
            scenario = Scenario(move=move, lasting_s=seconds)
            yield Cell("propagation", line, f"{seconds:g} s", scenario, has_good=False)


def _draining() -> Iterator[Cell]:
    for line, old, partitions in (
        ("one old", 1, 1),
        ("half old", 15, 1),
        ("half old, 3 partitions", 15, 3),
    ):
        for seconds in LASTING_S:
            scenario = Scenario(old=old, partitions=partitions, lasting_s=seconds)
            yield Cell("draining", line, f"{seconds:g} s", scenario, 3, has_good=False)
