"""Invocations of functions by Task states, through the front that every caller comes in by."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from deployguard.lab import calls
from deployguard.lab.answers import Answer
from deployguard.lab.spoil import LostError, SilenceError
from deployguard.lab.states.values import FailureError, dumps

if TYPE_CHECKING:
    from deployguard.lab.states.walker import World

ACCESS_KEY = "LABSTEPFUNCTIONS"  # whose signatures nobody checks
UNTYPED = "The cause could not be determined because Lambda did not return an error type."


@dataclass(frozen=True)
class Asked:
    """One invocation as a Task asks for it."""

    region: str
    function: str  # a name, or an ARN, with or without a qualifier
    payload: bytes = b""
    qualifier: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Invoked:
    """An answer of Lambda's, in the forms in which Tasks pass it on."""

    answer: Answer
    headers: Mapping[str, str]

    @property
    def payload(self) -> Any:
        """Return what the function returned."""
        return json.loads(self.answer.body) if self.answer.body else ""

    def as_service(self) -> dict[str, Any]:
        """Return the result of `lambda:invoke`."""
        return {
            **self._told(),
            "Payload": self.payload,
            "SdkHttpMetadata": {
                "AllHttpHeaders": {name: [value] for name, value in self.headers.items()},
                "HttpHeaders": dict(self.headers),
                "HttpStatusCode": self.answer.status,
            },
            "SdkResponseMetadata": {"RequestId": self.headers["x-amzn-RequestId"]},
            "StatusCode": self.answer.status,
        }

    def as_sdk(self) -> dict[str, Any]:
        """Return the result of `aws-sdk:lambda:invoke`, whose payload is text."""
        text = self.answer.body.decode()
        return {**self._told(), "Payload": text, "StatusCode": self.answer.status}

    def _told(self) -> dict[str, str]:
        named = {
            "ExecutedVersion": "X-Amz-Executed-Version",
            "FunctionError": "X-Amz-Function-Error",
            "LogResult": "X-Amz-Log-Result",
        }
        found = {member: self.headers.get(header) for member, header in named.items()}
        return {member: value for member, value in found.items() if value is not None}


def asked(region: str, given: Mapping[str, Any]) -> Asked:
    """Read the parameters of a Task that invokes by Lambda's API."""
    named = {
        "X-Amz-Client-Context": given.get("ClientContext"),
        "X-Amz-Invocation-Type": given.get("InvocationType"),
        "X-Amz-Log-Type": given.get("LogType"),
    }
    headers = tuple((name, str(value)) for name, value in named.items() if value is not None)
    payload = payload_of(given["Payload"]) if given.get("Payload") is not None else b""
    return Asked(region, given["FunctionName"], payload, given.get("Qualifier"), headers)


def payload_of(given: Any) -> bytes:
    """Return what is sent for a payload: text that is JSON already as it is."""
    if isinstance(given, str):
        try:
            json.loads(given)
        except ValueError:
            return dumps(given).encode()
        return given.encode()
    return dumps(given).encode()


async def invoke(world: World, what: Asked, *, sdk: bool = False) -> Invoked:
    """Invoke a function.

    Raises:
        FailureError: Lambda refused, or the function failed and the caller is told so.
    """
    call = _call(what)
    try:
        answer = await world.ask(call)
    except LostError:
        text = "Unable to execute HTTP request: The target server failed to respond"
        raise FailureError("Lambda.SdkClientException", text) from None
    except SilenceError:
        await asyncio.Event().wait()  # until the task's own time-out
        raise
    headers = {
        "Connection": "keep-alive",
        "Content-Length": str(len(answer.body)),
        "Date": formatdate(world.clock.now(), usegmt=True),
        **dict(answer.headers),
    }
    if answer.status >= 400:
        raise _refused(answer, request_id=call.request_id, sdk=sdk)
    invoked = Invoked(answer, headers)
    if "X-Amz-Function-Error" in headers and not sdk:
        raise _failed(invoked.payload)
    return invoked


def _call(what: Asked) -> calls.Call:
    path = f"/2015-03-31/functions/{quote(what.function, safe='')}/invocations"
    credential = f"Credential={ACCESS_KEY}/20260101/{what.region}/lambda/aws4_request"
    headers = (*what.headers, ("authorization", f"AWS4-HMAC-SHA256 {credential}"))
    scope = {
        "method": "POST",
        "scheme": "http",
        "raw_path": path.encode(),
        "query_string": urlencode({"Qualifier": what.qualifier}).encode()
        if what.qualifier
        else b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    return calls.parse(scope, what.payload, request_id=str(uuid.uuid4()))


def _refused(answer: Answer, *, request_id: str, sdk: bool) -> FailureError:
    told = json.loads(answer.body)
    code = dict(answer.headers)["x-amzn-errortype"]
    text = told.get("Message") or told.get("message") or ""
    if sdk:
        about = f"Service: Lambda, Status Code: {answer.status}, Request ID: {request_id}"
    else:
        about = (
            f"Service: AWSLambda; Status Code: {answer.status}; Error Code: {code}; "
            f"Request ID: {request_id}; Proxy: null"
        )
    return FailureError(f"Lambda.{code}", f"{text} ({about})")


def _failed(payload: Any) -> FailureError:
    kind = payload.get("errorType") if isinstance(payload, dict) else None
    if not kind:
        return FailureError("Lambda.Unknown", f"{UNTYPED} Returned payload: {dumps(payload)}")
    return FailureError(str(kind), dumps(payload))
