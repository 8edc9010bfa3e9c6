"""What goes back over the wire, and errors in the protocol that the caller's SDK can read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from xml.sax.saxutils import escape

from deployguard.lab.calls import Call
from deployguard.lab.nouns import AwsError

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: Headers = ()


def of_json(value: object, *, status: int = 200) -> Answer:
    """Return a JSON answer as the lab's own endpoints give it."""
    return Answer(status, json.dumps(value).encode(), (("content-type", "application/json"),))


def ecr(value: object) -> Answer:
    """Return an answer in ECR's JSON 1.1."""
    return Answer(
        200, json.dumps(value).encode(), (("content-type", "application/x-amz-json-1.1"),)
    )


def error(problem: AwsError, call: Call) -> Answer:
    """Return an error in the protocol of the call: JSON with a target, CBOR, query XML, or REST."""
    if call.headers.get("x-amz-target"):
        return _json_error(problem, call)
    if call.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return _cbor_error(problem)
    if call.service in ("s3", "ec2") or "form-urlencoded" in call.headers.get("content-type", ""):
        return _xml_error(problem, call)
    body = {"Type": "User", "message": problem.message} | problem.members
    headers = (("content-type", "application/json"), ("x-amzn-errortype", problem.code))
    return Answer(problem.status, json.dumps(body).encode(), headers)


def _json_error(problem: AwsError, call: Call) -> Answer:
    body = {"__type": problem.code, "message": problem.message} | problem.members
    kind = call.headers.get("content-type", "application/x-amz-json-1.1")
    return Answer(problem.status, json.dumps(body).encode(), (("content-type", kind),))


def _xml_error(problem: AwsError, call: Call) -> Answer:
    inside = f"<Code>{escape(problem.code)}</Code><Message>{escape(problem.message)}</Message>"
    request = call.request_id
    match call.service:
        case "s3":
            text = f"<Error>{inside}<RequestId>{request}</RequestId></Error>"
        case "ec2":
            text = (
                f"<Response><Errors><Error>{inside}</Error></Errors>"
                f"<RequestID>{request}</RequestID></Response>"
            )
        case _:
            side = "Receiver" if problem.status >= 500 else "Sender"
            text = (
                f"<ErrorResponse><Error><Type>{side}</Type>{inside}</Error>"
                f"<RequestId>{request}</RequestId></ErrorResponse>"
            )
    return Answer(problem.status, text.encode(), (("content-type", "text/xml"),))


def _cbor_error(problem: AwsError) -> Answer:
    words = ("__type", problem.code, "message", problem.message)
    body = b"\xa2" + b"".join(_cbor_text(word) for word in words)  # a map of two pairs
    headers = (("content-type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor"))
    return Answer(problem.status, body, headers)


def _cbor_text(word: str) -> bytes:
    content = word.encode()
    return b"\x7a" + len(content).to_bytes(4, "big") + content
