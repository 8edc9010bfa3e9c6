"""Tasks that start another execution, and may wait for its end."""

from __future__ import annotations

import json
import uuid
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from deployguard.lab.nouns import AwsError
from deployguard.lab.states.execution import SUCCEEDED
from deployguard.lab.states.values import FailureError, dumps

if TYPE_CHECKING:
    from deployguard.lab.states.walker import Walker


async def start(walker: Walker, given: dict[str, Any]) -> dict[str, Any]:
    """Start an execution and return what StartExecution answered.

    Raises:
        FailureError: it was refused.
    """
    request = str(uuid.uuid4())
    data = given.get("Input")
    asked = {
        "stateMachineArn": given["StateMachineArn"],
        "input": data if isinstance(data, str) else dumps({} if data is None else data),
        **({"name": given["Name"]} if given.get("Name") else {}),
    }
    try:
        started = await walker.world.executions.start(walker.execution.machine.region, asked)
    except AwsError as refusal:
        about = (
            f"Service: AWSStepFunctions; Status Code: {refusal.status}; Error Code: {refusal.code};"
            f" Request ID: {request}; Proxy: null"
        )
        error = f"StepFunctions.{refusal.code}Exception"
        raise FailureError(error, f"{refusal.message} ({about})") from None
    answer = {"ExecutionArn": started.arn, "StartDate": int(started.started * 1000)}
    headers = {
        "connection": "keep-alive",
        "Content-Length": str(len(dumps(answer))),
        "Content-Type": "application/x-amz-json-1.0",
        "Date": formatdate(walker.world.clock.now(), usegmt=True),
        "x-amzn-RequestId": request,
    }
    return answer | {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": 200,
        },
        "SdkResponseMetadata": {"RequestId": request},
    }


async def finished(walker: Walker, submitted: dict[str, Any], *, parsed: bool) -> dict[str, Any]:
    """Wait for the end of an execution, and return its description.

    Raises:
        FailureError: it did not succeed.
    """
    executions = walker.world.executions
    execution = executions.find(submitted["ExecutionArn"])
    await execution.over.wait()
    told = {
        f"{name[0].upper()}{name[1:]}": value
        for name, value in executions.describe(execution).items()
    }
    for name in ("StartDate", "StopDate"):
        told[name] = int(told[name] * 1000)
    for name in ("InputDetails", "OutputDetails"):
        if name in told:
            told[name] = {"Included": told[name]["included"]}
    if execution.status != SUCCEEDED:
        raise FailureError("States.TaskFailed", dumps(told))
    if parsed:
        told |= {name: json.loads(told[name]) for name in ("Input", "Output")}
    return told
