"""Reports of several functions as one: nothing that is missing or worse is ever lost in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.report import merged, reading
from deployguard.run import EXIT_CODES

VERDICTS = {code: verdict.value for verdict, code in EXIT_CODES.items()}
STARTED = "2026-01-02T18:57:49.000+00:00"
codes = st.sampled_from(merged.WORST_FIRST)


def entry(name: str, code: int = 0, **members: Any) -> dict[str, Any]:
    """Return what a report tells of one function, as far as merging looks at it."""
    verdict = VERDICTS.get(code, "ERROR")
    about = {"function": name, "alias": "live", "verdict": verdict, "exit_code": code}
    return {**about, "error": None, "findings": [], **members}


def report(*entries: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a report of some functions."""
    code = merged.worst(each["exit_code"] for each in entries)
    ended = {"verdict": VERDICTS.get(code, "ERROR"), "exit_code": code, "error": None}
    head = {"schema": "deployguard/report/v1", "tool": {}, "command": "check"}
    about = {"started": STARTED, "seconds": 1.0, "history": [], "fleet": None}
    return {**head, **ended, **about, "functions": list(entries), **members}


def shard(number: int, *entries: dict[str, Any], of: int = 2, **fleet: Any) -> dict[str, Any]:
    """Return the report of a shard of a plan with one function a shard."""
    return report(*entries, fleet=merged.alone("p", of, shard=number, of=of) | fleet)


def told(document: dict[str, Any]) -> list[str]:
    """Return what a merged report says is wrong with its parts."""
    return [finding["seen"] for finding in document["fleet"]["findings"]]


@given(st.lists(codes, min_size=1, max_size=6))
def test_the_whole_is_as_bad_as_its_worst_function(found: list[int]) -> None:
    whole = merged.of_shards(report(entry(f"f{n}", code)) for n, code in enumerate(found))
    assert whole["exit_code"] == min(found, key=merged.WORST_FIRST.index)
    assert (whole["verdict"] == "FRESH") == (set(found) == {0})


@given(st.permutations(range(1, 6)), st.data())
def test_the_order_of_the_shards_does_not_matter(order: list[int], data: st.DataObject) -> None:
    ends = data.draw(st.lists(codes, min_size=5, max_size=5))
    parts = {n: shard(n, entry(f"f{n}", ends[n - 1]), of=5) for n in order}
    assert merged.of_shards(parts.values()) == merged.of_shards(parts[n] for n in sorted(parts))


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_only_each_shard_once_can_be_fresh(numbers: list[int]) -> None:
    whole = merged.of_shards(shard(n, entry(f"f{n}"), of=4) for n in numbers)
    is_whole = sorted(numbers) == [1, 2, 3, 4]
    assert whole["verdict"] == ("FRESH" if is_whole else "INCONCLUSIVE")
    assert bool(told(whole)) is not is_whole


@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.integers(1, 5))
def test_merging_in_two_steps_says_the_same(numbers: list[int], at: int) -> None:
    parts = [shard(n, entry(f"f{n}"), of=4) for n in numbers]
    at = min(at, len(parts) - 1)
    steps = [merged.of_shards(parts[:at]), merged.of_shards(parts[at:])]
    assert merged.of_shards(steps) == merged.of_shards(parts)


def test_shards_of_two_plans_are_never_fresh_together() -> None:
    whole = merged.of_shards([shard(1, entry("f1")), shard(2, entry("f2"), plans=["other"])])
    assert whole["verdict"] == "INCONCLUSIVE"
    assert "2 plans" in told(whole)[0]


def test_a_report_of_no_plan_among_shards_is_a_foreign_one() -> None:
    whole = merged.of_shards([shard(1, entry("f1")), shard(2, entry("f2")), report(entry("f3"))])
    assert whole["verdict"] == "INCONCLUSIVE"


def test_a_function_that_was_cut_out_of_a_shard_is_missed() -> None:
    whole = merged.of_shards([shard(1, entry("f1")), shard(2)])
    assert whole["verdict"] == "INCONCLUSIVE"
    assert told(whole) == ["they hold 1 functions, but the plan has 2"]


def test_what_claims_to_be_no_merged_report_is_counted_too() -> None:
    whole = merged.of_shards([shard(1, entry("f1"))])
    held = {**whole["fleet"], "merged": False, "held": [1, 1], "findings": []}
    assert merged.judged({**whole, "fleet": held})["verdict"] == "INCONCLUSIVE"
    cut = report(entry("f1"), fleet=merged.alone("p", 2))
    assert merged.judged(cut)["verdict"] == "INCONCLUSIVE"


def test_reports_of_no_plan_are_merged_in_steps_as_well() -> None:
    parts = [report(entry(f"f{number}")) for number in range(3)]
    whole = merged.of_shards([merged.of_shards(parts[:2]), parts[2]])
    assert whole == merged.of_shards(parts)
    assert whole["verdict"] == "FRESH"


def test_outputs_are_what_all_functions_have_in_common() -> None:
    def one(name: str, build: str) -> dict[str, Any]:
        about = {"digest": "sha256:0", "build_id": build}
        return entry(name, expected=about, version={"before": "1", "after": "2"})

    same = reading.outputs(report(one("f1", "b2"), one("f2", "b2")))
    assert (same["build-id"], same["image-digest"], same["version"]) == ("b2", "sha256:0", "2")
    assert reading.outputs(report(one("f1", "b2"), one("f2", "b3")))["build-id"] == ""


def test_a_shard_with_nothing_to_do_counts_as_there() -> None:
    parts = [shard(1, entry("f1"), functions=1), shard(2, functions=1)]
    assert merged.of_shards(parts)["verdict"] == "FRESH"


def test_no_function_at_all_is_doubt_and_no_success() -> None:
    for whole in (shard(1, of=1, functions=0), merged.of_shards([shard(1, of=1, functions=0)])):
        judged = merged.judged(whole)
        assert (judged["verdict"], judged["exit_code"]) == ("INCONCLUSIVE", 11)
        assert "no function at all" in told(judged)[0]


@pytest.mark.parametrize("code", [2, 3, 4, 143])
def test_what_ended_a_whole_shard_ends_the_whole(code: int) -> None:
    error = {"kind": "Interrupted", "happened": "interrupted", "cause": "", "fix": ""}
    ended = shard(2, entry("f2")) | {"error": error, "exit_code": code, "verdict": "ERROR"}
    whole = merged.of_shards([shard(1, entry("f1", 10)), ended])
    assert (whole["exit_code"], whole["verdict"], whole["error"]) == (code, "ERROR", error)


def test_an_error_of_a_function_stays_its_own() -> None:
    error = {"kind": "NotFound", "happened": "there is none", "cause": "", "fix": ""}
    single = report(entry("f1", 3, error=error), error=error)
    whole = merged.of_shards([single, report(entry("f2"))])
    assert (whole["error"], whole["exit_code"]) == (None, 3)
    assert whole["functions"][0]["error"] == error


def test_moves_are_kept_once_and_in_order() -> None:
    def move(n: int) -> dict[str, Any]:
        at = f"2026-01-02T18:57:{n:02}.000+00:00"
        return {"function": "f1", "alias": "live", "at": at, "version": str(n)}

    parts = [
        report(entry("f1"), history=[move(n) for n in numbers]) for numbers in ((1, 2), (0, 1))
    ]
    assert merged.of_shards(parts)["history"] == [move(0), move(1), move(2)]
    many = report(entry("f1"), history=[move(n) for n in range(30)])
    assert merged.of_shards([many])["history"] == [move(n) for n in range(10, 30)]
