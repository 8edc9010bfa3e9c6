"""What a runtime can say, and how Lambda words it for the caller."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass
from typing import Literal

MAX_RESPONSE = 6_291_556  # bytes; slightly more than a request may have, as on AWS
SIGNALS = {  # Go's words, as Lambda's own supervisor is written in Go
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGFPE: "floating point exception",
    signal.SIGHUP: "hangup",
    signal.SIGILL: "illegal instruction",
    signal.SIGINT: "interrupt",
    signal.SIGKILL: "killed",
    signal.SIGPIPE: "broken pipe",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGTERM: "terminated",
}


@dataclass(frozen=True)
class Invocation:
    """One event on its way through a container."""

    request_id: str
    payload: bytes
    invoked_arn: str
    trace_id: str
    client_context: str | None = None  # JSON


@dataclass(frozen=True)
class Ready:
    """The runtime has initialized and asks for its first event."""


@dataclass(frozen=True)
class Replied:
    """The handler returned."""

    body: bytes


@dataclass(frozen=True)
class Failed:
    """The runtime reported an error of the handler or of its import."""

    body: bytes


@dataclass(frozen=True)
class Exited:
    """The process ended without a word; `code` is as in `subprocess`, negative for a signal."""

    code: int


@dataclass(frozen=True)
class NotStarted:
    """The process could not even be started."""

    error_type: str
    reason: str


@dataclass(frozen=True)
class TimedOut:
    """Nothing was said in time."""


Said = Ready | Replied | Failed | Exited | NotStarted | TimedOut


@dataclass(frozen=True)
class Outcome:
    """How one invocation ended, as the caller and the log see it."""

    status: Literal["success", "error", "failure", "timeout"]
    payload: bytes
    error_type: str = ""
    reason: str = ""  # Lambda's own words, where the runtime had none


def of(said: Said, request_id: str, *, timeout_s: int) -> Outcome:
    """Word what a runtime said, or did not say, as Lambda words it."""
    match said:
        case Replied(body) if len(body) > MAX_RESPONSE:
            return _too_large(len(body))
        case Replied(body):
            return Outcome("success", body)
        case Failed(body):
            return Outcome("error", body, error_type=_type_of(body))
        case Exited(code):
            return _platform("failure", "Runtime.ExitError", _exit(code), request_id)
        case NotStarted(error_type, reason):
            return _platform("failure", error_type, reason, request_id)
        case TimedOut():
            reason = f"Task timed out after {timeout_s:.2f} seconds"
            return _platform("timeout", "Sandbox.Timedout", reason, request_id)
        case Ready():
            raise AssertionError("a runtime that is only ready has not answered")


def _platform(
    status: Literal["failure", "timeout"], error_type: str, reason: str, request_id: str
) -> Outcome:
    message = f"RequestId: {request_id} Error: {reason}"
    body = json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":"))
    return Outcome(status, body.encode(), error_type=error_type, reason=reason)


def _too_large(size: int) -> Outcome:
    message = (
        f"Response payload size ({size} bytes) exceeded maximum allowed payload size "
        f"({MAX_RESPONSE} bytes)."
    )
    error_type = "Function.ResponseSizeTooLarge"
    body = json.dumps({"errorType": error_type, "errorMessage": message}, separators=(",", ":"))
    return Outcome("error", body.encode(), error_type=error_type)


def _exit(code: int) -> str:
    if code == 0:
        return "Runtime exited without providing a reason"
    if code > 0:
        return f"Runtime exited with error: exit status {code}"
    try:
        name = SIGNALS[signal.Signals(-code)]
    except (ValueError, KeyError):
        name = f"signal {-code}"
    return f"Runtime exited with error: signal: {name}"


def _type_of(body: bytes) -> str:
    """Return the error type that the runtime's own JSON names."""
    try:
        error = json.loads(body)
    except ValueError:
        return "Runtime.Unknown"
    found = error.get("errorType") if isinstance(error, dict) else None
    return found if isinstance(found, str) else "Runtime.Unknown"
