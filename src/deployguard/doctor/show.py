"""A preflight for people, as a table by topic, and for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from itertools import groupby

from deployguard.doctor import checks
from deployguard.doctor.check import Check
from deployguard.model import Severity

SCHEMA = "deployguard/doctor/v1"


def text(function: str, found: tuple[Check, ...]) -> str:
    """Return a table of the checks, with what to do below each that asks for it."""
    lines = [function]
    width = max((len(check.name) for check in found), default=0)
    for topic, group in groupby(found, key=lambda check: check.topic):
        lines.append(f"\n{topic}")
        lines += [line for check in group for line in row(check, width)]
    return "\n".join((*lines, "", _summary(found), ""))


def row(check: Check, width: int) -> Iterable[str]:
    """Tell one check, line by line."""
    told = check.finding
    seen = f"{told.id} {check.seen}" if told else check.seen
    yield f"  {check.severity:<8} {check.name:<{width}}  {seen}"
    for label, text in (("fix", told.fix), ("run", told.command)) if told else ():
        yield f"  {'':<8} {'':<{width}}  {label}: {text}"


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
        "checks": [{"topic": check.topic, "name": check.name} | _members(check) for check in found],
    }
    return json.dumps(shown, indent=2) + "\n"


def _members(check: Check) -> dict[str, str]:
    """Return how bad it is, what was seen and, of a finding, all that it says."""
    seen = {"severity": check.severity, "seen": check.seen}
    return asdict(check.finding) | seen if check.finding else seen | {"fix": ""}
