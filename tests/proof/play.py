"""Play a cell: break one run off in one way, look at what is left, recover, and look again."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any, TypeVar

from tests.proof.aftermath import Aftermath
from tests.proof.faults import FAULTS, Fault
from tests.proof.invariants import INVARIANTS
from tests.proof.scenarios import DEAD, SCENARIOS, Scenario
from tests.proof.stage import Log, Stage, State, staged
from tests.proof.steps import KEY, Step
from tests.warm import Process

GUARDS = frozenset({DEAD, KEY, "SECOND", "RECOVER", "AGAIN"})
STAGES = 10
LOOK_S = 0.05


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
    """What the checks of a play said; `checks` counts them all."""

    name: str
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
    """Return the cells of the matrix; a call that several scenarios share is spoiled in one."""
    seen: set[tuple[object, ...]] = set()
    found = []
    for step in steps:
        shared = _shared(step)
        if shared not in seen:
            seen.add(shared)
            found += [Cell(step, fault) for fault in FAULTS.values() if fault.applies(step)]
    return found


def _shared(step: Step) -> tuple[object, ...]:
    """Return what makes two calls the same: before the alias is put back, how it ends does not."""
    if not step.is_write:
        return step.step, step.operation
    scenario = SCENARIOS[step.scenario]
    end = scenario.exit_code if step.step >= "S18" else None
    return scenario.command, step.step, step.operation, step.alias, end


@dataclass(frozen=True)
class Turn:
    """One guard's appearance: what was there before, and the process."""

    phase: str
    arguments: tuple[str, ...]
    key: str
    before: State
    start: int  # how many writes are older
    guard: Process


class Play:
    """One cell on a stage, and what it came to."""

    def __init__(self, stage: Stage, cell: Cell) -> None:
        """Set the stage."""
        self.stage = stage
        self.cell = cell
        self.result = Result(cell.name)
        stage.arrange(cell.scenario, name=cell.name)
        self.first = stage.state()

    def perform(self) -> Result:
        """Break the run off, and recover until there is nothing left to do."""
        scenario, fault = self.cell.scenario, self.cell.fault
        arguments = (*scenario.arguments(self.stage.team), *fault.options)
        self.turn = self.begin("run", arguments, key=KEY, before=self.first, **fault.world)
        self._place_fault(self.turn.guard.pid)
        self.turn.guard.go()
        if fault.meanwhile:
            self.await_strike(self.turn.guard)
            fault.meanwhile(self)
            self.stage.lab.release()
        left = self.end(self.turn)
        self.recover(left.after)
        return self.result

    def recover(self, left: State) -> None:
        """Let the lease run out, and recover until nothing is written any more."""
        self.stage.lab.clear_faults()
        self.stage.later()
        first = self.run("recover", ("recover", self.stage.team.name), key="RECOVER", before=left)
        if first.writes:
            self.run("again", first.arguments, key="AGAIN", before=first.after)

    def run(
        self, phase: str, arguments: tuple[str, ...], *, key: str, before: State | None = None
    ) -> Aftermath:
        """Run the command line from its beginning to its end."""
        turn = self.begin(phase, arguments, key=key, before=before)
        turn.guard.go()
        return self.end(turn)

    def begin(
        self,
        phase: str,
        arguments: tuple[str, ...],
        *,
        key: str,
        before: State | None = None,
        **world: Any,
    ) -> Turn:
        """Fork a guard that does not run yet."""
        before, start = before or self.stage.state(), len(self.stage.writes())
        guard = self.stage.guard(arguments, key=key, **world)
        return Turn(phase, arguments, key, before, start, guard)

    def end(self, turn: Turn) -> Aftermath:
        """Wait until a guard ends, and check what it leaves."""
        code, ended = turn.guard.wait(), time.time()
        log = self.stage.lab.log()
        report, leftovers = self.stage.report(turn.key, command=turn.arguments[0])
        aftermath = Aftermath(
            phase=turn.phase,
            scenario=self.cell.scenario,
            fault=self.cell.fault.name,
            arguments=turn.arguments,
            key=turn.key,
            exit_code=code,
            began=turn.guard.began,
            ended=ended,
            struck=self._struck_at(log) if turn.phase == "run" else None,
            out=turn.guard.out,
            err=turn.guard.err,
            report=report,
            leftovers=leftovers,
            log=log,
            history=self.stage.writes(),
            start=turn.start,
            guards=GUARDS,
            first=self.first,
            before=turn.before,
            after=self.stage.state(),
        )
        self.result.look(aftermath)
        return aftermath

    def await_strike(self, guard: Process, *, key: str = KEY) -> None:
        """Wait until the fault has struck, or the run has ended without it."""
        while not self._has_struck(key) and not guard.is_over:
            time.sleep(LOOK_S)

    def _place_fault(self, pid: int) -> None:
        for rule in self.cell.fault.rules:
            sent_to = {"pid": pid} if rule["kind"] == "kill" else {}
            self.stage.lab.fault(**self.cell.step.match, **rule, **sent_to)

    def _has_struck(self, key: str = KEY) -> bool:
        placed = [each for each in self.stage.lab.faults() if each["access_key"] == key]
        return not placed or any(fault["hits"] for fault in placed)

    def _struck_at(self, log: Log) -> float | None:
        self.result.checks += 1
        if not self._has_struck():
            self.result.failures.append("the fault never struck")
            return None
        step = self.cell.step
        kind = step.operation, step.alias, step.qualifier, KEY
        named = ("operation", "alias", "qualifier", "access_key")
        alike = [call for call in log if tuple(call[name] for name in named) == kind]
        return float(alike[step.nth - 1]["at"]) if len(alike) >= step.nth else None


P = TypeVar("P")


def performed(
    plays: Iterable[P], perform: Callable[[Stage, P], Result], *, folder: Path
) -> Iterator[Result]:
    """Perform plays at once, each on a stage of its own: they wait for most of their time."""
    stages: Queue[Stage] = Queue()

    def one(play: P) -> Result:
        stage = stages.get()
        try:
            return perform(stage, play)
        finally:
            stages.put(stage)

    with ExitStack() as running, ThreadPoolExecutor(STAGES) as pool:
        for number in range(STAGES):
            stages.put(running.enter_context(staged(folder / str(number))))
        yield from pool.map(one, plays)


def perform(stage: Stage, cell: Cell) -> Result:
    """Perform one cell of the matrix; a mistake of the driver is a failure of the cell."""
    try:
        return Play(stage, cell).perform()
    except Exception:  # so that the other cells go on
        return Result(cell.name, checks=1, failures=[traceback.format_exc()])
