"""One event of a log stream: a platform line, a breadcrumb line, or what a function said."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, NamedTuple

from deployguard.executions import crumbs
from deployguard.executions.events import ID, amount, members, number, parsed, text
from deployguard.executions.nouns import Crumb

NUMBER = r"\d+(?:\.\d+)?"
START = re.compile(
    rf"START RequestId: (?P<id>{ID}) Version: (?P<version>\$LATEST(?:\.PUBLISHED)?|\d+)\s*"
)
END = re.compile(rf"END RequestId: (?P<id>{ID})\s*")
REPORT = re.compile(
    rf"REPORT RequestId: (?P<id>{ID})\t(?P<facts>[^\n]*)(?:\nXRAY TraceId: [^\n]*)?\s*"
)
INIT = re.compile(
    rf"INIT_REPORT Init Duration: (?P<ms>{NUMBER}) ms\s+Phase: (?P<phase>\w+)"
    r"(?:\s+Status: (?P<status>\w+))?(?:\s+Error Type: (?P<error>[\w.]+))?\s*"
)
NOISE = re.compile(r"(?:INIT_START|RESTORE_START|EXTENSION|TELEMETRY|LOGS)\s[^\n]*\s*")
LATE = re.compile(rf"\S+Z (?P<id>{ID}) Task timed out after (?P<seconds>{NUMBER}) seconds\s*")
EXIT = re.compile(rf"RequestId: (?P<id>{ID}) Error: [^\n]*\n(?P<error>[\w.]+)\s*")
FACT = re.compile(rf"(?P<name>[A-Z][A-Za-z ]*): (?P<value>{NUMBER}|[\w.]+)(?: (?:ms|MB))?")
VERSION = re.compile(r"\[(?P<version>\$LATEST(?:\.PUBLISHED)?|\d+)\]")
KINDS = {
    "platform.start": "start",
    "platform.runtimeDone": "end",
    "platform.report": "report",
    "platform.initReport": "init",
}
LONGEST = 4096  # characters of a line that are kept


class Logged(NamedTuple):
    """One event of a log group."""

    stream: str
    at: float
    text: str


class Kind(Enum):
    """Who says what."""

    START = auto()
    END = auto()
    REPORT = auto()
    INIT = auto()
    NOISE = auto()  # the platform's, of nothing that matters here
    REASON = auto()  # the platform's old way of saying why it ended an invocation
    BREADCRUMB = auto()
    TEXT = auto()


@dataclass(frozen=True)
class Facts:
    """What a platform line tells of an invocation or an initialization."""

    duration_ms: float | None = None
    init_ms: float | None = None
    memory_mb: int | None = None
    used_mb: int | None = None
    status: str = ""
    error_type: str = ""


class Mark(NamedTuple):
    """One event, understood; only what fills a whole event is taken for a platform line."""

    kind: Kind
    at: float
    text: str
    id: str = ""  # of the request
    version: str = ""
    facts: Facts = Facts()
    crumb: Crumb | None = None


def of(event: Logged) -> Mark:
    """Understand one event."""
    at, said = event.at, event.text
    if said.lstrip()[:1] == "{":
        return _json(event, members(parsed(said)))
    for pattern, kind, facts in SHAPES:
        found = pattern.fullmatch(said)
        if found is not None:
            named = {key: value for key, value in found.groupdict().items() if value is not None}
            return Mark(kind, at, said, named.get("id", ""), named.get("version", ""), facts(named))
    return Mark(Kind.TEXT, at, said[:LONGEST])


def _json(event: Logged, told: Mapping[str, Any]) -> Mark:
    crumb = crumbs.parse(event.text, stream=event.stream)
    if crumb is not None:
        return Mark(Kind.BREADCRUMB, event.at, event.text[:LONGEST], crumb.request_id, crumb=crumb)
    kind = text(told, "type")
    if set(told) == {"time", "type", "record"} and kind.startswith("platform."):
        record = members(told["record"])
        named = text(record, "requestId")
        known = KINDS.get(kind, "noise")
        return Mark(
            Kind[known.upper()],
            event.at,
            event.text[:LONGEST],
            named if re.fullmatch(ID, named) else "",
            text(record, "version"),
            _measured(record, is_init=known == "init"),
        )
    named = text(told, "requestId") or text(told, "AWSRequestId")
    shown = " ".join(filter(None, (text(told, "level"), _said(told))))
    return Mark(Kind.TEXT, event.at, (shown or event.text)[:LONGEST], named)


def _said(told: Mapping[str, Any]) -> str:
    """Return what a line of an application in JSON says: its message, or its error."""
    error = ": ".join(filter(None, (text(told, "errorType"), text(told, "errorMessage"))))
    message = told.get("message")
    return message if isinstance(message, str) else error


def _reported(named: Mapping[str, str]) -> Facts:
    """Read the fields of a REPORT line, in the old style and the new."""
    found = {each["name"]: each["value"] for each in FACT.finditer(named["facts"])}
    return Facts(
        _amount(found.get("Duration")),
        _amount(found.get("Init Duration")),
        number(found.get("Memory Size")) or None,
        number(found.get("Max Memory Used")) or None,
        found.get("Status", ""),
        found.get("Error Type", ""),
    )


def _initialized(named: Mapping[str, str]) -> Facts:
    return Facts(
        init_ms=_amount(named["ms"]),
        status=named.get("status", ""),
        error_type=named.get("error", ""),
    )


def _amount(said: str | None) -> float | None:
    return float(said) if said is not None and re.fullmatch(NUMBER, said) else None


def _measured(record: Mapping[str, Any], *, is_init: bool) -> Facts:
    """Read the record of a platform line in JSON."""
    metrics = members(record.get("metrics"))
    status = text(record, "status")
    return Facts(
        None if is_init else amount(metrics.get("durationMs")),
        amount(metrics.get("durationMs" if is_init else "initDurationMs")),
        number(metrics.get("memorySizeMB")) or None,
        number(metrics.get("maxMemoryUsedMB")) or None,
        "error" if status == "failure" else status,
        text(record, "errorType"),
    )


SHAPES: tuple[tuple[re.Pattern[str], Kind, Callable[[Mapping[str, str]], Facts]], ...] = (
    (START, Kind.START, lambda _: Facts()),
    (END, Kind.END, lambda _: Facts()),
    (REPORT, Kind.REPORT, _reported),
    (INIT, Kind.INIT, _initialized),
    (LATE, Kind.REASON, lambda named: Facts(float(named["seconds"]) * 1000, status="timeout")),
    (EXIT, Kind.REASON, lambda named: Facts(status="error", error_type=named["error"])),
    (NOISE, Kind.NOISE, lambda _: Facts()),
)
