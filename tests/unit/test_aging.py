"""What may be said of containers as they age: only what they answered, and never from silence."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import aging, breadcrumb, judge
from deployguard.model import (
    LATEST,
    Answer,
    Evidence,
    Policy,
    Probe,
    Round,
    SelfTest,
    Verdict,
)
from tests.unit.test_judge import LIVE, SILENT, agreeing, evidence, probe, silent

PASSED, FAILED, HUNG = SelfTest(True), SelfTest(False, "TimeoutError"), SelfTest(None, "timed out")
AGE_S = 100.0
BORN = 3.0


def at(seconds: float, *, test: SelfTest | None = PASSED, container: int = 1, **how: Any) -> Probe:
    """Make a probe that a container answered at some age."""
    found = probe(BORN + seconds, container=container, born=BORN, **how)
    assert found.breadcrumb is not None
    return replace(found, breadcrumb=replace(found.breadcrumb, self_test=test, uptime_s=seconds))


def grown(*rounds: Iterable[Probe], base: Evidence | None = None) -> Evidence:
    """Return evidence of a fresh route whose containers were left to age."""
    aged = []
    for number, probes in enumerate(map(tuple, rounds), 1):
        started = min((each.sent for each in probes), default=0.0)
        aged.append(Round(number, started, 0.0, 0.0, len(probes), probes))
    known = base or evidence(agreeing())
    return replace(known, aged=tuple(aged), policy=Policy(aged_s=AGE_S, grace_s=0.0))


def judged(found: Evidence) -> tuple[Verdict, list[str]]:
    ruling = judge.ruling(found)
    return ruling.verdict, [each.id for each in ruling.findings]


def test_a_container_that_passes_when_it_is_old_leaves_the_verdict_as_it_is() -> None:
    assert judged(grown([at(1)], [at(2)], [at(101)])) == (Verdict.FRESH, [])
    assert judged(evidence(agreeing()))[0] is Verdict.FRESH


@pytest.mark.parametrize(
    ("rounds", "identifier"),
    [
        ([[at(1, test=FAILED)], [at(2, test=FAILED)]], "DG311"),
        ([[at(1, test=HUNG)]], "DG311"),
        ([[at(1)], [at(2, test=FAILED)]], "DG312"),
        ([[at(1)], [at(2)], [at(101, test=FAILED)]], "DG312"),
        ([[at(1)], [at(2)], [at(101, test=HUNG)]], "DG312"),
        ([[at(1)], [at(2)], [silent(104, Answer.FUNCTION_ERROR)]], "DG312"),
        ([[at(1)], [at(2)], [silent(104, Answer.NO_BREADCRUMB)]], "DG312"),
    ],
)
def test_what_goes_wrong_with_age_is_no_other_build_and_not_fresh(
    rounds: list[list[Probe]], identifier: str
) -> None:
    assert judged(grown(*rounds)) == (Verdict.INCONCLUSIVE, [identifier])


def test_the_finding_says_which_container_changed_and_between_which_ages() -> None:
    (found,) = judge.ruling(grown([at(1)], [at(2)], [at(101.25, test=FAILED)])).findings
    assert found.seen == (
        "the self-test of container 000000000000 failed at the age of 101.2 s (TimeoutError); "
        "it passed at the age of 1.0 s"
    )


def test_no_more_than_three_containers_are_told_of() -> None:
    probes = [at(1, test=FAILED, container=number) for number in range(1, 6)]
    (found,) = judge.ruling(grown(probes)).findings
    assert found.seen.count("failed") == 3
    assert found.seen.endswith("; and 2 more")


def test_one_container_that_tells_two_builds_or_two_births_has_changed() -> None:
    later = at(101, build="b3", version=LATEST)
    latest = replace(evidence(agreeing()), routes=(LIVE,))
    verdict, findings = judged(grown([at(1)], [at(2)], [later], base=latest))
    assert (verdict, "DG312" in findings) == (Verdict.STALE, True)
    born_again = at(101)
    assert born_again.breadcrumb is not None
    other = replace(born_again, breadcrumb=replace(born_again.breadcrumb, born=1.0))
    assert judged(grown([at(1)], [at(2)], [other])) == (Verdict.INCONCLUSIVE, ["DG312"])


def test_an_old_build_that_answers_late_is_stale_and_named() -> None:
    old = at(101, build="b1", container=9, qualifier=LATEST, version=LATEST)
    ruling = judge.ruling(grown([at(1)], [at(2)], [at(101), old]))
    assert (ruling.verdict, ruling.findings[0].id) == (Verdict.STALE, "DG201")
    on_route = at(101, version="1", container=9)
    assert judged(grown([at(1)], [at(101), on_route]))[0] is Verdict.STALE


@pytest.mark.parametrize("answer", SILENT)
def test_silence_of_the_old_is_no_reason_to_be_fresh(answer: Answer) -> None:
    verdict, _ = judged(grown([at(1)], [at(2)], [silent(104, answer)]))
    assert verdict is Verdict.INCONCLUSIVE


def test_nothing_asked_is_nothing_owed_and_what_was_asked_is() -> None:
    young = grown([at(1)], [at(2)])
    assert judged(young) == (Verdict.INCONCLUSIVE, ["DG304"])
    assert judged(replace(young, aged=())) == (Verdict.INCONCLUSIVE, ["DG304"])
    assert judged(replace(young, aged=(), policy=Policy()))[0] is Verdict.FRESH


def test_a_route_that_is_not_fresh_owes_no_age() -> None:
    stale = replace(evidence(agreeing()), digests={"2": "sha256:" + "a" * 64})
    assert judged(replace(stale, policy=Policy(aged_s=AGE_S))) == (Verdict.STALE, ["DG202"])


def test_the_lack_of_a_self_test_is_told_once_containers_aged() -> None:
    quiet = grown([at(1, test=None)], [at(2, test=None)], [at(101, test=None)])
    assert judged(quiet) == (Verdict.FRESH, ["DG313"])


def test_containers_are_asked_twice_kept_warm_and_asked_when_all_are_old() -> None:
    both = [at(1), at(1, container=2)]
    assert aging.resume_at(grown()) == 0.0
    assert aging.resume_at(grown(both)) == 0.0
    twice = grown(both, [at(2)])
    assert aging.resume_at(twice) == BORN + 2 + aging.KEEP_S
    ripe = aging.ripe_at(twice)
    assert ripe is not None
    assert BORN + AGE_S < ripe < BORN + AGE_S + 1
    assert aging.resume_at(grown(both, [at(2)], [at(90)])) == ripe
    assert aging.resume_at(grown(both, [at(2)], [at(101)])) is None


def test_asking_ends_with_the_first_thing_that_is_wrong_or_where_nobody_answers() -> None:
    assert aging.resume_at(grown([at(1)], [at(2, test=FAILED)])) is None
    mute = [silent(4, Answer.THROTTLED)]
    assert aging.resume_at(grown(mute, mute)) is None


@given(
    st.lists(
        st.builds(
            at,
            st.floats(0, 200),
            test=st.sampled_from([PASSED, FAILED, HUNG, None]),
            container=st.integers(1, 3),
        ),
        max_size=8,
    ),
    st.lists(st.sampled_from(SILENT), max_size=4),
    st.randoms(),
)
def test_order_and_silence_do_not_matter_and_aging_never_makes_a_verdict_better(
    probes: list[Probe], answers: list[Answer], random: Any
) -> None:
    found = grown(probes)
    verdict, _ = judged(found)
    shuffled = list(probes)
    random.shuffle(shuffled)
    assert judged(grown(shuffled))[0] is verdict
    quiet = [silent(300 + number, answer) for number, answer in enumerate(answers)]
    worse = judged(grown([*probes, *quiet]))[0]
    assert judge.worst([verdict, worse]) is worse
    unfit = replace(found, expected=replace(found.expected, build_id=None))
    assert judged(unfit)[0] is not Verdict.FRESH


# What a breadcrumb may say of a self-test

CRUMB = {
    "breadcrumb": 1,
    "nonce": "0" * 32,
    "stamp": None,
    "born": 1.0,
    "received": 2.0,
    "released": 3.0,
    "invocation": 1,
    "uptime_s": 2.0,
}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, None),
        ("passed", None),
        ([], None),
        ({}, SelfTest(None)),
        ({"ok": True, "detail": "12 fonts", "seconds": 0.25}, SelfTest(True, "12 fonts", 0.25)),
        ({"ok": False, "detail": "a\x1b[2Jb", "seconds": "x"}, SelfTest(False, "a\\x1b[2Jb")),
        ({"ok": 1, "detail": 7, "seconds": -1}, SelfTest(None)),
        ({"ok": "true", "detail": "x" * 900}, SelfTest(None, "x" * 200)),
    ],
)
def test_what_a_function_says_of_its_self_test_is_read_with_care(
    told: object, expected: SelfTest | None
) -> None:
    payload = json.dumps({"deployguard": {**CRUMB, "self_test": told}}).encode()
    assert breadcrumb.parse(payload, nonce="0" * 32).self_test == expected
