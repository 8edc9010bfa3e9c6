"""Play a cell: break one run off in one way, look at what is left, recover, and look again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.proof.aftermath import Aftermath
from tests.proof.faults import FAULTS, Fault
from tests.proof.invariants import INVARIANTS
from tests.proof.scenarios import DEAD, SCENARIOS, Scenario
from tests.proof.stage import Guard, Stage
from tests.proof.steps import KEY, Step

GUARDS = frozenset({DEAD, KEY, "SECOND", "RECOVER", "AGAIN"})
STRIKES_WITHIN_S = 30.0
LOOK_S = 0.02


@dataclass(frozen=True)
class Cell:
    """One fault at one step of one scenario."""

    step: Step
    fault: Fault

    @property
    def name(self) -> str:
        """Return its name in the matrix."""
        return f"{self.step.name}-{self.fault.name}"

    @property
    def scenario(self) -> Scenario:
        """Return the story that is broken off."""
        return SCENARIOS[self.step.scenario]


@dataclass
class Result:
    """What the checks of a cell said; `checks` counts them all."""

    cell: Cell
    checks: int = 0
    failures: list[str] = field(default_factory=list)

    def look(self, aftermath: Aftermath) -> None:
        """Check every invariant on what a run left behind."""
        for name, invariant in INVARIANTS.items():
            self.checks += 1
            complaint = invariant(aftermath)
            if complaint:
                self.failures.append(f"{aftermath.phase}: {name}: {complaint}")


def cells(steps: Iterable[Step]) -> list[Cell]:
    """Return the cells of the matrix; a read that several scenarios share is spoiled in one."""
    seen: set[tuple[str, ...]] = set()
    found = []
    for step in steps:
        shared = (SCENARIOS[step.scenario].command, step.step, step.operation, str(step.nth))
        if not step.is_write and shared in seen:
            continue
        seen.add(shared)
        found += [Cell(step, fault) for fault in FAULTS.values() if fault.applies(step)]
    return found


class Play:
    """One cell on a stage, and what it came to."""

    key = KEY

    def __init__(self, stage: Stage, cell: Cell) -> None:
        """Set the stage."""
        self.stage = stage
        self.cell = cell
        self.result = Result(cell)
        stage.arrange(cell.scenario, name=cell.name)

    def perform(self) -> Result:
        """Break the run off, and recover until there is nothing left to do."""
        scenario, fault = self.cell.scenario, self.cell.fault
        self.run("run", (*scenario.arguments(self.stage.team), *fault.options), key=KEY)
        self.stage.lab.clear_faults()
        self.stage.later()
        recover = ("recover", self.stage.team.name)
        first = self.run("recover", recover, key="RECOVER")
        if first.writes:
            self.run("again", recover, key="AGAIN")
        return self.result

    def run(self, phase: str, arguments: tuple[str, ...], *, key: str) -> Aftermath:
        """Run the command line, with the fault where it is the run's turn, and look at the end."""
        is_spoiled = phase == "run"
        before, start = self.stage.state(), len(self.stage.writes())
        guard = self.stage.guard(
            arguments, key=key, **(self.cell.fault.world if is_spoiled else {})
        )
        if is_spoiled:
            self._place_fault(guard)
        guard.go()
        if is_spoiled and self.cell.fault.meanwhile:
            self._strike(guard)
        code, ended = guard.wait(), time.time()
        log = self.stage.lab.log()
        report, leftovers = self.stage.report(key, command=arguments[0])
        aftermath = Aftermath(
            phase=phase,
            scenario=self.cell.scenario,
            fault=self.cell.fault.name,
            arguments=arguments,
            key=key,
            exit_code=code,
            began=guard.began,
            ended=ended,
            struck=self._struck_at(log) if is_spoiled else None,
            out=(guard.folder / "out").read_text(),
            err=(guard.folder / "err").read_text(),
            report=report,
            leftovers=leftovers,
            log=log,
            history=self.stage.writes(),
            start=start,
            guards=GUARDS,
            before=before,
            after=self.stage.state(),
        )
        self.result.look(aftermath)
        return aftermath

    def _place_fault(self, guard: Guard) -> None:
        for rule in self.cell.fault.rules:
            pid = {"pid": guard.pid} if rule["kind"] == "kill" else {}
            self.stage.lab.fault(**self.cell.step.match, **rule, **pid)

    def _strike(self, guard: Guard) -> None:
        """Do what is due while the call is held, and let it go on."""
        assert self.cell.fault.meanwhile is not None
        while not self._has_struck() and not guard.is_over:
            time.sleep(LOOK_S)
        self.cell.fault.meanwhile(self)
        self.stage.lab.release()

    def _has_struck(self) -> bool:
        faults = self.stage.lab.faults()
        return not self.cell.fault.rules or any(fault["hits"] for fault in faults)

    def _struck_at(self, log: list[dict[str, Any]]) -> float | None:
        self.result.checks += 1
        if not self._has_struck():
            self.result.failures.append(f"the fault never struck: {json.dumps(self._said())}")
            return None
        step = self.cell.step
        kind = step.operation, step.alias, step.qualifier, KEY
        named = ("operation", "alias", "qualifier", "access_key")
        alike = [call for call in log if tuple(call[name] for name in named) == kind]
        return float(alike[step.nth - 1]["at"]) if len(alike) >= step.nth else None

    def _said(self) -> str:
        return (self.stage.team.folder / KEY / "err").read_text()[-500:]
