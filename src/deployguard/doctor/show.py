"""A preflight for people, as a table by topic, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

from deployguard.doctor import checks
from deployguard.doctor.checks import Check, Severity

SCHEMA = "deployguard/doctor/v1"


def text(function: str, found: tuple[Check, ...]) -> str:
    """Return a table of the checks, with what to do below each that asks for it."""
    lines = [function]
    width = max((len(check.name) for check in found), default=0)
    for topic, group in groupby(found, key=lambda check: check.topic):
        lines.append(f"\n{topic}")
        lines += [line for check in group for line in _row(check, width)]
    return "\n".join((*lines, "", _summary(found), ""))


def _row(check: Check, width: int) -> Iterable[str]:
    yield f"  {check.severity:<8} {check.name:<{width}}  {check.seen}"
    if check.fix:
        yield f"  {'':<8} {'':<{width}}  fix: {check.fix}"


def _summary(found: tuple[Check, ...]) -> str:
    counts = {severity: sum(c.severity is severity for c in found) for severity in Severity}
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
    return f"{told} (exit code {checks.exit_code(found)})"


def document(function: str, found: tuple[Check, ...]) -> str:
    """Return the checks as JSON."""
    shown = {
        "schema": SCHEMA,
        "function": function,
        "exit_code": checks.exit_code(found),
        "checks": [
            {
                "topic": check.topic,
                "name": check.name,
                "severity": check.severity,
                "seen": check.seen,
                "fix": check.fix,
            }
            for check in found
        ],
    }
    return json.dumps(shown, indent=2) + "\n"
