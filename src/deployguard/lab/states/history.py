"""The history of one execution: events with their ids, and how they are read and logged."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployguard.lab.nouns import AwsError, Clock
from deployguard.lab.states.values import FailureError, dumps

MOST = 25_000  # events; AWS ends an execution that would have more
PAGE, LARGEST_PAGE = 100, 1000
DATA = ("input", "inputDetails", "output", "outputDetails", "parameters")
PLAIN = {"truncated": False}
FATAL = {"ExecutionAborted", "ExecutionFailed", "ExecutionTimedOut"}
ERRORS = ("Aborted", "Failed", "TimedOut")  # how the types end that level ERROR logs

Event = dict[str, Any]


@dataclass(eq=False)
class Trail:
    """Where one thread of control is: the event that its next one follows."""

    last: int = 0


@dataclass(eq=False)
class History:
    """The events of one execution, oldest first."""

    clock: Clock
    write: Callable[[Event], None] | None = None  # to the state machine's log group
    events: list[Event] = field(default_factory=list)

    def add(
        self,
        trail: Trail,
        kind: str,
        details: Mapping[str, Any] | None = None,
        *,
        advance: bool = True,
    ) -> int:
        """Record an event and return its id; one that does not advance is followed by none."""
        if len(self.events) >= MOST - 1 and not kind.startswith("Execution"):
            why = f"The execution reached the maximum number of history events ({MOST})."
            raise FailureError("States.Runtime", why)
        number = len(self.events) + 1
        event: Event = {
            "timestamp": int(self.clock.now() * 1000) / 1000,
            "type": kind,
            "id": number,
            "previousEventId": trail.last,
        }
        if details is not None:
            event[details_of(kind)] = dict(details)
        self.events.append(event)
        if advance:
            trail.last = number
        if self.write is not None:
            self.write(event)
        return number

    def page(self, asked: Mapping[str, Any], *, name: str) -> dict[str, Any]:
        """Return a page of the events as GetExecutionHistory does."""
        start = start_of(asked.get("nextToken"), name)
        size = min(asked.get("maxResults") or PAGE, LARGEST_PAGE)
        count = len(self.events)
        if asked.get("reverseOrder"):
            found = self.events[max(0, count - start - size) : count - start][::-1]
        else:
            found = self.events[start : start + size]
        if asked.get("includeExecutionData") is False:
            found = [without_data(event) for event in found]
        more = start + size < count
        return {"events": found} | ({"nextToken": token(start + size, name)} if more else {})


def details_of(kind: str) -> str:
    """Return the name of the member that holds an event's details."""
    for end in ("StateEntered", "StateExited"):
        if kind.endswith(end):
            kind = end
    return f"{kind[0].lower()}{kind[1:]}EventDetails"


def without_data(event: Event) -> Event:
    """Return an event without what went in and out."""
    name = details_of(event["type"])
    if name not in event:
        return event
    return event | {name: _bare(event[name])}


def logged(event: Event, *, arn: str, redrives: int, data: bool) -> str:
    """Return an event as Step Functions writes it to CloudWatch Logs."""
    details = event.get(details_of(event["type"]))
    shown = {} if details is None else {"details": details if data else _bare(details)}
    line = {
        "id": str(event["id"]),
        "type": event["type"],
        **shown,
        "redrive_count": str(redrives),
        "previous_event_id": str(event["previousEventId"]),
        "event_timestamp": str(round(event["timestamp"] * 1000)),
        "execution_arn": arn,
    }
    return dumps(line)


def is_logged(kind: str, level: str) -> bool:
    """Tell whether a log level lets an event through."""
    if level == "ERROR":
        return kind.endswith(ERRORS) or kind == "FailStateEntered"
    return level == "ALL" or (level == "FATAL" and kind in FATAL)


def token(start: int, name: str) -> str:
    """Return the token of the page that starts there."""
    return base64.urlsafe_b64encode(f"{start} {name}".encode()).decode()


def start_of(given: str | None, name: str) -> int:
    """Return where a token's page starts."""
    if not given:
        return 0
    try:
        start, _, whose = base64.urlsafe_b64decode(given).decode().partition(" ")
        if whose == name:
            return int(start)
    except (binascii.Error, ValueError):
        pass
    raise AwsError(400, "InvalidToken", "Invalid Token: 'Invalid token'")


def _bare(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if name not in DATA}
