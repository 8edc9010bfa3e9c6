"""A lab of its own for one cell at a time, the processes that play there, and what they leave."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from deployguard.run import REPAIRS
from tests.guard.world import Team
from tests.proof import warm
from tests.proof.scenarios import Scenario, ready

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.proof.warm"])
BOOKKEEPING = threading.Lock()  # multiprocessing's own is not made for threads
PATIENCE_S = 60.0
HUNG = 999
LEASE_OVER_S = 120.0

Log = list[dict[str, Any]]


@dataclass(frozen=True)
class State:
    """What is on the function: what its alias serves, the lease, and every version's digest."""

    alias: str | None
    weights: Mapping[str, float]
    lease: str | None
    digests: Mapping[str, str]  # of each version that can be invoked
    reserved: int | None
    variables: Mapping[str, str]


NOTHING = State(None, {}, None, {}, None, {})  # the function is gone


class Guard:
    """One process that runs the command line, held at its start until `go`."""

    def __init__(self, order: warm.Order) -> None:
        """Fork it."""
        self.folder = order.folder
        self.gate, child = CONTEXT.Pipe()
        with BOOKKEEPING:
            self.process = CONTEXT.Process(target=warm.obey, args=(order, child))
            self.process.start()
        child.close()
        self.pid = self.process.pid or 0
        self.began = time.time()

    def go(self) -> None:
        """Let it run."""
        self.began = time.time()
        self.gate.send_bytes(b"go")

    @property
    def is_over(self) -> bool:
        """Say whether it ended."""
        return bool(connection.wait([self.process.sentinel], 0))

    def kill(self) -> None:
        """End it by SIGKILL, if it is still there."""
        self.process.kill()

    def wait(self) -> int:
        """Return its exit code; HUNG where it had to be killed."""
        ended = connection.wait([self.process.sentinel], PATIENCE_S)
        if not ended:
            self.process.kill()
            connection.wait([self.process.sentinel])
        with BOOKKEEPING:
            self.process.join()
        code = self.process.exitcode if ended else HUNG
        assert code is not None
        self.process.close()
        self.gate.close()
        return code


class Stage:
    """One lab, and the team whose function is played with there."""

    def __init__(self, lab: Client, folder: Path) -> None:
        """Take the lab over."""
        self.lab = lab
        self.root = folder
        self.team = Team(lab, folder)

    def arrange(self, scenario: Scenario, *, name: str) -> None:
        """Start anew, with a folder of its own."""
        self.team.folder = self.root / name
        self.team.folder.mkdir(parents=True)
        ready(self.lab)
        scenario.arrange(self.team)

    def guard(self, arguments: tuple[str, ...], *, key: str, **world: Any) -> Guard:
        """Fork a guard that signs with an access key of its own, in a folder of that name."""
        folder = self.team.folder / key
        folder.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **self.lab.environment}
        environment["AWS_ACCESS_KEY_ID"] = key
        environment["DEPLOYGUARD_ROUTES"] = "off"  # to look for callers writes nothing
        return Guard(warm.Order(arguments, folder, environment, **world))

    def state(self) -> State:
        """Read what is on the function."""
        functions, name = self.team.functions, {"FunctionName": self.team.name}
        try:
            versions = functions.list_versions_by_function(**name)["Versions"]
        except functions.exceptions.ResourceNotFoundException:
            return NOTHING
        aliases = {each["Name"]: each for each in functions.list_aliases(**name)["Aliases"]}
        live = aliases.get("live", {})
        reserved = functions.get_function_concurrency(**name)
        return State(
            alias=live.get("FunctionVersion"),
            weights=live.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}),
            lease=aliases.get("deployguard", {}).get("Description"),
            digests={v["Version"]: v["CodeSha256"] for v in versions if _is_whole(v)},
            reserved=reserved.get("ReservedConcurrentExecutions"),
            variables=versions[0].get("Environment", {}).get("Variables", {}),
        )

    def writes(self) -> Log:
        """Return every write on the function so far."""
        return [each for each in self.lab.writes() if each["service"] == "lambda"]

    def now(self) -> float:
        """Return the time by the lab's clock."""
        return time.time() + float(self.lab.knobs()["clock_step_s"])

    def step_clock(self, seconds: float) -> None:
        """Set the lab's clock forward or back."""
        self.lab.set(clock_step_s=self.lab.knobs()["clock_step_s"] + seconds)

    def later(self) -> None:
        """Let every lease that is not renewed run out."""
        self.step_clock(LEASE_OVER_S)

    def report(self, key: str, *, command: str) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
        """Return the report that a guard left, and the names of what it left half done."""
        folder = self.team.folder / key / "deployguard-report"
        path = folder / (f"{command}.json" if command in REPAIRS else "report.json")
        half = tuple(each.name for each in folder.glob(".report*"))
        return (json.loads(path.read_text()) if path.is_file() else None), half


def _is_whole(version: Mapping[str, Any]) -> bool:
    return bool(version.get("State", "Active") == "Active")


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Run a lab for a stage."""
    with running_lab() as lab:
        yield Stage(lab, folder)
