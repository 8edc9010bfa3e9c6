"""The lines that Lambda writes around what a function prints, in every style that AWS has."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from deployguard.lab.fleet.outcome import Outcome
from deployguard.lab.nouns import Build

TAIL = 4096  # bytes of the log that an answer may carry
Line = tuple[int, str]  # milliseconds since the epoch, text with its line end
LEVELS = ("DEBUG", "INFO", "WARN")  # of what the platform logs; text knows none


@dataclass(frozen=True)
class Run:
    """What is known about one invocation once it is over."""

    request_id: str
    ended: float  # Unix seconds
    duration_ms: float
    used_mb: int
    outcome: Outcome
    init_ms: float | None = None  # of a cold start


@dataclass(frozen=True)
class Init:
    """What is known about one initialization."""

    phase: str  # "init" before the first invocation, "invoke" for a repeated one
    ended: float
    duration_ms: float
    initialization_type: str
    failed: Outcome | None = None


def stream(build: Build, *, now: float, container: str) -> str:
    """Name a container's log stream; in a shared log group it carries the function's name too."""
    own = build.log_group == f"/aws/lambda/{build.function_name}"
    owner = "" if own else build.function_name
    day = datetime.fromtimestamp(now, UTC).strftime("%Y/%m/%d")
    return f"{day}/{owner}[{build.version}]{container}"


def tail(lines: list[Line]) -> str:
    """Return the last 4 KB of an invocation's lines, as an answer's header carries them."""
    text = "".join(line for _, line in lines).encode()
    return base64.b64encode(text[-TAIL:]).decode()


def init_lines(build: Build, init: Init) -> list[Line]:
    """Report an initialization: in JSON as its level says, in text only a failed one."""
    if build.log_format == "JSON":
        provisioned = init.initialization_type != "on-demand"
        done = "WARN" if init.failed else "INFO" if provisioned else "DEBUG"
        return [
            *_from(build, "DEBUG", _json_init_start(init)),
            *_from(build, done, _json_init_done(init)),
        ]
    if init.failed is None:
        return []
    parts = [f"INIT_REPORT Init Duration: {init.duration_ms:.2f} ms", f"Phase: {init.phase}"]
    return [(_ms(init.ended), "\t".join(parts + _status(init.failed)) + "\n")]


def start_lines(build: Build, request_id: str, *, at: float) -> list[Line]:
    """Open an invocation."""
    if build.log_format == "JSON":
        line = _json(at, "platform.start", requestId=request_id, version=build.version)
        return _from(build, "INFO", line)
    return [(_ms(at), f"START RequestId: {request_id} Version: {build.version}\n")]


def end_lines(build: Build, run: Run, *, style: str) -> list[Line]:
    """Close an invocation with its report."""
    if build.log_format == "JSON":
        return _json_end(build, run)
    lines = [] if style == "new" else _old_reason(run)
    lines.append(f"END RequestId: {run.request_id}\n")
    lines.append(_report(build, run, style=style))
    return [(_ms(run.ended), line) for line in lines]


def told(run: Run, *, style: str) -> Outcome:
    """Return the outcome as the caller sees it: the old style names no error type of a time-out."""
    if style == "new" or run.outcome.status != "timeout":
        return run.outcome
    body = json.dumps({"errorMessage": _timed_out(run)}, separators=(",", ":"))
    return replace(run.outcome, payload=body.encode())


def _report(build: Build, run: Run, *, style: str) -> str:
    fields = [
        f"REPORT RequestId: {run.request_id}",
        f"Duration: {run.duration_ms:.2f} ms",
        f"Billed Duration: {_billed(run)} ms",
        f"Memory Size: {build.memory_mb} MB",
        f"Max Memory Used: {run.used_mb} MB",
    ]
    if run.init_ms is not None:
        fields.append(f"Init Duration: {run.init_ms:.2f} ms")
    if style == "new":
        fields += _status(run.outcome)
    return "\t".join(fields) + "\t\n"


def _status(outcome: Outcome) -> list[str]:
    if outcome.status == "success":
        return []
    if outcome.status == "timeout":
        return ["Status: timeout"]
    return ["Status: error", f"Error Type: {outcome.error_type}"]


def _old_reason(run: Run) -> list[str]:
    """Say what the old REPORT line cannot: why the platform ended an invocation."""
    outcome = run.outcome
    if outcome.status == "timeout":
        return [f"{_timed_out(run)}\n\n"]
    if outcome.status == "failure":
        return [f"RequestId: {run.request_id} Error: {outcome.reason}\n{outcome.error_type}\n"]
    return []


def _timed_out(run: Run) -> str:
    return f"{_iso(run.ended)} {run.request_id} {run.outcome.reason}"


def _json_end(build: Build, run: Run) -> list[Line]:
    error = {"errorType": run.outcome.error_type} if run.outcome.error_type else {}
    head = {"requestId": run.request_id, "status": run.outcome.status, **error}
    metrics: dict[str, Any] = {
        "durationMs": round(run.duration_ms, 3),
        "billedDurationMs": _billed(run),
        "memorySizeMB": build.memory_mb,
        "maxMemoryUsedMB": run.used_mb,
    }
    if run.init_ms is not None:
        metrics["initDurationMs"] = round(run.init_ms, 3)
    done = {"durationMs": metrics["durationMs"], "producedBytes": len(run.outcome.payload)}
    failed = run.outcome.status != "success"
    ended = _json(run.ended, "platform.runtimeDone", **head, metrics=done)
    report = _json(run.ended, "platform.report", **head, metrics=metrics)
    return [
        *_from(build, "WARN" if failed else "DEBUG", ended),
        *_from(build, "WARN" if failed else "INFO", report),
    ]


def _json_init_start(init: Init) -> Line:
    began = init.ended - init.duration_ms / 1000
    kind = {"initializationType": init.initialization_type, "phase": init.phase}
    return _json(began, "platform.initStart", **kind)


def _json_init_done(init: Init) -> Line:
    failed = init.failed
    record: dict[str, Any] = {
        "initializationType": init.initialization_type,
        "phase": init.phase,
        "status": failed.status if failed else "success",
        "metrics": {"durationMs": round(init.duration_ms, 3)},
    }
    if failed and failed.error_type:
        record["errorType"] = failed.error_type
    return _json(init.ended, "platform.initReport", **record)


def _from(build: Build, level: str, line: Line) -> list[Line]:
    """Return a line, unless the function has such lines hidden."""
    return [line] if LEVELS.index(level) >= LEVELS.index(build.system_level) else []


def _json(at: float, kind: str, **record: Any) -> Line:
    line = {"time": _iso(at), "type": kind, "record": record}
    return _ms(at), json.dumps(line, separators=(",", ":")) + "\n"


def _billed(run: Run) -> int:
    return math.ceil(run.duration_ms + (run.init_ms or 0))


def _iso(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _ms(at: float) -> int:
    return int(at * 1000)
