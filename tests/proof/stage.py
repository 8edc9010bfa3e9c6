"""A lab of its own for one cell at a time, the processes that play there, and what they leave."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from deployguard.run import REPAIRS
from tests import warm
from tests.guard.world import Team
from tests.proof.scenarios import Scenario, ready

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

    def guard(self, arguments: tuple[str, ...], *, key: str, **world: Any) -> warm.Process:
        """Fork a guard that signs with an access key of its own, in a folder of that name."""
        folder = self.team.folder / key
        folder.mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **self.lab.environment}
        environment["AWS_ACCESS_KEY_ID"] = key
        environment["DEPLOYGUARD_ROUTES"] = "off"  # to look for callers writes nothing
        environment["DEPLOYGUARD_REPORTS"] = "junit"  # a page takes longer, and shows no more
        return warm.Process(warm.Order(arguments, folder, environment, said=folder, **world))

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
