"""Task states: what is scheduled, started and how it ended, whoever does the work."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deployguard.lab.states import functions, integrations, nested
from deployguard.lab.states.execution import Scope
from deployguard.lab.states.fields import State
from deployguard.lab.states.history import PLAIN
from deployguard.lab.states.values import FailureError, check_size, dumps

if TYPE_CHECKING:
    from deployguard.lab.states.walker import Step, Walker

FUNCTION = re.compile(r"arn:aws:lambda:[^:]+:\d{12}:function:.+")
SERVICE = re.compile(
    r"arn:aws:states:[^:]*:[^:]*:(?P<sdk>aws-sdk:)?(?P<service>[\w-]+):(?P<action>\w+)"
    r"(?:\.(?P<then>sync:2|sync|waitForTaskToken))?"
)
TOKEN = "waitForTaskToken"


@dataclass(frozen=True)
class Work:
    """What a Task's resource names, and how its events are called."""

    resource: str
    prefix: str = "LambdaFunction"
    sdk: bool = False
    service: str = "lambda"
    action: str = "invoke"
    then: str = ""  # what the task waits for beyond the answer

    @property
    def about(self) -> dict[str, str]:
        """Return what the events of a service's task say of it."""
        if self.prefix == "LambdaFunction":
            return {}
        kind = f"aws-sdk:{self.service}" if self.sdk else self.service
        return {"resourceType": kind, "resource": ".".join(filter(None, (self.action, self.then)))}


def work_of(resource: str) -> Work:
    """Read the resource of a Task."""
    if FUNCTION.fullmatch(resource):
        return Work(resource)
    found = SERVICE.fullmatch(resource)
    if found is None:
        raise FailureError("States.Runtime", f"The lab runs no tasks of '{resource}'")
    return Work(
        resource, "Task", bool(found["sdk"]), found["service"], found["action"], found["then"] or ""
    )


async def perform(walker: Walker, scope: Scope, state: State) -> Any:
    """Make one attempt at a Task, and return its result."""
    work = work_of(state["Resource"])
    tokens = walker.world.executions.tokens
    token = tokens.make() if work.then == TOKEN else ""
    step = walker.step(scope, state, **({"Task": {"Token": token}} if token else {}))
    given = step.fields.arguments(step.values)
    timeout = step.fields.number("TimeoutSeconds", step.values)
    heartbeat = step.fields.number("HeartbeatSeconds", step.values)
    _schedule(
        walker, step, work, given, {"timeoutInSeconds": timeout, "heartbeatInSeconds": heartbeat}
    )
    try:
        async with asyncio.timeout(timeout):
            result = await _call(walker, step, work, given)
            if token:
                _told(walker, step, work, "Submitted", result)
                result = await tokens.answer(token, heartbeat)
        check_size(result, what=work.about.get("resourceType", work.resource))
    except TimeoutError:
        late = FailureError("States.Timeout")
        walker.history.add(scope.trail, f"{work.prefix}TimedOut", work.about | late.details())
        raise late from None
    except FailureError as failure:
        walker.history.add(scope.trail, f"{work.prefix}Failed", work.about | failure.details())
        raise
    finally:
        tokens.forget(token)
    _told(walker, step, work, "Succeeded", result)
    return result


def _schedule(
    walker: Walker, step: Step, work: Work, given: Any, limits: dict[str, float | None]
) -> None:
    details: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    if work.prefix == "LambdaFunction":
        about = {"resource": work.resource, "input": dumps(given), "inputDetails": PLAIN}
    else:
        region = walker.execution.machine.region
        about = {**work.about, "region": region, "parameters": dumps(given)}
    walker.history.add(step.scope.trail, f"{work.prefix}Scheduled", {**about, **details})
    walker.history.add(step.scope.trail, f"{work.prefix}Started", work.about or None)


async def _call(walker: Walker, step: Step, work: Work, given: Any) -> Any:
    region = walker.execution.machine.region
    if work.prefix == "LambdaFunction":
        payload = functions.payload_of(given)
        asked = functions.Asked(region, work.resource, payload)
        return (await functions.invoke(walker.world, asked)).payload
    if work.service == "lambda" and work.action == "invoke":
        asked = functions.asked(region, given)
        invoked = await functions.invoke(walker.world, asked, sdk=work.sdk)
        return invoked.as_sdk() if work.sdk else invoked.as_service()
    if work.service in ("states", "sfn") and work.action == "startExecution":
        submitted = await nested.start(walker, given)
        if not work.then.startswith("sync"):
            return submitted
        _told(walker, step, work, "Submitted", submitted)
        return await nested.finished(walker, submitted, parsed=work.then == "sync:2")
    return await integrations.call(walker.world, region, work.service, work.action, given)


def _told(walker: Walker, step: Step, work: Work, what: str, result: Any) -> None:
    details = {**work.about, "output": dumps(result), "outputDetails": PLAIN}
    walker.history.add(step.scope.trail, f"{work.prefix}{what}", details)
