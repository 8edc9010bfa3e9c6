"""Executions made by hand: attempts, what the logs tell of them, and what they ran on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from deployguard.executions.nouns import (
    Attempt,
    Build,
    Case,
    Configuration,
    End,
    Execution,
    Invocation,
    Known,
    Line,
    Step,
)

BEGAN = 1767380000.0
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
ARN = "arn:aws:states:eu-west-1:123456789012:execution:m:run"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:greeter"
DIGESTS = {"1": "sha256:" + "1" * 64, "2": "sha256:" + "2" * 64}
CONFIGURATION = Configuration("1", "r1", BEGAN - 7200, 900, 128, "x86_64")


def raised(kind: str, message: str = "", *, trace: Sequence[str] = ()) -> str:
    """Return the cause of a handler's exception, as AWS writes it."""
    return json.dumps({"errorMessage": message, "errorType": kind, "stackTrace": list(trace)})


def refused(message: str, status: int, code: str) -> str:
    """Return the cause of a call that Lambda refused, as AWS writes it."""
    return (
        f"{message} (Service: AWSLambda; Status Code: {status}; Error Code: {code}; "
        "Request ID: 00000000-0000-0000-0000-000000000000; Proxy: null)"
    )


def attempt(  # what an attempt came to
    end: End = End.SUCCEEDED, *, error: str = "", cause: str = "", at: float = 0.0, **more: Any
) -> Attempt:
    """Make an attempt that is scheduled so long after the execution began."""
    began = BEGAN + at
    known: dict[str, Any] = {
        "execution": ARN, "event": 1, "state": "Work", "number": 1, "item": None,
        "function": FUNCTION, "qualifier": "1", "scheduled": began, "started": began,
        "ended": began + 0.005, "machine": MACHINE,
    }  # fmt: skip
    return Attempt(end=end, error=error, cause=cause, **(known | more))


def cold(container: str, *, at: float = 0.0, **more: Any) -> Invocation:
    """Make the first invocation of a container."""
    return warm(container, at=at, age=0.0, ordinal=1, init_ms=100.0, **more)


def warm(
    container: str, *, at: float = 0.0, age: float = 100.0, ordinal: int = 2, **more: Any
) -> Invocation:
    """Make a later invocation of a container that is so old."""
    began = BEGAN + at
    known: dict[str, Any] = {
        "request_id": f"{container}-{ordinal}", "version": "1", "started": began,
        "ended": began + 0.005, "duration_ms": 5.0, "has_report": True, "memory_mb": 128,
        "used_mb": 40, "status": "success",
    }  # fmt: skip
    return Invocation(
        stream=f"2026/01/02/[1]{container}",
        ordinal=ordinal,
        container_age_s=age,
        **(known | more),
    )


def step(tried: Attempt, invocation: Invocation | None = None, *, version: str = "1") -> Step:
    """Join an attempt with an invocation."""
    build = Build(version, Known.HISTORY, DIGESTS.get(version), Known.HISTORY)
    return Step(tried, build, invocation)


def case(steps: Iterable[Step], *, status: str = "FAILED", **more: Any) -> Case:
    """Make the case of an execution that ended with the last error."""
    told = tuple(steps)
    errors = [each.attempt.error for each in told if each.attempt.error]
    execution = Execution(
        ARN, MACHINE, "", False, status, BEGAN, BEGAN + 1.2, errors[-1] if errors else "", "", 0,
        tuple(each.attempt for each in told),
    )  # fmt: skip
    known: dict[str, Any] = {
        "configurations": {(FUNCTION, "1"): CONFIGURATION},
        "metrics": {},
        "states": {},
    }
    return Case(execution, told, **(known | more))


EXCEEDED = raised("OperationTimeout", "Operation exceeded timeout limits")


def incident_b() -> Case:
    """Return the second execution of incident B: ten old containers failed, seventeen were new."""
    failed = [
        step(
            attempt(End.FAILED, error="OperationTimeout", cause=EXCEEDED, item=f"Map[{number}]"),
            warm(f"old{number}", age=975.0 + number, status="error", error_type="OperationTimeout"),
        )
        for number in range(10)
    ]
    went_on = [
        step(attempt(End.ABORTED, item=f"Map[{number}]"), cold(f"new{number}", at=0.5))
        for number in range(10, 27)
    ]
    return case([*failed, *went_on])


def without_logs(known: Case) -> Case:
    """Return a case as it is where no log line may be read."""
    return replace(known, steps=tuple(replace(each, invocation=None) for each in known.steps))


def lines(*texts: str) -> tuple[Line, ...]:
    """Make log lines."""
    return tuple(Line(BEGAN, text) for text in texts)
