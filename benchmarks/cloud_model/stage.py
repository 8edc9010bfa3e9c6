"""Scenarios played for real: pools in the lab, and the command line that judges them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cloud_model.scenario import ALIAS, Scenario
from deployguard.burst import Connections, Request
from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.model import LATEST, Verdict
from deployguard.run import EXIT_CODES

ROLE = "arn:aws:iam::123456789012:role/bench"
LABEL = "dev.deployguard.build-id"
BUSY_MS = 9_000  # the callers' invocations: few end during a check
ANSWERED_S = 60.0
KNOBS = {
    "virtual": True,
    "cold_start_s": 0.0,  # while containers are warmed, so that they come to rest in any order
    "account_concurrency": 100_000,
    "signatures": False,
}


@dataclass(frozen=True)
class Played:
    """How one real run ended."""

    verdict: Verdict
    probes: int
    wall_s: float  # of the process


def turn(lab: Client, scenario: Scenario, names: Sequence[str]) -> None:
    """Let the lab choose containers, and keep old ones, as the scenario says."""
    lasts = scenario.lasting_s
    seconds = None if lasts == float("inf") else lasts
    is_moved = bool(scenario.move)
    lab.set(
        **KNOBS,
        routing="partitioned" if scenario.partitions > 1 else scenario.routing,
        partitions=scenario.partitions,
        propagation_mode=scenario.move or "step",
        propagation_s=lasts if is_moved else 0.0,
        linger=[]
        if is_moved
        else [{"function": name, "count": None, "seconds": seconds} for name in names],
    )


def prepare(lab: Client, scenario: Scenario, *, name: str) -> None:
    """Warm a function's containers, the old ones and, after a deploy, the new ones."""
    _ship(lab, name, "old")
    if scenario.move:
        _move(lab, name)
    with Connections(lab.endpoint) as lines:
        old = scenario.size if scenario.move else scenario.old
        _warm(lines, lab, name, count=old, qualifier=scenario.qualifier)
        _ship(lab, name, "new")
        if scenario.move:
            _move(lab, name)
        else:
            _warm(lines, lab, name, count=scenario.size, qualifier=LATEST)


def judge(lab: Client, scenario: Scenario, *, name: str, folder: Path) -> Played:
    """Judge the function by the command line, while its other callers keep containers busy."""
    with _callers(lab, name, round(scenario.load * scenario.size)):
        return _judged(lab, scenario, name=name, folder=folder)


def _ship(lab: Client, name: str, build_id: str) -> None:
    stamp = json.dumps({"schema": "deployguard/stamp/v1", "build_id": build_id}).encode()
    files = {"app.py": b"", "build-stamp.json": stamp}
    image = images.of_files(files, labels={LABEL: build_id})
    uri = images.push(image, repository=name, ecr=lab.client("ecr"))
    functions = lab.client("lambda")
    if build_id == "old":
        code = {"ImageUri": uri}
        functions.create_function(
            FunctionName=name, PackageType="Image", Code=code, Role=ROLE, Timeout=60
        )
    else:
        functions.update_function_code(FunctionName=name, ImageUri=uri)


def _move(lab: Client, name: str) -> None:
    """Publish what is deployed, and have the alias serve it."""
    functions = lab.client("lambda")
    version = functions.publish_version(FunctionName=name)["Version"]
    do = functions.create_alias if version == "1" else functions.update_alias
    do(FunctionName=name, Name=ALIAS, FunctionVersion=version)


def _warm(lines: Connections, lab: Client, name: str, *, count: int, qualifier: str) -> None:
    """Hold so many containers at once, and let them go in any order."""
    lines.fire(
        [_canary(lab, name, qualifier, hold_ms=random.randint(300, 700)) for _ in range(count)],
        deadline_s=ANSWERED_S,
    )


def _canary(lab: Client, name: str, qualifier: str, *, hold_ms: int) -> Request:
    asked = {"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": hold_ms}}
    path = f"/2015-03-31/functions/{name}/invocations?Qualifier={qualifier.replace('$', '%24')}"
    return Request("POST", lab.endpoint + path, (), json.dumps(asked).encode())


@contextmanager
def _callers(lab: Client, name: str, count: int) -> Iterator[None]:
    """Keep so many containers busy, one invocation after the other."""
    is_over = threading.Event()
    canaries = [_canary(lab, name, LATEST, hold_ms=BUSY_MS) for _ in range(count)]

    def call() -> None:
        with Connections(lab.endpoint) as lines:
            while canaries and not is_over.is_set():
                lines.fire(canaries, deadline_s=ANSWERED_S)

    with ThreadPoolExecutor(1) as aside:
        calling = aside.submit(call)
        try:
            _wait_for_busy(lab, name, count)
            yield
        finally:
            is_over.set()
        calling.result()


def _wait_for_busy(lab: Client, name: str, count: int) -> None:
    states = ["idle"]
    while states.count("busy") < count:
        time.sleep(0.02)
        states = [str(one["state"]) for one in lab.containers() if one["function"] == name]


def _judged(lab: Client, scenario: Scenario, *, name: str, folder: Path) -> Played:
    folder.mkdir()
    command = [sys.executable, "-m", "deployguard", "verify", f"{name}:{scenario.qualifier}"]
    grace = 0.0 if scenario.changed_at < 0 else scenario.grace_s
    options = ["--routes", "off", "--grace", f"{grace}", "--max-probes", f"{scenario.max_probes}"]
    began = time.monotonic()
    done = subprocess.run(
        [*command, *options],
        cwd=folder,
        env=os.environ | lab.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s = time.monotonic() - began
    verdicts = {code: verdict for verdict, code in EXIT_CODES.items()}
    if done.returncode not in verdicts:
        raise SystemExit(f"exit code {done.returncode}: {done.stderr}")
    report = json.loads((folder / "deployguard-report" / "report.json").read_text())
    (route,) = report["functions"][0]["routes"]
    return Played(verdicts[done.returncode], route["coverage"]["probes"], wall_s)
