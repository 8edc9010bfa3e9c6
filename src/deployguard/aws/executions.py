"""Step Functions: what it tells of executions, their histories, and the children of Maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deployguard.aws.session import Session
from deployguard.errors import AwsFailure
from deployguard.executions import events
from deployguard.executions.events import Event

PAGE = 1000
GONE = "it never existed, or it ended more than 90 days ago: then Step Functions has forgotten it"


class Description(NamedTuple):
    """What DescribeExecution tells, but for what went in and out."""

    machine: str  # of its version, where it has one
    alias: str
    status: str
    started: float
    stopped: float | None
    error: str
    cause: str
    redrives: int


class MapRun(NamedTuple):
    """The run of a distributed Map."""

    children: int
    max_concurrency: int | None
    tolerated: int | None
    tolerated_percentage: float | None


class Listed(NamedTuple):
    """An execution in a list."""

    arn: str
    status: str
    started: float
    stopped: float | None


class Logging(NamedTuple):
    """Where a state machine's events are logged, if anywhere."""

    group: str
    level: str
    has_data: bool


def describe(session: Session, arn: str) -> Description:
    """Describe an execution, without the data where they are encrypted with a key of others."""
    try:
        told = _describe(session, arn)
    except AwsFailure as failure:
        if not is_encrypted(failure):
            raise
        told = _describe(session, arn, includedData="METADATA_ONLY")
    return Description(
        machine=told.get("stateMachineVersionArn") or told["stateMachineArn"],
        alias=told.get("stateMachineAliasArn", ""),
        status=told["status"],
        started=told["startDate"].timestamp(),
        stopped=told["stopDate"].timestamp() if "stopDate" in told else None,
        error=told.get("error", ""),
        cause=told.get("cause", ""),
        redrives=told.get("redriveCount", 0),
    )


def is_encrypted(failure: AwsFailure) -> bool:
    """Say whether a call failed only because data were asked for that are encrypted."""
    return failure.code.startswith("Kms")


def _describe(session: Session, arn: str, **named: str) -> Mapping[str, Any]:
    told: Mapping[str, Any] = session.read(
        f"read execution {arn}", _client(session).describe_execution, executionArn=arn, **named
    )
    return told


def history(session: Session, arn: str, *, with_data: bool = True) -> Iterator[Event]:
    """Yield the events of an execution, oldest first, page by page."""
    for told in session.read_all(
        f"read the history of {arn}",
        _client(session).get_execution_history,
        "events",
        executionArn=arn,
        maxResults=PAGE,
        includeExecutionData=with_data,
    ):
        yield events.of_api(told)


def definition(session: Session, arn: str) -> str:
    """Return the definition that an execution ran by."""
    told = session.read(
        f"read the definition of {arn}",
        _client(session).describe_state_machine_for_execution,
        executionArn=arn,
    )
    return str(told.get("definition", ""))


def logging(session: Session, machine: str) -> Logging:
    """Return where a state machine logs its events."""
    told = session.read(
        f"read {machine}", _client(session).describe_state_machine, stateMachineArn=machine
    )
    wanted: Mapping[str, Any] = told.get("loggingConfiguration") or {}
    groups = [
        each.get("cloudWatchLogsLogGroup", {}).get("logGroupArn", "")
        for each in wanted.get("destinations", ())
    ]
    group = next((arn.split(":log-group:")[-1].removesuffix(":*") for arn in groups if arn), "")
    return Logging(group, wanted.get("level", "OFF"), bool(wanted.get("includeExecutionData")))


def map_run(session: Session, arn: str) -> MapRun:
    """Describe the run of a distributed Map."""
    told: Mapping[str, Any] = session.read(
        f"read Map run {arn}", _client(session).describe_map_run, mapRunArn=arn
    )
    return MapRun(
        told.get("executionCounts", {}).get("total", 0),
        told.get("maxConcurrency"),
        told.get("toleratedFailureCount"),
        told.get("toleratedFailurePercentage"),
    )


def children(session: Session, run: str) -> Iterator[Listed]:
    """Yield the executions of a distributed Map, newest first."""
    return _list(session, f"list the executions of {run}", mapRunArn=run)


def last(session: Session, machine: str, *, statuses: tuple[str, ...]) -> Listed | None:
    """Return the newest execution that ended in one of some ways; None where there is none."""
    newest = (
        next(_list(session, f"list {status} executions of {machine}", **named), None)
        for status in statuses
        for named in [{"stateMachineArn": machine, "statusFilter": status, "maxResults": 1}]
    )
    return max(filter(None, newest), key=lambda each: each.started, default=None)


def _list(session: Session, doing: str, **named: Any) -> Iterator[Listed]:
    wanted = {"maxResults": PAGE} | named
    for told in session.read_all(doing, _client(session).list_executions, "executions", **wanted):
        stopped = told["stopDate"].timestamp() if "stopDate" in told else None
        yield Listed(told["executionArn"], told["status"], told["startDate"].timestamp(), stopped)


def _client(session: Session) -> Any:
    return session.client("stepfunctions")
