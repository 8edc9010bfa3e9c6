"""From the bytes that a function answered to a breadcrumb, or to the reason why it is none.

The bytes are hostile: a function may answer anything, of any size and depth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from deployguard import safe, stamp
from deployguard.errors import ConfigurationError
from deployguard.model import Breadcrumb, SelfTest, Stamp

SIZE_CAP = 64 << 10
HEX32 = re.compile(r"[0-9a-f]{32}")
PLAIN = re.compile(r"[\x21-\x7e]{0,512}")


class NotABreadcrumb(ValueError):
    """The answer cannot serve as evidence; the text says why."""


class Replayed(NotABreadcrumb):
    """It is a breadcrumb, but of another question than this one."""


def parse(payload: bytes, *, nonce: str) -> Breadcrumb:
    """Read a breadcrumb that echoes `nonce`; raise NotABreadcrumb otherwise."""
    if len(payload) > SIZE_CAP:
        raise NotABreadcrumb(f"the answer is larger than {SIZE_CAP} bytes")
    crumb = _object(_json(payload)).get("deployguard")
    if not isinstance(crumb, dict) or crumb.get("breadcrumb") != 1:
        raise NotABreadcrumb("the function answered, but with no breadcrumb")
    if crumb.get("nonce") != nonce:
        raise Replayed("the breadcrumb does not echo this probe's nonce")
    stamp_found, stamp_error = _stamp(crumb)
    return Breadcrumb(
        nonce=nonce,
        stamp=stamp_found,
        stamp_error=stamp_error,
        container=_container(crumb),
        born=_number(crumb, "born"),
        received=_number(crumb, "received"),
        released=_number(crumb, "released"),
        invocation=int(_number(crumb, "invocation")),
        function_version=_plain(crumb, "function_version"),
        log_stream=_plain(crumb, "log_stream"),
        request_id=_plain(crumb, "request_id"),
        initialization_type=_plain(crumb, "initialization_type"),
        uptime_s=_number(crumb, "uptime_s"),
        remaining_ms=_number(crumb, "remaining_ms") if crumb.get("remaining_ms") else None,
        invoked_arn=_plain(crumb, "invoked_arn"),
        self_test=_self_test(crumb.get("self_test")),
    )


def _json(payload: bytes) -> Any:
    def refuse(constant: str) -> Any:
        raise NotABreadcrumb(f"the answer holds {constant}")

    try:
        return json.loads(payload, parse_constant=refuse)
    except NotABreadcrumb:
        raise
    except (ValueError, RecursionError) as error:
        raise NotABreadcrumb("the answer is not JSON") from error


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _stamp(crumb: Mapping[str, Any]) -> tuple[Stamp | None, str | None]:
    if crumb.get("stamp") is None:
        reason = crumb.get("stamp_error")
        return None, safe.short(reason) if isinstance(
            reason, str
        ) else "no stamp and no reason given"
    try:
        return stamp.parse(json.dumps(crumb["stamp"]).encode()), None
    except ConfigurationError as error:
        return None, safe.short(error.happened)


def _self_test(told: Any) -> SelfTest | None:
    """Read how a self-test ended; whatever else stands there tells nothing."""
    if not isinstance(told, dict):
        return None
    ok, detail = told.get("ok"), told.get("detail")
    seconds = told.get("seconds")
    return SelfTest(
        ok=ok if isinstance(ok, bool) else None,
        detail=safe.short(detail) if isinstance(detail, str) else "",
        seconds=float(seconds) if _is_sensible(seconds) else 0.0,
    )


def _container(crumb: Mapping[str, Any]) -> str:
    value = crumb.get("container")
    return value if isinstance(value, str) and HEX32.fullmatch(value) else ""


def _number(crumb: Mapping[str, Any], key: str) -> float:
    value = crumb.get(key)
    if not _is_sensible(value):
        raise NotABreadcrumb(f"the breadcrumb's {key} is not a sensible number")
    return float(value)


def _is_sensible(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and 0 <= value < 1e11


def _plain(crumb: Mapping[str, Any], key: str) -> str:
    value = crumb.get(key)
    return value if isinstance(value, str) and PLAIN.fullmatch(value) else ""
