"""One thing that a preflight looked at, and the ways to say what is wrong with it; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deployguard.errors import DeployguardError
from deployguard.findings import finding
from deployguard.model import Finding, Severity
from deployguard.traffic import Unread


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what is wrong with it, if anything is."""

    name: str
    seen: str
    finding: Finding | None = None
    topic: str = ""

    @property
    def severity(self) -> Severity:
        """Return how bad it is."""
        return self.finding.severity if self.finding else Severity.OK


def found(name: str, identifier: str, seen: str, **more: Any) -> Check:
    """Return what a finding is about; `more` is told more exactly than in the table."""
    return Check(name, seen, finding(identifier, seen=seen, **more))


def unread(name: str, what: Unread) -> Check:
    """Return what could not be looked at."""
    return found(name, "DG515", f"{what.what} could not be read: {what.why}", fix=what.fix)


def raised(name: str, error: DeployguardError, *, otherwise: str = "", **more: Any) -> Check:
    """Return what a command would be refused with, as a finding; `otherwise` if it has no name."""
    seen = error.happened.removeprefix(f"{error.finding}: ")
    said = {"cause": error.cause, "fix": error.fix, "command": error.command}
    return found(name, error.finding or otherwise, seen, **said, **more)
