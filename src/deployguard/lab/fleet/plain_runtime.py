"""A runtime client in plain Python, for machines that AWS's own has no build for.

Run as a script by the interpreter of a container's process; it imports nothing of the lab.
"""

import contextlib
import http.client
import importlib
import json
import os
import sys
import time
import traceback
from types import SimpleNamespace
from typing import Any

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
PREFIX = "/2018-06-01/runtime/"


class Context:
    """What a handler learns about its invocation."""

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        """Read the Runtime API's headers."""
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        given = headers["Lambda-Runtime-Client-Context"]
        self.client_context = SimpleNamespace(**json.loads(given)) if given else None
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the handler may still run."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


def error(kind: str, message: str, trace: list[str], request_id: str = "") -> dict[str, Any]:
    """Word an error as AWS's own client does."""
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def load(name: str) -> Any:
    """Import a handler; an error as AWS words it is raised as `LookupError`."""
    try:
        module, attribute = name.rsplit(".", 1)
    except ValueError as bad:
        raise LookupError("Runtime.MalformedHandlerName", f"Bad handler '{name}': {bad}") from None
    try:
        imported = importlib.import_module(module.replace("/", "."))
    except ImportError as missing:
        message = f"Unable to import module '{module}': {missing}"
        raise LookupError("Runtime.ImportModuleError", message) from None
    except SyntaxError as bad:
        message = f"Syntax error in module '{module}': {bad}"
        raise LookupError("Runtime.UserCodeSyntaxError", message) from None
    try:
        return getattr(imported, attribute)
    except AttributeError:
        message = f"Handler '{attribute}' missing on module '{module}'"
        raise LookupError("Runtime.HandlerNotFound", message) from None


def report(problem: dict[str, Any]) -> None:
    """Print an error as one log event."""
    first = f"[ERROR] {problem['errorType']}: {problem['errorMessage']}"
    trace = [line for part in problem["stackTrace"] for line in part.splitlines()]
    print("\r".join([first, "Traceback (most recent call last):", *trace]), flush=True)  # noqa: T201


def call(connection: http.client.HTTPConnection, path: str, body: bytes | None = None) -> Any:
    """Make one call of the Runtime API and return headers and body."""
    connection.request("GET" if body is None else "POST", PREFIX + path, body)
    response = connection.getresponse()
    return response.headers, response.read()


def answer(handler: Any, event: bytes, context: Context) -> tuple[str, bytes]:
    """Run the handler once."""
    try:
        return "response", json.dumps(handler(json.loads(event), context)).encode()
    except Exception as failure:
        frames = traceback.format_tb(failure.__traceback__)[1:]
        problem = error(type(failure).__name__, str(failure), frames, context.aws_request_id)
        report(problem)
        return "error", json.dumps(problem).encode()


def main(handler_name: str) -> None:
    """Import the handler and serve until the lab hangs up."""
    connection = http.client.HTTPConnection(API)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        handler = load(handler_name)
    except Exception as failure:
        if isinstance(failure, LookupError) and len(failure.args) == 2:
            problem = error(failure.args[0], failure.args[1], [])
        else:
            frames = traceback.format_tb(failure.__traceback__)[2:]
            problem = error(type(failure).__name__, str(failure), frames)
        report(problem)
        call(connection, "init/error", json.dumps(problem).encode())
        sys.exit(1)
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        while True:
            headers, event = call(connection, "invocation/next")
            os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"] or ""
            context = Context(headers)
            kind, body = answer(handler, event, context)
            call(connection, f"invocation/{context.aws_request_id}/{kind}", body)


if __name__ == "__main__":
    main(sys.argv[1])
