"""All executions of the lab: how they start, run, end and go on."""

from __future__ import annotations

import asyncio
import json
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.knobs import Knobs
from deployguard.lab.nouns import AwsError
from deployguard.lab.states import logs
from deployguard.lab.states.execution import (
    ABORTED,
    EXPRESS,
    FAILED,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    Execution,
    Machine,
    Scope,
)
from deployguard.lab.states.history import PLAIN, History, Trail
from deployguard.lab.states.machines import Machines
from deployguard.lab.states.map_run import MapRun
from deployguard.lab.states.tokens import Tokens
from deployguard.lab.states.values import FailureError, dumps
from deployguard.lab.states.walker import Walker, World


class Executions:
    """All executions of the lab."""

    def __init__(
        self,
        knobs: Knobs,
        *,
        machines: Machines,
        ask: Callable[[Call], Awaitable[Answer]],
        write: logs.Write,
        port: int,
    ) -> None:
        """Start with none."""
        self.clock = knobs.clock
        self.machines = machines
        self.write = write
        self.world = World(knobs.clock, knobs, ask, port, self)
        self.tokens = Tokens()
        self.known: dict[str, Execution] = {}
        self.tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """Stop everything and forget it."""
        for execution in self.known.values():
            execution.quiet = True
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.known.clear()
        self.tokens = Tokens()

    async def start(self, region: str, asked: Mapping[str, Any]) -> Execution:
        """Start an execution."""
        text = asked.get("input") or "{}"
        try:
            data = json.loads(text)
        except ValueError:
            why = f"Invalid State Machine Execution Input: '{text}'"
            raise AwsError(400, "InvalidExecutionInput", why) from None
        machine = await self.machines.find(region, asked["stateMachineArn"])
        name = asked.get("name") or str(uuid.uuid4())
        arn = _arn(machine, name)
        existing = self.known.get(arn)
        if existing is not None:
            if existing.status == RUNNING and json.loads(existing.text) == data:
                return existing
            why = f"Execution Already Exists: '{arn}'"
            raise AwsError(400, "ExecutionAlreadyExists", why)
        execution = self._new(machine, arn, name, text=text, data=data)
        execution.trace_header = asked.get("traceHeader")
        self._run(execution)
        return execution

    def child(self, run: MapRun, number: int, program: Mapping[str, Any]) -> Execution:
        """Start the execution of one item of a map run, or redrive the one that it had."""
        child = run.children[number]
        if child is not None:
            self.redrive(child)
            return child
        parent = run.parent.machine
        machine = replace(
            parent,
            arn=f"{parent.arn}/{run.label}",
            name=f"{parent.name}/{run.label}",
            program=program,
            kind=EXPRESS if run.express else "STANDARD",
            label=run.label,
        )
        name, data = str(uuid.uuid4()), run.inputs[number]
        child = self._new(machine, _arn(machine, name), name, text=dumps(data), data=data)
        child.root.context = {**run.context[number], "Input": data}
        child.map_run, child.items = run, run.sizes[number]
        run.children[number] = child
        self._run(child)
        return child

    def redrive(self, execution: Execution) -> None:
        """Let an execution that did not succeed go on from where it ended."""
        execution.redrives += 1
        execution.redriven = self.clock.now()
        execution.status, execution.stopped, execution.quiet = RUNNING, None, False
        execution.error = execution.cause = None
        execution.over = asyncio.Event()
        last = Trail(len(execution.history.events))
        execution.history.add(last, "ExecutionRedriven", {"redriveCount": execution.redrives})
        self._run(execution)

    def abort(
        self, execution: Execution, error: str | None = None, cause: str | None = None
    ) -> None:
        """Stop an execution from outside."""
        if execution.status != RUNNING:
            return
        execution.quiet = True
        told = {"error": error, "cause": cause}
        details = {name: value for name, value in told.items() if value is not None}
        execution.history.add(Trail(), "ExecutionAborted", details)
        execution.end(ABORTED, self.clock.now(), error, cause)
        for task in (execution.walking, execution.task):
            if task is not None:
                task.cancel()  # the walk itself at once, so that it records nothing more

    def find(self, arn: str) -> Execution:
        """Return an execution.

        Raises:
            AwsError: there is none.
        """
        if arn not in self.known:
            why = f"Execution Does Not Exist: '{arn}'"
            raise AwsError(400, "ExecutionDoesNotExist", why)
        return self.known[arn]

    def map_run(self, arn: str) -> MapRun:
        """Return a run of a distributed Map state.

        Raises:
            AwsError: there is none.
        """
        runs = (run for execution in self.known.values() for run in execution.map_runs)
        found = next((run for run in runs if run.arn == arn), None)
        if found is None:
            raise AwsError(400, "ResourceNotFound", f"Resource not found: '{arn}'")
        return found

    def _new(self, machine: Machine, arn: str, name: str, *, text: str, data: Any) -> Execution:
        execution = Execution(
            arn=arn,
            name=name,
            machine=machine,
            text=text,
            root=Scope(machine.program, data, context={"Input": data}),
            history=History(self.clock),
            started=int(self.clock.now() * 1000) / 1000,
        )
        execution.history.write = logs.writer(execution, self.write)
        self.known[arn] = execution
        details = {"input": text, "inputDetails": PLAIN, "roleArn": machine.role}
        execution.history.add(execution.root.trail, "ExecutionStarted", details, advance=False)
        return execution

    def _run(self, execution: Execution) -> None:
        execution.task = asyncio.get_running_loop().create_task(self._walk(execution))
        self.tasks.add(execution.task)
        execution.task.add_done_callback(self.tasks.discard)

    async def _walk(self, execution: Execution) -> None:
        """Walk an execution to its end, however it ends."""
        trail, add = execution.root.trail, execution.history.add
        walker = Walker(execution, self.world)
        walking = execution.walking = asyncio.create_task(walker.walk(execution.root))
        limit = execution.machine.program.get("TimeoutSeconds")
        try:
            done, _ = await asyncio.wait({walking}, timeout=limit)
            if not done:
                execution.quiet = True
                add(trail, "ExecutionTimedOut", {})
                execution.end(TIMED_OUT, self.clock.now())
                return
            execution.output = dumps(walking.result())
            add(trail, "ExecutionSucceeded", {"output": execution.output, "outputDetails": PLAIN})
            execution.end(SUCCEEDED, self.clock.now())
        except FailureError as failure:
            self._fail(execution, failure)
        except Exception as bug:
            traceback.print_exc()
            self._fail(execution, FailureError("States.Runtime", f"{type(bug).__name__}: {bug}"))
        finally:
            walking.cancel()
            await asyncio.gather(walking, return_exceptions=True)

    def _fail(self, execution: Execution, failure: FailureError) -> None:
        execution.history.add(execution.root.trail, "ExecutionFailed", failure.details())
        execution.end(FAILED, self.clock.now(), failure.error or None, failure.cause)


def _arn(machine: Machine, name: str) -> str:
    if machine.kind == EXPRESS:
        head = machine.arn.replace(":stateMachine:", ":express:")
        return f"{head}:{name}:{uuid.uuid4()}"
    return f"{machine.arn.replace(':stateMachine:', ':execution:')}:{name}"
