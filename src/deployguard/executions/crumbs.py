"""From a line of a log to what a container said of itself in it, or to nothing.

Whatever runs in a container can write such a line; it is believed about that container only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from deployguard.executions.nouns import Crumb, Moment
from deployguard.stamp import BUILD_ID

LONGEST = 8 << 10
HEX32 = re.compile(r"[0-9a-f]{32}")
VERSION = re.compile(r"\$LATEST|[1-9][0-9]{0,18}")
NUMBERS = ("at", "born", "uptime_s", "invocation")
PLAIN = re.compile(r"[\x21-\x7e]{0,512}")


def parse(text: str, *, stream: str) -> Crumb | None:
    """Read a breadcrumb line of a log stream; None for every other line, and for a forged one."""
    fields = _fields(text)
    if fields is None or fields.get("log_stream") != stream:
        return None
    if not _is_whole(fields, stream):
        return None
    return Crumb(
        event=Moment(fields["event"]),
        at=float(fields["at"]),
        container=fields["container"],
        born=float(fields["born"]),
        uptime_s=float(fields["uptime_s"]),
        invocation=int(fields["invocation"]),
        version=fields["function_version"],
        build_id=fields.get("build_id"),
        invoked_arn=fields["invoked_arn"],
        request_id=fields["request_id"],
        stream=stream,
        is_canary=fields.get("canary") is True,
        tells_each=fields.get("logs") == "invocation",
    )


def _is_whole(fields: Mapping[str, Any], stream: str) -> bool:
    version, build_id = fields.get("function_version"), fields.get("build_id")
    return (
        fields.get("event") in list(Moment)
        and _is(HEX32, fields.get("container"))
        and _is(VERSION, version)
        and f"[{version}]" in stream
        and (build_id is None or _is(BUILD_ID, build_id))
        and all(_is(PLAIN, fields.get(key)) for key in ("invoked_arn", "request_id"))
        and all(_is_sensible(fields.get(key)) for key in NUMBERS)
    )


def _fields(text: str) -> Mapping[str, Any] | None:
    """Return what a line holds that is JSON as a whole; Lambda may have added members to it."""
    if len(text) > LONGEST or not text.startswith("{"):
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    fields = document.get("deployguard") if isinstance(document, dict) else None
    if not isinstance(fields, dict) or type(fields.get("line")) is not int or fields["line"] != 1:
        return None
    return fields


def _is(shape: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and shape.fullmatch(value) is not None


def _is_sensible(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < 1e11  # type: ignore[operator]
