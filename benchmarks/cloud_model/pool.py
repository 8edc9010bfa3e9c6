"""The model: warm containers that are taken and given back, and what a canary learns of them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.cloud_model.scenario import ANY, Scenario
from deployguard.model import LATEST, Answer, Breadcrumb, Probe, Round, Stamp

UPDATED, BORN = -601.0, -600.0  # the build ids alone tell old containers from new ones
TRIP_S, COLD_S = 0.01, 0.3
APART_S = 5e-5  # between two requests of a burst
LARGEST = 200
NEW, OLD = Stamp("new"), Stamp("old")
BEFORE, AFTER = "1", "2"  # what an alias served, and what it is moved to


@dataclass
class Container:
    """One warm process."""

    name: str
    stamp: Stamp
    version: str
    born: float = BORN
    served: int = 3


@dataclass
class Pool:
    """The containers of a version, in partitions that do not share; a request meets one."""

    version: str
    scenario: Scenario
    chance: random.Random
    parts: list[list[Container]] = field(init=False)  # idle; the last used at the end
    made: int = 0

    def __post_init__(self) -> None:
        """Start with nothing warm."""
        self.parts = [[] for _ in range(self.scenario.partitions)]

    def new(self, stamp: Stamp, *, born: float = BORN, served: int = 3) -> Container:
        """Start a container."""
        self.made += 1
        return Container(f"{self.version} {self.made:031x}", stamp, self.version, born, served)

    def take(self, *, at: float) -> tuple[list[Container], Container]:
        """Take an idle container as the routing policy does, or start one."""
        part = self.chance.choice(self.parts)
        if not part:
            return part, self.new(NEW, born=at + COLD_S, served=0)
        places = {"mru": -1, "lru": 0}
        place = places.get(self.scenario.routing)
        return part, part.pop(self.chance.randrange(len(part)) if place is None else place)


Taken = tuple[list[Container], Container]


class Cloud:
    """A function with warm containers, some of them old, and callers who keep some busy."""

    def __init__(self, scenario: Scenario, chance: random.Random) -> None:
        """Warm the containers, and let the callers take theirs."""
        self.scenario, self.chance = scenario, chance
        versions = (BEFORE, AFTER) if scenario.move else (LATEST,)
        self.pools = {version: Pool(version, scenario, chance) for version in versions}
        self.size = scenario.size
        if self.size == ANY:
            self.size = round(math.exp(chance.uniform(0, math.log(LARGEST))))
        self._warm(self.pools[versions[0]])
        self.busy: list[Taken] = []
        self._serve_callers()

    def _warm(self, pool: Pool) -> None:
        old = self.size if self.scenario.move else min(self.scenario.old, self.size)
        stamps = [OLD] * old + [NEW] * (self.size - old)
        self.chance.shuffle(stamps)
        for stamp in stamps:
            self.chance.choice(pool.parts).append(pool.new(stamp))

    def _serve_callers(self) -> None:
        """Let the callers take as many containers as they keep busy."""
        pool = next(iter(self.pools.values()))
        wanted = round(self.scenario.load * self.size)
        self.busy += [pool.take(at=BORN) for _ in range(wanted - len(self.busy))]

    def is_old_left(self, at: float) -> bool:
        """Say whether a caller might still be answered by an old container."""
        if at - self.scenario.changed_at >= self.scenario.lasting_s:
            return False
        pools = self.pools.values()
        idle = (container for pool in pools for part in pool.parts for container in part)
        busy = (container for _, container in self.busy)
        return any(c.stamp is OLD for containers in (idle, busy) for c in containers)

    def invoke(self, *, at: float) -> Taken:
        """Choose the container that answers a request."""
        return self.pools[self._version(at)].take(at=at)

    def _version(self, at: float) -> str:
        """Return the version that serves a request, as far as the alias's move has arrived."""
        if not self.scenario.move:
            return LATEST
        arrived = (at - self.scenario.changed_at) / (self.scenario.lasting_s or 1e-9)
        if self.scenario.move == "step":
            return AFTER if arrived >= 1 else BEFORE
        return AFTER if self.chance.random() < arrived else BEFORE

    def give_back(self, taken: Iterable[Taken]) -> None:
        """Let containers be idle again."""
        for part, container in taken:
            part.append(container)

    def pass_until(self, at: float) -> None:
        """Let the old containers of $LATEST go when it is time."""
        if not self.scenario.move and not self.is_old_left(at):
            for part in self.pools[LATEST].parts:
                part[:] = [container for container in part if container.stamp is NEW]

    def burst(self, number: int, size: int, *, started: float, hold_s: float) -> Round:
        """Answer so many canaries at once, each of which holds its container for so long."""
        self.pass_until(started)
        self._serve_callers()
        taken, probes = [], []
        for place in range(size):
            sent = started + place * APART_S
            part, container = self.invoke(at=sent)
            is_cold = container.served == 0
            trip_s = TRIP_S * (1 if is_cold else self.chance.uniform(0.5, 2))
            received = (container.born if is_cold else sent) + trip_s
            container.served += 1
            taken.append((part, container))
            probes.append(self._probe(container, sent=sent, received=received, hold_s=hold_s))
        if self.scenario.roaming:
            taken += self.busy
            self.busy = []
        self.chance.shuffle(taken)
        self.give_back(taken)
        return Round(number, started, 0.1, size * APART_S, size, tuple(probes))

    def _probe(self, container: Container, *, sent: float, received: float, hold_s: float) -> Probe:
        """Write what the client would note of one held canary."""
        released = received + hold_s
        crumb = Breadcrumb(
            nonce="",
            stamp=container.stamp,
            stamp_error=None,
            container=container.name,
            born=container.born,
            received=received,
            released=released,
            invocation=container.served,
            function_version=container.version,
            log_stream=container.name,
            request_id="",
            initialization_type="on-demand",
            uptime_s=released - container.born,
            remaining_ms=None,
        )
        return Probe(
            self.scenario.qualifier,
            sent,
            released + TRIP_S,
            Answer.BREADCRUMB,
            "",
            container.version,
            crumb,
        )
