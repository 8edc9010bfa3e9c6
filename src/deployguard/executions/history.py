"""A history read as attempts: which task tried which function, how often, and how that ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from deployguard.executions import names
from deployguard.executions.events import (
    REFUSED,
    Event,
    amount,
    measured,
    members,
    number,
    parsed,
    request_id,
    text,
)
from deployguard.executions.nouns import Attempt, End

SCHEDULED = ("TaskScheduled", "LambdaFunctionScheduled")
STARTED = ("TaskStarted", "LambdaFunctionStarted")
ANSWERED = ("TaskSubmitted", "TaskSucceeded", "LambdaFunctionSucceeded")
FAILED = (
    "TaskFailed",
    "TaskStartFailed",
    "TaskSubmitFailed",
    "LambdaFunctionFailed",
    "LambdaFunctionScheduleFailed",
    "LambdaFunctionStartFailed",
)
TIMED_OUT = ("TaskTimedOut", "LambdaFunctionTimedOut")
ENDED = ("ExecutionAborted", "ExecutionFailed", "ExecutionSucceeded", "ExecutionTimedOut")
TOKEN = "waitForTaskToken"  # noqa: S105 - what a task waits for


class Child(NamedTuple):
    """What an execution started: another execution, or the run of a distributed Map."""

    arn: str
    item: str | None  # where in its parent
    state: str  # that started it


@dataclass(frozen=True)
class History:
    """What the events of one execution tell."""

    attempts: tuple[Attempt, ...] = ()
    executions: tuple[Child, ...] = ()  # nested workflows
    map_runs: tuple[Child, ...] = ()
    hides: bool = False  # what went into the tasks
    is_partial: bool = False  # not all of it could be read
    input_size: int | None = None
    input_hash: str = ""
    first: float | None = None  # when
    last: Event | None = None


class Thread(NamedTuple):
    """Where one thread of control is."""

    state: str = ""
    visit: int = 0  # the event that entered the state
    items: tuple[tuple[str, int], ...] = ()  # the iterations that it is in
    task: int = 0  # the event that scheduled it


def read(events: Iterable[Event], *, execution: str, item: str | None = None) -> History:
    """Read a history, oldest event first; `item` is where in its parent the execution stands."""
    reading = _Reading(execution, names.execution(execution), item)
    for event in events:
        reading.take(event)
    return reading.result()


@dataclass
class _Reading:
    execution: str
    place: names.Place
    item: str | None
    threads: dict[int, Thread] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)
    attempts: dict[int, Attempt] = field(default_factory=dict)
    nested: dict[int, str | None] = field(default_factory=dict)  # tasks that start executions
    foreign: set[int] = field(default_factory=set)  # whose output is whoever has the token's
    executions: dict[str, Child] = field(default_factory=dict)
    map_runs: dict[str, Child] = field(default_factory=dict)
    told: History = field(default_factory=History)
    first: Event | None = None
    last: Event | None = None

    def take(self, event: Event) -> None:
        now = _followed(event, self.threads.get(event.previous, Thread()))
        self.threads[event.id] = now
        self.first = self.first or event
        self.last = event
        handler = HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event, now)
        elif event.kind.endswith(("StateAborted", "IterationAborted")):
            self.close(event, now, End.ABORTED)

    def result(self) -> History:
        return replace(
            self.told,
            attempts=tuple(self.attempts.values()),
            executions=tuple(self.executions.values()),
            map_runs=tuple(self.map_runs.values()),
            first=self.first and self.first.at,
            last=self.last,
        )

    def begun(self, event: Event, _: Thread) -> None:
        size, digest = measured(event.details.get("input"))
        self.told = replace(self.told, input_size=size, input_hash=digest)

    def scheduled(self, event: Event, thread: Thread) -> None:
        details = event.details
        service, action = "lambda", "invoke"
        given: Mapping[str, Any] = {
            "FunctionName": details.get("resource"),
            "Payload": details.get("input"),
        }
        is_hidden = given["Payload"] is None
        if event.kind == "TaskScheduled":
            service = text(details, "resourceType").removeprefix("aws-sdk:")
            action, _, then = text(details, "resource").partition(".")
            given = members(parsed(details.get("parameters")))
            is_hidden = not given
            if then == TOKEN:
                self.foreign.add(event.id)
        if service in ("states", "sfn") and action == "startExecution":
            self.nested[event.id] = self._where(thread)
        if (service, action) != ("lambda", "invoke"):
            return
        self.tries[thread.visit] += 1
        self.told = replace(self.told, hides=self.told.hides or is_hidden)
        self.attempts[event.id] = self._attempt(event, thread, given, is_hidden=is_hidden)

    def _attempt(
        self, event: Event, thread: Thread, given: Mapping[str, Any], *, is_hidden: bool
    ) -> Attempt:
        callee = names.callee(given.get("FunctionName"), given.get("Qualifier"), at=self.place)
        size, digest = (None, "") if is_hidden else measured(given.get("Payload"))
        return Attempt(
            execution=self.execution,
            event=event.id,
            state=thread.state,
            number=self.tries[thread.visit],
            item=self._where(thread),
            function=callee.function,
            qualifier=callee.qualifier,
            scheduled=event.at,
            started=None,
            ended=None,
            end=End.RUNNING,
            timeout_s=amount(event.details.get("timeoutInSeconds")),
            heartbeat_s=amount(event.details.get("heartbeatInSeconds")),
            input_size=None if is_hidden else size or 0,
            input_hash=digest,
            machine=self.place.machine,
        )

    def started(self, event: Event, thread: Thread) -> None:
        self._change(thread, started=event.at)

    def answered(self, event: Event, thread: Thread) -> None:
        """Take what a service answered, unless anybody may have said it."""
        told: Mapping[str, Any] = {}
        is_first = event.kind == "TaskSubmitted" or thread.task not in self.foreign
        if is_first and event.kind != "LambdaFunctionSucceeded":
            told = members(parsed(event.details.get("output")))
        self._starts(told, thread)
        identity = _request_of(told)
        if told:
            version = text(told, "ExecutedVersion") or None
            self._change(thread, version=version, request_id=identity)
        if text(told, "FunctionError"):  # which fails no task of the plain SDK
            payload = told.get("Payload")
            cause = payload if isinstance(payload, str) else json.dumps(payload)
            error = text(members(parsed(cause)), "errorType") or "Lambda.Unknown"
            self._change(thread, request_id=identity or request_id(cause))
            self.close(event, thread, End.FAILED, error=error, cause=cause)
        elif event.kind != "TaskSubmitted":
            self.close(event, thread, End.SUCCEEDED)

    def failed(self, event: Event, thread: Thread) -> None:
        cause, error = text(event.details, "cause"), text(event.details, "error")
        self._starts(members(parsed(cause)), thread)
        refused = REFUSED.fullmatch(cause)
        named = (refused["id"] or "") if refused else request_id(cause)
        attempt = self.attempts.get(thread.task)
        if attempt is not None and not attempt.request_id:
            self._change(thread, request_id=named)
        never_ran = refused is not None and refused["status"].startswith("4")
        end = End.REFUSED if never_ran else End.FAILED
        self.close(event, thread, end, error=error, cause=cause)

    def timed_out(self, event: Event, thread: Thread) -> None:
        error, cause = text(event.details, "error"), text(event.details, "cause")
        self.close(event, thread, End.TIMED_OUT, error=error or "States.Timeout", cause=cause)

    def over(self, event: Event, _: Thread) -> None:
        for task, attempt in self.attempts.items():
            if attempt.end is End.RUNNING:
                self.attempts[task] = replace(attempt, end=End.ABORTED, ended=event.at)

    def runs_map(self, event: Event, thread: Thread) -> None:
        arn = text(event.details, "mapRunArn")
        where = ".".join(filter(None, (self._where(thread), thread.state))) or None
        self.map_runs.setdefault(arn, Child(arn, where, thread.state))

    def close(
        self, event: Event, thread: Thread, end: End, *, error: str = "", cause: str = ""
    ) -> None:
        attempt = self.attempts.get(thread.task)
        if attempt is not None and attempt.end is End.RUNNING:
            self._change(thread, end=end, ended=event.at, error=error, cause=cause)

    def _starts(self, told: Mapping[str, Any], thread: Thread) -> None:
        arn = text(told, "ExecutionArn")
        if thread.task in self.nested and names.EXECUTION.fullmatch(arn):
            self.executions.setdefault(arn, Child(arn, self.nested[thread.task], thread.state))

    def _change(self, thread: Thread, **changes: Any) -> None:
        if thread.task in self.attempts:
            self.attempts[thread.task] = replace(self.attempts[thread.task], **changes)

    def _where(self, thread: Thread) -> str | None:
        path = ".".join(f"{name}[{index}]" for name, index in thread.items)
        return ".".join(filter(None, (self.item, path))) or None


HANDLERS: Mapping[str, Callable[[_Reading, Event, Thread], None]] = {
    "ExecutionStarted": _Reading.begun,
    "MapRunStarted": _Reading.runs_map,
    **dict.fromkeys(SCHEDULED, _Reading.scheduled),
    **dict.fromkeys(STARTED, _Reading.started),
    **dict.fromkeys(ANSWERED, _Reading.answered),
    **dict.fromkeys(FAILED, _Reading.failed),
    **dict.fromkeys(TIMED_OUT, _Reading.timed_out),
    **dict.fromkeys(ENDED, _Reading.over),
}


def _followed(event: Event, thread: Thread) -> Thread:
    """Return where a thread of control is after an event.

    What follows an iteration may follow any event in it, so names tell where that is, not ends.
    """
    name = text(event.details, "name")
    if event.kind.endswith("StateEntered"):
        return Thread(name, event.id, thread.items)
    if event.kind == "MapIterationStarted":
        index = number(event.details.get("index"))
        return Thread(name, thread.visit, (*_outside(thread, name), (name, index)))
    if event.kind.endswith("StateExited"):
        return Thread(name, thread.visit, _outside(thread, name))
    if event.kind in SCHEDULED:
        return thread._replace(task=event.id)
    return thread


def _outside(thread: Thread, name: str) -> tuple[tuple[str, int], ...]:
    """Return the iterations around the Map state of a name."""
    inner = [number for number, (state, _) in enumerate(thread.items) if state == name]
    return thread.items[: inner[0]] if inner else thread.items


def _request_of(told: Mapping[str, Any]) -> str:
    """Return the id of the request that Lambda answered."""
    headers = members(members(told.get("SdkHttpMetadata")).get("HttpHeaders"))
    metadata = members(told.get("SdkResponseMetadata"))
    return text(metadata, "RequestId") or text(headers, "x-amzn-RequestId")
