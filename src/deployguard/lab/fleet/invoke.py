"""The Invoke operation, from a caller's request to the answer with all of Lambda's headers."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployguard.lab.fleet import logs, payloads
from deployguard.lab.fleet.container import Served
from deployguard.lab.fleet.events import Event
from deployguard.lab.fleet.outcome import Invocation
from deployguard.lab.fleet.pool import Fleet
from deployguard.lab.fleet.seams import Cloud, Routed
from deployguard.lab.nouns import AwsError

TYPES = ("Event", "RequestResponse", "DryRun")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


async def invoke(
    cloud: Cloud,
    fleet: Fleet,
    *,
    region: str,
    function: str,
    qualifier: str | None,
    invocation_type: str = "RequestResponse",
    log_type: str = "None",
    payload: bytes = b"",
    client_context: str | None = None,
    request_id: str | None = None,
) -> Answer:
    """Invoke a function.

    Raises:
        AwsError: the invocation was refused before any container was touched.
    """
    payloads.check_size(payload, invocation_type)
    routed = cloud.route(region, function, qualifier)
    invocation = Invocation(
        request_id=request_id or str(uuid.uuid4()),
        payload=payloads.checked_json(payload),
        invoked_arn=routed.invoked_arn,
        trace_id=_trace_id(int(fleet.clock.now())),
        client_context=_decoded(client_context),
    )
    match invocation_type:
        case "DryRun":
            return Answer(204, headers=_common(invocation))
        case "Event":
            target = (region, function, qualifier)
            fleet.events.put(cloud, _event(target, routed, invocation, at=fleet.clock.now()))
            return Answer(202, headers=_common(invocation))
        case "RequestResponse":
            limits = cloud.throttle(region, routed.build.function_name)
            served = await asyncio.shield(fleet.run(routed.build, invocation, limits=limits))
            return _answer(routed, invocation, served, log_type=log_type)
    allowed = ", ".join(TYPES)
    raise AwsError(
        400,
        "ValidationException",
        f"1 validation error detected: Value '{invocation_type}' at 'invocationType' failed to "
        f"satisfy constraint: Member must satisfy enum value set: [{allowed}]",
    )


def _answer(routed: Routed, invocation: Invocation, served: Served, *, log_type: str) -> Answer:
    headers = {
        "Content-Type": "application/json",
        **_common(invocation),
        "X-Amz-Executed-Version": routed.executed_version,
    }
    if served.outcome.status != "success":
        headers["X-Amz-Function-Error"] = "Unhandled"
    if log_type == "Tail":
        headers["X-Amz-Log-Result"] = logs.tail(served.lines)
    return Answer(200, served.outcome.payload, headers)


def _common(invocation: Invocation) -> dict[str, str]:
    return {
        "x-amzn-RequestId": invocation.request_id,
        "x-amzn-Remapped-Content-Length": "0",
        "X-Amzn-Trace-Id": invocation.trace_id,
    }


def _event(
    target: tuple[str, str, str | None], routed: Routed, invocation: Invocation, *, at: float
) -> Event:
    region, function, qualifier = target
    unqualified = routed.invoked_arn == routed.build.function_arn
    return Event(
        region=region,
        function=function,
        qualifier=qualifier,
        function_arn=routed.invoked_arn + (":$LATEST" if unqualified else ""),
        accepted_at=at,
        request_id=invocation.request_id,
        payload=invocation.payload,
        trace_id=invocation.trace_id,
        client_context=invocation.client_context,
    )


def _trace_id(now: int) -> str:
    root = f"1-{now:08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"


def _decoded(client_context: str | None) -> str | None:
    """Return the client context as JSON, in ASCII because it travels in a header."""
    if not client_context:
        return None
    try:
        return json.dumps(json.loads(base64.b64decode(client_context, validate=True)))
    except ValueError:
        raise AwsError(
            400,
            "InvalidRequestContentException",
            "Client context must be a valid Base64-encoded JSON object.",
        ) from None
