"""How to find old containers: as deployguard does, and as people and other tools do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from benchmarks.cloud_model.pool import AFTER, BEFORE, NEW, OLD, UPDATED, Cloud, Taken
from benchmarks.cloud_model.scenario import Scenario
from deployguard import hold, judge
from deployguard.model import (
    LATEST,
    Evidence,
    Expected,
    Link,
    Mode,
    Policy,
    Route,
    Verdict,
)

FEW = 50  # probes at once on a route to published versions
TIMEOUT_S = 300.0
LONGEST_HOLD_MS = 10_000
BETWEEN_S = 0.02  # rounds: the judge's own work
INVOCATION_S = 0.02
NEXT_S = 0.1  # from one invocation to the next, one after the other
THREADS_S = 0.3  # over which threads begin that were started at once, at a thousand a second
POLL_S, POLLS = 5.0, 24
DIGEST, OTHER_DIGEST = "sha256:" + "0" * 64, "sha256:" + "1" * 64


@dataclass(frozen=True)
class Outcome:
    """How one run of a method ended."""

    verdict: Verdict
    probes: int
    wall_s: float  # of the model
    is_old_left: bool  # callers may still meet an old container

    @property
    def is_false_fresh(self) -> bool:
        """Say whether it called fresh what was not."""
        return self.verdict is Verdict.FRESH and self.is_old_left


def deployguard(cloud: Cloud, _probes: int) -> Outcome:
    """Probe as the product does, and let its own judge decide."""
    evidence, now, spent = _evidence(cloud.scenario), 0.0, 0
    route = evidence.routes[0]
    most = FEW if route.is_fixed else cloud.scenario.free
    while True:
        ruling = judge.ruling(evidence)
        left = evidence.policy.max_probes - spent
        now = max(now, min(ruling.routes[0].resume_at, TIMEOUT_S))
        if ruling.decided or left <= 0 or now >= TIMEOUT_S:
            return Outcome(ruling.verdict, spent, now, cloud.is_old_left(now))
        size = judge.next_size(evidence, route, ceiling=min(left, most))
        hold_ms = hold.next_ms(evidence.rounds, size, asked_ms=None, longest_ms=LONGEST_HOLD_MS)
        number = len(evidence.rounds) + 1
        fired = cloud.burst(number, size, started=now, hold_s=hold_ms / 1000)
        spent += size
        now = max(probe.answered or 0.0 for probe in fired.probes) + BETWEEN_S
        evidence = replace(evidence, rounds=(*evidence.rounds, fired))


def _evidence(scenario: Scenario) -> Evidence:
    """Return what is known before the first probe."""
    serves = AFTER if scenario.move else LATEST
    return Evidence(
        expected=Expected(DIGEST, NEW.build_id, Link.VERIFIED),
        policy=Policy(max_probes=scenario.max_probes, grace_s=scenario.grace_s),
        mode=Mode(),
        routes=(Route("the benchmark", scenario.qualifier, {serves: 1.0}),),
        digests={LATEST: DIGEST, AFTER: DIGEST, BEFORE: OTHER_DIGEST},
        changed_at=scenario.changed_at,
        updated=UPDATED,
    )


def one_invoke(cloud: Cloud, _probes: int) -> Outcome:
    """Invoke once."""
    return _believing(cloud, [0.0])


def in_a_row(cloud: Cloud, probes: int) -> Outcome:
    """Invoke one after the other."""
    return _believing(cloud, [number * NEXT_S for number in range(probes)])


def at_once(cloud: Cloud, probes: int) -> Outcome:
    """Invoke from threads that start over a moment, without holding containers."""
    over_s = max(THREADS_S, probes / 1000)
    return _believing(cloud, sorted(cloud.chance.uniform(0, over_s) for _ in range(probes)))


def _believing(cloud: Cloud, starts: list[float]) -> Outcome:
    """Invoke at these times; one old answer makes it STALE, and none makes it FRESH."""
    running: list[tuple[float, int]] = []
    taken: dict[int, Taken] = {}
    is_stale = False
    for place, start in enumerate(starts):
        while running and running[0][0] <= start:
            cloud.give_back([taken.pop(heappop(running)[1])])
        cloud.pass_until(start)
        part, container = cloud.invoke(at=start)
        is_stale = is_stale or container.stamp is OLD
        taken[place] = part, container
        heappush(running, (start + INVOCATION_S, place))
    cloud.give_back(taken.values())
    verdict = Verdict.STALE if is_stale else Verdict.FRESH
    ended = starts[-1] + INVOCATION_S
    return Outcome(verdict, len(starts), ended, cloud.is_old_left(ended))


def version_gate(cloud: Cloud, _probes: int) -> Outcome:
    """Ask one health endpoint every few seconds until it names the commit, as deploy gates do.

    The configuration, which they read first, is right in each scenario.
    """
    for poll in range(POLLS):
        now = poll * POLL_S
        cloud.pass_until(now)
        part, container = cloud.invoke(at=now)
        cloud.give_back([(part, container)])
        ended = now + INVOCATION_S
        if container.stamp is NEW:
            return Outcome(Verdict.FRESH, poll + 1, ended, cloud.is_old_left(ended))
    return Outcome(Verdict.STALE, POLLS, ended, cloud.is_old_left(ended))


Method = Callable[[Cloud, int], Outcome]  # the number is of probes that deployguard took
OURS = "deployguard"
METHODS: Mapping[str, Method] = {
    OURS: deployguard,
    "as many at once, not held": at_once,
    "as many in a row": in_a_row,
    "one invoke": one_invoke,
    "a version gate": version_gate,
}
