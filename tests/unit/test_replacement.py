"""What a remedy is believed to have replaced: nothing but what probing shows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import judge, plan
from deployguard.model import LATEST, Claim, Evidence, Policy, Remedy, Replacement, Verdict
from deployguard.report.following import EVIDENCE
from tests.unit.test_judge import BARE, LIVE, agreeing, evidence, probe

EVERYWHERE = (Remedy.DRAIN, Remedy.WAIT)
AT = 1e9  # by the containers' clocks, when the first probe of a test is sent


def after(remedy: Remedy, found: Evidence, *containers: int) -> Evidence:
    """Judge evidence as that of a remedy that some containers answered before."""
    names = tuple(f"{container:032x}" for container in containers)
    policy = Policy(grace_s=0.0)
    return replace(found, policy=policy, replacement=Replacement(remedy, AT, names))


@pytest.mark.parametrize("remedy", list(Remedy))
def test_a_container_that_answered_before_the_remedy_is_stale(remedy: Remedy) -> None:
    found = after(remedy, evidence(agreeing(born=1.0)), 3)
    ruling = judge.ruling(found)
    assert (ruling.verdict, [each.id for each in ruling.findings]) == (Verdict.STALE, ["DG205"])


@pytest.mark.parametrize("remedy", EVERYWHERE)
def test_a_container_that_was_born_before_the_remedy_is_stale_unseen_as_it_was(
    remedy: Remedy,
) -> None:
    assert judge.ruling(after(remedy, evidence(agreeing(born=-60.0)))).verdict is Verdict.STALE


@pytest.mark.parametrize("remedy", EVERYWHERE)
def test_a_few_agreeing_probes_do_not_speak_for_the_containers_of_one_version(
    remedy: Remedy,
) -> None:
    found = after(remedy, evidence([probe(0.0, container=n, born=0.005) for n in range(5)]))
    assert judge.ruling(found).verdict is Verdict.INCONCLUSIVE
    published = after(Remedy.PUBLISH, evidence(agreeing(born=0.005)))
    (ruled,) = judge.ruling(published).routes
    assert (ruled.verdict, ruled.coverage.claim) == (Verdict.FRESH, Claim.BY_CONSTRUCTION)


def test_a_configuration_change_says_nothing_of_published_versions() -> None:
    old = evidence(agreeing(born=-60.0), routes=[LIVE])
    assert judge.ruling(after(Remedy.CONFIGURE, old)).verdict is Verdict.FRESH
    latest = [probe(0.0, qualifier=LATEST, version=LATEST, born=-60.0)]
    stale = after(Remedy.CONFIGURE, evidence(latest, routes=[BARE]))
    assert judge.ruling(stale).verdict is Verdict.STALE


@pytest.mark.parametrize("remedy", list(Remedy))
def test_the_first_round_asks_for_all_that_were_known(remedy: Remedy) -> None:
    found = after(remedy, evidence(routes=[BARE]), *range(70))
    assert judge.next_size(found, BARE, ceiling=500) == 70
    assert judge.next_size(found, BARE, ceiling=40) == 40


@given(st.sampled_from(list(Remedy)), st.floats(0, 2e9), st.lists(st.text(max_size=8), max_size=3))
def test_what_a_remedy_did_is_read_back(remedy: Remedy, at: float, names: list[str]) -> None:
    found = replace(evidence(), replacement=Replacement(remedy, at, tuple(names)))
    assert EVIDENCE.validate_json(EVIDENCE.dump_json(found)) == found


def test_no_remedy_is_tried_against_what_none_can_help() -> None:
    inside = judge.ruling(evidence(agreeing(build="b1")))
    assert {finding.id for finding in inside.findings} == {"DG104"}
    assert plan.remedies(inside) == ()
    lingering = judge.ruling(
        evidence([probe(20.0, qualifier=LATEST, version=LATEST, build="b1")], routes=[BARE])
    )
    assert plan.remedies(lingering) == (Remedy.CONFIGURE,)
    unmoved = judge.ruling(evidence([probe(20.0, version="1", build="b1")]))
    assert plan.remedies(unmoved) == (Remedy.PUBLISH,)
