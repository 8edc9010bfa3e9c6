"""Functions and state machines in the lab, and what their executions left behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from botocore.config import Config

from deployguard.lab import images
from deployguard.lab.client import Client

ROLE = "arn:aws:iam::123456789012:role/machine"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:fn"
INVOKE = "arn:aws:states:::lambda:invoke"
DETAILS = re.compile("EventDetails$")
ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
READ = ("input", "output", "parameters", "cause", "Cause")  # what holds JSON
HEADERS = {
    "Connection", "Content-Length", "Content-Type", "Date", "X-Amz-Executed-Version",
    "X-Amzn-Trace-Id", "x-amzn-Remapped-Content-Length", "x-amzn-RequestId",
}  # fmt: skip


def eventually(look: Callable[[], Any], *, limit_s: float = 30) -> Any:
    """Return what a look sees, as soon as that is something."""
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.01)
    return seen


class Stage:
    """A lab with functions, on which state machines run."""

    def __init__(self, lab: Client) -> None:
        """Make the clients."""
        self.lab = lab
        once = Config(retries={"total_max_attempts": 1})
        self.functions = lab.client("lambda", config=once)
        self.states = lab.client("stepfunctions", config=Config(inject_host_prefix=False))
        self.logs = lab.client("logs")

    def function(self, body: str, name: str = "fn", **more: Any) -> None:
        """Make a function of a handler's body."""
        code = f"import os, sys, time\ndef handler(event, context):\n    {body}\n"
        self.module(code, name, **more)

    def module(self, code: str, name: str = "fn", **more: Any) -> None:
        """Make a function of a module, or give it new code."""
        image = images.of_files({"app.py": code.encode()})
        uri = images.push(image, repository=name, ecr=self.lab.client("ecr"))
        known = [each["FunctionName"] for each in self.functions.list_functions()["Functions"]]
        if name in known:
            self.functions.update_function_code(FunctionName=name, ImageUri=uri)
        else:
            self.functions.create_function(
                FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, Role=ROLE, **more
            )
        self.functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.01, "MaxAttempts": 2000}
        )

    def machine(self, states: dict[str, Any], name: str = "m", **more: Any) -> str:
        """Make a state machine that starts at the first of its states."""
        top = {name: more.pop(name) for name in ("QueryLanguage", "TimeoutSeconds") if name in more}
        text = json.dumps({"StartAt": next(iter(states)), "States": states, **top})
        made = self.states.create_state_machine(name=name, definition=text, roleArn=ROLE, **more)
        return str(made["stateMachineArn"])

    def start(self, machine: str, data: Any = None, **more: Any) -> str:
        """Start an execution."""
        text = data if isinstance(data, str) else json.dumps({} if data is None else data)
        started = self.states.start_execution(stateMachineArn=machine, input=text, **more)
        return str(started["executionArn"])

    def ended(self, execution: str) -> dict[str, Any]:
        """Wait for the end of an execution and return its description."""

        def look() -> dict[str, Any] | None:
            told: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            return None if told["status"] == "RUNNING" else told

        return dict(eventually(look))

    def run(self, states: dict[str, Any], data: Any = None, **more: Any) -> str:
        """Run a new state machine to its end and return the execution."""
        execution = self.start(self.machine(states, **more), data)
        self.ended(execution)
        return execution

    def events(self, execution: str, **more: Any) -> list[dict[str, Any]]:
        """Return the whole history of an execution."""
        pages = self.states.get_paginator("get_execution_history")
        found = pages.paginate(executionArn=execution, **more)
        return [event for page in found for event in page["events"]]

    def types(self, execution: str) -> list[str]:
        """Return the types of an execution's events."""
        return [event["type"] for event in self.events(execution)]

    def lines(self, group: str = "/aws/lambda/fn") -> list[str]:
        """Return the lines of a log group, none of one that is not there yet."""
        if not self.logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return []
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        return [event["message"] for page in pages for event in page["events"]]


def details(event: dict[str, Any]) -> Any:
    """Return the details of an event, if it has any."""
    (found,) = [value for name, value in event.items() if DETAILS.search(name)] or [None]
    return found


def told(events: list[dict[str, Any]]) -> list[list[Any]]:
    """Return events as vectors have them, with a word for what differs from run to run."""
    for number, event in enumerate(events, 1):
        assert event["id"] == number
    return [[each["previousEventId"], each["type"], plain(details(each))] for each in events]


def plain(value: Any, name: str = "") -> Any:
    """Return a value with the JSON in it read, and ids and lines of code replaced by words."""
    if isinstance(value, dict):
        return {key: plain(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return ["{line}"] if name == "stackTrace" else [plain(each) for each in value]
    if not isinstance(value, str):
        return value
    if name in READ and value[:1] in ("{", '"', "["):
        return plain(json.loads(value))
    return "{log}" if name == "LogResult" else ID.sub("{id}", value)
