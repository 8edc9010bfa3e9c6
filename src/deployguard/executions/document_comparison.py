"""A comparison as a JSON document, with nothing of an event in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from deployguard import safe
from deployguard.executions.compare import Comparison, Row, Side
from deployguard.executions.nouns import Build, Case, Step
from deployguard.executions.settings import Fact

SCHEMA = "deployguard/comparison/v1"
LONGEST = 256  # characters of a foreign text


def build(comparison: Comparison) -> dict[str, Any]:
    """Return the document of a comparison."""
    cases = comparison.cases
    unread = dict.fromkeys(each for case in cases for each in case.unread)
    return {
        "schema": SCHEMA,
        "images": comparison.likeness.value,
        "why": comparison.why,
        "exit_code": comparison.exit_code,
        "calls": sum(case.calls for case in cases),
        "executions": [_execution(case) for case in cases],
        "facts": _facts(comparison.facts),
        "functions": [_function(row) for row in comparison.rows],
        "unread": [asdict(each) for each in unread],
    }


def _execution(case: Case) -> dict[str, Any]:
    execution = case.execution
    return {
        "arn": execution.arn,
        "machine": execution.machine,
        "alias": execution.alias,
        "status": execution.status,
        "started": _moment(execution.started),
        "stopped": None if execution.stopped is None else _moment(execution.stopped),
        "redrives": execution.redrives,
        "attempts": len(execution.attempts),
        "children": execution.children,
        "children_read": execution.children_read,
    }


def _function(row: Row) -> dict[str, Any]:
    return {
        "function": row.function,
        "images": row.likeness.value,
        "why": row.why,
        "facts": _facts(row.facts),
        "sides": [_side(side) for side in row.sides],
    }


def _facts(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    return [
        {"what": each.what, "values": list(map(_short, each.values)), "same": each.is_same}
        for each in facts
    ]


def _side(side: Side) -> dict[str, Any]:
    return {
        "builds": [{**_build(ran.build), "attempts": ran.attempts} for ran in side.ran],
        "attempts": [_step(step) for step in side.steps],
    }


def _build(ran: Build) -> dict[str, Any]:
    return {
        "version": ran.version,
        "version_known": ran.version_known.value,
        "digest": ran.digest,
        "digest_known": ran.digest_known.value,
        "tags": list(ran.tags),
        "pushed": None if ran.pushed is None else _moment(ran.pushed),
        "build_id": ran.build_id,
    }


def _step(step: Step) -> dict[str, Any]:
    attempt, invocation = step.attempt, step.invocation
    return {
        "state": _short(attempt.state),
        "item": attempt.item and _short(attempt.item),
        "number": attempt.number,
        "qualifier": attempt.qualifier,
        "end": attempt.end.value,
        "error": _short(attempt.error),
        "scheduled": _moment(attempt.scheduled),
        "request_id": attempt.request_id or (invocation.request_id if invocation else ""),
        "version": step.build.version,
        "version_known": step.build.version_known.value,
        "digest": step.build.digest,
        "build_id": step.build.build_id,
        "cold": invocation.is_cold if invocation else None,
        "container_age_s": invocation.container_age_s if invocation else None,
        "invocation": invocation.ordinal if invocation else None,
        "input_size": attempt.input_size,
        "joined": None if invocation is None else "by time" if step.is_by_time else "by request",
    }


def _short(foreign: str) -> str:
    return safe.line(foreign[:LONGEST])[:LONGEST]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
