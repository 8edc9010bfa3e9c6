"""The interpreter: it walks through the states of one execution and records what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deployguard.lab.knobs import Knobs
from deployguard.lab.nouns import Clock
from deployguard.lab.states import choice, fan, jsonata, map_run, task
from deployguard.lab.states.execution import Execution, Scope
from deployguard.lab.states.fields import Fields, State, speaks_jsonata
from deployguard.lab.states.history import PLAIN, History
from deployguard.lab.states.retries import Patience, takes
from deployguard.lab.states.values import FailureError, Values, check_size, dumps

if TYPE_CHECKING:
    from deployguard.lab.answers import Answer
    from deployguard.lab.calls import Call
    from deployguard.lab.states.service import Executions

ABORTABLE = ("Map", "Parallel", "Task", "Wait")


@dataclass(frozen=True)
class World:
    """What an execution reaches outside itself."""

    clock: Clock
    knobs: Knobs
    ask: Callable[[Call], Awaitable[Answer]]  # any call to a service of the lab
    port: int  # where the lab serves plain HTTP
    executions: Executions


@dataclass
class Step:
    """One state at work: its fields, and what they see."""

    scope: Scope
    state: State
    fields: Fields
    values: Values

    @property
    def name(self) -> str:
        """Return the state's name."""
        return self.scope.at


class Walker:
    """Walks through one execution."""

    def __init__(self, execution: Execution, world: World) -> None:
        """Take an execution."""
        self.execution = execution
        self.world = world

    @property
    def history(self) -> History:
        """Return where events are recorded."""
        return self.execution.history

    async def walk(self, scope: Scope) -> Any:
        """Walk from where a scope is to its end, and return its output.

        Raises:
            FailureError: a state failed, and nothing caught it.
        """
        while not scope.done:
            await asyncio.sleep(0)  # a loop of states that do nothing must not stop the lab
            state = scope.program["States"][scope.at]
            if scope.entered:  # a redrive goes on from there, and does not enter it again
                scope.trail.last = scope.entered
            else:
                self._enter(scope, state)
            try:
                following, output = await self._step(scope, state)
            except asyncio.CancelledError:
                if not self.execution.quiet and state["Type"] in ABORTABLE:
                    self.history.add(scope.trail, f"{state['Type']}StateAborted")
                raise
            if following is None:
                scope.output = output
            else:
                scope.move(following, output)
        return scope.output

    def step(self, scope: Scope, state: State, **more: Any) -> Step:
        """Return a state with what its fields see now."""
        execution, machine = self.execution, self.execution.machine
        context = {
            "Execution": {
                "Id": execution.arn,
                "Input": execution.root.context["Input"],
                "Name": execution.name,
                "RoleArn": machine.role,
                "StartTime": _iso(execution.started),
                "RedriveCount": execution.redrives,
            },
            "StateMachine": {"Id": machine.arn, "Name": machine.name},
            "State": {"Name": scope.at, "EnteredTime": _iso(self.world.clock.now())},
            **{name: value for name, value in scope.context.items() if name != "Input"},
            **more,
        }
        entered = f"(entered at the event id #{scope.entered})"
        where = f"An error occurred while executing the state '{scope.at}' {entered}. "
        fields = Fields(state, is_jsonata=speaks_jsonata(scope.program, state))
        values = Values(scope.input, context, scope.variables, where=where)
        return Step(scope, state, fields, values)

    async def wait(self, seconds: float) -> None:
        """Let time pass, as much of it as the knob says."""
        await asyncio.sleep(max(0.0, seconds) * self.world.knobs.states_pace)

    def _enter(self, scope: Scope, state: State) -> None:
        details = {"name": scope.at, "input": dumps(scope.input), "inputDetails": PLAIN}
        kind = f"{state['Type']}StateEntered"
        scope.entered = self.history.add(scope.trail, kind, details)

    def _exit(self, step: Step, output: Any) -> None:
        details = {"name": step.name, "output": dumps(output), "outputDetails": PLAIN}
        self.history.add(step.scope.trail, f"{step.state['Type']}StateExited", details)

    async def _step(self, scope: Scope, state: State) -> tuple[str | None, Any]:
        """Do what a state does; return the next one's name, None at the end, and the output."""
        step = self.step(scope, state)
        match state["Type"]:
            case "Task":
                return await self._work(step, lambda: task.perform(self, scope, state))
            case "Map" if map_run.is_distributed(state):
                return await self._work(step, lambda: map_run.perform(self, step))
            case "Map":
                return await self._work(step, lambda: fan.each(self, step))
            case "Parallel":
                return await self._work(step, lambda: fan.branches(self, step))
            case "Choice":
                return self._choose(step)
            case "Fail":
                raise self._failure(step)
            case "Pass":
                output = self._pass(step)
            case "Wait":
                await self.wait(self._seconds(step))
                output = step.fields.passed(step.values)
            case _:
                output = step.fields.passed(step.values)
        return self._leave(step, state, output)

    def _leave(self, step: Step, state: State, output: Any) -> tuple[str | None, Any]:
        self._assign(step, state)
        self._exit(step, output)
        return state.get("Next"), output

    def _assign(self, step: Step, where: State) -> None:
        if "Assign" in where:
            seen = step.values.on(step.values.result) if step.values.result else step.values
            seen = step.values if step.fields.is_jsonata else seen
            step.scope.variables |= step.fields.fill(where["Assign"], seen)

    async def _work(self, step: Step, work: Callable[[], Awaitable[Any]]) -> tuple[str | None, Any]:
        """Do a state's work, again where its Retry says so, and catch what its Catch takes."""
        patience = Patience(step.state.get("Retry", ()))
        while True:
            try:
                result = await work()
                check_size(result, what=step.name)
                step.values = replace(step.values, result=result)
                return self._leave(step, step.state, step.fields.output(step.values))
            except FailureError as failure:
                pause = patience.pause(failure.error)
                if pause is None:
                    self._failed(step)
                    return self._caught(step, failure)
                await self.wait(pause)
                step.scope.children = step.scope.map_run = None

    def _failed(self, step: Step) -> None:
        if step.state["Type"] in ("Map", "Parallel"):
            self.history.add(step.scope.trail, f"{step.state['Type']}StateFailed")

    def _caught(self, step: Step, failure: FailureError) -> tuple[str, Any]:
        for catcher in step.state.get("Catch", ()):
            if takes(catcher["ErrorEquals"], failure.error):
                error = failure.output()
                step.values = replace(step.values, error=error, result=error)
                if not step.fields.is_jsonata:
                    output = step.fields.placed(catcher, step.scope.input, error)
                elif "Output" in catcher:
                    output = jsonata.fill(catcher["Output"], step.values)
                else:
                    output = error
                self._assign(step, catcher)
                self._exit(step, output)
                return str(catcher["Next"]), output
        raise failure

    def _choose(self, step: Step) -> tuple[str, Any]:
        data = step.values.on(step.fields.data(step.values))
        output = step.fields.passed(step.values)
        for rule in step.state["Choices"]:
            if step.fields.is_jsonata:
                held = jsonata.fill(rule["Condition"], step.values) is True
            else:
                held = choice.holds(rule, data)
            if held:
                self._assign(step, rule)
                self._exit(step, output)
                return rule["Next"], output
        if "Default" not in step.state:
            why = f"Failed to transition out of the state '{step.name}'. "
            detail = "The state does not point to a next state."
            raise FailureError("States.NoChoiceMatched", why + detail)
        self._exit(step, output)
        return step.state["Default"], output

    def _pass(self, step: Step) -> Any:
        if step.fields.is_jsonata:
            return step.fields.passed(step.values)
        result = step.state.get("Result", step.fields.arguments(step.values))
        step.values = replace(step.values, result=result)
        return step.fields.output(step.values)

    def _failure(self, step: Step) -> FailureError:
        told = []
        for name in ("Error", "Cause"):
            path = step.state.get(f"{name}Path")
            given = step.fields.fill(step.state.get(name), step.values)
            told.append(given if path is None else step.values.path(path))
        return FailureError(told[0] or "", told[1])

    def _seconds(self, step: Step) -> float:
        until = step.state.get("Timestamp")
        if "TimestampPath" in step.state:
            until = step.values.path(step.state["TimestampPath"])
        if until is None:
            return float(step.fields.number("Seconds", step.values, 0))
        moment = datetime.fromisoformat(step.fields.fill(until, step.values))
        return moment.timestamp() - self.world.clock.now()


def _iso(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
