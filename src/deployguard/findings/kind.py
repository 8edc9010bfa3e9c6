"""What is always true of a finding: one row of the table."""

from __future__ import annotations

from typing import NamedTuple

from deployguard.model import Severity


class Kind(NamedTuple):
    """One row; words in capitals in the command stand for what only the finding knows."""

    title: str
    cause: str
    fix: str
    command: str = ""
    expected: str = ""  # where it is the same for every finding of this id
    severity: Severity = Severity.ERROR
