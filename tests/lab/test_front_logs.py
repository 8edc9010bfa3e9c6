"""What a reader of logs finds after each way in which an invocation can end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.state_machines import Stage

DIES = "import os\ndef handler(event, context):\n    print('hi')\n    os._exit(3)"
HOGS = "def handler(event, context):\n    print('hi')\n    return len(b'x' * (300 << 20))"
SLEEPS = "import time\ndef handler(event, context):\n    print('hi')\n    time.sleep(9)"
RAISES = "def handler(event, context):\n    print('hi')\n    raise ValueError('no')"
IMPORTS = "import nothing_like_that"
ENDS = [
    (RAISES, "ValueError", ["[ERROR] ValueError: no"]),
    (DIES, "Runtime.ExitError", ["Error: Runtime exited with error: exit status 3"]),
    (HOGS, "Runtime.ExitError", ["Error: Runtime exited with error: signal: killed"]),
    (SLEEPS, "timeout", ["Task timed out after 1.00 seconds"]),
    (IMPORTS, "Runtime.ImportModuleError", ["INIT_REPORT Init Duration: ", "Phase: init"]),
]


@pytest.mark.parametrize("style", ["new", "old"])
@pytest.mark.parametrize(("code", "error", "words"), ENDS, ids=[error for _, error, _ in ENDS])
def test_an_end_is_in_the_log(
    stage: Stage, code: str, error: str, words: list[str], style: str
) -> None:
    stage.lab.set(report_style=style)
    stage.module(code, Timeout=1, MemorySize=128)
    request = stage.functions.invoke(FunctionName="fn")["ResponseMetadata"]["RequestId"]
    lines = stage.lines()
    text = "".join(lines)
    start, end = f"START RequestId: {request} Version: $LATEST\n", f"END RequestId: {request}\n"
    assert lines.index(start) < lines.index(end) < len(lines) - 1
    assert lines[-1].startswith(f"REPORT RequestId: {request}\tDuration: ")
    assert ("hi\n" in lines[lines.index(start) :]) is (code != IMPORTS)
    if error == "timeout":
        assert lines[-1].endswith("Status: timeout\t\n") is (style == "new")
    else:
        assert (f"Status: error\tError Type: {error}" in lines[-1]) is (style == "new")
    from_platform = error in ("timeout", "Runtime.ExitError")
    assert all(word in text for word in words) is not (from_platform and style == "new")


def test_a_function_without_memory_is_reported_with_all_that_it_had(stage: Stage) -> None:
    stage.module(HOGS, MemorySize=128, Timeout=5)
    stage.functions.invoke(FunctionName="fn")
    assert "\tMemory Size: 128 MB\tMax Memory Used: 128 MB\t" in stage.lines()[-1]


@pytest.mark.parametrize(
    ("levels", "kinds"),
    [
        ({}, ["platform.start", "INFO", "platform.report"]),
        ({"ApplicationLogLevel": "ERROR"}, ["platform.start", "platform.report"]),
        ({"SystemLogLevel": "WARN"}, ["INFO"]),
    ],
)
def test_levels_hide_lines_of_functions_that_log_json(
    stage: Stage, levels: dict[str, Any], kinds: list[str]
) -> None:
    code = "import logging\ndef handler(event, context):\n    logging.getLogger().info('noted')\n"
    stage.module(code, LoggingConfig={"LogFormat": "JSON", "LogGroup": "/own", **levels})
    stage.functions.invoke(FunctionName="fn")
    found = [json.loads(line) for line in stage.lines("/own")]
    assert [each.get("type", each.get("level")) for each in found] == kinds


def test_a_stream_is_found_by_what_a_container_wrote_last(stage: Stage) -> None:
    stage.module("def handler(event, context): print(event)")
    stage.functions.publish_version(FunctionName="fn")
    for qualifier in ("$LATEST", "1"):
        stage.functions.invoke(FunctionName="fn", Qualifier=qualifier, Payload=b"7")
    told = stage.logs.describe_log_streams(
        logGroupName="/aws/lambda/fn", orderBy="LastEventTime", descending=True
    )["logStreams"]
    assert ["[1]" in each["logStreamName"] for each in told] == [True, False]
    events = stage.logs.get_log_events(
        logGroupName="/aws/lambda/fn", logStreamName=told[0]["logStreamName"], startFromHead=True
    )["events"]
    assert [each["message"].split()[0] for each in events] == ["START", "7", "END", "REPORT"]
