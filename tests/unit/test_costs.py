"""What does not depend on the machine: how much is imported, and how many calls Python makes.

What AWS is asked is counted in tests/guard/test_calls.py. `python -m tests.unit.test_costs` takes
what is counted now as what it may cost from now on.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deployguard import judge
from deployguard.report import files, text
from tests.unit import report_cases as cases

KNOWN = Path(__file__).with_name("costs.json")
SLACK = 1.2  # other versions of Python and of libraries count a little differently
CONTAINERS = 200
IMPORTED = "import time:"


def modules(*arguments: str) -> int:
    """Count what a command imports until it ends, or until AWS hears of it."""
    with socket.create_server(("127.0.0.1", 0)) as aws:
        aws.settimeout(60)
        environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "eu-west-1",
        }
        command = [sys.executable, "-X", "importtime", "-m", "deployguard", *arguments]
        with subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            if arguments[0] == "check":
                aws.accept()[0].close()
                process.kill()
            _, told = process.communicate()
    return sum(line.startswith(IMPORTED) for line in told.splitlines())


def calls(work: Callable[[], object]) -> int:
    """Count the calls that Python makes for something that was done before."""
    work()
    profile = cProfile.Profile()
    profile.runcall(work)
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


def pages() -> tuple[str, ...]:
    report = cases.report(cases.stale_evidence(CONTAINERS))
    return cases.page(report), text.render(report), files.dump(report)


EVIDENCE = cases.stale_evidence(CONTAINERS)
COUNTS: dict[str, Callable[[], int]] = {
    "modules of --version": lambda: modules("--version"),
    "modules of --help": lambda: modules("--help"),
    "modules until check calls AWS": lambda: modules("check", "reports", "--dry-run"),
    "calls to judge 200 containers": lambda: calls(lambda: judge.ruling(EVIDENCE)),
    "calls to report 200 containers": lambda: calls(pages),
}


@pytest.mark.parametrize("what", COUNTS)
def test_nothing_costs_much_more_than_it_did(what: str) -> None:
    assert COUNTS[what]() <= SLACK * json.loads(KNOWN.read_text())[what]


if __name__ == "__main__":
    found = {what: count() for what, count in COUNTS.items()}
    KNOWN.write_text(json.dumps(found, indent=2) + "\n")
