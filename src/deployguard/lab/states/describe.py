"""What the API tells of executions."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from typing import Any

from deployguard.lab.states.execution import (
    ABORTED,
    EXPRESS,
    RUNNING,
    SUCCEEDED,
    Execution,
    Machine,
)
from deployguard.lab.states.history import LARGEST_PAGE, PAGE, start_of, token

DATA = ("input", "inputDetails", "output", "outputDetails", "error", "cause")
Told = dict[str, Any]


def execution(of: Execution) -> Told:
    """Return what DescribeExecution tells."""
    allowed, why = redrivable(of)
    return _known(
        {
            "executionArn": of.arn,
            "stateMachineArn": of.machine.arn,
            "name": of.name,
            "status": of.status,
            "startDate": of.started,
            "stopDate": of.stopped,
            "input": of.text,
            "inputDetails": {"included": True},
            "output": of.output,
            "outputDetails": None if of.output is None else {"included": True},
            "traceHeader": of.trace_header,
            "mapRunArn": of.map_run.arn if of.map_run else None,
            "error": of.error,
            "cause": of.cause,
            "stateMachineVersionArn": of.machine.version_arn,
            "stateMachineAliasArn": of.machine.alias_arn,
            "redriveCount": of.redrives,
            "redriveDate": of.redriven,
            "redriveStatus": allowed,
            "redriveStatusReason": why or None,
        }
    )


def finished(of: Execution) -> Told:
    """Return what StartSyncExecution tells."""
    took = math.ceil(((of.stopped or of.started) - of.started) * 10) * 100
    told = execution(of) | {"outputDetails": {"included": True}}
    kept = {name: value for name, value in told.items() if not name.startswith("redrive")}
    billed = {"billedDurationInMilliseconds": max(100, took), "billedMemoryUsedInMB": 64}
    return kept | {
        "billingDetails": billed,
        "status": "FAILED" if of.status == ABORTED else of.status,
    }


def listed(of: Execution) -> Told:
    """Return what ListExecutions tells of one."""
    return _known(
        {
            "executionArn": of.arn,
            "stateMachineArn": of.machine.arn,
            "name": of.name,
            "status": of.status,
            "startDate": of.started,
            "stopDate": of.stopped,
            "mapRunArn": of.map_run.arn if of.map_run else None,
            "itemCount": of.items if of.map_run else None,
            "stateMachineVersionArn": of.machine.version_arn,
            "stateMachineAliasArn": of.machine.alias_arn,
            "redriveCount": of.redrives,
            "redriveDate": of.redriven,
        }
    )


def machine(of: Machine) -> Told:
    """Return what DescribeStateMachineForExecution tells."""
    return _known(
        {
            "stateMachineArn": of.arn,
            "name": of.name,
            "definition": of.text,
            "roleArn": of.role,
            "updateDate": of.updated,
            "loggingConfiguration": of.logging or None,
            "encryptionConfiguration": of.encryption or None,
            "revisionId": of.revision,
            "label": of.label,
        }
    )


def redrivable(of: Execution) -> tuple[str, str]:
    """Tell whether an execution can be redriven, and why not."""
    if of.machine.kind == EXPRESS:
        return "NOT_REDRIVABLE", "Execution is EXPRESS and cannot be redriven"
    if of.status in (RUNNING, SUCCEEDED):
        return "NOT_REDRIVABLE", f"Execution is {of.status} and cannot be redriven"
    if of.map_run is not None:
        why = "Execution is a child of a Map Run and is redriven with it"
        return "REDRIVABLE_BY_MAP_RUN", why
    return "REDRIVABLE", ""


def page(rows: list[Told], asked: Told, *, member: str, name: str) -> Told:
    """Return a page of rows."""
    start = start_of(asked.get("nextToken"), name)
    end = start + min(asked.get("maxResults") or PAGE, LARGEST_PAGE)
    more = {"nextToken": token(end, name)} if end < len(rows) else {}
    return {member: rows[start:end], **more}


def log_stream(of: Execution) -> str:
    """Return the name of the log stream that an execution's events go to."""
    minute = datetime.fromtimestamp(of.started, UTC).strftime("%Y-%m-%d-%H-%M")
    shard = hashlib.sha256(of.machine.arn.encode()).hexdigest()[:8]
    return f"states/{of.machine.name}/{minute}/{shard}"


def _known(told: Told) -> Told:
    return {name: value for name, value in told.items() if value is not None}
