"""Invoke, exactly once: as signed requests for a burst, or as a single call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from deployguard import burst
from deployguard.aws.failures import translated
from deployguard.aws.session import Session
from deployguard.target import Target

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest


LARGEST = 7 * 2**20  # Lambda's synchronous answer is at most 6 MB
PREPARED: ContextVar[list[AWSPreparedRequest]] = ContextVar("PREPARED")


def invoke(session: Session, target: Target, event: bytes) -> tuple[bytes, str]:
    """Send an event once; return what came back, and the version that ran."""
    arguments: dict[str, Any] = {"FunctionName": target.name, "Payload": event}
    if target.qualifier:
        arguments["Qualifier"] = target.qualifier
    with session.calling(), translated(f"invoke {target.name}"):
        answer = session.functions.invoke(**arguments)
        return answer["Payload"].read(LARGEST), answer.get("ExecutedVersion", "")


def requests(
    session: Session,
    name: str,
    canaries: Sequence[tuple[str, str, int]],
    *,
    self_test: bool = False,
) -> list[burst.Request]:
    """Prepare a signed Invoke for each (qualifier, nonce, hold in ms), as the SDK would send it."""
    client = session.canaries
    client.meta.events.register("before-send.lambda.Invoke", _keep, unique_id="deployguard-keep")
    prepared: list[AWSPreparedRequest] = []
    outer = PREPARED.set(prepared)
    try:
        for qualifier, nonce, hold_ms in canaries:
            asked = {"canary": 1, "nonce": nonce, "hold_ms": hold_ms}
            payload = {"deployguard": {**asked, "self_test": True} if self_test else asked}
            with translated(f"prepare a canary for {name}:{qualifier}"):
                client.invoke(
                    FunctionName=name, Qualifier=qualifier, Payload=json.dumps(payload).encode()
                )
    finally:
        PREPARED.reset(outer)
    return [_request(each) for each in prepared]


def _keep(request: AWSPreparedRequest, **_: Any) -> Any:
    """Keep a request instead of sending it; no client but that for canaries does so."""
    PREPARED.get().append(request)
    return _empty_answer(request.url)


def _empty_answer(url: str) -> Any:
    from botocore.awsrequest import AWSResponse

    class Nothing:
        def stream(self, *_: Any, **__: Any) -> list[bytes]:
            return []

        def read(self, *_: Any, **__: Any) -> bytes:
            return b""

    return AWSResponse(url, 200, {}, Nothing())  # type: ignore[arg-type]


def _request(prepared: AWSPreparedRequest) -> burst.Request:
    headers: list[tuple[str, Any]] = list(prepared.headers.items())
    body: Any = prepared.body
    return burst.Request(
        method=prepared.method,
        url=prepared.url,
        headers=tuple((name, _text(value)) for name, value in headers),
        body=bytes(body),
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
