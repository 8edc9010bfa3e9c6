"""The processes themselves: what they see, AWS's client or the plain one, and that none is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.fleet.environment import PLAIN_RUNTIME, default_runtime
from deployguard.lab.nouns import LATEST
from tests.lab.fleet_stand_ins import ARN, HANDLER, in_a_loop, running, staged, until

RUNTIMES = pytest.mark.parametrize(
    "runtime", [default_runtime(), PLAIN_RUNTIME], ids=["aws", "plain"]
)


def options(runtime: tuple[str, ...]) -> dict[str, Any]:
    return {"runtime": runtime, "environment": {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}}


@RUNTIMES
@in_a_loop
async def test_a_process_sees_its_image_and_its_function_only(
    runtime: tuple[str, ...], tmp_path: Path
) -> None:
    given = {"MODE": "blue", "PYTHONPATH": "/var/task/lib:/nowhere", "LD_PRELOAD": "/no.so"}
    async with staged(tmp_path, fleet_options=options(runtime), environment=given) as stage:
        task = stage.cloud.builds[LATEST].root / "var" / "task"
        (task / "lib").mkdir()
        found = json.loads((await stage.call({"do": "environ"})).body)
        assert found["cwd"] == str(task) == found["LAMBDA_TASK_ROOT"]
        assert found["PYTHONPATH"] == f"{task}:{task}/lib"
        assert found["DEPLOYGUARD_STAMP"] == f"{task}/build-stamp.json"
        assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
        assert (found["MODE"], found["_HANDLER"]) == ("blue", "app.handler")
        assert found["AWS_LAMBDA_FUNCTION_NAME"] == "reports"
        assert found["AWS_LAMBDA_FUNCTION_VERSION"] == LATEST
        assert found["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
        assert found["AWS_LAMBDA_LOG_STREAM_NAME"] == stage.fleet.containers()[0]["log_stream"]
        assert not {"LD_PRELOAD", "HOME", "PYTEST_CURRENT_TEST"} & found.keys()


@in_a_loop
async def test_a_stamp_elsewhere_in_the_image_is_found(tmp_path: Path) -> None:
    for virtual in (False, True):
        given = {"DEPLOYGUARD_STAMP": "/var/task/meta/stamp.json"}
        folder = tmp_path / str(virtual)
        async with staged(folder, environment=given, virtual=virtual) as stage:
            meta = stage.cloud.builds[LATEST].root / "var" / "task" / "meta"
            meta.mkdir()
            (meta / "stamp.json").write_text('{"build_id": "elsewhere"}')
            assert (await stage.canary())["stamp"] == {"build_id": "elsewhere"}


@in_a_loop
async def test_a_virtual_container_without_a_stamp_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        (stage.cloud.builds[LATEST].root / "var" / "task" / "build-stamp.json").unlink()
        found = await stage.canary()
        assert found["stamp"] is None
        assert "FileNotFoundError" in found["stamp_error"]


@in_a_loop
async def test_real_and_virtual_breadcrumbs_have_the_same_shape(tmp_path: Path) -> None:
    found = []
    for virtual in (False, True):
        async with staged(tmp_path / str(virtual), virtual=virtual) as stage:
            found.append(await stage.canary(50))
            assert found[-1]["released"] - found[-1]["received"] >= 0.05
            assert 29_000 < found[-1]["remaining_ms"] <= 29_950
    real, virtual_one = found
    assert {name: type(value) for name, value in real.items()} == {
        name: type(value) for name, value in virtual_one.items()
    }
    assert virtual_one["nonce"] == "ab" * 16


@RUNTIMES
@in_a_loop
async def test_each_runtime_client_reports_the_same(
    runtime: tuple[str, ...], tmp_path: Path
) -> None:
    async with staged(tmp_path, fleet_options=options(runtime)) as stage:
        first = await stage.canary()
        raised = json.loads((await stage.call({"do": "raise", "message": "no"})).body)
        assert raised["errorType"] == "ValueError"
        assert raised["errorMessage"] == "no"
        assert raised["stackTrace"][0].endswith('raise ValueError(event["message"])\n')
        exited = json.loads((await stage.call({"do": "exit", "code": 4})).body)
        assert exited["errorType"] == "Runtime.ExitError"
        assert exited["errorMessage"].endswith("Runtime exited with error: exit status 4")
        assert (await stage.canary())["log_stream"] == first["log_stream"]


@RUNTIMES
@pytest.mark.parametrize(
    ("handler", "command", "expected"),
    [
        ("raise ValueError('no')", "app.handler", "ValueError"),
        ("import gone", "app.handler", "Runtime.ImportModuleError"),
        ("def (", "app.handler", "Runtime.UserCodeSyntaxError"),
        (HANDLER, "app.gone", "Runtime.HandlerNotFound"),
        (HANDLER, "app", "Runtime.MalformedHandlerName"),
    ],
)
@in_a_loop
async def test_each_runtime_client_reports_a_failed_import_the_same(
    runtime: tuple[str, ...], handler: str, command: str, expected: str, tmp_path: Path
) -> None:
    chosen = options(runtime)
    async with staged(tmp_path, fleet_options=chosen, handler=handler, command=(command,)) as stage:
        answer = await stage.call({})
        assert json.loads(answer.body)["errorType"] == expected
        assert json.loads(answer.body)["requestId"] == ""
        assert answer.headers["X-Amz-Function-Error"] == "Unhandled"
        assert f"\tStatus: error\tError Type: {expected}\n" in stage.lines()


@in_a_loop
async def test_nothing_is_left_after_stop(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.burst(2)
        child = int((await stage.call({"do": "spawn"})).body)
        hanging = asyncio.create_task(stage.call({"do": "hang"}))
        await until(lambda: "busy" in [one["state"] for one in stage.fleet.containers()])
        pids = [int(str(one["pid"])) for one in stage.fleet.containers()]
        ports = list(stage.fleet.api.servers)
        folder = stage.fleet.tmp
        assert folder.is_dir()
        assert len(pids) == len(ports) == 2
        assert all(running(pid) for pid in [*pids, child])
    assert not any(running(pid) for pid in pids)
    await until(lambda: not running(child))
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    assert not folder.exists()
    with pytest.raises(asyncio.CancelledError):
        await hanging


LAB = """
import asyncio, sys
from pathlib import Path
from tests.lab.fleet_stand_ins import staged, until

async def main():
    async with staged(Path(sys.argv[1])) as stage:
        await stage.burst(2)
        hanging = asyncio.create_task(stage.call({"do": "hang"}))
        await until(lambda: "busy" in [one["state"] for one in stage.fleet.containers()])
        print(*(one["pid"] for one in stage.fleet.containers()), flush=True)
        await hanging

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's parent death signal")
@in_a_loop
async def test_a_killed_lab_takes_its_containers_along(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    lab = subprocess.Popen(
        [sys.executable, "-c", LAB, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    )
    with lab:
        assert lab.stdout
        pids = [int(word) for word in lab.stdout.readline().split()]
        assert len(pids) == 2
        assert all(running(pid) for pid in pids)
        lab.send_signal(signal.SIGKILL)
    await until(lambda: not any(running(pid) for pid in pids))


@in_a_loop
async def test_a_process_that_dies_while_idle_is_replaced(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        first = await stage.canary()
        pid = stage.fleet.containers()[0]["pid"]
        os.kill(int(str(pid)), signal.SIGKILL)
        await until(lambda: stage.fleet.containers()[0]["pid"] is None)
        second = await stage.canary()
        assert second["log_stream"] == first["log_stream"]
        assert second["container"] != first["container"]
        assert second["invoked_arn"] == ARN
