"""The lab's own HTTP under /_lab: knobs, faults, what happened so far, and layer downloads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from deployguard.lab import answers
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.checks import BadKnobError

if TYPE_CHECKING:
    from deployguard.lab.app import Lab

BLOBS = "/_lab/blobs/"


async def serve(lab: Lab, call: Call) -> Answer:
    """Answer a request under /_lab."""
    if call.method == "GET" and call.path.startswith(BLOBS):
        return _blob(lab, call)
    if (call.method, call.path) == ("POST", "/_lab/reset"):
        await lab.reset()
        return answers.of_json({})
    do = DOINGS.get((call.method, call.path.removeprefix("/_lab/")))
    if do is None:
        known = ", ".join(f"{method} /_lab/{path}" for method, path in DOINGS)
        complaint = f"the lab has no {call.method} {call.path}; it has {known}"
        return answers.of_json({"error": complaint}, status=400)
    try:
        return answers.of_json(do(lab, call))
    except BadKnobError as problem:
        return answers.of_json({"error": str(problem)}, status=400)


def _turn(lab: Lab, call: Call) -> Any:
    lab.turn(_object(call))
    return lab.knobs.settings()


def _clear_faults(lab: Lab, _call: Call) -> Any:
    lab.knobs.faults.clear()
    return []


def _containers(lab: Lab, _call: Call) -> Any:
    lab.cloud.settle()  # an update that is due has replaced containers, asked for or not
    return lab.fleet.containers()


def _writes(lab: Lab, _call: Call) -> Any:
    lab.cloud.settle()
    return lab.knobs.writes


def _release(lab: Lab, call: Call) -> Any:
    rule = _object(call)
    strange = rule.keys() - {"operation", "access_key"}
    if strange:
        known = "operation, access_key"
        raise BadKnobError(f"unknown member {min(strange)!r} of a release; known: {known}")
    return {"released": lab.gate.release(**rule)}


def _lost(lab: Lab, _call: Call) -> Any:
    return [
        asdict(event) | {"payload": event.payload.decode(errors="replace")}
        for event in lab.fleet.events.dropped
    ]


def _kill(lab: Lab, call: Call) -> Any:
    return {"killed": lab.fleet.kill(parse_qs(call.query).get("function", [None])[0])}


DOINGS: Mapping[tuple[str, str], Callable[[Lab, Call], Any]] = {
    ("GET", "health"): lambda _lab, _call: {"status": "ok"},
    ("GET", "knobs"): lambda lab, _call: lab.knobs.settings(),
    ("PATCH", "knobs"): _turn,
    ("GET", "faults"): lambda lab, _call: [asdict(fault) for fault in lab.knobs.faults],
    ("POST", "faults"): lambda lab, call: asdict(lab.knobs.add_fault(_object(call))),
    ("DELETE", "faults"): _clear_faults,
    ("POST", "release"): _release,
    ("GET", "writes"): _writes,
    ("GET", "log"): lambda lab, _call: list(lab.knobs.log),
    ("GET", "calls"): lambda lab, _call: dict(lab.knobs.calls),
    ("GET", "lost"): _lost,
    ("GET", "containers"): _containers,
    ("DELETE", "containers"): _kill,
}


def _object(call: Call) -> dict[str, Any]:
    try:
        content = json.loads(call.body)
    except ValueError as error:
        raise BadKnobError(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadKnobError(f"the body is not a JSON object: {content!r}")
    return content


def _blob(lab: Lab, call: Call) -> Answer:
    token = parse_qs(call.query).get("token", [""])[0]
    content = lab.registry.blob(call.path.removeprefix(BLOBS), token)
    if content is None:
        return answers.of_json(
            {"error": "no such blob, or the URL is not a signed one"}, status=403
        )
    return Answer(200, content, (("content-type", "application/octet-stream"),))
