"""Step Functions' operations on executions, answered by the lab; the rest of the API is moto's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from deployguard.lab import policy
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.knobs import Knobs
from deployguard.lab.nouns import AwsError
from deployguard.lab.states import describe, validate
from deployguard.lab.states.execution import EXPRESS, Execution, Machine
from deployguard.lab.states.executions import Executions

JSON = (("content-type", "application/x-amz-json-1.0"),)
Asked = dict[str, Any]


class Service:
    """The operations that the lab answers itself."""

    def __init__(self, executions: Executions, knobs: Knobs) -> None:
        """Answer for some executions."""
        self.executions = executions
        self.knobs = knobs
        self.handlers: dict[str, Callable[[str, Asked], Any]] = {
            "DescribeExecution": self._describe,
            "DescribeMapRun": self._describe_map_run,
            "DescribeStateMachine": self._machine,
            "DescribeStateMachineForExecution": self._machine_of,
            "GetExecutionHistory": self._history,
            "ListExecutions": self._list,
            "ListMapRuns": self._list_map_runs,
            "RedriveExecution": self._redrive,
            "SendTaskFailure": lambda _region, asked: executions.tokens.fail(asked),
            "SendTaskHeartbeat": lambda _region, asked: executions.tokens.beat(asked),
            "SendTaskSuccess": lambda _region, asked: executions.tokens.succeed(asked),
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

    async def _start(self, region: str, asked: Asked) -> dict[str, Any]:
        started = await self.executions.start(region, asked)
        return {"executionArn": started.arn, "startDate": started.started}

    async def _start_sync(self, region: str, asked: Asked) -> dict[str, Any]:
        machine = await self.executions.machines.find(region, asked["stateMachineArn"])
        if machine.kind != EXPRESS:
            why = "This operation is not supported by this type of state machine"
            raise AwsError(400, "StateMachineTypeNotSupported", why)
        execution = await self.executions.start(region, asked)
        await execution.over.wait()
        return describe.finished(execution)

    def _stop(self, _region: str, asked: Asked) -> dict[str, Any]:
        execution = self._standard(asked["executionArn"])
        self.executions.abort(execution, asked.get("error"), asked.get("cause"))
        return {"stopDate": execution.stopped}

    def _describe(self, _region: str, asked: Asked) -> dict[str, Any]:
        arn = asked["executionArn"]
        execution = self.executions.find(arn)
        if execution.map_run is None:
            self._standard(arn)
        told = describe.execution(execution)
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
        return await self.executions.machines.told(region, asked["stateMachineArn"])

    def _machine_of(self, _region: str, asked: Asked) -> dict[str, Any]:
        return describe.machine(self._standard(asked["executionArn"]).machine)

    async def _list(self, region: str, asked: Asked) -> dict[str, Any]:
        arn = asked.get("mapRunArn") or asked.get("stateMachineArn") or ""
        if "mapRunArn" in asked:
            children = self.executions.map_run(arn).children
            found = [child for child in children if child is not None]
        else:
            machine = await self.executions.machines.find(region, arn)
            found = [each for each in self.executions.known.values() if _is_of(each, machine, arn)]
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
        execution = self.executions.find(asked["executionArn"])
        rows = [run.listed() for run in execution.map_runs]
        return describe.page(rows, asked, member="mapRuns", name=execution.arn)

    def _describe_map_run(self, _region: str, asked: Asked) -> dict[str, Any]:
        return self.executions.map_run(asked["mapRunArn"]).described()

    def _redrive(self, _region: str, asked: Asked) -> dict[str, Any]:
        execution = self._standard(asked["executionArn"])
        allowed, why = describe.redrivable(execution)
        if allowed != "REDRIVABLE":
            raise AwsError(400, "ExecutionNotRedrivable", why)
        self.executions.redrive(execution)
        return {"redriveDate": execution.redriven}

    def _standard(self, arn: str) -> Execution:
        if ":express:" in arn:
            why = "Invalid Arn: 'Resource type not valid in this context: express'"
            raise AwsError(400, "InvalidArn", why)
        return self.executions.find(arn)

    def _decrypt(self, execution: Execution) -> None:
        """Refuse the data of an execution to whom its key is not allowed."""
        key = execution.machine.encryption.get("kmsKeyId")
        if key and policy.decision(self.knobs.policy, "kms:Decrypt", key) != policy.ALLOWED:
            why = (
                f"User: {policy.USER} is not authorized to perform: kms:Decrypt on resource: {key}"
            )
            raise AwsError(400, "KmsAccessDeniedException", why)


def _is_of(execution: Execution, machine: Machine, asked: str) -> bool:
    """Tell whether an execution is one of those that are listed for a machine's ARN."""
    its = execution.machine
    named = {its.arn, its.version_arn, its.alias_arn}
    return machine.arn == its.arn and asked in named and its.kind != EXPRESS
