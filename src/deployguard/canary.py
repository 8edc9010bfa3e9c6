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
import sys
import time

TYPE_CHECKING = False  # type checkers take it for true; importing `typing` would cost a cold start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar, overload

    Handler = TypeVar("Handler", bound=Callable[..., Any])
    SelfTest = Callable[[], object]

__all__ = ["breadcrumb", "canary"]

_STAMP_PATH = "/var/task/build-stamp.json"
_STAMP_SCHEMA = "deployguard/stamp/v1"
_STAMP_BYTES = 16 * 1024
_STAMP_FIELDS = ("revision", "version", "created", "source")
_LONGEST_HOLD_MS = 10_000
_LONGEST_TEST_MS = 5_000
_LONGEST_DETAIL = 1_000  # characters
_MARGIN_MS = 500  # what a hold or a self-test leaves of the function's timeout
_HEX = frozenset("0123456789abcdefABCDEF")
_BUILD_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:+-")
_ASYNC = 0x80 | 0x100 | 0x200  # inspect.CO_COROUTINE and its kin; `inspect` costs a cold start

_container = os.urandom(16).hex()
_born = time.time()
_started = time.monotonic()
_invocations = itertools.count(1)
_calls = itertools.count(1)  # those of the invocations that are no canaries
_logs = os.environ.get("DEPLOYGUARD_LOG") or "birth"
_is_lambda = "AWS_LAMBDA_RUNTIME_API" in os.environ  # no test of a handler is to print anything
_testing: Any = None  # the thread of the last self-test


if TYPE_CHECKING:

    @overload
    def canary(handler: Handler, *, self_test: SelfTest | None = None) -> Handler: ...
    @overload
    def canary(*, self_test: SelfTest | None = None) -> Callable[[Handler], Handler]: ...


def canary(handler: Any = None, *, self_test: SelfTest | None = None) -> Any:
    """Answer canaries in front of a handler; every other event reaches it unchanged.

    The self-test is called when a canary asks for it: to raise or to return False is to fail.
    """
    if handler is None:
        return functools.partial(canary, self_test=self_test)
    if getattr(getattr(handler, "__code__", None), "co_flags", 0) & _ASYNC:
        return handler

    @functools.wraps(handler)
    def guarded(*arguments: Any, **keywords: Any) -> Any:
        event, context = (*arguments, None, None)[:2]
        answer = breadcrumb(event, context, self_test=self_test)
        return handler(*arguments, **keywords) if answer is None else answer

    return guarded


def breadcrumb(
    event: object, context: object, *, self_test: SelfTest | None = None
) -> dict[str, Any] | None:
    """Return the answer to a canary, or None for an ordinary event."""
    invocation = next(_invocations)
    request = _request(event)
    if _is_lambda and _is_told(invocation, is_canary=request is not None):
        _log(_self(context, os.environ, invocation=invocation), is_canary=request is not None)
    if request is None:
        return None
    received = time.time()
    tested = _tested(self_test, request, _remaining_ms(context))
    answer = _answer(request, context, invocation=invocation, environ=os.environ)
    return {"deployguard": {**answer, "received": received, **tested}}


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


def _self(context: object, environ: Mapping[str, str], *, invocation: int) -> dict[str, Any]:
    """Say who this container is, and which invocation this is."""

    def text(attribute: str, variable: str = "") -> str:
        try:
            value = getattr(context, attribute, None)
        except Exception:
            value = None
        return value if isinstance(value, str) else environ.get(variable, "")

    return {
        "container": _container,
        "born": _born,
        "invocation": invocation,
        "function_version": text("function_version", "AWS_LAMBDA_FUNCTION_VERSION"),
        "invoked_arn": text("invoked_function_arn"),
        "log_stream": text("log_stream_name", "AWS_LAMBDA_LOG_STREAM_NAME"),
        "request_id": text("aws_request_id"),
    }


def _answer(
    request: dict[str, Any], context: object, *, invocation: int, environ: Mapping[str, str]
) -> dict[str, Any]:
    stamp, stamp_error = _stamp(environ.get("DEPLOYGUARD_STAMP") or _STAMP_PATH)
    time.sleep(_within(request.get("hold_ms"), _LONGEST_HOLD_MS, _remaining_ms(context)) / 1000)
    answer = {
        "breadcrumb": 1,
        "nonce": request["nonce"],
        "stamp": stamp,
        **_self(context, environ, invocation=invocation),
        "released": time.time(),
        "initialization_type": environ.get("AWS_LAMBDA_INITIALIZATION_TYPE", ""),
        "uptime_s": time.monotonic() - _started,
        "remaining_ms": _remaining_ms(context),
    }
    return answer if stamp_error is None else {**answer, "stamp_error": stamp_error}


def _is_told(invocation: int, *, is_canary: bool) -> bool:
    # Its birth, and its first call where a canary gave birth to it: so each that served is told.
    is_first_call = not is_canary and next(_calls) == 1
    return _logs == "invocation" or (_logs != "off" and (invocation == 1 or is_first_call))


def _log(fields: dict[str, Any], *, is_canary: bool) -> None:
    """Write one line that is JSON by itself, which Lambda passes on in either log format."""
    try:
        stamp, _ = _stamp(os.environ.get("DEPLOYGUARD_STAMP") or _STAMP_PATH)
        line = {
            "line": 1,
            "event": "birth" if fields["invocation"] == 1 else "invocation",
            "build_id": stamp and stamp["build_id"],
            **fields,
            "at": time.time(),
            "uptime_s": time.monotonic() - _started,
            "canary": is_canary,
            "logs": _logs,
        }
        sys.stdout.write(json.dumps({"deployguard": line}) + "\n")
        sys.stdout.flush()
    except Exception:  # noqa: S110 - whatever is wrong with it, the log is not worth an invocation
        pass


def _tested(
    self_test: SelfTest | None, request: dict[str, Any], remaining_ms: int | None
) -> dict[str, Any]:
    """Run the self-test where there is one and it is asked for, and say how it ended."""
    if self_test is None or request.get("self_test") is not True:
        return {}
    began = time.monotonic()
    limit_ms = _within(_LONGEST_TEST_MS, _LONGEST_TEST_MS, remaining_ms)
    try:
        ok, detail = _outcome_within(limit_ms / 1000, self_test)
    except Exception as error:  # such as no room for a thread
        ok, detail = None, type(error).__name__
    seconds = time.monotonic() - began
    return {"self_test": {"ok": ok, "detail": detail, "seconds": seconds}}


def _outcome_within(seconds: float, self_test: SelfTest) -> tuple[bool | None, str]:
    # A thread that hangs cannot be ended, and an alarm would be raised amid the user's own code:
    # so it is left alone, and no second one is started beside it.
    global _testing  # noqa: PLW0603 - it outlives the invocation, as the thread does
    import threading  # which Lambda's runtime has loaded already

    if _testing is not None and _testing.is_alive():
        return None, "an earlier self-test has not ended"
    found: list[tuple[bool | None, str]] = []

    def run() -> None:
        try:
            found.append(_outcome(self_test()))
        except BaseException as error:
            found.append((False, type(error).__name__))  # its message may hold secrets

    _testing = threading.Thread(target=run, name="deployguard-self-test", daemon=True)
    _testing.start()
    _testing.join(seconds)
    return found[0] if found else (None, "timed out")


def _outcome(result: object) -> tuple[bool | None, str]:
    """Say what a self-test's result means; a dictionary may tell it under "ok"."""
    if result is None or type(result) is bool:
        return result is not False, ""
    if type(result) is str:
        return True, result[:_LONGEST_DETAIL]
    if type(result) is not dict:
        return None, "returned a " + type(result).__name__
    try:
        detail = json.dumps(result, allow_nan=False)
    except Exception:
        detail = "not JSON"
    is_short = len(detail) <= _LONGEST_DETAIL
    return result.get("ok", True) is True, detail if is_short else "too long"


def _remaining_ms(context: Any) -> int | None:
    try:
        return int(context.get_remaining_time_in_millis())
    except Exception:
        return None  # not a Lambda context


def _within(wanted: Any, cap_ms: int, remaining_ms: int | None) -> int:
    """Return how many milliseconds may be spent: what is wanted, in bounds, and in time."""
    if type(wanted) not in (int, float) or not wanted > 0:
        return 0  # NaN too
    longest = cap_ms if remaining_ms is None else remaining_ms - _MARGIN_MS
    return max(0, int(min(wanted, longest, cap_ms)))


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
