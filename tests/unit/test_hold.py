"""How long probes hold: enough by what was measured; and too little is never taken for proof."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard import coverage, hold
from deployguard.model import LATEST, Answer, Breadcrumb, Claim, Policy, Probe, Round, Stamp


@dataclass
class Container:
    """One that answers canaries, and when it is idle again."""

    name: str
    born: float
    free: float
    served: int = 0


@dataclass
class Pool:
    """Containers that take each probe when it arrives, the last used first, or are started.

    Where one `rests`, it is not used again at once, whatever Lambda promises.
    """

    containers: list[Container]
    cold_s: float = 0.3
    rests_s: float = 0.0

    def burst(self, number: int, trips: Sequence[float], hold_s: float) -> tuple[Round, bool]:
        """Answer probes that take so long to arrive; say whether all came before one was free."""
        started = 100.0 * number
        taken, last, freed = [], 0.0, []
        for place, trip in sorted(enumerate(trips), key=lambda each: each[1]):
            sent, arrived = started + place * 1e-4, started + place * 1e-4 + trip
            container = self._take(arrived)
            received = max(arrived, container.born)
            container.free, container.served = received + hold_s, container.served + 1
            freed.append(container.free)
            if container.born <= arrived:
                last = max(last, arrived)
            taken.append(self._probe(container, sent=sent, received=received, back=trip / 2))
        return Round(number, started, 0.0, 1e-4, len(taken), tuple(taken)), last < min(freed)

    def _take(self, at: float) -> Container:
        idle = [each for each in self.containers if each.free + self.rests_s <= at]
        if idle:
            return max(idle, key=lambda each: each.free)
        self.containers.append(Container(f"c{len(self.containers)}", at + self.cold_s, 0.0))
        return self.containers[-1]

    def _probe(self, container: Container, *, sent: float, received: float, back: float) -> Probe:
        crumb = Breadcrumb(
            nonce="n",
            stamp=Stamp("new"),
            stamp_error=None,
            container=container.name,
            born=1e9 + container.born,
            received=1e9 + received,
            released=1e9 + container.free,
            invocation=container.served,
            function_version=LATEST,
            log_stream=container.name,
            request_id="r",
            initialization_type="on-demand",
            uptime_s=container.free - container.born,
            remaining_ms=None,
        )
        return Probe(LATEST, sent, container.free + back, Answer.BREADCRUMB, "n", LATEST, crumb)


def pool(warm: int, *, cold_s: float = 0.3, rests_s: float = 0.0) -> Pool:
    old = [Container(f"old{n}", -60.0, -50.0, 3) for n in range(warm)]
    return Pool(old, cold_s, rests_s)


def assess(*rounds: Round) -> Claim:
    return coverage.assess(rounds, qualifier=LATEST, policy=Policy()).claim


def next_ms(*rounds: Round, size: int = 10, longest_ms: int = 60_000) -> int:
    return hold.next_ms(rounds, size, asked_ms=None, longest_ms=longest_ms)


trips = st.lists(st.floats(0.001, 1.5), min_size=10, max_size=40)


@settings(max_examples=300)
@given(
    st.integers(0, 8),
    st.lists(trips, min_size=2, max_size=3),
    st.floats(0.0, 2.0),
    st.sampled_from([0.0, 10.0]),
)
def test_a_round_whose_probes_were_not_held_together_is_no_proof(
    warm: int, rounds: list[list[float]], hold_s: float, rests_s: float
) -> None:
    containers = pool(warm, rests_s=rests_s)
    found = [containers.burst(number, each, hold_s) for number, each in enumerate(rounds, 1)]
    if not all(together for _, together in found[-Policy.min_rounds :]):
        assert assess(*(each for each, _ in found)) is not Claim.EXHAUSTIVE


@given(trips)
def test_a_hold_that_was_too_short_is_longer_than_the_latest_arrival_the_next_time(
    late: list[float],
) -> None:
    containers = pool(len(late))
    first, _ = containers.burst(1, late, 0.02)
    second, together = containers.burst(2, late, next_ms(first, size=len(late)) / 1000)
    assert together
    assert not any("--hold-ms" in each for each in shortfalls(second))


def shortfalls(each: Round) -> tuple[str, ...]:
    return coverage.assess([each], qualifier=LATEST, policy=Policy()).shortfalls


def test_the_holds_that_are_derived_reach_the_claim_where_the_first_was_too_short() -> None:
    containers, chance = pool(4), random.Random(3)
    rounds: list[Round] = []
    while assess(*rounds) is not Claim.EXHAUSTIVE and len(rounds) < Policy.max_rounds:
        size = coverage.next_size(rounds, qualifier=LATEST, policy=Policy(), ceiling=500)
        late = [chance.uniform(0.01, 1.2) for _ in range(size)]
        hold_s = next_ms(*rounds, size=size) / 1000
        rounds.append(containers.burst(len(rounds) + 1, late, hold_s)[0])
    assert any("--hold-ms" in each for each in shortfalls(rounds[0]))
    assert assess(*rounds) is Claim.EXHAUSTIVE


def test_what_was_measured_shortens_the_hold_and_a_first_round_takes_an_estimate() -> None:
    near, _ = pool(10).burst(1, [0.01] * 10, 0.5)
    assert next_ms() == 505
    assert next_ms(size=1000) == 1000
    assert next_ms(near) == 105
    assert next_ms(near, size=1000) == 600


def test_a_cold_start_is_waited_for_no_longer_than_an_estimate_says() -> None:
    cold, _ = pool(0).burst(1, [0.01] * 10, 0.5)
    assert next_ms(cold) == 505
    slow, _ = pool(0, cold_s=8.0).burst(1, [0.01] * 10, 0.5)
    assert next_ms(slow) == 505


def test_one_probe_has_none_to_overlap_with() -> None:
    assert next_ms(size=1) == 0


def test_what_was_asked_for_comes_first() -> None:
    assert hold.next_ms((), 1, asked_ms=700, longest_ms=500) == 700
    assert hold.next_ms((), 10, asked_ms=0, longest_ms=500) == 0


def test_no_hold_is_longer_than_the_function_or_its_canary_allows() -> None:
    late, _ = pool(10).burst(1, [9.0] * 10, 0.5)
    assert next_ms(longest_ms=400) == 400
    assert next_ms(late) == 10_000


def test_a_container_that_says_it_held_longer_than_its_probe_took_gains_nothing() -> None:
    (early,) = pool(1).burst(1, [0.01], 0.0)[0].probes
    (late,) = pool(1).burst(1, [0.03], 0.5)[0].probes
    assert early.breadcrumb is not None
    claimed = replace(early.breadcrumb, released=early.breadcrumb.received + 0.06)
    both = Round(1, 100.0, 0.0, 0.0, 2, (replace(early, breadcrumb=claimed), late))
    assert any("free again before the last probe had arrived" in each for each in shortfalls(both))
