"""The lines around an invocation, in each of AWS's styles."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.fleet import logs
from deployguard.lab.fleet.logs import Init, Run
from deployguard.lab.fleet.outcome import Exited, Failed, Outcome, Replied, Said, TimedOut, of
from deployguard.lab.nouns import Build
from tests.lab.fleet_stand_ins import a_build, in_a_loop, staged

AT = 1_767_380_301.504  # 2026-01-02T18:58:21.504Z
BUILD = a_build(Path("/nowhere"), timeout_s=3)
FAILED = Failed(b'{"errorType": "ValueError", "errorMessage": "no"}')


def ended(said: Said, **changes: Any) -> Run:
    outcome = of(said, "r-1", timeout_s=3)
    run = Run(request_id="r-1", ended=AT, duration_ms=2.5, used_mb=36, outcome=outcome)
    return replace(run, **changes)


def text(build: Build, run: Run, style: str) -> str:
    return "".join(line for _, line in logs.end_lines(build, run, style=style))


@pytest.mark.parametrize("style", ["new", "old"])
@pytest.mark.parametrize("said", [Replied(b"{}"), FAILED])
def test_the_old_report_says_nothing_of_a_handled_end(style: str, said: Said) -> None:
    found = text(BUILD, ended(said), style)
    error = "Status: error\tError Type: ValueError\t"
    assert found == (
        "END RequestId: r-1\n"
        "REPORT RequestId: r-1\tDuration: 2.50 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB"
        f"\tMax Memory Used: 36 MB\t{error if said is FAILED and style == 'new' else ''}\n"
    )


def test_a_cold_start_is_reported_and_billed() -> None:
    report = text(BUILD, ended(Replied(b"{}"), init_ms=110.1), "old")
    assert "\tBilled Duration: 113 ms\t" in report
    assert report.endswith("\tInit Duration: 110.10 ms\t\n")


@pytest.mark.parametrize(
    ("said", "old", "new"),
    [
        (
            TimedOut(),
            "2026-01-02T18:58:21.504Z r-1 Task timed out after 3.00 seconds\n",
            "\tStatus: timeout\t\n",
        ),
        (
            Exited(-9),
            "RequestId: r-1 Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n",
            "\tStatus: error\tError Type: Runtime.ExitError\t\n",
        ),
    ],
    ids=["timeout", "killed"],
)
def test_the_platforms_reason_is_a_line_or_a_status(said: Said, old: str, new: str) -> None:
    in_old, in_new = (text(BUILD, ended(said), style) for style in ("old", "new"))
    assert in_old.startswith(old)
    assert "Status:" not in in_old
    assert in_new.startswith("END RequestId: r-1\n")
    assert in_new.endswith(new)


def test_json_lines_are_platform_events() -> None:
    build = replace(BUILD, log_format="JSON", system_level="DEBUG")
    run = ended(TimedOut(), init_ms=10.0)
    init = Init(phase="init", ended=AT, duration_ms=10.0, initialization_type="on-demand")
    lines = [
        *logs.init_lines(build, init),
        *logs.start_lines(build, "r-1", at=AT),
        *logs.end_lines(build, run, style="new"),
    ]
    found = [json.loads(line) for _, line in lines]
    assert [one["type"] for one in found] == [
        "platform.initStart",
        "platform.initReport",
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
    ]
    assert found[2]["record"] == {"requestId": "r-1", "version": "$LATEST"}
    assert found[4] == {
        "time": "2026-01-02T18:58:21.504Z",
        "type": "platform.report",
        "record": {
            "requestId": "r-1",
            "status": "timeout",
            "errorType": "Sandbox.Timedout",
            "metrics": {
                "durationMs": 2.5,
                "billedDurationMs": 13,
                "memorySizeMB": 128,
                "maxMemoryUsedMB": 36,
                "initDurationMs": 10.0,
            },
        },
    }


@pytest.mark.parametrize(
    ("level", "good", "bad"),
    [
        ("INFO", ["platform.start", "platform.report"], ["start", "runtimeDone", "report"]),
        ("WARN", [], ["runtimeDone", "report"]),
    ],
)
def test_a_system_level_hides_what_is_below_it(level: str, good: list[str], bad: list[str]) -> None:
    build = replace(BUILD, log_format="JSON", system_level=level)
    init = Init(phase="init", ended=AT, duration_ms=10.0, initialization_type="on-demand")

    def kinds(said: Said) -> list[str]:
        lines = logs.init_lines(build, init) + logs.start_lines(build, "r-1", at=AT)
        lines += logs.end_lines(build, ended(said), style="new")
        return [json.loads(line)["type"] for _, line in lines]

    assert kinds(Replied(b"{}")) == good
    assert kinds(FAILED) == [f"platform.{kind}" for kind in bad]
    failed = replace(init, failed=Outcome("error", b"", error_type="E"))
    assert len(logs.init_lines(build, failed)) == 1


def test_a_failed_initialization_has_a_line_of_its_own() -> None:
    failed = Outcome("error", b"", error_type="Runtime.ImportModuleError")
    init = Init("init", AT, 12.0, "on-demand", failed)
    [(at, line)] = logs.init_lines(BUILD, init)
    assert at == 1_767_380_301_504
    assert line == (
        "INIT_REPORT Init Duration: 12.00 ms\tPhase: init\tStatus: error"
        "\tError Type: Runtime.ImportModuleError\n"
    )
    assert logs.init_lines(BUILD, replace(init, failed=None)) == []


def test_a_stream_names_its_version_and_in_a_shared_group_its_function() -> None:
    assert logs.stream(BUILD, now=AT, container="c0") == "2026/01/02/[$LATEST]c0"
    shared = replace(BUILD, log_group="/shared", version="7")
    assert logs.stream(shared, now=AT, container="c0") == "2026/01/02/reports[7]c0"


@in_a_loop
async def test_what_a_function_prints_stands_between_start_and_end(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        answer = await stage.call({"do": "print", "text": "a\nb"}, log_type="Tail")
        tail = base64.b64decode(answer.headers["X-Amz-Log-Result"]).decode()
        request_id = answer.headers["x-amzn-RequestId"]
        assert tail.startswith(
            f"START RequestId: {request_id} Version: $LATEST\na\nb\nEND RequestId: {request_id}\n"
        )
        assert re.search(r"\tMax Memory Used: \d\d MB\tInit Duration: \d+\.\d\d ms\t\n$", tail)
        assert stage.lines() == tail
        assert {stream for stream, _ in stage.logged} == {stage.fleet.containers()[0]["log_stream"]}
        await stage.call({})
        assert stage.lines().count("Init Duration") == 1


@in_a_loop
async def test_the_tail_is_four_kilobytes(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        answer = await stage.call({"do": "print", "text": "x" * 20_000}, log_type="Tail")
        tail = base64.b64decode(answer.headers["X-Amz-Log-Result"]).decode()
        assert len(tail) == 4096
        assert tail == stage.lines()[-4096:]
        assert "X-Amz-Log-Result" not in (await stage.call({})).headers


@in_a_loop
async def test_a_stack_trace_is_one_log_event(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.call({"do": "raise", "message": "no"})
        [event] = [line for _, line in stage.logged if line.startswith("[ERROR] ValueError: no\r")]
        assert "raise ValueError" in event


@in_a_loop
async def test_the_style_of_reports_is_a_knob(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.call({"do": "exit", "code": 3})
        assert "\tStatus: error\tError Type: Runtime.ExitError\t\n" in stage.lines()
        stage.logged.clear()
        stage.knobs.report_style = "old"
        await stage.call({"do": "exit", "code": 3})
        assert " Error: Runtime exited with error: exit status 3\n" in stage.lines()
        assert "Status:" not in stage.lines()


@in_a_loop
async def test_json_functions_log_json_from_the_platform_and_the_runtime(tmp_path: Path) -> None:
    async with staged(tmp_path, log_format="JSON") as stage:
        await stage.call({"do": "log", "text": "noted"})
        await stage.call({"do": "raise", "message": "no"})
        found = [json.loads(line) for _, line in stage.logged]
        assert [one.get("type", one.get("level")) for one in found] == [
            "platform.start",
            "INFO",
            "platform.report",
            "platform.start",
            "ERROR",
            "platform.runtimeDone",
            "platform.report",
        ]


@in_a_loop
async def test_virtual_containers_report_like_real_ones(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.knobs.cold_start_s = 0.05
        answer = await stage.call({})
        request_id = answer.headers["x-amzn-RequestId"]
        pattern = (
            rf"START RequestId: {request_id} Version: \$LATEST\nEND RequestId: {request_id}\n"
            rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms"
            r"\tMemory Size: 128 MB\tMax Memory Used: 32 MB\tInit Duration: ([\d.]+) ms\t\n"
        )
        report = re.fullmatch(pattern, stage.lines())
        assert report
        assert float(report[1]) >= 50


@in_a_loop
async def test_times_in_the_log_follow_the_labs_clock(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.clock.step_s = 30 * 86_400.0
        born = (await stage.canary())["born"]
        stream = stage.fleet.containers()[0]["log_stream"]
        stage.fleet.kill()
        stage.clock.step_s = 0.0
        assert born <= stage.clock.now()  # a process does not see the step
        await stage.canary()
        assert str(stream)[:10] != str(stage.fleet.containers()[0]["log_stream"])[:10]
