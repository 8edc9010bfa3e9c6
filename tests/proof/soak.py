"""Kills at random moments: a seed decides the scenario, and the time or the call of its end."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.proof import play
from tests.proof.faults import Fault
from tests.proof.play import Cell, Play, Result
from tests.proof.scenarios import SCENARIOS
from tests.proof.stage import Stage
from tests.proof.steps import load

LONGEST_S = 4.0  # what a scenario takes, and a little more
PHASES = ("before", "after", "reply")


def cell_of(seed: int) -> Cell:
    """Return the cell that a seed stands for."""
    chance = random.Random(seed)
    name = chance.choice([*SCENARIOS])
    step = chance.choice([step for step in load() if step.scenario == name])
    if chance.random() < 0.5:
        seconds = chance.uniform(0.0, LONGEST_S)
        return Cell(step, Fault(f"{seed}", "KILL at a moment", meanwhile=kill_after(seconds)))
    rule = {"kind": "kill", "phase": chance.choice(PHASES)}
    return Cell(step, Fault(f"{seed}", "KILL at a call", (rule,)))


def kill_after(seconds: float) -> Callable[[Play], None]:
    """Return what kills a run some time after its start, unless it has ended."""

    def kill(running: Play) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not running.turn.guard.is_over:
            time.sleep(play.LOOK_S)
        running.turn.guard.kill()

    return kill


def perform(stage: Stage, seed: int) -> Result:
    """Perform the play of a seed; its name tells how to repeat it."""
    result = play.perform(stage, cell_of(seed))
    result.name = f"SEED={seed} make soak RUNS=1 ({result.name})"
    return result
