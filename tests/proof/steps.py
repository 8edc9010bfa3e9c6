"""The steps of a scenario: every call that it makes, found by running it without a fault."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.proof.scenarios import SCENARIOS, Scenario
from tests.proof.stage import Log, Stage

FILE = Path(__file__).with_name("steps.json")
KEY = "GUARD"
BACK = ("rollback", "recover")  # whose moves of the alias lead back
LEASE = "deployguard"
WRITES = {  # and the step that each is, where it is no alias
    "PublishVersion": "S06",
    "PutFunctionConcurrency": "S13",
    "DeleteFunctionConcurrency": "S15",
    "UpdateFunctionConfiguration": "S16",
    "DeleteFunction": "S16",
    "CreateAlias": "",
    "UpdateAlias": "",
    "DeleteAlias": "",
}
RESTORING = ("PutFunctionConcurrency", "DeleteFunctionConcurrency")  # when it comes second
READS_AFTER = {  # the step that reads belong to after a write
    "S02": "S03",
    "S06": "S07",
    "S09": "S11",
    "S10": "S11",
    "S12": "S17",
    "S13": "S17",
    "S15": "S17",
    "S16": "S17",
    "S18": "S17",
    "S20": "S19",
}


@dataclass(frozen=True)
class Step:
    """The nth call of its kind in a scenario; `step` is its place in the story, S01 to S20."""

    scenario: str
    step: str
    operation: str
    alias: str
    qualifier: str
    nth: int

    @property
    def name(self) -> str:
        """Return what the step is called in the matrix."""
        subject = self.alias or self.qualifier
        parts = [self.operation, subject, str(self.nth) if self.nth > 1 else ""]
        return f"{self.scenario}-{self.step}-{'.'.join(part for part in parts if part)}"

    @property
    def is_write(self) -> bool:
        """Say whether the call changes anything."""
        return self.operation in WRITES

    @property
    def match(self) -> dict[str, Any]:
        """Return the members of a fault rule that strikes this very call."""
        named = ("operation", "alias", "qualifier", "nth")
        return {name: getattr(self, name) for name in named} | {"access_key": KEY}


def found(scenario: Scenario, log: Log) -> list[Step]:
    """Name the calls of a run.

    Of probes, which overlap, the first to each qualifier counts, and of the reads after all is
    done the first of each kind.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    steps: list[Step] = []
    place = "S01"
    for call in log:
        kind = call["operation"], call["alias"], call["qualifier"]
        seen[kind] += 1
        if call["operation"] == "Invoke" and seen[kind] > 1:
            continue
        here = _place(scenario, kind, steps) or place
        if here == "S19" and any((each.step, each.operation) == (here, kind[0]) for each in steps):
            continue
        steps.append(Step(scenario.name, here, *kind, nth=seen[kind]))
        place = "S03" if here == "S01" else READS_AFTER.get(here, here)
    return sorted(steps, key=lambda step: step.name)


def _place(scenario: Scenario, kind: tuple[str, str, str], before: list[Step]) -> str:
    """Return the place of a call that has one of its own: a write, or a probe."""
    operation, alias, qualifier = kind
    if operation == "Invoke":
        return "S08" if qualifier.isdigit() else "S11"
    if alias == LEASE:
        return _place_of_lease(scenario, operation, before)
    if operation in RESTORING and any(step.operation in RESTORING for step in before):
        return "S15"
    moves = [step for step in before if step.is_write and step.alias not in ("", LEASE)]
    place = "S18" if moves or scenario.command in BACK else "S10"
    return (WRITES[operation] or place) if operation in WRITES else ""


def _place_of_lease(scenario: Scenario, operation: str, before: list[Step]) -> str:
    if operation == "DeleteAlias":
        return "S20"
    if not any(step.is_write for step in before):
        return "S02"
    return "S12" if scenario.command in ("refresh", "prune") else "S09"


def discover(stage: Stage, scenario: Scenario) -> list[Step]:
    """Run a scenario without a fault and return its steps."""
    stage.arrange(scenario, name=f"discover-{scenario.name}")
    guard = stage.guard(scenario.arguments(stage.team), key=KEY)
    guard.go()
    code = guard.wait()
    said = guard.err + guard.out
    assert code == scenario.exit_code, said
    return found(scenario, [call for call in stage.lab.log() if call["access_key"] == KEY])


def load() -> list[Step]:
    """Return the steps that were found last."""
    return [Step(**entry) for entry in json.loads(FILE.read_text())]


def save(stage: Stage) -> None:
    """Find the steps of every scenario anew."""
    steps = [step for each in SCENARIOS.values() for step in discover(stage, each)]
    rows = ",\n".join(json.dumps(asdict(step)) for step in steps)
    FILE.write_text(f"[\n{rows}\n]\n")
