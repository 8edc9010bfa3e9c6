"""Two guards at once: one is held before each of its writes while the other runs up to its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from tests.proof.aftermath import LEASE, LIVE, Aftermath, is_of
from tests.proof.faults import Fault
from tests.proof.play import Cell, Play, Result, Turn
from tests.proof.scenarios import SCENARIOS
from tests.proof.stage import Stage
from tests.proof.steps import KEY, Step, load

OTHER = "SECOND"


@dataclass(frozen=True)
class Order:
    """Where the first guard is held, where the second, and what the second is sent for."""

    first: Step
    second: Step
    is_locked: bool
    is_newer: bool  # another build was deployed before the second guard came

    @property
    def name(self) -> str:
        """Return its name among the tests."""
        lock = "lease" if self.is_locked else "no-lock"
        build = "newer" if self.is_newer else "same"
        short = [step.name.partition("-")[2] for step in (self.first, self.second)]
        return f"{lock}-{build}-{'-'.join(short)}"


def orders() -> list[Order]:
    """Return every pair of writes, with the lease and without."""
    writes = [step for step in load() if step.scenario == "next" and step.is_write]
    bare = [step for step in writes if step.alias != LEASE]
    return [
        Order(first, second, is_locked, is_newer)
        for is_locked, steps in ((True, writes), (False, bare))
        for first, second in product(steps, steps)
        for is_newer in (False, True)
    ]


def perform(stage: Stage, order: Order) -> Result:
    """Hold the first, hold the second, let the first end, then the second; then recover."""
    play = Play(stage, Cell(order.first, Fault(order.name, "a second guard")))
    arguments = play.cell.scenario.arguments(stage.team)
    arguments += () if order.is_locked else ("--no-lock",)
    one = _held(play, arguments, key=KEY, step=order.first)
    if order.is_newer:
        stage.team.ship("b3")
    two = _held(play, arguments, key=OTHER, step=order.second)
    stage.lab.release(access_key=KEY)
    first = play.end(one)
    stage.lab.release(access_key=OTHER)
    second = play.end(two)
    play.recover(second.after)
    _look(play.result, first, second)
    return play.result


def _held(play: Play, arguments: tuple[str, ...], *, key: str, step: Step) -> Turn:
    """Start a guard, and return once it is held at a step or has ended before it."""
    turn = play.begin("run" if key == KEY else "second", arguments, key=key)
    fault = {**step.match, "access_key": key, "kind": "hold"}
    play.stage.lab.fault(**fault)
    turn.guard.go()
    play.await_strike(turn.guard, key=key)
    return turn


def _look(result: Result, *runs: Aftermath) -> None:
    """Check what must hold for the two together."""
    result.checks += 1 + len(runs)
    last = runs[-1]
    moves = [write for write in last.history if is_of(write, LIVE)]
    supported = {_after(run) for run in runs if run.exit_code == 0}
    if last.after.alias not in {SCENARIOS["next"].before, *supported} and not last.after.lease:
        result.failures.append(f"{LIVE} ends at {last.after.alias}, which no verdict supports")
    for run in runs:
        is_explained = moves and moves[-1]["access_key"] != run.key
        if run.exit_code == 0 and last.after.alias != _after(run) and not is_explained:
            result.failures.append(f"{run.key} said FRESH of {_after(run)}; {last.after.alias} is")


def _after(run: Aftermath) -> str | None:
    assert run.function is not None
    after: str | None = run.function["version"]["after"]
    return after
