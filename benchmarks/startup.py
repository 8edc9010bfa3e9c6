"""Measure how long deployguard takes to start: python -m benchmarks.startup.

The first call of `check` is held against the least that any tool needs which uses AWS's SDK: to
import botocore and make one client. A profile shows where the rest goes.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import note

PYTHON = sys.executable
MODULE = [PYTHON, "-m", "deployguard"]
CONSOLE = Path(PYTHON).with_name("deployguard")
BARE, VERSION, HELP = "python -c pass", "deployguard --version", "deployguard --help"
CLIENT, FIRST_CALL = "botocore and one client", "first call of deployguard check"
MAKE_CLIENT = (
    "import botocore.session as b; b.get_session().create_client('lambda', region_name='eu-west-1')"
)
INSTALLED = [str(CONSOLE)] if CONSOLE.exists() else MODULE
CHECK = ["check", "bench"]
UNTIL_EXIT: dict[str, Sequence[str]] = {
    BARE: [PYTHON, "-c", "pass"],
    VERSION: [*INSTALLED, "--version"],
    "python -m deployguard --version": [*MODULE, "--version"],
    HELP: [*INSTALLED, "--help"],
    "deployguard check --help": [*INSTALLED, "check", "--help"],
    CLIENT: [PYTHON, "-c", MAKE_CLIENT],
}
UNTIL_FIRST_CALL: dict[str, Sequence[str]] = {
    FIRST_CALL: [*INSTALLED, *CHECK],
    "first call of boto3": [
        PYTHON,
        "-c",
        "import boto3; boto3.client('lambda').get_function(FunctionName='bench')",
    ],
}
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")
SHOWN = 12  # packages of the profile


@dataclass
class Taken:
    """What the runs of one command took, in milliseconds."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


def main() -> None:
    """Take turns, then print the medians, what has a target, and the profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    turns = parser.parse_args().turns
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryDirectory() as folder:

        def measure(name: str) -> tuple[float, float]:
            if name in UNTIL_EXIT:
                return until_exit(UNTIL_EXIT[name])
            return until_call(UNTIL_FIRST_CALL[name], server, folder)

        taken = by_turns([*UNTIL_EXIT, *UNTIL_FIRST_CALL], turns, measure)
        show(taken)
        note("start-up: --version / bare Python", over(taken, VERSION, BARE), at_most=2.0)
        more_ms = statistics.median(taken[HELP].wall) - statistics.median(taken[BARE].wall)
        note("start-up: ms of --help beyond bare Python", more_ms, at_most=100)
        ratio = over(taken, FIRST_CALL, CLIENT)
        note("start-up: first call of check / botocore and one client", ratio, at_most=1.2)
        profile(server, folder)


def by_turns(
    names: Sequence[str],
    turns: int,
    measure: Callable[[str], tuple[float, float]],
) -> dict[str, Taken]:
    """Run every command once without counting it, then each in turn."""
    taken = {name: Taken() for name in names}
    for name in names:
        measure(name)
    for _ in range(turns):
        for name in names:
            wall_s, cpu_s = measure(name)
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


def over(taken: dict[str, Taken], name: str, other: str) -> float:
    """Return the ratio of two medians of turns."""
    return statistics.median(taken[name].wall) / statistics.median(taken[other].wall)


def until_call(
    command: Sequence[str],
    server: socket.socket,
    folder: str,
    *,
    said: int = subprocess.DEVNULL,
) -> tuple[float, float]:
    """Return the seconds, and those of the processor, until AWS hears of a command, and end it."""
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=said, stderr=said
    )
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
    """Print medians, and their ratios to bare Python's."""
    first, *_ = taken.values()
    wall, cpu = statistics.median(first.wall), statistics.median(first.cpu)
    for name, each in taken.items():
        own_wall, own_cpu = statistics.median(each.wall), statistics.median(each.cpu)
        print(
            f"{name:<36} {own_wall:5.0f} ms, processor {own_cpu:5.0f} ms; "
            f"ratio {own_wall / wall:.1f}, processor {own_cpu / cpu:.1f}"
        )


def profile(server: socket.socket, folder: str) -> None:
    """Print what importing takes until the first call, by package, beside what a client needs."""
    taken: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryFile("w+") as said:
        until_call(
            [PYTHON, "-X", "importtime", *MODULE[1:], *CHECK], server, folder, said=said.fileno()
        )
        said.seek(0)
        for line in said:
            if match := IMPORT.match(line):
                package = match[2].partition(".")[0]
                taken[package] += int(match[1])
                counts[package] += 1
    print(f"imported until the first call: {counts.total()} modules, traced by -X importtime")
    for package, microseconds in taken.most_common(SHOWN):
        print(f"  {package:<20}{microseconds / 1000:7.1f} ms {counts[package]:5} modules")


if __name__ == "__main__":
    main()
