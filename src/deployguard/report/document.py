"""The report of a run as a JSON document: how it ended, what it changed, what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from deployguard.errors import DeployguardError, Interrupted, parts_of
from deployguard.findings import filled
from deployguard.report import following
from deployguard.report.history import Kept
from deployguard.run import Record

SCHEMA = "deployguard/report/v1"


def build(record: Record, *, seconds: float, tool: str, history: Iterable[Kept]) -> dict[str, Any]:
    """Return the document of a run, however it ended."""
    is_known = record.function is not None or record.asked
    functions = [_function(record, seconds=seconds)] if is_known else []
    return {
        "schema": SCHEMA,
        "tool": {"name": "deployguard", "version": tool},
        "command": record.command,
        "verdict": record.verdict and record.verdict.value,
        "exit_code": record.exit_code,
        "started": record.started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "error": functions[0]["error"] if functions else _error(record.error, {}),
        "functions": functions,
        "history": [asdict(move) for move in history],
        "fleet": None,
    }


def _function(record: Record, *, seconds: float) -> dict[str, Any]:
    about = {
        "function": record.function.arn if record.function else record.asked,
        "alias": record.alias,
        "verdict": record.verdict and record.verdict.value,
        "exit_code": record.exit_code,
        "started": record.started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "expected": following.expected(record.expected),
        "version": {
            "before": record.before.version if record.before else None,
            "published": record.published,
            "after": record.after,
            "deduplicated": record.deduplicated,
        },
        "changes": [asdict(change) for change in record.changes],
    }
    blanks = following.blanks(about)
    ruling = None if isinstance(record.error, Interrupted) else record.ruling
    judged = following.members(record.evidence, ruling, known=blanks)
    return about | {"error": _error(record.error, blanks)} | judged


def _error(
    error: DeployguardError | Interrupted | None, known: Mapping[str, str | None]
) -> dict[str, str] | None:
    if error is None:
        return None
    return {**parts_of(error), "command": filled(error.command, known)}
