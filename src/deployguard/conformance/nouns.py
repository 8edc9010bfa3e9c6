"""What is sent to an implementation of the canary, what comes back, and what that is judged by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an implementation has to do with an event."""

    CANARY = "canary"  # answer it
    LOOKALIKE = "lookalike"  # hand it to the handler, although it resembles a canary
    ORDINARY = "ordinary"  # hand it to the handler


class Result(StrEnum):
    """How a rule fared; the order is that of the exit codes."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNDECIDED = "undecided"
    SKIPPED = "skipped"  # nobody asked


@dataclass(frozen=True)
class Step:
    """One event of the script."""

    name: str
    kind: Kind
    event: str  # JSON, on one line
    nonce: str = ""
    hold_ms: int = 0
    rule: str = ""  # the one that a lookalike belongs to


@dataclass(frozen=True)
class Answer:
    """What came back for one event."""

    payload: bytes | None  # None: nothing did, and `trouble` says why
    trouble: str = ""
    is_its_fault: bool = True  # rather than that of what lies in between
    is_over: bool = False  # nothing more can be asked
    executed_version: str = ""


@dataclass(frozen=True)
class Exchange:
    """A step, its answer, when that came (Unix seconds) and how long it took."""

    step: Step
    answer: Answer
    at: float
    seconds: float

    @property
    def crumb(self) -> Mapping[str, Any] | None:
        """Return the breadcrumb in the answer, however wrong it may be."""
        try:
            document = json.loads(self.answer.payload or b"")
        except (ValueError, RecursionError):
            return None
        crumb = document.get("deployguard") if isinstance(document, dict) else None
        return crumb if isinstance(crumb, dict) and "breadcrumb" in crumb else None


@dataclass(frozen=True)
class Evidence:
    """All that was asked and answered, and what the user expects."""

    exchanges: tuple[Exchange, ...]
    answer_within_s: float
    expected: Any = None  # of the ordinary event; None: anything
    is_alone: bool = False  # a process of our own, which nobody else calls
    stopped: str = ""  # why not all steps were sent


@dataclass(frozen=True)
class Case:
    """One rule of the protocol, and whether the implementation keeps it."""

    name: str
    result: Result
    expected: str
    got: str
    fix: str
