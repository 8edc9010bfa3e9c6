"""Step Functions' operations on executions, answered by the lab; the rest of the API is moto's."""

from __future__ import annotations

import asyncio
import json
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from deployguard.lab import policy
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.knobs import Knobs
from deployguard.lab.nouns import AwsError
from deployguard.lab.states import describe, history, validate
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
from deployguard.lab.states.history import PLAIN, Event, History, Trail
from deployguard.lab.states.machines import Machines
from deployguard.lab.states.map_run import MapRun
from deployguard.lab.states.tokens import Tokens
from deployguard.lab.states.values import FailureError, dumps
from deployguard.lab.states.walker import Walker, World

JSON = (("content-type", "application/x-amz-json-1.0"),)
Asked = dict[str, Any]
Write = Callable[[str, str, str, list[tuple[int, str]]], None]  # region, group, stream, lines


class Executions:
    """All executions of the lab."""

    def __init__(
        self,
        knobs: Knobs,
        *,
        machines: Machines,
        ask: Callable[[Call], Awaitable[Answer]],
        write: Write,
        port: int,
    ) -> None:
        """Start with none."""
        self.knobs = knobs
        self.clock = knobs.clock
        self.machines = machines
        self.write = write
        self.world = World(knobs.clock, knobs, ask, port, self)
        self.tokens = Tokens()
        self.known: dict[str, Execution] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.handlers: dict[str, Callable[[str, Asked], Any]] = {
            "DescribeExecution": self._describe,
            "DescribeMapRun": self._describe_map_run,
            "DescribeStateMachine": self._machine,
            "DescribeStateMachineForExecution": self._machine_of,
            "GetExecutionHistory": self._history,
            "ListExecutions": self._list,
            "ListMapRuns": self._list_map_runs,
            "RedriveExecution": self._redrive,
            "SendTaskFailure": lambda _region, asked: self.tokens.fail(asked),
            "SendTaskHeartbeat": lambda _region, asked: self.tokens.beat(asked),
            "SendTaskSuccess": lambda _region, asked: self.tokens.succeed(asked),
            "StartExecution": self._start,
            "StartSyncExecution": self._start_sync,
            "StopExecution": self._stop,
        }

    async def serve(self, call: Call) -> Answer | None:
        """Answer a call, or leave it to others."""
        definition = call.json().get("definition")
        if definition is not None:  # of a machine that is created or updated
            validate.check(definition)
        handler = self.handlers.get(call.operation)
        if handler is None:
            return None
        told = handler(call.region, call.json())
        if asyncio.iscoroutine(told):
            told = await told
        if not call.operation.startswith(("Describe", "Get", "List")):
            self.knobs.record(call.operation, call.resource, None, call.json())
        return Answer(200, json.dumps(told).encode(), JSON)

    async def close(self) -> None:
        """Stop everything and forget it."""
        for execution in self.known.values():
            execution.quiet = True
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.known.clear()
        self.tokens = Tokens()

    async def start(self, region: str, asked: Asked) -> Execution:
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
            self._again(child)
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

    def describe(self, execution: Execution) -> dict[str, Any]:
        """Return what DescribeExecution tells."""
        return describe.execution(execution)

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
        execution.history.write = self._writer(execution)
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

    def _writer(self, execution: Execution) -> Callable[[Event], None] | None:
        """Return what logs an execution's events, if its machine has them logged."""
        wanted = execution.machine.logging
        level = wanted.get("level", "OFF")
        groups = [
            each["cloudWatchLogsLogGroup"]["logGroupArn"] for each in wanted.get("destinations", ())
        ]
        if level == "OFF" or not groups:
            return None
        _, _, _, region, _, _, group, *_ = groups[0].split(":")
        stream = describe.log_stream(execution)

        def write(event: Event) -> None:
            if history.is_logged(event["type"], level):
                line = history.logged(
                    event,
                    arn=execution.arn,
                    redrives=execution.redrives,
                    data=bool(wanted.get("includeExecutionData")),
                )
                self.write(region, group, stream, [(round(event["timestamp"] * 1000), line)])

        return write

    async def _start(self, region: str, asked: Asked) -> dict[str, Any]:
        started = await self.start(region, asked)
        return {"executionArn": started.arn, "startDate": started.started}

    async def _start_sync(self, region: str, asked: Asked) -> dict[str, Any]:
        machine = await self.machines.find(region, asked["stateMachineArn"])
        if machine.kind != EXPRESS:
            why = "This operation is not supported by this type of state machine"
            raise AwsError(400, "StateMachineTypeNotSupported", why)
        execution = await self.start(region, asked)
        await execution.over.wait()
        return describe.finished(execution)

    def _stop(self, _region: str, asked: Asked) -> dict[str, Any]:
        execution = self._standard(asked["executionArn"])
        self.abort(execution, asked.get("error"), asked.get("cause"))
        return {"stopDate": execution.stopped}

    def _describe(self, _region: str, asked: Asked) -> dict[str, Any]:
        arn = asked["executionArn"]
        execution = self.find(arn)
        if execution.map_run is None:
            self._standard(arn)
        told = self.describe(execution)
        if asked.get("includedData") == "METADATA_ONLY":
            return {name: value for name, value in told.items() if name not in describe.DATA}
        self._decrypt(execution)
        return told

    def _history(self, _region: str, asked: Asked) -> dict[str, Any]:
        execution = self._standard(asked["executionArn"])
        if asked.get("includeExecutionData") is not False:
            self._decrypt(execution)
        return execution.history.page(asked, name=execution.arn)

    async def _machine(self, region: str, asked: Asked) -> dict[str, Any]:
        return await self.machines.told(region, asked["stateMachineArn"])

    def _machine_of(self, _region: str, asked: Asked) -> dict[str, Any]:
        return describe.machine(self._standard(asked["executionArn"]).machine)

    async def _list(self, region: str, asked: Asked) -> dict[str, Any]:
        arn = asked.get("mapRunArn") or asked.get("stateMachineArn") or ""
        if "mapRunArn" in asked:
            children = self._map_run(arn).children
            found = [child for child in children if child is not None]
        else:
            machine = await self.machines.find(region, arn)
            found = [each for each in self.known.values() if _is_of(each, machine, arn)]
        status, redriven = asked.get("statusFilter"), asked.get("redriveFilter")
        found = [
            each
            for each in found
            if status in (None, each.status)
            and redriven in (None, "REDRIVEN" if each.redrives else "NOT_REDRIVEN")
        ]
        found.sort(key=lambda each: each.started, reverse=True)
        rows = [describe.listed(each) for each in found]
        return describe.page(rows, asked, member="executions", name=arn)

    def _list_map_runs(self, _region: str, asked: Asked) -> dict[str, Any]:
        execution = self.find(asked["executionArn"])
        rows = [run.listed() for run in execution.map_runs]
        return describe.page(rows, asked, member="mapRuns", name=execution.arn)

    def _describe_map_run(self, _region: str, asked: Asked) -> dict[str, Any]:
        return self._map_run(asked["mapRunArn"]).described()

    def _redrive(self, _region: str, asked: Asked) -> dict[str, Any]:
        execution = self._standard(asked["executionArn"])
        allowed, why = describe.redrivable(execution)
        if allowed != "REDRIVABLE":
            raise AwsError(400, "ExecutionNotRedrivable", why)
        self._again(execution)
        return {"redriveDate": execution.redriven}

    def _again(self, execution: Execution) -> None:
        """Let an execution that did not succeed go on from where it ended."""
        execution.redrives += 1
        execution.redriven = self.clock.now()
        execution.status, execution.stopped, execution.quiet = RUNNING, None, False
        execution.error = execution.cause = None
        execution.over = asyncio.Event()
        last = Trail(len(execution.history.events))
        execution.history.add(last, "ExecutionRedriven", {"redriveCount": execution.redrives})
        self._run(execution)

    def _map_run(self, arn: str) -> MapRun:
        runs = (run for execution in self.known.values() for run in execution.map_runs)
        found = next((run for run in runs if run.arn == arn), None)
        if found is None:
            raise AwsError(400, "ResourceNotFound", f"Resource not found: '{arn}'")
        return found

    def _standard(self, arn: str) -> Execution:
        if ":express:" in arn:
            why = "Invalid Arn: 'Resource type not valid in this context: express'"
            raise AwsError(400, "InvalidArn", why)
        return self.find(arn)

    def _decrypt(self, execution: Execution) -> None:
        """Refuse the data of an execution to whom its key is not allowed."""
        key = execution.machine.encryption.get("kmsKeyId")
        if key and policy.decision(self.knobs.policy, "kms:Decrypt", key) != policy.ALLOWED:
            why = (
                f"User: {policy.USER} is not authorized to perform: kms:Decrypt on resource: {key}"
            )
            raise AwsError(400, "KmsAccessDeniedException", why)


def _arn(machine: Machine, name: str) -> str:
    if machine.kind == EXPRESS:
        head = machine.arn.replace(":stateMachine:", ":express:")
        return f"{head}:{name}:{uuid.uuid4()}"
    return f"{machine.arn.replace(':stateMachine:', ':execution:')}:{name}"


def _is_of(execution: Execution, machine: Machine, asked: str) -> bool:
    """Tell whether an execution is one of those that are listed for a machine's ARN."""
    its = execution.machine
    named = {its.arn, its.version_arn, its.alias_arn}
    return machine.arn == its.arn and asked in named and its.kind != EXPRESS
