"""The nouns of a hypothesis: what it would mean, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

FULL = 0.95  # of a limit, which is reached for all that clocks and counters can tell
UNDECIDED = "nothing that was seen decides it"


class Standing(StrEnum):
    """How far a hypothesis got, the furthest first."""

    PROVEN = "proven"
    LIKELY = "likely"
    POSSIBLE = "possible"
    EXCLUDED = "excluded"


@dataclass(frozen=True)
class Theory:
    """One cause that failures may have: what it predicts, what to do, and what would decide it."""

    id: str
    title: str
    predicts: str
    fix: str
    experiment: str
    is_of_calls: bool = False  # it may be true though the function never ran


class Judged(NamedTuple):
    """Where a theory stands on one failure, by what was seen, and by what that was decided."""

    standing: Standing
    seen: str
    decided_by: str


@dataclass(frozen=True)
class Hypothesis:
    """A theory, held against one failure."""

    theory: Theory
    standing: Standing
    seen: str
    decided_by: str  # the one observation that decided
    prediction: str = ""  # what will happen next, if it is true


def excluded(seen: str, by: str) -> Judged:
    """Exclude a theory."""
    return Judged(Standing.EXCLUDED, seen, by)
