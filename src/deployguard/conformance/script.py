"""The events that an implementation is sent, in order; what is hardest on it comes last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from deployguard.conformance.nouns import Kind, Step

HOLD_MS = 400
ENDLESS_MS = 600_000
LARGE = 100_000  # characters
HTTP = {"headers": {"content-type": "application/json"}, "isBase64Encoded": False}


def steps(nonces: Iterator[str], *, event: Any, reaches_handler: bool) -> tuple[Step, ...]:
    """Return the script; without leave to reach the handler it has canaries only."""
    extra = {"future": {"any": ["thing"]}, "trace": "text", "limit": 0}
    every = (
        _canary("first", next(nonces)),
        _canary("again", next(nonces), hold_ms=0),
        _step("ordinary", Kind.ORDINARY, event),
        _canary("after ordinary", next(nonces), hold_ms=0),
        _canary("held", next(nonces), hold_ms=HOLD_MS),
        _canary("unknown fields", next(nonces), **extra),
        _canary("large", next(nonces), padding="x" * LARGE),
        _canary("self-test", next(nonces), self_test=True),
        *_lookalikes(next(nonces)),
        _canary("after lookalikes", next(nonces), hold_ms=0),
        _canary("held too long", next(nonces), hold_ms=ENDLESS_MS),
    )
    return tuple(step for step in every if reaches_handler or step.kind is Kind.CANARY)


def _canary(name: str, nonce: str, **fields: Any) -> Step:
    event = {"deployguard": {"canary": 1, "nonce": nonce, **fields}}
    return _step(name, Kind.CANARY, event, nonce=nonce, hold_ms=fields.get("hold_ms", 0))


def _step(name: str, kind: Kind, event: Any, **known: Any) -> Step:
    return Step(name, kind, json.dumps(event), **known)


def _lookalikes(nonce: str) -> Iterator[Step]:
    asked = {"canary": 1, "nonce": nonce}
    canary = {"deployguard": asked}
    groups = {
        "keys beside": _beside(canary),
        "form of the nonce": _nonces(asked),
        "number of the canary": _numbers(asked),
        "form of the event": _forms(asked),
        "http": _http(canary),
        "other services": _services(canary),
    }
    for rule, group in groups.items():
        for name, event in group.items():
            yield _step(f"{rule}: {name}", Kind.LOOKALIKE, event, rule=rule)


def _beside(canary: dict[str, Any]) -> dict[str, Any]:
    return {
        "another key": {**canary, "order": 7},
        "an empty key": {**canary, "": None},
        "a key before it": {"version": "1", **canary},
    }


def _nonces(asked: dict[str, Any]) -> dict[str, Any]:
    nonce = asked["nonce"]
    wrong = {
        "31 digits": nonce[1:],
        "33 digits": nonce + "0",
        "no digits": nonce[1:] + "g",
        "empty": "",
        "a number": int(nonce[:12], 16),
        "a list": [nonce],
        "null": None,
    }
    found = {name: {"deployguard": {**asked, "nonce": value}} for name, value in wrong.items()}
    return {**found, "none": {"deployguard": {"canary": 1}}}


def _numbers(asked: dict[str, Any]) -> dict[str, Any]:
    wrong = {"2": 2, "a text": "1", "true": True, "null": None}
    found = {name: {"deployguard": {**asked, "canary": value}} for name, value in wrong.items()}
    return {**found, "none": {"deployguard": {"nonce": asked["nonce"]}}}


def _forms(asked: dict[str, Any]) -> dict[str, Any]:
    canary = {"deployguard": asked}
    return {
        "a list": [canary],
        "a text": json.dumps(canary),
        "a list inside": {"deployguard": [asked]},
        "a text inside": {"deployguard": json.dumps(asked)},
        "null inside": {"deployguard": None},
        "nothing inside": {"deployguard": {}},
        "nothing": {},
        "null": None,
    }


def _http(canary: dict[str, Any]) -> dict[str, Any]:
    body = {**HTTP, "body": json.dumps(canary)}
    url = {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "POST"}}}
    return {
        "API Gateway": {**body, "httpMethod": "POST", "path": "/", "requestContext": {}},
        "function URL": {**body, **url},
        "load balancer": {**body, "httpMethod": "POST", "requestContext": {"elb": {}}},
        "the key beside": {**HTTP, **url, **canary},
    }


def _services(canary: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(canary)
    return {
        "SQS": {"Records": [{"eventSource": "aws:sqs", "body": text}]},
        "SNS": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": text}}]},
        "EventBridge": {"version": "0", "detail-type": "order", "detail": canary},
        "a record beside": {"Records": [], **canary},
    }
