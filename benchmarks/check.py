"""Measure a whole `deployguard check` against the same calls written by hand, by turns, in the lab.

python -m benchmarks.check [--turns 7] [--tls] [--call-ms 0]
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figures import note
from deployguard.lab import images
from deployguard.lab.client import Client

FUNCTION = "bench"
ROLE = "arn:aws:iam::123456789012:role/bench"
BY_HAND = Path(__file__).parent / "by_hand"
WAITING_S = 2.1  # the alias settles for 2 s, and its last canaries are held for 0.1 s
CHECK = (sys.executable, "-m", "deployguard", "check", FUNCTION)
COMMANDS: dict[str, Sequence[str]] = {
    "check --routes off": [*CHECK, "--routes", "off"],
    "check": CHECK,
    "boto3 script": [sys.executable, str(BY_HAND / "check.py"), FUNCTION],
    "AWS CLI calls": [str(BY_HAND / "check.sh"), FUNCTION],
}
GUARD, DISCOVERING, SCRIPT, CLI = COMMANDS  # the script and the CLI look for no callers either
CONTROL = (
    "BatchGetImage",
    "GetAlias",
    "GetDownloadUrlForLayer",
    "GetFunction",
    "GetProvisionedConcurrencyConfig",
    "ListVersionsByFunction",
    "PublishVersion",
    "UpdateAlias",
)


@dataclass
class Taken:
    """What the runs of one command took."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def wall(self) -> float:
        """Return the median of the seconds from start to exit."""
        return statistics.median(self.wall_s)

    @property
    def cpu(self) -> float:
        """Return the median of the seconds of processor time, all child processes included."""
        return statistics.median(self.cpu_s)


def main() -> None:
    """Take turns, then print the medians, the ratios and the calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--tls", action="store_true", help="talk to the lab by https")
    parser.add_argument("--call-ms", type=int, default=0, help="how long AWS takes for a call")
    arguments = parser.parse_args()
    taken = {name: Taken() for name in COMMANDS}
    with lab_process(tls=arguments.tls) as lab, tempfile.TemporaryDirectory() as folder:
        builds = itertools.count(1)
        deploy(lab, next(builds))
        for operation in CONTROL if arguments.call_ms else ():
            delay = {"kind": "delay", "seconds": arguments.call_ms / 1000, "nth": None}
            lab.fault(operation=operation, **delay)
        for turn in range(arguments.turns):
            print(f"turn {turn + 1} of {arguments.turns}", file=sys.stderr)
            for name, result in taken.items():
                deploy(lab, next(builds))
                measure(COMMANDS[name], lab, Path(folder), result)
    show(taken, scheme="https" if arguments.tls else "http")


@contextlib.contextmanager
def lab_process(*, tls: bool) -> Iterator[Client]:
    """Run `deployguard lab up`, with containers that start in no time."""
    command = [sys.executable, "-m", "deployguard", "lab", "up", *(["--tls"] if tls else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5 if tls else 4)]
        words = [shlex.split(line)[1] for line in lines]
        exports = dict(word.split("=", 1) for word in words)
        try:
            lab = Client(exports["AWS_ENDPOINT_URL"], ca_bundle=exports.get("AWS_CA_BUNDLE"))
            lab.set(virtual=True)
            yield lab
        finally:
            process.terminate()


def deploy(lab: Client, number: int) -> None:
    """Ship a new image to $LATEST, and have one warm container behind the alias."""
    build_id = f"build-{number}"
    stamp = json.dumps({"schema": "deployguard/stamp/v1", "build_id": build_id}).encode()
    image = images.of_files(
        {"app.py": b"", "build-stamp.json": stamp}, labels={"dev.deployguard.build-id": build_id}
    )
    uri = images.push(image, repository=FUNCTION, ecr=lab.client("ecr"))
    client = lab.client("lambda")
    if number == 1:
        client.create_function(
            FunctionName=FUNCTION,
            PackageType="Image",
            Code={"ImageUri": uri},
            Role=ROLE,
            Publish=True,
        )
        client.create_alias(FunctionName=FUNCTION, Name="live", FunctionVersion="1")
    else:
        client.update_function_code(FunctionName=FUNCTION, ImageUri=uri)
    canary = {"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": 0}}
    client.invoke(FunctionName=FUNCTION, Qualifier="live", Payload=json.dumps(canary))


def measure(command: Sequence[str], lab: Client, folder: Path, taken: Taken) -> None:
    """Run one command to its end; it must succeed."""
    before = lab.calls()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | lab.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, used = os.wait4(process.pid, 0)
    taken.wall_s.append(time.perf_counter() - started)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{shlex.join(command)} ended with {process.returncode}")
    taken.cpu_s.append(used.ru_utime + used.ru_stime)
    taken.calls = Counter(lab.calls())
    taken.calls.subtract(before)


def show(taken: dict[str, Taken], *, scheme: str) -> None:
    """Print the figures."""
    turns = len(taken[GUARD].wall_s)
    print(f"{scheme}, medians of {turns} turns; {WAITING_S:.1f} s of each are waiting")
    for name, each in taken.items():
        low, high = min(each.wall_s), max(each.wall_s)
        calls = sum(each.calls.values())
        print(
            f"  {name:<18} {each.wall:6.2f} s ({low:.2f} to {high:.2f}), "
            f"processor {each.cpu:5.2f} s, {calls} calls"
        )
    for one, name in ((GUARD, SCRIPT), (GUARD, CLI), (DISCOVERING, GUARD)):
        guard, other = taken[one], taken[name]
        work = (guard.wall - WAITING_S) / (other.wall - WAITING_S)
        print(
            f"  {one} / {name}: {guard.wall / other.wall:.2f}; "
            f"without the waiting {work:.2f}, processor {guard.cpu / other.cpu:.2f}"
        )
    for name, at_most in ((SCRIPT, 1.3), (CLI, 0.5)):
        ratio = taken[DISCOVERING].wall / taken[name].wall
        note(f"check: deployguard / {name}", ratio, at_most=at_most)
    print(f"  calls of {GUARD}:")
    for operation, count in sorted((+taken[GUARD].calls).items()):
        print(f"    {operation:<40} {count}")
    for name in (SCRIPT, CLI):
        fewer = taken[GUARD].calls - taken[name].calls
        print(f"  {name} does without {', '.join(sorted(fewer))}")


if __name__ == "__main__":
    main()
