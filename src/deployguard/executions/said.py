"""What an error says of itself: its type, message and trace, out of a cause as AWS writes it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

PAYLOAD = "Returned payload: "
CUT = re.compile(r'"errorMessage"\s*:\s*"((?:[^"\\]|\\.)*)')
STATUS = re.compile(r"Status Code: (\d{3})")
TIMED_OUT = re.compile(r"Task timed out after (\d{1,4}(?:\.\d{1,3})?) seconds")
SPEAKS_OF_TIME = re.compile(r"time[ds]?[ -]?out|time limit|deadline", re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """What an error says; all of it may be the words of the function itself."""

    kind: str
    message: str
    trace: str = ""

    @property
    def speaks_of_time(self) -> bool:
        """Say whether it calls itself something that took too long."""
        return bool(SPEAKS_OF_TIME.search(f"{self.kind} {self.message}"))

    @property
    def timed_out_s(self) -> float | None:
        """Return after how long Lambda's own words say that it was ended."""
        found = TIMED_OUT.search(self.message)
        return float(found[1]) if found else None

    @property
    def status(self) -> int | None:
        """Return the HTTP status that a refusal of Lambda's names."""
        found = STATUS.search(self.message)
        return int(found[1]) if found else None


def said(error: str, cause: str) -> Said:
    """Read an error and its cause, which may be JSON, cut off JSON, or text."""
    payload = cause.partition(PAYLOAD)[2] or cause
    told = _document(payload)
    if told is None:
        found = CUT.search(payload)
        return Said(error, found[1] if found else cause)
    kind, message = told.get("errorType"), told.get("errorMessage")
    trace = told.get("stackTrace")
    lines = trace if isinstance(trace, list) else []
    return Said(
        kind if isinstance(kind, str) else error,
        message if isinstance(message, str) else "",
        "".join(line for line in lines if isinstance(line, str)),
    )


def _document(text: str) -> dict[str, Any] | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None
