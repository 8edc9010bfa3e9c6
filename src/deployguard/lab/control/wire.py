"""Lambda's REST-JSON on the wire: routes, parameters, answers and errors, from botocore's model."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

from deployguard.lab.control import errors, past, validation
from deployguard.lab.control.operations import HANDLERS
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import AwsError

Query = Mapping[str, list[str]]

# Codes that are not in the model, and write their message with a capital.
_CAPITAL = {"AccessDeniedException"}


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Route:
    """One operation's method, path, and the query members that tell it from others."""

    operation: str
    method: str
    path: re.Pattern[str]
    literals: Mapping[str, list[str]]


def operation(method: str, path: str, *, query: Query | None = None) -> str | None:
    """Return the operation that a request is for, or None; `path` may carry a query string."""
    bare, _, tail = path.partition("?")
    match = _route(method, bare, query if query is not None else parse_qs(tail))
    return match.operation if match else None


def handle(
    cloud: Cloud,
    *,
    operation: str,
    region: str,
    path: str,
    query: Query,
    headers: Mapping[str, str],
    body: bytes,
    stale: bool = False,
) -> Answer:
    """Answer one request, a stale one as it would have been before the last change.

    Raises: `AwsError` in Lambda's own words; 501 for what the lab does not implement.
    """
    name, params = read(operation, path=path, query=query, headers=headers, body=body)
    handler, model = HANDLERS[name], _service().operation_model(name)
    if model.input_shape is not None:
        validation.check(params, model.input_shape)
    told = past.read(handler, cloud, region, params) if stale else handler(cloud, region, params)
    return _answer(model, told)


def read(
    operation: str, *, path: str, query: Query, headers: Mapping[str, str], body: bytes
) -> tuple[str, dict[str, Any]]:
    """Return the operation that a request is for, and its members.

    Raises: `AwsError` 501 for what the lab does not implement, 400 for what cannot be read.
    """
    model = _service().operation_model(operation)
    route = _route(model.http["method"], path.partition("?")[0], query)
    name = route.operation if route else operation
    if route is None or name not in HANDLERS:
        raise errors.not_in_lab(f"the Lambda operation {name}")
    return name, _parameters(
        _service().operation_model(name),
        _labels(route, path),
        query=query,
        headers={key.lower(): [value] for key, value in headers.items()},
        body=body,
    )


def error(problem: AwsError) -> Answer:
    """Render an error as Lambda does: the code in a header, the message in the body."""
    modelled = _errors().get(problem.code)
    members = dict(modelled.members) if modelled else {}
    capital = "Message" in members or problem.code in _CAPITAL
    body: dict[str, Any] = {"Message" if capital else "message": problem.message}
    if modelled and modelled.metadata["error"].get("senderFault"):
        body["Type"] = "User"
    body |= problem.members
    shown = {member: value for member, value in body.items() if value is not None}
    return Answer(
        problem.status,
        json.dumps(shown).encode(),
        {"content-type": "application/json", "x-amzn-errortype": problem.code},
    )


@functools.cache
def _service() -> ServiceModel:
    """Return botocore's model of Lambda."""
    return botocore.session.get_session().get_service_model("lambda")


@functools.cache
def _errors() -> dict[str, Any]:
    """Return the modelled errors by their code."""
    shapes: list[Any] = list(_service().error_shapes)
    return {shape.error_code: shape for shape in shapes}


@functools.cache
def _routes() -> tuple[Route, ...]:
    """Return all routes, those that need certain query members first."""
    routes = []
    for name in _service().operation_names:
        http = _service().operation_model(name).http
        path, _, tail = http["requestUri"].partition("?")
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
        routes.append(Route(name, http["method"], re.compile(pattern), parse_qs(tail)))
    return tuple(sorted(routes, key=lambda route: -len(route.literals)))


def _route(method: str, path: str, query: Query) -> Route | None:
    """Return the route of a request; older clients end some paths with a slash."""
    for route in _routes():
        if (
            route.method == method
            and route.path.fullmatch(path.rstrip("/"))
            and all(query.get(key) == values for key, values in route.literals.items())
        ):
            return route
    return None


def _labels(route: Route, path: str) -> Query:
    """Return the members that a path carries."""
    match = route.path.fullmatch(path.partition("?")[0].rstrip("/"))
    found = match.groupdict() if match else {}
    return {name: [unquote(text)] for name, text in found.items()}


def _parameters(
    model: OperationModel, labels: Query, *, query: Query, headers: Query, body: bytes
) -> dict[str, Any]:
    """Gather the members of a request from path, query, headers and body."""
    if model.input_shape is None:
        return {}
    texts = {"uri": labels, "querystring": query, "header": headers}
    document = _document(body)
    params: dict[str, Any] = {}
    for name, member in model.input_shape.members.items():
        place = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if place is None:
            if document.get(wire_name) is not None:
                params[name] = _from_json(document[wire_name], member)
            continue
        key = wire_name.lower() if place == "header" else wire_name
        if key in texts[place]:
            params[name] = _from_text(texts[place][key], member)
    return params


def _document(body: bytes) -> dict[str, Any]:
    """Read the JSON object of a body; an empty body is an empty object."""
    try:
        document = json.loads(body or b"{}")
    except ValueError as problem:
        message = f"Could not parse request body into json: {problem}"
        raise AwsError(400, "InvalidRequestContentException", message) from None
    if not isinstance(document, dict):
        raise AwsError(400, "SerializationException", "Expected a JSON object.")
    return document


def _from_text(values: list[str], shape: Shape) -> Any:
    """Read a member of a query or header."""
    if shape.type_name == "list":
        return values
    text = values[0]
    if shape.type_name in {"integer", "long"} and text.lstrip("-").isdigit():
        return int(text)
    return text == "true" if shape.type_name == "boolean" else text


def _from_json(value: Any, shape: Any) -> Any:
    """Read a member of a body: known members only, blobs decoded."""
    if shape.type_name == "structure" and isinstance(value, dict):
        return {
            name: _from_json(value[wire_name], member)
            for name, member in shape.members.items()
            if value.get(wire_name := member.serialization.get("name", name)) is not None
        }
    if shape.type_name == "list" and isinstance(value, list):
        return [_from_json(item, shape.member) for item in value]
    if shape.type_name == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error as problem:
            raise AwsError(400, "SerializationException", str(problem)) from None
    return value


def _answer(model: OperationModel, result: Mapping[str, Any]) -> Answer:
    """Render a result with the status that the model, or the result itself, says."""
    status = int(model.http.get("responseCode", 200))
    members = model.output_shape.members if model.output_shape is not None else {}
    shown = dict(result)
    for name, member in members.items():
        if member.serialization.get("location") == "statusCode" and name in shown:
            status = int(shown.pop(name))
    body = b"" if status == 204 else json.dumps(shown).encode()
    return Answer(status, body, {"content-type": "application/json"})
