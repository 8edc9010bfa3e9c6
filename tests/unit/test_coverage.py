"""When may we say that every idle container was asked: each condition, broken one at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deployguard import coverage
from deployguard.model import (
    LATEST,
    Answer,
    Breadcrumb,
    Claim,
    Coverage,
    Policy,
    Probe,
    Round,
    Stamp,
)

HOLD_S = 0.5
POLICY = Policy()
Change = Callable[[Probe], Probe]


def probe(name: str, *, sent: float, born: float, served: int = 1) -> Probe:
    """Make a probe that met this container; a birth after `sent` makes it wait for that."""
    received = max(sent, born) + 0.01
    crumb = Breadcrumb(
        nonce="n",
        stamp=Stamp("new"),
        stamp_error=None,
        container=name,
        born=1e9 + born,  # the container's clock is not the client's
        received=1e9 + received,
        released=1e9 + received + HOLD_S,
        invocation=served,
        function_version=LATEST,
        log_stream=f"stream {name}",
        request_id="r",
        initialization_type="on-demand",
        uptime_s=received + HOLD_S - born,
        remaining_ms=1000.0,
    )
    answered = received + HOLD_S + 0.01
    return Probe(LATEST, sent, answered, Answer.BREADCRUMB, "n", LATEST, crumb)


def burst(number: int, *, warm: Sequence[str], cold: Sequence[str], was_born: float = -60) -> Round:
    """Make a round that meets old containers and starts new ones."""
    started = 10.0 * number
    probes = [probe(name, sent=started + 0.001, born=was_born, served=3) for name in warm]
    probes += [probe(name, sent=started + 0.002, born=started + 0.2) for name in cold]
    return Round(number, started, 0.1, 0.001, len(probes), tuple(probes))


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{n}" for n in range(count)]


OLD, FIRST, SECOND = names("old", 4), names("first", 6), names("second", 5)
GOOD = (
    burst(1, warm=OLD, cold=FIRST),
    burst(2, warm=OLD + FIRST, cold=SECOND),
)


def assess(rounds: Sequence[Round], policy: Policy = POLICY) -> Coverage:
    return coverage.assess(rounds, qualifier=LATEST, policy=policy)


def changed(rounds: Sequence[Round], number: int, place: int, change: Change) -> tuple[Round, ...]:
    """Change one probe of one round."""
    return tuple(
        replace(
            each,
            probes=tuple(
                change(p) if (each.number, at) == (number, place) else p
                for at, p in enumerate(each.probes)
            ),
        )
        for each in rounds
    )


def crumbled(**parts: object) -> Change:
    """Change fields of a probe's breadcrumb."""

    def change(p: Probe) -> Probe:
        assert p.breadcrumb is not None
        return replace(p, breadcrumb=replace(p.breadcrumb, **parts))  # type: ignore[arg-type]

    return change


def silent(answer: Answer) -> Change:
    return lambda p: replace(p, answer=answer, breadcrumb=None)


def test_two_exhausting_rounds_claim_every_idle_container() -> None:
    found = assess(GOOD)
    assert found.claim is Claim.EXHAUSTIVE
    assert (found.containers, found.cold_starts, found.rounds, found.probes) == (15, 11, 2, 25)
    assert found.stale_upper_bound == 0.0
    assert found.shortfalls == ()
    assert any("only containers that were idle" in line for line in found.assumptions)
    assert any("provisioned concurrency" in line for line in found.assumptions)
    assert not any("diagnostic" in line for line in found.assumptions)


def test_no_breadcrumb_claims_nothing() -> None:
    rounds = [replace(GOOD[0], probes=(silent(Answer.NO_BREADCRUMB)(GOOD[0].probes[0]),))]
    assert assess([]).claim is Claim.NONE
    found = assess(rounds)
    assert (found.claim, found.probes, found.stale_upper_bound) == (Claim.NONE, 1, None)
    assert found.shortfalls == ("no probe was answered with a breadcrumb",)


def test_one_round_is_not_enough() -> None:
    found = assess(GOOD[:1])
    assert found.claim is Claim.SAMPLED
    assert found.stale_upper_bound == pytest.approx(1 - 0.05 ** (1 / 10))
    assert any("diagnostic" in line for line in found.assumptions)
    assert found.shortfalls[-1].startswith("1 more rounds in a row of about 20 probes")


def test_an_unbroken_first_round_counts_where_the_policy_wants_only_one() -> None:
    assert assess(GOOD[:1], replace(POLICY, min_rounds=1)).claim is Claim.EXHAUSTIVE


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (replace(POLICY, min_cold_starts=6), "5 cold starts among 15 probes; 6 would show"),
        (replace(POLICY, pool_factor=4), "15 probes are fewer than 4 times the 4 containers"),
        (replace(POLICY, min_rounds=3), "1 more rounds in a row"),
    ],
)
def test_a_stricter_policy_is_not_met(policy: Policy, words: str) -> None:
    found = assess(GOOD, policy)
    assert found.claim is Claim.SAMPLED
    assert any(words in line for line in found.shortfalls)


@pytest.mark.parametrize(
    ("number", "place", "change", "words"),
    [
        (2, 3, silent(Answer.THROTTLED), "1 of 15 probes got no breadcrumb (throttled)"),
        (2, 3, silent(Answer.UNKNOWN), "1 of 15 probes got no breadcrumb (unknown)"),
        (2, 3, silent(Answer.NO_BREADCRUMB), "(no-breadcrumb)"),
        (2, 3, crumbled(stamp=None), "1 containers did not say which build they are"),
        (2, 3, crumbled(container="", log_stream=""), "1 containers did not say who they are"),
        (2, 3, crumbled(function_version="7"), "2 versions answered"),
        (2, 3, crumbled(container="old0", log_stream="stream old0"), "answered several probes"),
        (2, 3, crumbled(released=0.0), "held a probe for longer than the probe took"),
        (2, 3, crumbled(released=2e9), "held a probe for longer than the probe took"),
        (2, 3, lambda p: replace(p, answered=None), "have no time of arrival"),
        (2, 3, lambda p: replace(p, sent=19.4), "free again before the last probe had arrived"),
        (2, 14, crumbled(invocation=2), "4 cold starts among 15 probes"),
        (2, 14, crumbled(initialization_type="provisioned-concurrency"), "4 cold starts"),
        (2, 14, crumbled(uptime_s=2.0), "4 cold starts among 15 probes"),
        (2, 14, crumbled(born=1e9 + 19.0), "4 cold starts among 15 probes"),
    ],
)
def test_a_round_with_a_flaw_does_not_count(
    number: int, place: int, change: Change, words: str
) -> None:
    found = assess(changed(GOOD, number, place, change))
    assert found.claim is Claim.SAMPLED
    assert any(words in line for line in found.shortfalls), found.shortfalls


def test_probes_that_did_not_overlap_do_not_count() -> None:
    found = assess([GOOD[0], replace(GOOD[1], peak_overlap=12)])
    assert found.claim is Claim.SAMPLED
    assert "round 2: 12 requests were in flight at once, not all 15" in found.shortfalls


def test_an_idle_container_beside_a_cold_start_falsifies_the_argument() -> None:
    partitioned = burst(2, warm=OLD[:3] + FIRST, cold=names("second", 6))
    found = assess([GOOD[0], partitioned])
    assert found.claim is Claim.SAMPLED
    assert any("1 containers that had answered before did not" in s for s in found.shortfalls)


def test_an_older_newcomer_falsifies_the_rounds_before_it() -> None:
    late = burst(2, warm=[*OLD, *FIRST, "late"], cold=SECOND)
    found = assess([GOOD[0], late])
    assert found.claim is Claim.SAMPLED
    assert any("older than round 1, which should have reached it" in s for s in found.shortfalls)
    everyone = [*OLD, *FIRST, "late", *SECOND]
    after = burst(3, warm=everyone, cold=names("third", 5))
    assert assess([GOOD[0], late, after]).claim is Claim.EXHAUSTIVE


def test_a_newcomer_that_other_traffic_started_later_falsifies_nothing() -> None:
    younger = probe("foreign", sent=20.001, born=15.0, served=4)
    second = replace(GOOD[1], probes=(*GOOD[1].probes, younger), peak_overlap=16)
    assert assess([GOOD[0], second]).claim is Claim.EXHAUSTIVE


def test_a_container_that_is_gone_for_long_is_not_waited_for_for_ever() -> None:
    rounds = [*GOOD]
    warm = [*OLD[1:], *FIRST, *SECOND]
    for number in range(3, 7):
        cold = names(f"round{number}-", 6)
        rounds.append(burst(number, warm=warm, cold=cold))
        warm += cold
    assert assess(rounds[:3]).claim is Claim.SAMPLED
    assert assess(rounds).claim is Claim.EXHAUSTIVE


def test_rounds_up_to_the_last_stale_one_are_remembered_but_not_counted() -> None:
    third = burst(3, warm=OLD + FIRST + SECOND, cold=names("third", 5))
    rounds = (*GOOD, third)
    count = [coverage.assess(rounds, qualifier=LATEST, policy=POLICY, after=n) for n in (0, 1, 2)]
    assert [found.claim for found in count] == [
        Claim.EXHAUSTIVE,
        Claim.EXHAUSTIVE,
        Claim.SAMPLED,
    ]


def test_a_round_counts_for_the_qualifier_that_was_probed() -> None:
    found = coverage.assess(GOOD, qualifier="live", policy=POLICY)
    assert (found.claim, found.rounds, found.probes) == (Claim.NONE, 0, 0)


def test_containers_that_report_one_id_are_told_apart_by_log_stream() -> None:
    rounds = tuple(
        replace(each, probes=tuple(crumbled(container="snapshot")(p) for p in each.probes))
        for each in GOOD
    )
    found = assess(rounds)
    assert (found.claim, found.containers) == (Claim.EXHAUSTIVE, 15)
    crumbs = [p.breadcrumb for p in rounds[0].probes if p.breadcrumb]
    assert coverage.identities(crumbs)[:2] == ["stream old0", "stream old1"]


def test_provisioned_and_on_demand_containers_are_both_named() -> None:
    kind = crumbled(initialization_type="provisioned-concurrency")
    both = assess(changed(GOOD, 1, 0, kind))
    assert "containers of provisioned concurrency and on-demand ones both answered" in (
        both.assumptions
    )
    only = assess([replace(GOOD[0], probes=tuple(kind(p) for p in GOOD[0].probes))])
    assert any(line.startswith("only containers of provisioned") for line in only.assumptions)
    assert only.claim is Claim.SAMPLED


# how large the next round is


def size(rounds: Sequence[Round], ceiling: int = 500) -> int:
    return coverage.next_size(rounds, qualifier=LATEST, policy=POLICY, ceiling=ceiling)


def test_rounds_start_small_and_grow_with_what_was_seen() -> None:
    assert size([]) == 10
    all_warm = burst(1, warm=names("old", 10), cold=[])
    assert size([all_warm]) == 25 + 10
    assert size([GOOD[0]]) == 10 + 10
    assert size(GOOD) == 15 + 10


@given(st.integers(1, 12), st.integers(0, 2))
def test_a_round_is_never_larger_than_the_ceiling(ceiling: int, rounds: int) -> None:
    assert 1 <= size(GOOD[:rounds], ceiling) <= ceiling


def test_a_throttled_round_halves_the_next_and_the_way_back_is_slow() -> None:
    throttled = changed(GOOD, 2, 3, silent(Answer.THROTTLED))
    assert size(throttled) == 7
    third = burst(3, warm=OLD[:3], cold=names("third", 4))
    assert size([*throttled, third]) == 14
    fourth = replace(throttled[1], number=4)
    fifth = burst(5, warm=OLD, cold=names("fifth", 3))
    assert size([*throttled, third, fourth, fifth]) == 7


# properties


@st.composite
def histories(draw: st.DrawFn) -> tuple[Round, ...]:
    """Probe a pool in a few rounds; some histories justify the claim, some do not."""
    chance = random.Random(draw(st.integers(0, 10**6)))
    parts: list[list[str]] = [[] for _ in range(draw(st.sampled_from([1, 1, 2])))]
    for name in names("old", draw(st.integers(0, 8))):
        chance.choice(parts).append(name)
    rounds = []
    for number in range(1, draw(st.integers(2, 4))):
        warm: list[str] = []
        cold: list[str] = []
        for at in range(draw(st.integers(5, 40))):
            part = chance.choice(parts)
            (warm if part else cold).append(part.pop() if part else f"new{number}-{at}")
        for name in [*warm, *cold]:
            chance.choice(parts).append(name)
        rounds.append(burst(number, warm=warm, cold=cold))
    return tuple(rounds)


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_probes_within_a_round_is_irrelevant(
    rounds: tuple[Round, ...], chance: random.Random
) -> None:
    shuffled = tuple(
        replace(each, probes=tuple(chance.sample(each.probes, len(each.probes)))) for each in rounds
    )
    assert assess(shuffled) == assess(rounds)
    assert size(shuffled) == size(rounds)


@settings(max_examples=300)
@given(st.one_of(histories(), st.just(GOOD)), st.data())
def test_removing_probes_never_makes_the_claim(
    rounds: tuple[Round, ...], data: st.DataObject
) -> None:
    kept = tuple(
        replace(each, probes=tuple(p for p in each.probes if data.draw(st.integers(0, 9))))
        for each in rounds
    )
    assume(kept != rounds)
    assert assess(kept).claim is not Claim.EXHAUSTIVE


@settings(max_examples=300)
@given(histories(), st.sampled_from([Answer.THROTTLED, Answer.UNKNOWN, Answer.REFUSED]), st.data())
def test_a_probe_without_an_answer_never_helps(
    rounds: tuple[Round, ...], answer: Answer, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rounds) - 1))
    each = rounds[at]
    extra = replace(silent(answer)(each.probes[0]), answered=None)
    more = replace(each, probes=(*each.probes, extra), peak_overlap=each.peak_overlap + 1)
    before, after = assess(rounds), assess((*rounds[:at], more, *rounds[at + 1 :]))
    if before.claim is not Claim.EXHAUSTIVE or at == len(rounds) - 1:
        assert after.claim is not Claim.EXHAUSTIVE


@given(histories(), st.integers(1, 8), st.floats(1, 6), st.integers(1, 4))
def test_the_claim_holds_only_with_every_condition(
    rounds: tuple[Round, ...], cold_starts: int, factor: float, least: int
) -> None:
    policy = replace(POLICY, min_cold_starts=cold_starts, pool_factor=factor, min_rounds=least)
    found = assess(rounds, policy)
    assert (found.claim is Claim.EXHAUSTIVE) == (found.shortfalls == ())
    if found.claim is Claim.EXHAUSTIVE:
        assert found.rounds >= least
        assert found.cold_starts >= cold_starts * least
        assert any(len(each.probes) >= cold_starts for each in rounds)
        assert found.stale_upper_bound == 0.0
    else:
        assert found.stale_upper_bound is None or 0 < found.stale_upper_bound < 1
