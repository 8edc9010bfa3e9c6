"""Log lines of every style, read as invocations; and lines that only look like the platform's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.executions import lines
from deployguard.executions.marks import Logged
from deployguard.executions.nouns import Invocation

A = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
B = "9476a536-e9f4-11e8-9739-2dfe598c3fcd"
C = "a476a536-e9f4-11e8-9739-2dfe598c3fcd"
STREAM = "2026/01/02/[42]0123456789abcdef0123456789abcdef"


def start(id_: str = A, version: str = "42") -> str:
    return f"START RequestId: {id_} Version: {version}\n"


def end(id_: str = A) -> str:
    return f"END RequestId: {id_}\n"


def report(id_: str = A, ms: float = 26.73, more: str = "") -> str:
    return (
        f"REPORT RequestId: {id_}\tDuration: {ms} ms\tBilled Duration: 27 ms\t"
        f"Memory Size: 128 MB\tMax Memory Used: 75 MB\t{more}\n"
    )


def told(kind: str, id_: str = A, **record: Any) -> str:
    record = {"requestId": id_, **record}
    return json.dumps(
        {"time": "2026-01-02T18:57:49.123Z", "type": f"platform.{kind}", "record": record}
    )


def crumb(id_: str = A, **more: Any) -> str:
    fields = {
        "line": 1, "event": "birth", "build_id": "b1", "container": "0" * 32, "born": 0.5,
        "invocation": 1, "function_version": "42", "invoked_arn": "arn", "log_stream": STREAM,
        "request_id": id_, "at": 1.0, "uptime_s": 0.5, "canary": False,
    }  # fmt: skip
    return json.dumps({"deployguard": fields | more}) + "\n"


def read(*texts: str, stream: str = STREAM, whole: bool = True) -> list[Invocation]:
    """Read the events of a stream, one a second from 1."""
    logged = (Logged(stream, float(at), text) for at, text in enumerate(texts, 1))
    return lines.invocations(logged, whole={stream} if whole else ())


def one(*texts: str, **more: Any) -> Invocation:
    (found,) = read(*texts, **more)
    return found


# The styles


def test_a_text_report_tells_the_whole_invocation() -> None:
    found = one(start(), "hello\n", end(), report(more="Init Duration: 111.5 ms\t"))
    assert (found.request_id, found.version, found.stream) == (A, "42", STREAM)
    assert (found.started, found.ended, found.duration_ms) == (1.0, 4.0, 26.73)
    assert (found.init_ms, found.memory_mb, found.used_mb) == (111.5, 128, 75)
    assert (found.status, found.is_cold, found.has_report) == ("", True, True)
    assert [line.text for line in found.lines] == ["hello"]


def test_a_report_may_name_a_trace() -> None:
    trace = "XRAY TraceId: 1-5e34a614-10bdxmplf1fb44f07bc535a1\tSegmentId: 07f\tSampled: true\t\n"
    assert one(start(), end(), report() + trace).has_report


@pytest.mark.parametrize(
    ("more", "status", "error"),
    [
        ("Status: timeout", "timeout", ""),
        ("Status: error\tError Type: Runtime.ExitError", "error", "Runtime.ExitError"),
    ],
)
def test_the_new_style_says_how_it_ended(more: str, status: str, error: str) -> None:
    found = one(start(), end(), report(more=f"{more}\t"))
    assert (found.status, found.error_type) == (status, error)


def test_the_old_style_says_a_time_out_in_a_line_of_its_own() -> None:
    late = f"2026-01-02T18:57:49.123Z {A} Task timed out after 3.00 seconds\n\n"
    assert one(start(), late, end(), report(ms=3003.5)).status == "timeout"


def test_the_old_style_says_an_exit_in_a_line_of_its_own() -> None:
    died = f"RequestId: {A} Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n"
    found = one(start(), died, end(), report())
    assert (found.status, found.error_type) == ("error", "Runtime.ExitError")


def test_json_lines_tell_the_same() -> None:
    metrics = {"durationMs": 26.7, "memorySizeMB": 128, "maxMemoryUsedMB": 75, "initDurationMs": 9}
    found = one(
        told("start", version="42"),
        json.dumps({"timestamp": "t", "level": "ERROR", "message": "no", "requestId": A}),
        told("runtimeDone", status="failure", errorType="Runtime.ExitError"),
        told("report", status="error", errorType="Runtime.ExitError", metrics=metrics),
    )
    assert (found.version, found.duration_ms, found.init_ms) == ("42", 26.7, 9.0)
    assert (found.status, found.error_type) == ("error", "Runtime.ExitError")
    assert [line.text for line in found.lines] == ["ERROR no"]


def test_where_a_level_hides_each_start_what_is_left_is_read() -> None:
    found = one(
        json.dumps({"level": "ERROR", "message": "no", "requestId": A}),
        told("report", status="error", errorType="ValueError", metrics={"durationMs": 5}),
    )
    assert (found.request_id, found.version, found.status) == (A, "42", "error")
    assert (found.started, found.ordinal) == (None, None)


def test_a_failed_initialization_is_of_the_invocation_that_follows() -> None:
    init = "INIT_REPORT Init Duration: 10004.01 ms\tPhase: init\tStatus: timeout\n"
    found = one("importing\n", init, start(), end(), report())
    assert (found.init_status, found.init_ms) == ("timeout", 10004.01)
    assert [line.text for line in found.lines] == ["importing"]


# Counting


def test_invocations_of_a_process_are_counted_and_its_age_is_since_its_first_line() -> None:
    found = read(start(A), end(A), report(A), start(B), end(B), report(B))
    assert [(each.ordinal, each.container_age_s) for each in found] == [(1, 0.0), (2, 3.0)]
    assert [each.is_cold for each in found] == [True, False]


def test_in_part_of_a_stream_nothing_is_counted() -> None:
    assert [each.ordinal for each in read(start(), end(), report(), whole=False)] == [None]


@pytest.mark.parametrize("how", ["Status: timeout", "Status: error\tError Type: Runtime.ExitError"])
def test_a_killed_process_begins_anew(how: str) -> None:
    first = start(A), end(A), report(A, more=f"{how}\t")
    found = read(*first, start(B), end(B), report(B))
    assert [(each.ordinal, each.container_age_s) for each in found] == [(1, 0.0), (1, 0.0)]


def test_an_invocation_without_a_report_ends_where_the_next_begins() -> None:
    found = read(start(A), "dying\n", start(B), end(B), report(B))
    assert [(each.request_id, each.has_report) for each in found] == [(A, False), (B, True)]
    assert found[1].ordinal == 1


def test_a_breadcrumb_line_tells_the_build_of_its_process() -> None:
    found = read(start(A), crumb(), end(A), report(A), start(B), end(B), report(B))
    assert [(each.build_id, each.born) for each in found] == [("b1", 0.5)] * 2
    assert [each.ordinal for each in found] == [1, 2]


@pytest.mark.parametrize(
    "forged",
    [
        crumb(log_stream="2026/01/02/[42]ffffffffffffffffffffffffffffffff"),
        crumb(B),
        crumb(function_version="41"),
        "user said " + crumb(),
    ],
)
def test_a_breadcrumb_line_of_elsewhere_tells_nothing(forged: str) -> None:
    assert one(start(), forged, end(), report()).build_id is None


def test_breadcrumb_lines_that_differ_tell_nothing() -> None:
    assert one(start(), crumb(), crumb(build_id="b2"), end(), report()).build_id is None


# What an application prints


def test_of_two_reports_the_last_is_the_platforms() -> None:
    forged = report(ms=1.0, more="Init Duration: 1.00 ms\tStatus: timeout\t")
    found = one(start(), end(), forged, "and on\n", end(), report(ms=500.0))
    assert (found.duration_ms, found.init_ms, found.status) == (500.0, None, "")
    assert [line.text for line in found.lines] == ["and on"]


def test_a_start_within_an_invocation_is_text() -> None:
    found = one(start(A), start(B, "99"), "x\n", end(A), report(A))
    assert (found.request_id, found.version) == (A, "42")


def test_a_start_of_its_own_request_is_text() -> None:
    assert one(start(A), end(A), report(A), start(A, "99"), end(A), report(A, 9.0)).version == "42"


def test_an_invocation_that_is_whole_within_another_is_doubted() -> None:
    found = one(start(A), start(B), end(B), report(B), end(A), report(A))
    assert (found.request_id, found.duration_ms, found.ordinal) == (A, None, None)


def test_a_forged_report_and_start_leave_two_readings_and_neither_is_taken() -> None:
    found = read(start(A), report(A, 1.0), start(C), end(A), report(A, 500.0), start(B), report(B))
    by_id = {each.request_id: each for each in found}
    assert (by_id[A].has_report, by_id[A].duration_ms, by_id[A].status) == (False, None, "")
    assert by_id[B].ordinal is None


def test_a_report_of_an_earlier_invocation_takes_its_report_from_it() -> None:
    found = read(start(A), report(A, 5.0), start(B), report(A, 1.0), end(B), report(B, 7.0))
    assert [(each.has_report, each.duration_ms) for each in found] == [(False, None), (True, 7.0)]


def test_a_report_of_a_request_that_never_began_is_text() -> None:
    found = one(start(A), report(C, 1.0), end(A), report(A, 5.0))
    assert found.duration_ms == 5.0
    assert "REPORT" in found.lines[0].text


@pytest.mark.parametrize(
    "text",
    [
        f"look: {report(ms=1.0)}",
        f" {report(ms=1.0)}",
        f"x\n{report(ms=1.0)}",
        report(ms=1.0).replace("REPORT", "Report"),
        report(ms=1.0) + "more\n",
        told("report", metrics={"durationMs": 1}, status="timeout").replace('"time"', '"when"'),
    ],
)
def test_what_is_not_a_whole_event_is_text(text: str) -> None:
    found = one(start(), text, end(), report(ms=5.0))
    assert (found.duration_ms, found.status) == (5.0, "")
    assert len(found.lines) == 1


def test_a_time_out_that_is_only_said_is_not_believed() -> None:
    late = f"2026-01-02T18:57:49.123Z {A} Task timed out after 900.00 seconds\n"
    assert one(start(), late, end(), report(ms=1200.0)).status == ""
    assert one(start(), late, "but no\n", end(), report(ms=900_000.0)).status == ""


# Anything


TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from([A, B, C]).flatmap(
        lambda id_: st.sampled_from(
            [start(id_), end(id_), report(id_), told("start", id_, version="1"), crumb(id_),
             told("report", id_, metrics={"durationMs": 1e999}), told("runtimeDone", id_)]
        )
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.dictionaries(
            st.sampled_from(
                ["type", "record", "time", "requestId", "metrics", "deployguard", "line",
                 "message", "durationMs", "version", "errorType"]
            ),
            inner,
        ),
        max_leaves=9,
    ).map(json.dumps),
)  # fmt: skip


@given(st.lists(TEXT, max_size=20))
def test_any_text_is_borne(texts: list[str]) -> None:
    for found in read(*texts):
        assert found.ordinal is None or found.ordinal > 0
        assert found.container_age_s is None or found.container_age_s >= 0


PRINTED = st.sampled_from([start(B, "7"), end(B), report(B, 1.0), "x\n", end(A), report(A, 1.0)])


@given(st.lists(PRINTED, max_size=8))
def test_whatever_an_invocation_prints_its_own_report_is_the_true_one_or_none(
    printed: list[str],
) -> None:
    found = {each.request_id: each for each in read(start(A), *printed, end(A), report(A, 500.0))}
    assert found[A].duration_ms in (500.0, None)
    assert found[A].version == "42"
