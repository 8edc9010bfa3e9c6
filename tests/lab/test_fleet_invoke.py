"""What a caller gets: answers, errors in AWS's words, and throttles."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.fleet.invoke import Answer
from deployguard.lab.nouns import AwsError
from tests.lab.fleet_stand_ins import ARN, HANDLER, Limits, in_a_loop, staged, until

KINDS = pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def error_of(answer: Answer) -> dict[str, Any]:
    """Return a function error with its request id, which differs each time, made plain."""
    assert answer.status == 200
    assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
    request_id = answer.headers["x-amzn-RequestId"]
    found: dict[str, Any] = json.loads(answer.body.replace(request_id.encode(), b"<id>"))
    return found


def platform_error(kind: str, reason: str) -> dict[str, str]:
    return {"errorType": kind, "errorMessage": f"RequestId: <id> Error: {reason}"}


@KINDS
@in_a_loop
async def test_the_answer_says_which_version_ran(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.deploy("two", version="7")
        answer = await stage.call({"a": 1}, qualifier="7")
        assert answer.status == 200
        assert sorted(answer.headers) == [
            "Content-Type",
            "X-Amz-Executed-Version",
            "X-Amzn-Trace-Id",
            "x-amzn-Remapped-Content-Length",
            "x-amzn-RequestId",
        ]
        assert answer.headers["X-Amz-Executed-Version"] == "7"
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["x-amzn-Remapped-Content-Length"] == "0"
        assert re.fullmatch(UUID, answer.headers["x-amzn-RequestId"])
        expected = {"statusCode": 200, "body": "virtual"} if virtual else {"a": 1}
        assert json.loads(answer.body) == expected


@in_a_loop
async def test_no_payload_is_an_empty_event(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert (await stage.call()).body == b"{}"


@in_a_loop
async def test_the_request_id_can_be_given(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert (await stage.canary(request_id="chosen"))["request_id"] == "chosen"


@in_a_loop
async def test_client_context_reaches_the_handler(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        given = base64.b64encode(json.dumps({"custom": {"f": "bär"}}).encode()).decode()
        answer = await stage.call({"do": "context"}, client_context=given)
        assert json.loads(answer.body) == {"f": "bär"}
        with pytest.raises(AwsError, match="must be a valid Base64-encoded JSON object") as caught:
            await stage.call({}, client_context="{}")
        assert caught.value.code == "InvalidRequestContentException"


@in_a_loop
async def test_a_raised_exception_is_the_payload(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        found = error_of(await stage.call({"do": "raise", "message": "Handler fails"}))
        [frame] = found.pop("stackTrace")
        assert found == {
            "errorMessage": "Handler fails",
            "errorType": "ValueError",
            "requestId": "<id>",
        }
        assert "app.py" in frame
        assert (await stage.canary())["invocation"] == 2


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"do": "exit", "code": 0}, "Runtime exited without providing a reason"),
        ({"do": "exit", "code": 127}, "Runtime exited with error: exit status 127"),
        (
            {"do": "signal", "number": int(signal.SIGSEGV)},
            "Runtime exited with error: signal: segmentation fault",
        ),
        ({"do": "eat", "mb": 200, "seconds": 60}, "Runtime exited with error: signal: killed"),
        ({"do": "eat", "mb": 200}, "Runtime exited with error: signal: killed"),
    ],
    ids=["exit-0", "exit-127", "crash", "out-of-memory", "out-of-memory-for-a-moment"],
)
@in_a_loop
async def test_a_crash_resets_the_container(
    event: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    async with staged(tmp_path) as stage:
        before = await stage.canary()
        assert json.loads((await stage.call({"do": "keep"})).body) == {"seen": False, "count": 2}
        assert error_of(await stage.call(event)) == platform_error("Runtime.ExitError", reason)
        after = await stage.canary()
        assert after["log_stream"] == before["log_stream"]
        assert after["container"] != before["container"]
        assert after["invocation"] == 1
        assert json.loads((await stage.call({"do": "keep"})).body) == {"seen": True, "count": 2}


@KINDS
@in_a_loop
async def test_a_timeout_resets_the_container(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual, timeout_s=1) as stage:
        before = await stage.canary()
        event = {"deployguard": {"canary": 1, "nonce": "x", "hold_ms": 9000}}
        reason = "Task timed out after 1.00 seconds"
        assert error_of(await stage.call(event)) == platform_error("Sandbox.Timedout", reason)
        after = await stage.canary()
        assert after["log_stream"] == before["log_stream"]
        assert after["container"] != before["container"]
        assert (after["invocation"], after["born"] > before["born"]) == (1, True)


@in_a_loop
async def test_an_error_during_import_is_reported_and_tried_again(tmp_path: Path) -> None:
    async with staged(tmp_path, handler="raise Exception('Runtime startup fails')") as stage:
        for _ in range(2):
            found = error_of(await stage.call({}))
            assert found.pop("stackTrace")[-1].endswith(
                "raise Exception('Runtime startup fails')\n"
            )
            assert found == {
                "errorMessage": "Runtime startup fails",
                "errorType": "Exception",
                "requestId": "",
            }
        assert len(stage.fleet.containers()) == 1
        path = stage.folder / "one" / "var" / "task" / "app.py"
        path.write_text(HANDLER)
        assert (await stage.canary())["invocation"] == 1
        assert len(stage.fleet.containers()) == 1


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        (
            "gone.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'gone': No module named 'gone'",
        ),
        ("app.gone", "Runtime.HandlerNotFound", "Handler 'gone' missing on module 'app'"),
    ],
)
@in_a_loop
async def test_a_wrong_handler_is_named(
    command: str, kind: str, message: str, tmp_path: Path
) -> None:
    async with staged(tmp_path, command=(command,)) as stage:
        assert error_of(await stage.call({})) == {
            "errorType": kind,
            "errorMessage": message,
            "requestId": "",
            "stackTrace": [],
        }


@in_a_loop
async def test_an_exit_during_import_is_an_exit_error(tmp_path: Path) -> None:
    async with staged(tmp_path, handler="raise SystemExit(0)") as stage:
        reason = "Runtime exited without providing a reason"
        assert error_of(await stage.call({})) == platform_error("Runtime.ExitError", reason)


@in_a_loop
async def test_an_image_without_a_command_has_no_entry_point(tmp_path: Path) -> None:
    async with staged(tmp_path, command=(), entrypoint=()) as stage:
        reason = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
        expected = platform_error("Runtime.InvalidEntrypoint", reason)
        assert error_of(await stage.call({})) == expected


@in_a_loop
async def test_an_import_that_is_too_slow_is_tried_again_in_the_invocation(tmp_path: Path) -> None:
    handler = (
        "import os, time\n"
        "mark = os.path.join(os.environ['TMPDIR'], 'tried')\n"
        "first = not os.path.exists(mark)\n"
        "open(mark, 'w').close()\n"
        "time.sleep(600 if first else 0)\n" + HANDLER
    )
    options = {"init_limit_s": 0.5}
    async with staged(tmp_path, handler=handler, fleet_options=options) as stage:
        assert (await stage.canary())["invocation"] == 1
        assert re.search(r"INIT_REPORT .*\tPhase: init\tStatus: timeout\n", stage.lines())
        assert "\tInit Duration" not in stage.lines()


@in_a_loop
async def test_an_import_that_never_ends_times_out(tmp_path: Path) -> None:
    options = {"init_limit_s": 0.2}
    handler = "import time; time.sleep(600)"
    async with staged(tmp_path, handler=handler, fleet_options=options, timeout_s=1) as stage:
        reason = "Task timed out after 1.00 seconds"
        assert error_of(await stage.call({})) == platform_error("Sandbox.Timedout", reason)


@in_a_loop
async def test_an_answer_may_be_large_but_not_too_large(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        answer = await stage.call({"do": "large", "size": 6_000_000})
        assert len(answer.body) == 6_000_002
        found = error_of(await stage.call({"do": "large", "size": 6_291_555}))
        assert found["errorType"] == "Function.ResponseSizeTooLarge"
        assert "exceeded maximum allowed payload size (6291556 bytes)" in found["errorMessage"]
        assert (await stage.canary())["invocation"] == 3


@pytest.mark.parametrize(
    ("invocation_type", "limit"), [("RequestResponse", 6_291_456), ("Event", 1_048_576)]
)
@in_a_loop
async def test_a_payload_can_be_too_large(invocation_type: str, limit: int, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        most = json.dumps("x" * (limit - 2)).encode()
        accepted = await stage.call(payload=most, invocation_type=invocation_type)
        assert accepted.status in (200, 202)
        with pytest.raises(AwsError) as caught:
            await stage.call(payload=most + b" ", invocation_type=invocation_type)
        assert (caught.value.status, caught.value.code) == (413, "RequestEntityTooLargeException")
        assert caught.value.message == (
            f"{limit + 1} byte payload is too large for the {invocation_type} invocation type "
            f"(limit {limit} bytes)"
        )


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"test data", "Unrecognized token 'test': was expecting (JSON String, Number, Array, "),
        (b'{"a": NaN}', "Non-standard token"),
        (b'{"a":', "Unexpected end-of-input"),
        (b"{'a': 1}", "Unexpected character (''' (code 39))"),
        (b"\x97\x00", "Invalid UTF-8 start byte 0x97"),
    ],
)
@in_a_loop
async def test_a_payload_has_to_be_json(payload: bytes, complaint: str, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        with pytest.raises(AwsError) as caught:
            await stage.call(payload=payload)
        assert (caught.value.status, caught.value.code) == (400, "InvalidRequestContentException")
        assert caught.value.message.startswith(
            "Could not parse request body into json: Could not parse payload into json: "
            + complaint
        )
        assert caught.value.members == {"Type": "User"}
        assert stage.fleet.containers() == []


@in_a_loop
async def test_an_unknown_function_or_type_is_refused(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        with pytest.raises(AwsError, match="Function not found"):
            await stage.call({}, qualifier="99")
        with pytest.raises(AwsError, match="Member must satisfy enum value set"):
            await stage.call({}, invocation_type="Later")


@in_a_loop
async def test_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        answer = await stage.call({}, invocation_type="DryRun")
        assert (answer.status, answer.body) == (204, b"")
        assert "X-Amz-Executed-Version" not in answer.headers
        assert stage.fleet.containers() == []
        with pytest.raises(AwsError, match="Function not found"):
            await stage.call({}, qualifier="99", invocation_type="DryRun")


RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"


@KINDS
@pytest.mark.parametrize(
    ("limits", "room", "reason"),
    [
        (Limits(reserved=0), 0, RESERVED),
        (Limits(reserved=2), 2, RESERVED),
        (Limits(reserved=3, provisioned={"1": 2}), 1, RESERVED),
        (Limits(account_unreserved=2), 2, ACCOUNT),
    ],
    ids=["none", "reserved", "rest-of-provisioned", "account"],
)
@in_a_loop
async def test_one_invocation_too_many_is_throttled(
    virtual: bool, limits: Limits, room: int, reason: str, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.cloud.limits = limits
        held = [asyncio.create_task(stage.canary(300)) for _ in range(room)]
        await until(lambda: len(stage.fleet.containers()) == room)
        with pytest.raises(AwsError) as caught:
            await stage.canary()
        error = caught.value
        assert (error.status, error.code) == (429, "TooManyRequestsException")
        assert error.message == "Rate Exceeded."
        assert error.members == {"Reason": reason, "Type": "User"}
        assert len(stage.fleet.containers()) == room
        await asyncio.gather(*held)
        if room:
            assert (await stage.canary())["invocation"] == 2


@in_a_loop
async def test_provisioned_containers_leave_the_rest_throttled(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        build = stage.deploy("two", version="1")
        stage.cloud.limits = Limits(reserved=1, provisioned={"1": 1})
        stage.fleet.provision(build, 1)
        await until(lambda: stage.fleet.provisioned(ARN, "1") == (1, None))
        with pytest.raises(AwsError, match="Rate Exceeded"):
            await stage.canary()
        assert (await stage.canary(qualifier="1"))["function_version"] == "1"


@in_a_loop
async def test_an_invocation_outlives_its_caller(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        caller = asyncio.create_task(stage.canary(200))
        await until(stage.fleet.containers)
        caller.cancel()
        await until(lambda: stage.fleet.containers()[0]["state"] == "idle")
        assert (await stage.canary())["invocation"] == 2
