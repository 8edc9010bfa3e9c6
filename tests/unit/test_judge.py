"""What the judge may say: properties that hold for every evidence, and the lies it was told."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployguard import judge
from deployguard.model import (
    LATEST,
    Answer,
    Breadcrumb,
    Claim,
    Evidence,
    Expected,
    Link,
    Mode,
    Policy,
    Probe,
    Round,
    Route,
    Stamp,
    State,
    Verdict,
)
from deployguard.report.following import EVIDENCE

NEW, OLD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
DIGESTS = {"1": OLD, "2": NEW, "3": NEW, LATEST: NEW}
LIVE = Route("callers of live", "live", {"2": 1.0})
BARE = Route("callers of $LATEST", LATEST, {LATEST: 1.0})
HOLD_S = 0.5
SILENT = (
    Answer.NO_BREADCRUMB,
    Answer.REPLAYED,
    Answer.FUNCTION_ERROR,
    Answer.THROTTLED,
    Answer.DENIED,
    Answer.REFUSED,
    Answer.UNKNOWN,
)


def probe(
    sent: float,
    *,
    qualifier: str = "live",
    version: str = "2",
    build: str | None = "b2",
    container: int = 1,
    born: float = -60.0,
) -> Probe:
    """Make a probe that a container answered; a birth after `sent` makes it a cold start."""
    received = max(sent, born) + 0.01
    nonce = f"{qualifier} {sent:.6f} {container}"
    crumb = Breadcrumb(
        nonce=nonce,
        stamp=None if build is None else Stamp(build),
        stamp_error="missing" if build is None else None,
        container=f"{container:032x}",
        born=1e9 + born,
        received=1e9 + received,
        released=1e9 + received + HOLD_S,
        invocation=1 if born > sent else 3,
        function_version=version,
        log_stream=f"stream-{container}",
        request_id="r",
        initialization_type="on-demand",
        uptime_s=received + HOLD_S - born,
        remaining_ms=1000.0,
    )
    answered = received + HOLD_S + 0.01
    return Probe(qualifier, sent, answered, Answer.BREADCRUMB, nonce, version, crumb)


def silent(sent: float, answer: Answer, *, qualifier: str = "live") -> Probe:
    """Make a probe that brought no breadcrumb."""
    return Probe(qualifier, sent, sent + 0.1, answer, f"{qualifier} {sent:.6f} {answer}")


def rounds(*bursts: Sequence[Probe]) -> tuple[Round, ...]:
    """Number some bursts."""
    return tuple(
        Round(number, min(p.sent for p in burst) - 0.001, 0.0, 0.01, len(burst), tuple(burst))
        for number, burst in enumerate(bursts, 1)
    )


def evidence(
    *bursts: Sequence[Probe], routes: Sequence[Route] = (LIVE,), policy: Policy | None = None
) -> Evidence:
    """Put evidence together; old answers are tolerated until 15 s."""
    return Evidence(
        expected=Expected(NEW, "b2", Link.VERIFIED),
        policy=policy or Policy(),
        mode=Mode(),
        routes=tuple(routes),
        digests=DIGESTS,
        rounds=rounds(*bursts),
    )


def agreeing(start: float = 0.0, **how: object) -> list[Probe]:
    """Make five probes over three seconds that agree."""
    return [probe(start + 0.75 * n, container=n, **how) for n in range(5)]  # type: ignore[arg-type]


def burst(at: float, *, warm: Sequence[int], cold: Sequence[int]) -> list[Probe]:
    """Make one burst over $LATEST that meets old containers and starts new ones."""
    found = [probe(at, qualifier=LATEST, version=LATEST, container=n) for n in warm]
    return found + [
        probe(at + 0.001, qualifier=LATEST, version=LATEST, container=n, born=at + 0.1)
        for n in cold
    ]


EXHAUSTING = (
    burst(1.0, warm=range(4), cold=range(10, 16)),
    burst(5.0, warm=[*range(4), *range(10, 16)], cold=range(20, 25)),
)

qualifiers = st.sampled_from(["live", LATEST, "2"])
answers = st.builds(
    probe,
    st.floats(0, 30),
    qualifier=qualifiers,
    version=st.sampled_from(["1", "2", "3", LATEST]),
    build=st.sampled_from(["b1", "b2", None]),
    container=st.integers(0, 5),
    born=st.floats(-60, 30),
)
silences = st.builds(silent, st.floats(0, 30), st.sampled_from(SILENT), qualifier=qualifiers)
bursts = st.lists(st.lists(st.one_of(answers, silences), min_size=1, max_size=8), max_size=4)
routes = st.lists(
    st.sampled_from([LIVE, BARE, Route("gate", "2", {"2": 1.0}), Route("x", "live", {"1": 1.0})]),
    unique_by=lambda route: route.qualifier,
    max_size=3,
)
policies = st.builds(
    Policy,
    min_containers=st.integers(1, 3),
    agreeing_probes=st.integers(0, 5),
    settle_s=st.sampled_from([0.0, 2.0]),
    grace_s=st.sampled_from([0.0, 15.0]),
    min_rounds=st.integers(0, 2),
    min_cold_starts=st.integers(0, 5),
    pool_factor=st.sampled_from([0.0, 2.5]),
)
cases = st.builds(
    lambda bursts, routes, policy: evidence(*bursts, routes=routes, policy=policy),
    bursts,
    routes,
    policies,
)


def is_fresh(case: Evidence) -> bool:
    return judge.ruling(case).verdict is Verdict.FRESH


def test_agreeing_answers_of_a_moved_alias_are_fresh() -> None:
    ruling = judge.ruling(evidence(agreeing()))
    assert (ruling.verdict, ruling.decided) == (Verdict.FRESH, True)
    assert ruling.routes[0].coverage.claim is Claim.BY_CONSTRUCTION


def test_exhausted_containers_of_latest_are_fresh() -> None:
    ruling = judge.ruling(evidence(*EXHAUSTING, routes=[BARE]))
    assert (ruling.verdict, ruling.routes[0].coverage.claim) == (Verdict.FRESH, Claim.EXHAUSTIVE)


@given(policies, st.lists(st.sampled_from([LIVE, BARE, Route("gate", "2", {"2": 1.0})])))
def test_no_evidence_is_never_fresh(policy: Policy, routes: list[Route]) -> None:
    assert not is_fresh(evidence(routes=routes, policy=policy))


@given(cases)
def test_a_fresh_route_has_an_answer_of_the_expected_build_from_what_it_serves(
    case: Evidence,
) -> None:
    for ruled in judge.ruling(case).routes:
        if ruled.verdict is Verdict.FRESH:
            shown = [
                p
                for p in judge.probes_of(case, ruled.route)
                if judge.state(case, p) is State.FRESH
                and p.executed_version in ruled.route.versions
            ]
            assert shown


@given(cases, st.floats(0, 40), qualifiers, st.booleans())
def test_another_stale_probe_never_makes_a_verdict_fresh(
    case: Evidence, sent: float, qualifier: str, by_digest: bool
) -> None:
    stale = (
        probe(sent, qualifier=qualifier, version="1", build="b1", container=99)
        if by_digest
        else probe(sent, qualifier=qualifier, version=LATEST, build="b1", container=99)
    )
    before = is_fresh(case)
    for place in range(len(case.rounds)):
        each = case.rounds[place]
        joined = replace(each, probes=(*each.probes, stale), peak_overlap=each.peak_overlap + 1)
        worse = replace(case, rounds=(*case.rounds[:place], joined, *case.rounds[place + 1 :]))
        assert before or not is_fresh(worse)
    last = Round(len(case.rounds) + 1, 40.0, 0.0, 0.0, 1, (stale,))
    assert before or not is_fresh(replace(case, rounds=(*case.rounds, last)))


@given(cases, st.lists(silences, min_size=1, max_size=4))
def test_silence_never_makes_a_verdict_fresh(case: Evidence, silences: list[Probe]) -> None:
    more = Round(len(case.rounds) + 1, 40.0, 0.0, 0.0, len(silences), tuple(silences))
    assert is_fresh(case) or not is_fresh(replace(case, rounds=(*case.rounds, more)))


@given(cases, st.integers(0, 2**32))
def test_the_order_of_probes_within_a_round_does_not_matter(case: Evidence, seed: int) -> None:
    def shuffled(each: Round) -> Round:
        return replace(
            each, probes=tuple(random.Random(seed).sample(each.probes, len(each.probes)))
        )

    other = judge.ruling(replace(case, rounds=tuple(shuffled(each) for each in case.rounds)))
    ruling = judge.ruling(case)
    assert [r.verdict for r in other.routes] == [r.verdict for r in ruling.routes]
    assert (other.verdict, other.decided) == (ruling.verdict, ruling.decided)


@given(cases)
def test_the_worst_route_decides(case: Evidence) -> None:
    ruling = judge.ruling(case)
    assert ruling.verdict is judge.worst(ruled.verdict for ruled in ruling.routes)
    assert not case.routes or ruling.verdict in {ruled.verdict for ruled in ruling.routes}
    assert (ruling.verdict is Verdict.FRESH) == (
        bool(case.routes) and all(r.verdict is Verdict.FRESH for r in ruling.routes)
    )


@given(cases)
@settings(max_examples=50)
def test_dumped_evidence_replays_to_the_same_ruling(case: Evidence) -> None:
    again = EVIDENCE.validate_json(EVIDENCE.dump_json(case))
    assert again == case
    assert judge.ruling(again) == judge.ruling(case)


@given(cases)
def test_what_others_changed_or_is_not_ready_is_never_fresh(case: Evidence) -> None:
    assert judge.ruling(replace(case, superseded="moved")).verdict is Verdict.SUPERSEDED
    assert not is_fresh(replace(case, unready="FAILED"))


@pytest.mark.parametrize("mode", [Mode(tenant_isolated=True), Mode(managed_instances=True)])
def test_containers_that_the_argument_does_not_fit_are_never_fresh(mode: Mode) -> None:
    case = replace(evidence(agreeing()), mode=mode)
    assert judge.ruling(case).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("elsewhere", [LATEST, "3"])
def test_answers_from_where_the_alias_pointed_before_do_not_settle_its_move(
    elsewhere: str,
) -> None:
    case = evidence(agreeing(version=elsewhere))
    assert judge.ruling(case).verdict is Verdict.INCONCLUSIVE


def test_answers_of_a_version_do_not_speak_for_the_containers_of_latest() -> None:
    alias = Route("callers of live", "live", {LATEST: 1.0})
    bursts = [
        [
            replace(
                p,
                qualifier="live",
                executed_version="2",
                breadcrumb=p.breadcrumb and replace(p.breadcrumb, function_version="2"),
            )
            for p in burst
        ]
        for burst in EXHAUSTING
    ]
    assert judge.ruling(evidence(*bursts, routes=[alias])).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "spoiled", [{"nonce": "of another probe"}, {"answer": Answer.UNKNOWN}, {"executed_version": ""}]
)
def test_a_breadcrumb_that_is_not_this_probes_answer_shows_nothing(
    spoiled: dict[str, object],
) -> None:
    case = evidence([replace(p, **spoiled) for p in agreeing()])  # type: ignore[arg-type]
    assert judge.ruling(case).verdict is Verdict.INCONCLUSIVE


def test_old_answers_that_end_within_the_grace_fail_no_deploy() -> None:
    stale = [probe(14.0, version="1", build="b1")]
    fresh = [probe(15.5, container=2), probe(15.5, container=3)]
    ruling = judge.ruling(evidence(stale, fresh))
    assert not ruling.decided
    many = [probe(18.0, container=n) for n in range(30)]
    ruling = judge.ruling(evidence(stale, fresh, many))
    assert (ruling.verdict, ruling.decided) == (Verdict.FRESH, True)


def test_probes_that_are_sent_at_once_and_held_for_long_do_not_settle_a_move() -> None:
    at_once = [probe(1.0, container=n) for n in range(5)]
    held = [replace(each, answered=(each.answered or 0.0) + 10) for each in at_once]
    ruling = judge.ruling(evidence(held))
    assert (ruling.verdict, ruling.decided) == (Verdict.INCONCLUSIVE, False)
    assert judge.ruling(evidence(held, [probe(3.0)])).verdict is Verdict.FRESH


def test_a_few_agreeing_probes_do_not_show_that_a_move_which_was_seen_arriving_is_over() -> None:
    stale = [probe(9.0, version="1", build="b1")]
    case = evidence(stale, agreeing(10.0))
    assert not judge.ruling(case).decided
    assert judge.next_size(case, LIVE, ceiling=50) == 25
    assert judge.next_size(evidence(stale), LIVE, ceiling=50) == 5


def test_old_containers_that_went_within_the_grace_are_not_called_stale_for_want_of_proof() -> None:
    old = [probe(9.0, qualifier=LATEST, version=LATEST, build="b1")]
    new = [burst(10.0 + n, warm=range(1, 4), cold=[]) for n in range(9)]
    assert judge.ruling(evidence(old, new[0], routes=[BARE])).verdict is Verdict.STALE
    ruling = judge.ruling(evidence(old, *new, routes=[BARE]))
    assert (ruling.verdict, ruling.decided) == (Verdict.INCONCLUSIVE, True)
    assert [finding.id for finding in ruling.findings] == ["DG304"]


def test_rounds_that_wait_for_old_containers_to_go_leave_probes_for_afterwards() -> None:
    def resumed(count: int) -> float:
        old = [probe(5.0, qualifier=LATEST, version=LATEST, build="b1", container=1)]
        new = burst(5.0, warm=range(2, count + 1), cold=[])
        (ruled,) = judge.ruling(evidence([*old, *new], routes=[BARE])).routes
        return ruled.resume_at

    assert resumed(10) == 6.0
    assert resumed(100) == 5.0 + 10.0 / 4  # four such rounds take half of what is left of 1,000


def test_old_answers_after_the_grace_decide() -> None:
    ruling = judge.ruling(evidence([probe(15.5, version="1", build="b1")]))
    assert (ruling.verdict, ruling.decided) == (Verdict.STALE, True)


def test_old_answers_followed_by_silence_decide_in_the_end() -> None:
    stale = [probe(14.0, version="1", build="b1")]
    silence = [[silent(15.0 + n, Answer.UNKNOWN)] for n in range(8)]
    assert not judge.ruling(evidence(stale, *silence[:7])).decided
    ruling = judge.ruling(evidence(stale, *silence))
    assert (ruling.verdict, ruling.decided) == (Verdict.STALE, True)
