"""An audit as a JSON document, however it ended, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from deployguard.errors import DeployguardError, Interrupted
from deployguard.routes.nouns import Audit, Path
from deployguard.run import Run

SCHEMA = "deployguard/routes/v1"
AUDIT = TypeAdapter(Audit)


def build(run: Run, ended: Audit | DeployguardError | Interrupted) -> dict[str, Any]:
    """Return the document of an audit, or of what ended it early."""
    audit = ended if isinstance(ended, Audit) else None
    error = ended if not isinstance(ended, Audit) else None
    parts = ("happened", "cause", "fix", "command", "help")
    return {
        "schema": SCHEMA,
        "command": run.record.command,
        "exit_code": ended.exit_code,
        "started": run.record.started.isoformat(timespec="milliseconds"),
        "seconds": round(run.now, 3),
        "error": error and {part: getattr(error, part) for part in parts},
        "function": audit and audit.function,
        "expected": audit and asdict(audit.expected),
        "routes": [_route(path) for path in audit.paths] if audit else [],
        "unread": [asdict(unread) for unread in audit.unread] if audit else [],
    }


def _route(path: Path) -> dict[str, Any]:
    return {
        **path.caller.members(),
        "versions": {end.version: end.share for end in path.ends},
        "ends": [asdict(end) for end in path.ends],
        "outcome": path.outcome.value,
    }


def parse(document: Mapping[str, Any]) -> Audit:
    """Read an audit back; raise LookupError, TypeError or ValueError where it is none."""
    if document["schema"] != SCHEMA:
        raise ValueError(f"got schema {document['schema']!r}, expected {SCHEMA!r}")
    return AUDIT.validate_python(
        {
            **{name: document[name] for name in ("function", "expected", "unread")},
            "paths": [_path(route) for route in document["routes"]],
        }
    )


def _path(route: Mapping[str, Any]) -> dict[str, Any]:
    caller = {name: route[name] for name in ("kind", "via", "use", "qualifier")}
    return {
        "caller": {**caller, "name": route["caller"]},
        "outcome": route["outcome"],
        "ends": route["ends"],
    }
