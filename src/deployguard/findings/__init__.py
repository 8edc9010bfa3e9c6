"""Every problem that has a name: its id, title, likely cause, fix and command, in one table."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from deployguard.findings import evidence, preflight, served, shipped, writes
from deployguard.findings.kind import Kind
from deployguard.model import Finding, Severity

HELP = "https://github.com/deployguard/deployguard/blob/main/docs/findings.md"
BLANK = re.compile(r"\b[A-Z]{2,}\b")

KINDS: Mapping[str, Kind] = (
    shipped.KINDS | served.KINDS | evidence.KINDS | writes.KINDS | preflight.KINDS
)


def finding(
    identifier: str,
    *,
    seen: str,
    expected: str = "",
    cause: str = "",
    fix: str = "",
    command: str = "",
    severity: Severity | None = None,
) -> Finding:
    """Fill a row of the table with what was seen; the rest may be told more exactly."""
    kind = KINDS[identifier]
    return Finding(
        id=identifier,
        title=kind.title,
        seen=seen,
        expected=expected or kind.expected,
        cause=cause or kind.cause,
        fix=fix or kind.fix,
        help=help_of(identifier),
        severity=severity or kind.severity,
        command=command or kind.command,
    )


def help_of(identifier: str) -> str:
    """Return where a finding is explained."""
    return f"{HELP}#{identifier.lower()}"


def filled(command: str, known: Mapping[str, str | None]) -> str:
    """Put what is known in place of the words in capitals, quoted for a shell."""
    return BLANK.sub(lambda blank: shlex.quote(known.get(blank[0]) or blank[0]), command)
