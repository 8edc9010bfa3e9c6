"""One event of a history, in either of its forms, and what its texts tell, whatever they are."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What Lambda itself answers; what a function raises is JSON, whatever text it has in it.
REFUSED = re.compile(
    rf"(?s)(?!\s*\{{).*\(Service: (?:AWS)?Lambda[;,] Status Code: (?P<status>\d{{3}})"
    rf"(?:[;,] Error Code: [\w.]+)?[;,] Request ID: (?P<id>{ID})?[^()]*\)\s*"
)
NAMED = re.compile(rf"(?:RequestId: |^\S+Z )(?P<id>{ID})\b")
PAYLOAD = re.compile(r"(?s).*?Returned payload: (?P<payload>\{.*)")


class Event(NamedTuple):
    """One event of a history, whichever way it was read."""

    id: int
    previous: int
    kind: str
    at: float
    details: Mapping[str, Any]


def of_api(told: Mapping[str, Any]) -> Event:
    """Return an event as GetExecutionHistory tells it."""
    details = next((told[key] for key in told if key.endswith("EventDetails")), None)
    at: Any = told.get("timestamp")
    return Event(
        number(told.get("id")),
        number(told.get("previousEventId")),
        str(told.get("type", "")),
        float(at.timestamp()) if hasattr(at, "timestamp") else 0.0,
        members(details),
    )


def of_log(text: str) -> tuple[str, Event] | None:
    """Return an event as a log group has it, with its execution; None for any other line."""
    told = members(parsed(text))
    arn, kind = told.get("execution_arn"), told.get("type")
    if not isinstance(arn, str) or not isinstance(kind, str):
        return None
    ids = number(told.get("id")), number(told.get("previous_event_id"))
    at = number(told.get("event_timestamp")) / 1000
    return arn, Event(*ids, kind, at, members(told.get("details")))


def request_id(cause: str) -> str:
    """Return the request that a function's error names, by what Lambda writes into it."""
    told = PAYLOAD.fullmatch(cause)
    error = members(parsed(told["payload"] if told else cause))
    named = error.get("requestId")
    if isinstance(named, str) and re.fullmatch(ID, named):
        return named
    found = NAMED.search(text(error, "errorMessage"))
    return found["id"] if found else ""


def measured(value: Any) -> tuple[int | None, str]:
    """Return the size and the hash of an input, and keep nothing of it."""
    if value is None:
        return None, ""
    document = parsed(value) if isinstance(value, str) else value
    shown = json.dumps(
        value if document is None else document, sort_keys=True, separators=(",", ":"), default=str
    )
    return len(shown), hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()


def parsed(value: Any) -> Any:
    """Return the JSON that a text is, or None where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (RecursionError, ValueError):
        return None


def members(value: Any) -> Mapping[str, Any]:
    """Return the members of an object, none of anything else."""
    return value if isinstance(value, Mapping) else {}


def text(object_: Mapping[str, Any], name: str) -> str:
    """Return a member that is text, or nothing."""
    value = object_.get(name)
    return value if isinstance(value, str) else ""


def number(value: Any) -> int:
    """Return a whole number, be it written as text; 0 for anything else."""
    try:
        return int(value)
    except (OverflowError, TypeError, ValueError):
        return 0


def amount(value: Any) -> float | None:
    """Return a finite number that is not negative, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if 0 <= found < math.inf else None
