"""What a container answers to a canary: which build it runs, who it is, what it has served.

One file, standard library only, Python 3.9 and later: copy it into an image under any name.
"""

# pathlib would cost a cold start:
# ruff: noqa: PTH110, PTH113, PTH123

from __future__ import annotations

import functools
import itertools
import json
import os
import time

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` would cost a cold start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    Handler = TypeVar("Handler", bound=Callable[..., Any])

__all__ = ["breadcrumb", "canary"]

_STAMP_PATH = "/var/task/build-stamp.json"
_STAMP_SCHEMA = "deployguard/stamp/v1"
_STAMP_BYTES = 16 * 1024
_STAMP_FIELDS = ("revision", "version", "created", "source")
_LONGEST_HOLD_MS = 10_000
_MARGIN_MS = 500  # what a hold leaves of the function's timeout
_HEX = frozenset("0123456789abcdefABCDEF")
_BUILD_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:+-")
_ASYNC = 0x80 | 0x100 | 0x200  # inspect.CO_COROUTINE and its kin; `inspect` costs a cold start

_container = os.urandom(16).hex()
_born = time.time()
_started = time.monotonic()
_invocations = itertools.count(1)


def canary(handler: Handler) -> Handler:
    """Answer canaries in front of a handler; every other event reaches it unchanged."""
    if getattr(getattr(handler, "__code__", None), "co_flags", 0) & _ASYNC:
        return handler

    @functools.wraps(handler)
    def guarded(*arguments: Any, **keywords: Any) -> Any:
        event, context = (*arguments, None, None)[:2]
        answer = breadcrumb(event, context)
        return handler(*arguments, **keywords) if answer is None else answer

    return guarded  # type: ignore[return-value]


def breadcrumb(event: object, context: object) -> dict[str, Any] | None:
    """Return the answer to a canary, or None for an ordinary event."""
    invocation = next(_invocations)
    request = _request(event)
    if request is None:
        return None
    return {"deployguard": _answer(request, context, invocation=invocation, environ=os.environ)}


def _request(event: object) -> dict[str, Any] | None:
    # Exact types, as JSON makes them: no code of the user's runs here, so nothing can raise.
    # NOTE: nothing may stand beside the key. Events from HTTP, queues and buses always carry keys
    # of their own, so that whoever can only send those cannot ask for a breadcrumb.
    if type(event) is not dict or len(event) != 1:
        return None
    request = event.get("deployguard")
    if type(request) is not dict:
        return None
    number, nonce = request.get("canary"), request.get("nonce")
    if type(number) is not int or number != 1:
        return None
    if type(nonce) is not str or len(nonce) != 32 or not _HEX.issuperset(nonce):
        return None
    return request


def _answer(
    request: dict[str, Any], context: object, *, invocation: int, environ: Mapping[str, str]
) -> dict[str, Any]:
    received = time.time()
    stamp, stamp_error = _stamp(environ.get("DEPLOYGUARD_STAMP") or _STAMP_PATH)
    time.sleep(_hold_ms(request.get("hold_ms"), _remaining_ms(context)) / 1000)

    def text(attribute: str, variable: str = "") -> str:
        try:
            value = getattr(context, attribute, None)
        except Exception:
            value = None
        return value if isinstance(value, str) else environ.get(variable, "")

    answer = {
        "breadcrumb": 1,
        "nonce": request["nonce"],
        "stamp": stamp,
        "container": _container,
        "born": _born,
        "received": received,
        "released": time.time(),
        "invocation": invocation,
        "function_version": text("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
        "invoked_arn": text("invoked_function_arn"),
        "log_stream": text("log_stream_name", "AWS_LAMBDA_LOG_STREAM_NAME"),
        "request_id": text("aws_request_id"),
        "initialization_type": environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", ""),
        "uptime_s": time.monotonic() - _started,
        "remaining_ms": _remaining_ms(context),
    }
    return answer if stamp_error is None else {**answer, "stamp_error": stamp_error}


def _remaining_ms(context: Any) -> int | None:
    try:
        return int(context.get_remaining_time_in_millis())
    except Exception:
        return None  # not a Lambda context


def _hold_ms(wanted: Any, remaining_ms: int | None) -> int:
    if type(wanted) not in (int, float) or not wanted > 0:
        return 0  # NaN too
    longest = _LONGEST_HOLD_MS if remaining_ms is None else remaining_ms - _MARGIN_MS
    return max(0, int(min(wanted, longest, _LONGEST_HOLD_MS)))


@functools.cache
def _stamp(path: str) -> tuple[dict[str, str] | None, str | None]:
    """Read the stamp, once and not before the first canary; or say shortly why it is unusable."""
    try:
        if not os.path.exists(path):
            return None, "missing"
        if not os.path.isfile(path):
            return None, "not a regular file"  # opening a pipe would wait for ever
        with open(path, "rb") as file:
            content = file.read(_STAMP_BYTES + 1)
        if len(content) > _STAMP_BYTES:
            return None, "larger than 16 KiB"
        return _checked(json.loads(content.decode("utf-8")))
    except (ValueError, RecursionError):
        return None, "not JSON in UTF-8"
    except Exception as error:
        return None, "unreadable: " + type(error).__name__


def _checked(fields: Any) -> tuple[dict[str, str] | None, str | None]:
    if type(fields) is not dict:
        return None, "not a JSON object"
    if fields.get("schema") != _STAMP_SCHEMA:
        return None, "schema is not " + _STAMP_SCHEMA
    build_id = fields.get("build_id")
    if type(build_id) is not str or not 1 <= len(build_id) <= 128:
        return None, "build_id is not a text of 1 to 128 characters"
    if not _BUILD_ID.issuperset(build_id):
        return None, "build_id has characters other than A-Z a-z 0-9 . _ : + -"
    stamp = {"schema": _STAMP_SCHEMA, "build_id": build_id}
    for name in _STAMP_FIELDS:
        value = fields.get(name)
        if type(value) is str and 1 <= len(value) <= 512 and value.isprintable():
            stamp[name] = value
    return stamp, None
