"""Forked containers: only the container's facts tell them from spawned ones, and none is left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.client import Client
from deployguard.lab.fleet.environment import AWS_RUNTIME, default_runtime
from deployguard.lab.fleet.zygote import CAN_FORK
from tests.lab import state_machines
from tests.lab.fleet_stand_ins import HANDLER, Stage, in_a_loop, running, staged, until

pytestmark = pytest.mark.skipif(
    not CAN_FORK or default_runtime() != AWS_RUNTIME, reason="needs pidfds and AWS's client"
)

INSIDE = """
import faulthandler, io, locale, os, signal, sys, time
def handler(event, context):
    return {
        "environ": dict(os.environ),
        "path": sys.path, "argv": sys.argv, "cwd": os.getcwd(), "flags": list(sys.flags),
        "group": os.getpgid(0) == os.getpid(), "umask": os.umask(0o22), "tz": time.tzname,
        "files": sorted(os.listdir("/proc/self/fd")), "stdin": os.readlink("/proc/self/fd/0"),
        "encodings": [sys.getfilesystemencoding(), sys.__stdout__.encoding, sys.stdout.errors,
                      locale.getpreferredencoding(), locale.setlocale(locale.LC_CTYPE)],
        "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGPIPE,
                    signal.SIGCHLD, signal.SIGTERM)],
        "bytecode": sys.dont_write_bytecode, "main": sys.modules["__main__"].__name__,
        "main_file": sys.modules["__main__"].__file__, "builtins": exit is not None,
    }
"""


async def both(folder: Path, event: Any, **options: Any) -> list[tuple[str, str, str | None]]:
    """Invoke a spawned and a forked container; return what each answered and logged."""
    found = []
    for zygote in (False, True):
        async with staged(folder / "image", **options) as stage:
            stage.knobs.zygote = zygote
            answer = await stage.call(event)
            assert [one["forked"] for one in stage.fleet.containers()] == [zygote]
            body, lines = plain(answer.body.decode(), stage), plain(stage.lines(), stage)
            found.append((body, lines, answer.headers.get("X-Amz-Function-Error")))
        (folder / "image").rename(folder / str(zygote))
    return found


def plain(text: str, stage: Stage) -> str:
    """Take out what differs between any two containers."""
    text = text.replace(str(stage.fleet.tmp), "TMP")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"Root=[^\"]+", "TRACE", text)
    text = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)
    return re.sub(r"[\d.]+ (ms|MB)|\d{10}\.\d+", r"NUMBER \1", text)


@pytest.mark.parametrize(
    "event",
    [
        {"do": "raise", "message": "no"},
        {"do": "exit", "code": 4},
        {"do": "exit", "code": 0},
        {"do": "signal", "number": int(signal.SIGSEGV)},
        {"do": "signal", "number": int(signal.SIGKILL)},
        {"do": "hang"},
        {"do": "eat", "mb": 400, "seconds": 5},
        {"do": "print", "text": "hello\nworld"},
        {"do": "log", "text": "hello"},
    ],
    ids=lambda event: "-".join(str(word) for word in event.values()).split("\n")[0],
)
@in_a_loop
async def test_a_forked_container_answers_and_logs_as_a_spawned_one(
    event: dict[str, Any], tmp_path: Path
) -> None:
    spawned, forked = await both(tmp_path, event, timeout_s=2)
    assert forked == spawned


@pytest.mark.parametrize("handler", ["raise ValueError('no')", "import gone", "def (", "x = 1"])
@in_a_loop
async def test_a_failed_initialization_is_the_same(handler: str, tmp_path: Path) -> None:
    spawned, forked = await both(tmp_path, {}, handler=handler)
    assert "INIT_REPORT" in spawned[1]
    assert forked == spawned


@in_a_loop
async def test_the_interpreter_looks_the_same_from_inside(tmp_path: Path) -> None:
    given = {"PYTHONPATH": "/var/task", "TZ": "Asia/Tokyo", "PYTHONUNBUFFERED": "1"}
    spawned, forked = await both(tmp_path, {}, handler=INSIDE, environment=given)
    assert json.loads(forked[0]) == json.loads(spawned[0])


@in_a_loop
async def test_a_folder_that_is_missing_is_reported_the_same(tmp_path: Path) -> None:
    found = []
    for zygote in (False, True):
        async with staged(tmp_path / str(zygote)) as stage:
            stage.knobs.zygote = zygote
            stage.deploy("two", working_dir="/gone")
            task = tmp_path / str(zygote) / "two" / "var" / "task"
            task.rename(task.with_name("moved"))
            found.append(plain((await stage.call({})).body.decode(), stage))
    assert "Runtime.InvalidWorkingDirectory" in found[0]
    assert found[0] == found[1]


@in_a_loop
async def test_each_fork_reads_the_stamp_of_its_own_image(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.knobs.zygote = True
        assert (await stage.canary())["stamp"]["build_id"] == "one"
        stage.deploy("two")
        found = await stage.burst(8)
        assert {one["stamp"]["build_id"] for one in found} == {"two"}
        assert len({one["container"] for one in found}) == 8
        assert len({one["pid"] for one in stage.fleet.containers()}) == 8


@pytest.mark.parametrize(
    ("given", "module"),
    [
        ({"PYTHONHASHSEED": "0"}, None),
        ({"LC_ALL": "POSIX"}, None),
        ({"LANG": "C"}, None),
        ({}, "json.py"),
        ({}, "simplejson"),
    ],
)
@in_a_loop
async def test_an_image_that_a_fork_would_misrepresent_is_spawned(
    given: dict[str, str], module: str | None, tmp_path: Path
) -> None:
    handler = HANDLER.replace("import json,", "import json as other,").replace(
        "json.load(open", "str(open"
    )
    async with staged(tmp_path, environment=given, handler=handler) as stage:
        stage.knobs.zygote = True
        if module == "json.py":
            task = tmp_path / "one" / "var" / "task"
            (task / module).write_text("from simplejson import *\n")
        elif module:
            (tmp_path / "one" / "var" / "task" / module).mkdir()
        await stage.call({})
        assert [one["forked"] for one in stage.fleet.containers()] == [False]


@in_a_loop
async def test_a_zygote_that_is_killed_is_replaced(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.knobs.zygote = True
        first = await stage.canary()
        assert stage.fleet.zygote.popen
        before = stage.fleet.zygote.popen.pid
        os.kill(before, signal.SIGKILL)
        await until(lambda: stage.fleet.containers()[0]["pid"] is None)
        second = await stage.canary()
        assert second["log_stream"] == first["log_stream"]
        assert second["container"] != first["container"]
        assert stage.fleet.containers()[0]["forked"]
        assert stage.fleet.zygote.popen.pid != before


@in_a_loop
async def test_nothing_is_left_of_forks_after_stop(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.knobs.zygote = True
        await stage.burst(2)
        child = int((await stage.call({"do": "spawn"})).body)
        hanging = [asyncio.create_task(stage.call({"do": "hang"})) for _ in range(7)]
        await until(lambda: len(stage.fleet.zygote.requests) > 2)
        assert stage.fleet.zygote.popen
        pids = [one["pid"] for one in stage.fleet.containers() if one["pid"]]
        found = [child, stage.fleet.zygote.popen.pid, *(int(str(pid)) for pid in pids)]
        assert all(running(pid) for pid in found)
        descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    await until(lambda: not any(running(pid) for pid in found))
    assert len(os.listdir("/proc/self/fd")) < descriptors  # noqa: PTH208
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended)


LAB = """
import asyncio, sys
from pathlib import Path
from tests.lab import state_machines
from tests.lab.fleet_stand_ins import staged, until

async def main():
    async with staged(Path(sys.argv[1])) as stage:
        stage.knobs.zygote = True
        await stage.burst(2)
        hanging = asyncio.create_task(stage.call({"do": "hang"}))
        await until(lambda: "busy" in [one["state"] for one in stage.fleet.containers()])
        pids = [one["pid"] for one in stage.fleet.containers()]
        print(stage.fleet.zygote.popen.pid, *pids, flush=True)
        await hanging

asyncio.run(main())
"""


@in_a_loop
async def test_a_killed_lab_takes_its_zygote_and_forks_along(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    lab = subprocess.Popen(
        [sys.executable, "-c", LAB, str(tmp_path)], stdout=subprocess.PIPE, env=environment
    )
    with lab:
        assert lab.stdout
        pids = [int(word) for word in lab.stdout.readline().split()]
        assert len(pids) == 3
        assert all(running(pid) for pid in pids)
        lab.send_signal(signal.SIGKILL)
    await until(lambda: not any(running(pid) for pid in pids))


def test_a_lab_that_was_emptied_forks_from_the_same_zygote(lab: Client) -> None:
    stage, zygotes = state_machines.Stage(lab), []
    for _ in range(2):
        lab.reset()
        lab.set(zygote=True)
        stage.function("return 1")
        stage.functions.invoke(FunctionName="fn")
        (container,) = lab.containers()
        stat = Path(f"/proc/{container['pid']}/stat").read_text()
        zygotes.append(stat.rpartition(")")[2].split()[1])
    assert zygotes[0] == zygotes[1]
