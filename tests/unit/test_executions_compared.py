"""Which invocation an attempt was, which image that ran, and what two executions have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.executions import builds, compare, document_comparison, join, render_comparison
from deployguard.executions.builds import Evidence, Image, Served
from deployguard.executions.compare import Comparison, Likeness
from deployguard.executions.join import Found
from deployguard.executions.nouns import (
    Attempt,
    Build,
    Case,
    Configuration,
    End,
    Execution,
    Invocation,
    Known,
    Move,
    Step,
)
from deployguard.traffic import Unread

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:nightly:e1"
WEAK = "of 1 attempt only publish times tell what ran"
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"


def attempt(at: float = 1000.0, until: float | None = 1001.0, **more: Any) -> Attempt:
    """Return a success of an alias's task, of which the history tells no version."""
    given: dict[str, Any] = {
        "execution": ARN, "event": 3, "state": "Render", "number": 1, "item": None,
        "function": FUNCTION, "qualifier": "live", "scheduled": at, "started": at, "ended": until,
        "end": End.SUCCEEDED,
    }  # fmt: skip
    return Attempt(**given | more)


def invocation(at: float, until: float | None, version: str = "42", **more: Any) -> Invocation:
    given: dict[str, Any] = {
        "request_id": f"id-{at}", "stream": "s", "version": version, "started": at, "ended": until,
        "duration_ms": None,
    }  # fmt: skip
    return Invocation(**given | more)


def joined(attempts: Sequence[Attempt], *ran: Invocation) -> list[Found]:
    return join.joined(attempts, {FUNCTION: ran})


# Joining


def test_a_request_id_joins_whatever_else_ran_then() -> None:
    mine = invocation(1000.2, 1000.4, request_id="r")
    (found,) = joined([attempt(request_id="r")], mine, invocation(1000.3, 1000.5, "41"))
    assert found == Found(mine, "42")


def test_a_request_id_of_another_time_or_version_joins_nothing() -> None:
    late = invocation(2000.0, 2001.0, request_id="r")
    other = invocation(1000.2, 1000.4, "41", request_id="r")
    assert joined([attempt(request_id="r")], late) == [join.NOTHING]
    assert joined([attempt(request_id="r", version="42")], other) == [join.NOTHING]


def test_a_request_id_that_two_claim_joins_neither() -> None:
    mine = invocation(1000.2, 1000.4, request_id="r")
    twice = [attempt(request_id="r"), attempt(request_id="r")]
    assert joined(twice, mine) == [join.NOTHING] * 2
    twin = replace(mine, stream="t")
    assert joined([attempt(request_id="r")], mine, twin) == [join.NOTHING]


def test_the_only_one_that_ran_meanwhile_joins_by_time() -> None:
    mine = invocation(1000.2, 1000.4)
    (found,) = joined([attempt()], mine, invocation(990.0, 991.0), invocation(1010.0, 1011.0))
    assert found == Found(mine, "42", is_by_time=True)


def test_of_several_at_once_only_what_all_share_is_known() -> None:
    many = [attempt(), attempt(1000.1, 1001.1)]
    ran = invocation(1000.2, 1000.8), invocation(1000.2, 1000.9)
    assert joined(many, *ran) == [Found(None, "42", is_by_time=True)] * 2
    mixed = ran[0], replace(ran[1], version="41")
    assert joined(many, *mixed) == [Found(None, None, is_by_time=True)] * 2


def test_a_stranger_or_a_missing_line_leaves_it_open() -> None:
    ran = invocation(1000.2, 1000.8)
    assert joined([attempt(), attempt()], ran) == [join.NOTHING] * 2
    assert joined([attempt()], ran, invocation(1000.3, 1000.7)) == [join.NOTHING]


def test_a_version_that_is_settled_excludes_others() -> None:
    numbered, latest = attempt(qualifier="42"), attempt(qualifier=None)
    ran = invocation(1000.2, 1000.8, "$LATEST")
    assert joined([numbered], ran) == [join.NOTHING]
    assert joined([latest], ran)[0].invocation is ran


def test_what_goes_on_after_a_time_out_joins() -> None:
    late = invocation(1000.5, 1090.0)
    (found,) = joined([attempt(end=End.TIMED_OUT)], late)
    assert found.invocation is late
    assert joined([attempt()], late) == [join.NOTHING]


def test_an_attempt_that_was_refused_joins_nothing() -> None:
    assert joined([attempt(end=End.REFUSED)], invocation(1000.2, 1000.4)) == [join.NOTHING]


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 3)), max_size=9))
def test_what_ran_alone_is_always_found_and_no_invocation_twice(
    spans: list[tuple[float, float]],
) -> None:
    attempts = [attempt(at, at + long) for at, long in spans]
    ran = [invocation(at, at + long, request_id=str(n)) for n, (at, long) in enumerate(spans)]
    found = [each.invocation for each in joined(attempts, *ran) if each.invocation]
    assert len({each.request_id for each in found}) == len(found)


# The ladder


def known(
    told: Attempt,
    found: Found = join.NOTHING,
    *,
    served: Served | None = None,
    moves: Sequence[Move] | None = None,
    images: Mapping[str, Image] | None = None,
) -> tuple[str | None, Known, str | None, Known]:
    """Return the version and the image of an attempt, each with how it is known."""
    digests = {"41": OLD, "42": NEW, "$LATEST": NEW}
    now = served or Served(
        digests, {"41": 100.0, "42": 500.0, "$LATEST": 500.0}, {"live": {"42": 1}}
    )
    build = builds.build(told, found, Evidence({FUNCTION: now}, moves, images or {}))
    return build.version, build.version_known, build.digest, build.digest_known


def move(at: float, **more: Any) -> Move:
    return Move(at, FUNCTION, **{"qualifier": "live", "version": "41"} | more)


def code(at: float, digest: str = OLD) -> Move:
    return Move(at, FUNCTION, "$LATEST", digest=digest)


def test_the_history_outranks_the_log_and_the_log_outranks_cloudtrail() -> None:
    moves = [move(100), move(2000, version="42")]
    seen = Found(invocation(1000.2, 1000.4, "42"), "42")
    assert known(attempt(version="41"), seen, moves=moves)[:2] == ("41", Known.HISTORY)
    assert known(attempt(), seen, moves=moves)[:2] == ("42", Known.STREAM)
    assert known(attempt(), moves=moves) == ("41", Known.TRAIL, OLD, Known.TRAIL)


@pytest.mark.parametrize(
    ("qualifier", "version"), [("41", "41"), ("$LATEST", "$LATEST"), (None, "$LATEST")]
)
def test_a_qualifier_that_serves_one_version_says_it(qualifier: str | None, version: str) -> None:
    assert known(attempt(qualifier=qualifier))[:2] == (version, Known.HISTORY)


def test_publish_times_are_the_last_word() -> None:
    assert known(attempt()) == ("42", Known.INFERRED, NEW, Known.INFERRED)
    assert known(attempt(400.0, 401.0))[:2] == (None, Known.NOT)


@pytest.mark.parametrize(
    "moves",
    [
        [move(950)],  # a moment ago: both may have served
        [move(100, weights={"42": 0.1}), move(2000, version="42")],
        [move(100)],  # and yet 42 is served now: CloudTrail does not tell all
        [move(2000)],  # only later
    ],
)
def test_a_move_that_does_not_settle_it_leaves_no_guess_either(moves: list[Move]) -> None:
    assert known(attempt(), moves=moves)[:2] == (None, Known.NOT)


def test_what_latest_was_needs_a_breadcrumb_line_or_cloudtrail() -> None:
    latest = attempt(qualifier=None)
    assert known(latest)[2:] == (NEW, Known.INFERRED)
    young = Served({"$LATEST": NEW}, {"$LATEST": 900.0})
    assert known(latest, served=young)[2:] == (None, Known.NOT)
    assert known(latest, moves=[code(100), code(2000, NEW)])[2:] == (OLD, Known.TRAIL)
    assert known(latest, moves=[code(100)])[2:] == (None, Known.NOT)  # but NEW is served now
    assert known(latest, moves=[code(100), code(800, NEW)])[2:] == (None, Known.NOT)
    said = Found(invocation(1000.2, 1000.4, "$LATEST", build_id="b1"), "$LATEST")
    assert known(latest, said)[2:] == (None, Known.BREADCRUMB)
    images = {OLD: Image(build_id="b1")}
    assert known(latest, said, images=images)[2:] == (OLD, Known.BREADCRUMB)


def test_a_change_of_the_configuration_alone_moves_no_image() -> None:
    moves = [code(100), Move(990, FUNCTION, "$LATEST", is_configuration=True), code(2000, NEW)]
    assert known(attempt(qualifier=None), moves=moves)[2:] == (OLD, Known.TRAIL)


def test_what_never_reached_the_function_ran_nothing() -> None:
    assert known(attempt(end=End.REFUSED, version="42"))[:3] == (None, Known.NOT, None)


# Comparing


def build(digest: str | None, how: Known = Known.HISTORY, **more: Any) -> Build:
    return Build("42", how, digest, how, **more)


def case(*ran: Build, status: str = "SUCCEEDED", **more: Any) -> Case:
    """Return an execution whose attempts ran some builds."""
    steps = tuple(Step(attempt(1000.0 + n), each, None) for n, each in enumerate(ran))
    execution = Execution(
        ARN, "arn:m", "", False, status, 1000.0, 1060.0, "", "", 0,
        tuple(step.attempt for step in steps), **more,
    )  # fmt: skip
    return Case(execution, steps, {}, {}, {})


def compared(first: Sequence[Build], second: Sequence[Build]) -> tuple[Likeness, str]:
    found = compare.compare(case(*first), case(*second))
    (row,) = found.rows
    return found.likeness, row.why


def test_one_image_throughout_is_the_same() -> None:
    by_log = build(NEW, Known.STREAM)
    assert compared([build(NEW)] * 3, [by_log])[0] is Likeness.SAME


def test_two_images_anywhere_are_a_difference() -> None:
    assert compared([build(OLD)], [build(NEW)]) == (Likeness.DIFFERENT, "each ran its own image")
    mixed = [build(OLD), build(NEW)]
    assert compared(mixed, mixed)[0] is Likeness.DIFFERENT
    assert compared([build(NEW)], mixed)[1] == "the second execution alone ran different images"
    unknown = build(None, Known.NOT)
    assert compared([build(OLD), unknown], [build(NEW)])[0] is Likeness.DIFFERENT


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ([build(NEW), build(None, Known.NOT)], "of 1 attempt it is not known which image ran"),
        (
            [build(NEW, Known.INFERRED)],
            "probably the same: of 1 attempt only publish times tell what ran",
        ),
        (
            [build(OLD, Known.INFERRED)],
            "probably different: of 1 attempt only publish times tell what ran",
        ),
    ],
)
def test_what_is_not_known_or_only_likely_is_unknown(second: list[Build], why: str) -> None:
    assert compared([build(NEW)], second) == (Likeness.UNKNOWN, why)


def test_build_ids_tell_where_no_digest_does() -> None:
    said = [build(None, Known.BREADCRUMB, build_id=name) for name in ("b1", "b2")]
    assert compared(said[:1], said[:1])[0] is Likeness.SAME
    assert compared(said[:1], said[1:])[0] is Likeness.DIFFERENT
    labelled = build(NEW, build_id="b1")
    assert compared([labelled], said[:1])[0] is Likeness.SAME
    assert compared([labelled], said[1:])[0] is Likeness.DIFFERENT
    assert compared([build(NEW)], said[:1])[0] is Likeness.UNKNOWN


def test_what_a_container_says_does_not_outrank_its_digest() -> None:
    twice = [build(NEW, build_id="b1"), build(NEW, build_id="b2")]
    assert compared(twice[:1], twice[1:])[0] is Likeness.SAME


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"children": 9, "children_read": 4}, "5 children of the second execution were not read"),
        ({"is_partial": True}, "not all histories of the second execution could be read"),
        ({"status": "RUNNING"}, "the second execution still runs"),
    ],
)
def test_what_was_not_read_could_differ(more: dict[str, Any], why: str) -> None:
    found = compare.compare(case(build(NEW)), case(build(NEW), **more))
    assert (found.likeness, found.exit_code) == (Likeness.UNKNOWN, 11)
    assert found.why.startswith(why)


def test_what_only_one_reached_does_not_count() -> None:
    more = case(build(NEW), build(OLD))
    second = replace(more.steps[1], attempt=attempt(function=f"{FUNCTION}-2"))
    found = compare.compare(case(build(NEW)), replace(more, steps=(more.steps[0], second)))
    assert found.likeness is Likeness.SAME
    assert [row.likeness for row in found.rows] == [Likeness.SAME, Likeness.ONE_SIDED]
    assert compare.compare(case(), case(build(NEW))).likeness is Likeness.UNKNOWN


BUILDS = st.lists(
    st.builds(
        build,
        st.sampled_from([OLD, NEW, None]),
        st.sampled_from([*Known]),
        build_id=st.sampled_from([None, "b1", "b2"]),
    ),
    max_size=4,
)


@given(BUILDS, BUILDS)
def test_same_means_that_every_attempt_is_proven_to_have_run_one_image(
    first: list[Build], second: list[Build]
) -> None:
    found = compare.compare(case(*first), case(*second))
    assert found.likeness is compare.compare(case(*second), case(*first)).likeness
    if found.likeness is Likeness.SAME:
        every = [*first, *second]
        assert all(map(builds.is_proven, every))
        assert len({each.digest for each in every} - {None}) <= 1
        assert all(each.digest or each.build_id for each in every)


# Showing


def configuration(**more: Any) -> Configuration:
    given: dict[str, Any] = {
        "version": "42", "revision": "", "modified": 500.0, "timeout_s": 5, "memory_mb": 128,
        "architecture": "arm64", "environment": ("TOKEN",), "environment_hash": "h1",
    }  # fmt: skip
    return Configuration(**given | more)


def facts(first: Configuration, second: Configuration) -> dict[str, bool | None]:
    cases = [
        replace(case(build(NEW)), configurations={(FUNCTION, "42"): each})
        for each in (first, second)
    ]
    (row,) = compare.compare(*cases).rows
    return {fact.what: fact.is_same for fact in row.facts}


def test_configurations_are_held_side_by_side() -> None:
    told = facts(configuration(), configuration(timeout_s=7, environment_hash="h2", vpc=("sg-1",)))
    assert {what for what, same in told.items() if same is False} == {
        "timeout",
        "their values",
        "network",
    }
    assert told["memory"] is told["variables"] is True


def test_a_configuration_that_changed_later_is_not_what_ran() -> None:
    told = facts(configuration(), configuration(modified=2000.0))
    assert told["timeout"] is told["their values"] is None


def test_values_that_cannot_be_read_are_not_the_same() -> None:
    unreadable = configuration(environment_hash="")
    assert facts(unreadable, unreadable)["their values"] is None


def hostile() -> Comparison:
    evil = "::error::\x1b[31m\u202e\n| `x`"
    told = case(build(NEW, tags=(evil,), build_id=evil))
    step = replace(told.steps[0], attempt=attempt(state=evil, item=evil, error=evil * 99))
    return compare.compare(
        replace(told, steps=(step,), unread=(Unread(evil, evil, evil),)), case(build(OLD))
    )


def test_foreign_text_forms_no_line_and_no_escape_sequence_of_its_own() -> None:
    shown = render_comparison.text(hostile())
    assert not {"\x1b", "\u202e", "\r"} & set(shown)
    assert all(not line.startswith("::") for line in shown.splitlines())
    document = document_comparison.build(hostile())
    (row,) = document["functions"]
    error = row["sides"][0]["attempts"][0]["error"]
    assert len(error) <= document_comparison.LONGEST
    assert "\x1b" not in error


def test_it_fits_a_narrow_terminal() -> None:
    first = case(
        build(NEW, tags=tuple(f"tag-{n}-of-the-image" for n in range(9)), build_id="b" * 90)
    )
    shown = render_comparison.text(compare.compare(first, case(build(OLD))))
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.startswith("DIFFERENT: the images of reports\n")
