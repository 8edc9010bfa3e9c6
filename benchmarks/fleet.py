"""Measure `deployguard check --all` over 1, 10, 100 and 500 functions, in the lab.

python -m benchmarks.fleet [--sizes 1 10 100 500] [--jobs 8]

Beside it run the shortest boto3 script (by_hand/check.py) and AWS CLI calls (by_hand/check.sh), as
many at once. All functions run one image, and each has a warm container behind its alias. Before
each measurement they get a new image, which is not timed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.check import BY_HAND, ROLE, lab_process
from benchmarks.figures import note
from deployguard.lab import images
from deployguard.lab.client import Client

TIMEOUT_S = 900
LOOK_S = 0.05
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")  # what a process that has ended does not have any more
CANARY = json.dumps({"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": 0}})


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds, processor seconds, MiB at its peak, and calls to AWS."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    calls: Counter[str]


class Fleet:
    """Functions of one image in a lab."""

    def __init__(self, lab: Client, size: int) -> None:
        """Make so many, each with an alias."""
        self.names = [f"bench-{number:03}" for number in range(size)]
        self._lab = lab
        self._builds = 0
        self._functions = lab.client("lambda")
        self.ship(size)

    def ship(self, size: int) -> None:
        """Give the first of them a new image, with a warm container of the old one."""
        self._builds += 1
        build_id = f"build-{self._builds}"
        stamp = json.dumps({"schema": "deployguard/stamp/v1", "build_id": build_id}).encode()
        image = images.of_files(
            {"app.py": b"", "build-stamp.json": stamp},
            labels={"dev.deployguard.build-id": build_id},
        )
        uri = images.push(image, repository="bench", ecr=self._lab.client("ecr"))
        names = self.names[:size]
        is_first = self._builds == 1
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: self._ship(name, uri, is_first=is_first), names))

    def _ship(self, name: str, uri: str, *, is_first: bool) -> None:
        client = self._functions
        if is_first:
            code = {"ImageUri": uri}
            client.create_function(
                FunctionName=name, PackageType="Image", Code=code, Role=ROLE, Publish=True
            )
            client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        else:
            client.update_function_code(FunctionName=name, ImageUri=uri)
        client.invoke(FunctionName=name, Qualifier="live", Payload=CANARY)


def main() -> None:
    """Check fleets of several sizes, and compare them with one function, and with other ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 10, 100, 500])
    parser.add_argument("--jobs", type=int, default=8)
    arguments = parser.parse_args()
    print("                         wall s   processor s   MiB   calls   calls a function")
    with lab_process(tls=False) as lab, tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(lab, max(arguments.sizes))
        by_hand(lab, fleet, Path(folder), jobs=arguments.jobs)
        found = {
            size: show(f"check --all of {size}", guard(lab, fleet, Path(folder), size, arguments))
            for size in arguments.sizes
        }
    compare(found)
    detail(found)


def by_hand(lab: Client, fleet: Fleet, folder: Path, *, jobs: int) -> None:
    """Measure the other ways, a process for each function."""
    for what, program, sizes in (
        ("AWS CLI calls", str(BY_HAND / "check.sh"), (1, 10)),
        ("boto3 script", f"{sys.executable} {BY_HAND / 'check.py'}", (1, 10, 100)),
    ):
        for size in sizes:
            fleet.ship(size)
            names = "\n".join(fleet.names[:size])
            loop = f"printf '%s\\n' $NAMES | xargs -P {jobs} -n 1 {program}"
            show(f"{what} of {size}", cost(["sh", "-c", loop], lab, folder, NAMES=names))


def guard(
    lab: Client, fleet: Fleet, folder: Path, size: int, arguments: argparse.Namespace
) -> Cost:
    """Measure a check of so many functions at once."""
    fleet.ship(size)
    entries = [f'[[functions]]\nname = "{name}"\n' for name in fleet.names[:size]]
    (folder / "deployguard.toml").write_text("\n".join(entries))
    command = [sys.executable, "-m", "deployguard", "check", "--all"]
    options = ["--jobs", str(arguments.jobs), "--timeout", str(TIMEOUT_S)]
    return cost([*command, *options], lab, folder)


def cost(command: Sequence[str], lab: Client, folder: Path, **variables: str) -> Cost:
    """Run a command to its end, which must be a good one."""
    before = lab.calls()
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | lab.environment | variables,
            stdout=said,
            stderr=said,
        )
        peaks: list[float] = []
        watcher = threading.Thread(target=lambda: peaks.extend(sizes(process.pid)))
        watcher.start()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{command} ended with {process.returncode}:\n{said.read()[-3000:]}")
    calls = Counter(lab.calls())
    calls.subtract(before)
    return Cost(wall_s, used.ru_utime + used.ru_stime, max(peaks, default=0.0), +calls)


def sizes(pid: int) -> Iterator[float]:
    """Yield the MiB that a process holds, again and again until it ends.

    The figure that its end tells would be that of this process, where it was forked from it.
    """
    with suppress(OSError):
        while found := PEAK.search(Path(f"/proc/{pid}/status").read_text()):
            yield int(found[1]) / 1024
            time.sleep(LOOK_S)


def show(what: str, each: Cost) -> Cost:
    """Print a row."""
    calls = each.calls.total()
    size = int(what.rsplit(maxsplit=1)[-1])
    print(
        f"{what:<22}{each.wall_s:9.2f}{each.cpu_s:14.2f}{each.peak_mib:6.0f}{calls:8}"
        f"{calls / size:19.1f}",
        flush=True,
    )
    return each


def compare(found: dict[int, Cost]) -> None:
    """Note the ratios that have targets."""
    if 1 in found and 100 in found:
        ten_times = found[100].wall_s / (10 * found[1].wall_s)
        note("fleet: 100 functions / 10 x one function", ten_times, at_most=1.5)
    if 10 in found and max(found) > 10:
        most = max(found)
        linear = (found[most].calls.total() / most) / (found[10].calls.total() / 10)
        note(f"fleet: calls a function, {most} / 10 functions", linear, at_most=1.05)
    if 100 in found and 500 in found:
        growth = (found[500].cpu_s - found[100].cpu_s) / 400 / (found[100].cpu_s / 100)
        note("fleet: processor a function, beyond 100 / up to 100", growth, at_most=1.2)
        note("fleet: MiB at 500 functions", found[500].peak_mib, at_most=300)


def detail(found: dict[int, Cost]) -> None:
    """Print which calls one function, and the largest fleet, took."""
    smallest, largest = min(found), max(found)
    print(f"calls of {smallest} and {largest}:")
    for name, count in sorted(found[largest].calls.items()):
        print(f"  {name:<40}{found[smallest].calls[name]:6}{count:8}")


if __name__ == "__main__":
    main()
