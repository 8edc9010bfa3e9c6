"""Measure how long deployguard takes to start: python -m benchmarks.startup."""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = sys.executable
MODULE = [PYTHON, "-m", "deployguard"]
CONSOLE = Path(PYTHON).with_name("deployguard")
FIRST_CALL = "import boto3; boto3.client('lambda').get_function(FunctionName='bench')"
UNTIL_EXIT: dict[str, Sequence[str]] = {
    "python -c pass": [PYTHON, "-c", "pass"],
    "python -m deployguard --version": [*MODULE, "--version"],
    "python -m deployguard --help": [*MODULE, "--help"],
    "python -m deployguard check --help": [*MODULE, "check", "--help"],
}
UNTIL_FIRST_CALL: dict[str, Sequence[str]] = {
    "boto3, get_function, first call": [PYTHON, "-c", FIRST_CALL],
    "deployguard check, first call": [*MODULE, "check", "bench"],
}


@dataclass
class Taken:
    """What the runs of one command took, in milliseconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main() -> None:
    """Take turns, then print the medians and the ratios to the first of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns
    installed = {"deployguard --version": [str(CONSOLE), "--version"]} if CONSOLE.exists() else {}
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:
        show(by_turns(UNTIL_EXIT | installed, turns, until_exit))
        show(by_turns(UNTIL_FIRST_CALL, turns, lambda each: until_call(each, server, folder)))


def by_turns(
    commands: dict[str, Sequence[str]],
    turns: int,
    measure: Callable[[Sequence[str]], tuple[float, float]],
) -> dict[str, Taken]:
    """Run every command once without counting it, then each in turn."""
    taken = {name: Taken() for name in commands}
    for command in commands.values():
        measure(command)
    for _ in range(turns):
        for name, command in commands.items():
            wall_s, cpu_s = measure(command)
            taken[name].wall.append(1000 * wall_s)
            taken[name].cpu.append(1000 * cpu_s)
    return taken


def until_exit(command: Sequence[str]) -> tuple[float, float]:
    """Return the seconds, and those of the processor, that a command takes; it must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return wall_s, used.ru_utime + used.ru_stime


def until_call(command: Sequence[str], server: socket.socket, folder: str) -> tuple[float, float]:
    """Return the seconds, and those of the processor, until AWS hears of a command, and end it."""
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=os.environ | environment)
    server.settimeout(60)
    connection, _ = server.accept()
    with connection:
        connection.recv(1)
        wall_s = time.perf_counter() - started
        process.kill()
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return wall_s, used.ru_utime + used.ru_stime


def show(taken: dict[str, Taken]) -> None:
    """Print medians, and their ratios to the first command's."""
    first, *_ = taken.values()
    wall, cpu = statistics.median(first.wall), statistics.median(first.cpu)
    for name, each in taken.items():
        own_wall, own_cpu = statistics.median(each.wall), statistics.median(each.cpu)
        print(
            f"{name:<36} {own_wall:5.0f} ms, processor {own_cpu:5.0f} ms; "
            f"ratio {own_wall / wall:.1f}, processor {own_cpu / cpu:.1f}"
        )


if __name__ == "__main__":
    main()
