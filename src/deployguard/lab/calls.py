"""One request as the lab understands it: which service and operation, where, by whom, on what."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from deployguard.lab.control import wire
from deployguard.lab.nouns import ACCOUNT

REGION = "eu-west-1"
CREDENTIAL = re.compile(
    r"Credential=(?P<key>[^/&,\s]+)/\d{8}/(?P<region>[^/]*)/(?P<service>[^/]*)/aws4_request"
)
TARGETS = {  # unsigned calls name their service only here
    "AmazonEC2ContainerRegistry_V20150921": "ecr",
    "Logs_20140328": "logs",
    "AWSStepFunctions": "states",
    "AWSEvents": "events",
    "AmazonSQS": "sqs",
}
MODELS = {"monitoring": "cloudwatch", "states": "stepfunctions", "email": "ses"}  # by signing name
LAMBDA_PATH = re.compile(r"/20\d\d-\d\d-\d\d/")
RPC_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")
FUNCTION_PATH = re.compile(r"/functions/([^/?]+)")
ALIAS_PATH = re.compile(r"/functions/[^/]+/aliases/([^/]+)")


@dataclass(frozen=True)
class Call:
    """A request to one AWS service."""

    method: str
    scheme: str
    path: str  # as sent, still quoted
    query: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    service: str
    signing_name: str
    operation: str
    region: str
    access_key: str
    resource: str  # the bare name of the function or repository, or nothing
    alias: str  # the alias that the call reads or writes, or nothing
    qualifier: str  # the alias or version that a function is asked for by, or nothing
    request_id: str

    @property
    def endpoint(self) -> str:
        """Return the lab's own address, as the client knows it."""
        return f"{self.scheme}://{self.headers.get('host', '')}"

    @property
    def arn(self) -> str:
        """Return the ARN of what the call is about, a star where that is nothing in particular."""
        kind = {"lambda": "function:", "ecr": "repository/"}.get(self.service)
        if kind is None or not self.resource:
            return "*"
        return f"arn:aws:{self.service}:{self.region}:{ACCOUNT}:{kind}{self.resource}"

    def json(self) -> dict[str, Any]:
        """Return the body as the JSON object that it should be, empty where it is none."""
        return _members(self.body)


def parse(scope: Mapping[str, Any], body: bytes, *, request_id: str) -> Call:
    """Read an ASGI scope and body as a call."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    found = CREDENTIAL.search(headers.get("authorization", "")) or CREDENTIAL.search(unquote(query))
    service = found["service"] if found else _unsigned(headers, path)
    return Call(
        method=scope["method"],
        scheme=scope["scheme"],
        path=path,
        query=query,
        headers=headers,
        body=body,
        service=service,
        signing_name=service,
        operation=_operation(
            service,
            scope["method"],
            request={"headers": headers, "path": path, "query": query, "body": body},
        ),
        region=found["region"] if found else REGION,
        access_key=found["key"] if found else "",
        resource=_resource(service, path, body=body),
        alias=_alias(service, path, body=body),
        qualifier=_qualifier(service, path, query=query),
        request_id=request_id,
    )


def _unsigned(headers: Mapping[str, str], path: str) -> str:
    target = headers.get("x-amz-target", "").partition(".")[0]
    if target in TARGETS:
        return TARGETS[target]
    return "lambda" if LAMBDA_PATH.match(path) else ""


def _operation(service: str, method: str, *, request: Mapping[str, Any]) -> str:
    """Return the operation's name: from the target, the Action, the RPC path or the REST route."""
    if service == "lambda":
        return _lambda_operation(method, request["path"], request["query"])
    target = request["headers"].get("x-amz-target", "")
    if target:
        return str(target.rpartition(".")[2])
    rpc = RPC_PATH.search(request["path"])
    if rpc:
        return str(rpc[1])
    form = "form-urlencoded" in request["headers"].get("content-type", "")
    text = request["body"].decode("latin-1") if form else request["query"]
    action = parse_qs(text).get("Action")
    if action:
        return str(action[0])
    found = _route(service, method, request)
    return found or f"{method} {request['path']}"


@lru_cache(maxsize=1024)
def _lambda_operation(method: str, path: str, query: str) -> str:
    """Ask Lambda's routes; remembered, because in a burst the same path comes a thousand times."""
    return wire.operation(method, f"{path}?{query}") or f"{method} {path}"


def _route(service: str, method: str, request: Mapping[str, Any]) -> str | None:
    path, query = request["path"], request["query"]
    given = parse_qs(query, keep_blank_values=True).keys()
    is_second = service == "apigateway" and path.startswith("/v2/")  # which signs like the first
    for route in _routes("apigatewayv2" if is_second else service):
        if (
            route.method == method
            and route.query <= given
            and route.headers <= request["headers"].keys()
            and route.path.fullmatch(path)
        ):
            return route.operation
    return None


class Route(NamedTuple):
    """One operation of a REST service, and by what it is told from the others."""

    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[str]
    headers: frozenset[str]

    @property
    def generality(self) -> tuple[int, int, int]:
        """Return how little it asks for."""
        return -len(self.query), -len(self.headers), self.path.pattern.count("[^/]+")


@cache
def _routes(service: str) -> list[Route]:
    """Return a REST service's routes, the most particular first."""
    try:
        model = Loader().load_service_model(MODELS.get(service, service), "service-2")
    except UnknownServiceError:
        return []
    routes = []
    for name, operation in model["operations"].items():
        uri, _, query = operation.get("http", {}).get("requestUri", "/").partition("?")
        text = re.escape(uri.rstrip("/") or "/").replace(r"\{", "{").replace(r"\}", "}")
        text = re.sub(r"{[^}]*\\\+}", ".+", text)
        text = re.sub(r"{[^}]*}", "[^/]+", text)
        needed = frozenset(parse_qs(query, keep_blank_values=True))
        verb = operation.get("http", {}).get("method", "POST")
        headers = frozenset(_headers(model["shapes"], operation))
        routes.append(Route(name, verb, re.compile(text + "/?"), needed, headers))
    return sorted(routes, key=lambda route: route.generality)


def _headers(shapes: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the headers that an operation cannot do without."""
    shape = shapes[operation["input"]["shape"]] if "input" in operation else {}
    for name in shape.get("required", ()):
        member = shape["members"][name]
        if member.get("location") == "header":
            yield str(member["locationName"]).lower()


def _resource(service: str, path: str, *, body: bytes) -> str:
    """Return the bare name of the function or repository that a call is about."""
    if service not in ("lambda", "ecr"):
        return ""
    found = FUNCTION_PATH.search(path)
    if found:
        name = unquote(found[1])
    else:
        members = _members(body)
        named = [members.get(each) for each in ("FunctionName", "repositoryName", "resourceArn")]
        name = str(next(filter(None, named), ""))
    name = name.rpartition(":function:")[2].rpartition(":repository/")[2]
    return name.partition(":")[0]


def _alias(service: str, path: str, *, body: bytes) -> str:
    if service != "lambda":
        return ""
    found = ALIAS_PATH.search(path)
    if found:
        return unquote(found[1])
    return str(_members(body).get("Name", "")) if path.rstrip("/").endswith("/aliases") else ""


def _qualifier(service: str, path: str, *, query: str) -> str:
    """Return the qualifier beside a function's name or, failing that, the one inside it."""
    if service != "lambda":
        return ""
    beside = parse_qs(query).get("Qualifier")
    if beside:
        return beside[0]
    found = FUNCTION_PATH.search(path)
    bare = unquote(found[1]).rpartition(":function:")[2] if found else ""
    return bare.partition(":")[2]


def _members(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
