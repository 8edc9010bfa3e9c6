"""The findings as GitHub shows them on the page of a run, and how much of them it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deployguard import safe
from deployguard.model import Finding, Severity
from deployguard.report import reading

# GitHub keeps 10 errors of a step and drops the rest unseen; one is left for what follows us.
MOST = 9


def render(document: Mapping[str, Any]) -> str:
    """Return a report's findings as workflow commands."""
    return commands(reading.findings(document), has_failed=bool(document["exit_code"]))


def commands(findings: Iterable[Finding], *, has_failed: bool) -> str:
    """Return workflow commands, a line each; only a run that failed has errors.

    The gravest come first, since GitHub shows so many only.
    """
    grave = "error" if has_failed else "warning"
    ranked = sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)
    shown = list(
        dict.fromkeys(
            (grave if f.severity is Severity.ERROR else "warning", f"{f.id} {f.title}", _message(f))
            for f in ranked
        )
    )
    if len(shown) > MOST:
        rest = shown[MOST - 1 :]
        ids = ", ".join(dict.fromkeys(title.split()[0] for _, title, _ in rest))
        shown[MOST - 1 :] = [
            (rest[0][0], f"and {len(rest)} more findings", f"{ids}; see the summary or the report")
        ]
    return "".join(
        safe.command(level, title=title, message=message) + "\n" for level, title, message in shown
    )


def _message(finding: Finding) -> str:
    parts = {
        "seen": finding.seen,
        "expected": finding.expected,
        "cause": finding.cause,
        "fix": finding.fix,
        "run": finding.command,
        "help": finding.help,
    }
    return "\n".join(f"{name}: {text}" for name, text in parts.items() if text)
