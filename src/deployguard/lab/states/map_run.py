"""Distributed Map states: a map run, whose items are processed by executions of their own."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployguard.lab.states import fan, integrations
from deployguard.lab.states.execution import (
    ABORTED,
    EXPRESS,
    FAILED,
    RUNNING,
    SUCCEEDED,
    TIMED_OUT,
    Execution,
)
from deployguard.lab.states.fields import State
from deployguard.lab.states.values import FailureError

if TYPE_CHECKING:
    from deployguard.lab.states.walker import Step, Walker

AT_ONCE = 1000  # children; AWS allows ten times as many
TOO_MANY = "States.ExceedToleratedFailureThreshold"
STATUSES = {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "timedOut": TIMED_OUT,
    "aborted": ABORTED,
    "running": RUNNING,
}


@dataclass(eq=False)
class MapRun:
    """One run of a distributed Map state."""

    arn: str
    parent: Execution
    label: str
    express: bool
    inputs: list[Any]
    sizes: list[int]  # items per child
    most: int
    tolerated_count: int
    tolerated_percentage: float
    started: float
    context: list[dict[str, Any]]
    children: list[Execution | None] = field(default_factory=list)
    status: str = RUNNING
    stopped: float | None = None
    redrives: int = 0
    redriven: float | None = None

    def __post_init__(self) -> None:
        """Start with no child started."""
        self.children = [None] * len(self.inputs)

    def is_too_much(self) -> bool:
        """Tell whether more items failed than are tolerated."""
        counts = self._counts(weighted=True)
        failed, total = counts[FAILED] + counts[TIMED_OUT], sum(self.sizes)
        if self.tolerated_percentage:
            return failed * 100 > self.tolerated_percentage * total
        return failed > self.tolerated_count

    def listed(self) -> dict[str, Any]:
        """Return what ListMapRuns tells of it."""
        return {
            "executionArn": self.parent.arn,
            "mapRunArn": self.arn,
            "stateMachineArn": f"{self.parent.machine.arn}/{self.label}",
            "startDate": self.started,
            **({} if self.stopped is None else {"stopDate": self.stopped}),
        }

    def described(self) -> dict[str, Any]:
        """Return what DescribeMapRun tells of it."""
        told = {name: value for name, value in self.listed().items() if name != "stateMachineArn"}
        return told | {
            "status": self.status,
            "maxConcurrency": self.most,
            "toleratedFailureCount": self.tolerated_count,
            "toleratedFailurePercentage": self.tolerated_percentage,
            "itemCounts": self._shown(weighted=True),
            "executionCounts": self._shown(weighted=False),
            "redriveCount": self.redrives,
            **({} if self.redriven is None else {"redriveDate": self.redriven}),
        }

    def end(self, status: str, at: float) -> None:
        """Say how it ended."""
        self.status, self.stopped = status, at

    def _counts(self, *, weighted: bool) -> Counter[str]:
        counts: Counter[str] = Counter()
        for child, size in zip(self.children, self.sizes, strict=True):
            counts[child.status if child else ""] += size if weighted else 1
        return counts

    def _shown(self, *, weighted: bool) -> dict[str, int]:
        counts = self._counts(weighted=weighted)
        over = self.status != RUNNING
        shown = {name: counts[status] for name, status in STATUSES.items()}
        shown["aborted"] += counts[""] if over else 0
        shown["pending"] = 0 if over else counts[""]
        written = counts[SUCCEEDED] if self.status == SUCCEEDED else 0
        return shown | {"resultsWritten": written, "total": counts.total()}


def is_distributed(state: State) -> bool:
    """Tell whether a Map state runs executions instead of iterations."""
    processor = fan.processor(state)
    return bool(processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


async def perform(walker: Walker, step: Step) -> list[Any]:
    """Run a distributed Map state, or what a redrive has left of it."""
    scope, history = step.scope, walker.history
    run = scope.map_run
    if run is None:
        run = scope.map_run = await _begin(walker, step)
    else:
        run.redrives += 1
        run.status, run.stopped, run.redriven = RUNNING, None, walker.world.clock.now()
        about = {"mapRunArn": run.arn, "redriveCount": run.redrives}
        history.add(scope.trail, "MapRunRedriven", about)
    try:
        await _process(walker, step, run)
    except FailureError as failure:
        run.end(FAILED, walker.world.clock.now())
        history.add(scope.trail, "MapRunFailed", failure.details())
        raise
    except asyncio.CancelledError:
        run.end(ABORTED, walker.world.clock.now())
        history.add(scope.trail, "MapRunAborted")
        raise
    run.end(SUCCEEDED, walker.world.clock.now())
    history.add(scope.trail, "MapRunSucceeded")
    history.add(scope.trail, "MapStateSucceeded", advance=False)
    return [_result(child) for child in run.children]


async def _begin(walker: Walker, step: Step) -> MapRun:
    """Read the items and start the run."""
    reader = step.state.get("ItemReader")
    if reader is None:
        pairs = fan.items(step)
    else:
        rows = await _read(walker, step, reader)
        pairs = [fan.selected(step, number, row) for number, row in enumerate(rows)]
    length = 0 if reader else len(pairs)
    walker.history.add(step.scope.trail, "MapStateStarted", {"length": length})
    machine = walker.execution.machine
    config = fan.processor(step.state)["ProcessorConfig"]
    label = step.state.get("Label") or str(uuid.uuid4())
    size = step.state.get("ItemBatcher", {}).get("MaxItemsPerBatch", 0)
    batches = [pairs[at : at + size] for at in range(0, len(pairs), size)] if size else None
    run = MapRun(
        arn=f"{machine.arn.replace(':stateMachine:', ':mapRun:')}/{label}:{uuid.uuid4()}",
        parent=walker.execution,
        label=label,
        express=config.get("ExecutionType") == EXPRESS,
        inputs=[data for _, data in pairs] if batches is None else [_batch(b) for b in batches],
        sizes=[1] * len(pairs) if batches is None else [len(each) for each in batches],
        most=step.fields.number("MaxConcurrency", step.values, 0),
        tolerated_count=step.fields.number("ToleratedFailureCount", step.values, 0),
        tolerated_percentage=step.fields.number("ToleratedFailurePercentage", step.values, 0.0),
        started=walker.world.clock.now(),
        context=[context for context, _ in (pairs if batches is None else [b[0] for b in batches])],
    )
    walker.execution.map_runs.append(run)
    walker.history.add(step.scope.trail, "MapRunStarted", {"mapRunArn": run.arn})
    return run


async def _process(walker: Walker, step: Step, run: MapRun) -> None:
    """Run every child that has not succeeded, as many at once as allowed."""
    left = [
        number
        for number, child in enumerate(run.children)
        if child is None or child.status != SUCCEEDED
    ]
    waiting = iter(left)
    workers = min(run.most or AT_ONCE, AT_ONCE, len(left))
    program = fan.inherit(step.scope, fan.processor(step.state))

    async def work() -> None:
        for number in waiting:
            child = walker.world.executions.child(run, number, program)
            try:
                await child.over.wait()
            except asyncio.CancelledError:
                walker.world.executions.abort(child)
                raise
            if run.is_too_much():
                text = "The specified tolerated failure threshold was exceeded"
                raise FailureError(TOO_MANY, text)

    await fan.together([work() for _ in range(workers)])


def _batch(pairs: list[tuple[dict[str, Any], Any]]) -> dict[str, Any]:
    return {"Items": [data for _, data in pairs]}


def _result(child: Execution | None) -> Any:
    return json.loads(child.output) if child and child.output is not None else None


async def _read(walker: Walker, step: Step, reader: State) -> list[Any]:
    """Read items from a bucket: a listing, a JSON array, lines of JSON, or CSV with a header."""
    named = "Arguments" if step.fields.is_jsonata else "Parameters"
    given = step.fields.fill(reader.get(named, {}), step.values)
    action = reader["Resource"].rpartition(":")[2]
    region = walker.execution.machine.region
    try:
        answer = await integrations.call(walker.world, region, "s3", action, given)
    except FailureError as failure:
        raise FailureError("States.ItemReaderFailed", failure.cause) from None
    config = reader.get("ReaderConfig", {})
    most = config.get("MaxItems") or None
    if action == "listObjectsV2":
        return list(answer.get("Contents", []))[:most]
    text = answer["Body"]
    match config.get("InputType", "JSON"):
        case "JSON":
            return list(json.loads(text))[:most]
        case "JSONL":
            return [json.loads(line) for line in text.splitlines()][:most]
        case "CSV":
            names = config.get("CSVHeaders")
            return [dict(row) for row in csv.DictReader(io.StringIO(text), fieldnames=names)][:most]
    kind = config["InputType"]
    raise FailureError("States.ItemReaderFailed", f"The lab reads no items of type {kind}")
