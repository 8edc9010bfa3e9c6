"""The log group of a state machine, and what it is told of executions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from deployguard.lab.states.execution import Execution
from deployguard.lab.states.history import Event, details_of, without_data
from deployguard.lab.states.values import dumps

FATAL = {"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"}
ERRORS = ("Aborted", "Failed", "TimedOut")  # how the types end that level ERROR logs
Write = Callable[[str, str, str, list[tuple[int, str]]], None]  # region, group, stream, lines


def writer(of: Execution, write: Write) -> Callable[[Event], None] | None:
    """Return what logs an execution's events, if its machine has them logged."""
    wanted = of.machine.logging
    level = wanted.get("level", "OFF")
    groups = [
        each["cloudWatchLogsLogGroup"]["logGroupArn"] for each in wanted.get("destinations", ())
    ]
    if level == "OFF" or not groups:
        return None
    _, _, _, region, _, _, group, *_ = groups[0].split(":")
    stream = _stream(of)

    def log(event: Event) -> None:
        if _passes(event["type"], level):
            shown = event if wanted.get("includeExecutionData") else without_data(event)
            write(region, group, stream, [(round(event["timestamp"] * 1000), _line(of, shown))])

    return log


def _line(of: Execution, event: Event) -> str:
    details = event.get(details_of(event["type"]))
    line = {
        "id": str(event["id"]),
        "type": event["type"],
        **({} if details is None else {"details": details}),
        "redrive_count": str(of.redrives),
        "previous_event_id": str(event["previousEventId"]),
        "event_timestamp": str(round(event["timestamp"] * 1000)),
        "execution_arn": of.arn,
    }
    return dumps(line)


def _passes(kind: str, level: str) -> bool:
    if level == "ERROR":
        return kind.endswith(ERRORS) or kind == "FailStateEntered"
    return level == "ALL" or (level == "FATAL" and kind in FATAL)


def _stream(of: Execution) -> str:
    minute = datetime.fromtimestamp(of.started, UTC).strftime("%Y-%m-%d-%H-%M")
    shard = hashlib.sha256(of.machine.arn.encode()).hexdigest()[:8]
    return f"states/{of.machine.name}/{minute}/{shard}"
