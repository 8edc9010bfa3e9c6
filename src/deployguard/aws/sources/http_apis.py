"""API Gateway HTTP and WebSocket APIs: their integrations and authorizers, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.routes import stages
from deployguard.routes.definitions import Integration
from deployguard.routes.stages import Stage

KINDS = {"HTTP": "HTTP API", "WEBSOCKET": "WebSocket API"}


def callers(asked: Asked) -> Found:
    """Yield each stage whose integrations or authorizers call the function."""
    client = asked.session.client("apigatewayv2")
    for api in asked.session.read_all("list the HTTP and WebSocket APIs", client.get_apis, "Items"):
        kind = KINDS.get(api.get("ProtocolType", ""), "API")
        yield from or_unread(f"{kind} {api['ApiId']}", _of(asked, api, kind), may_be_gone=True)


def _of(asked: Asked, api: Mapping[str, Any], kind: str) -> Found:
    """Read the stages only where a stage could make one of the integrations ours."""
    client = asked.session.client("apigatewayv2")
    found = tuple(
        integration
        for integration in _integrations(asked, api["ApiId"])
        if asked.callee.match(integration.uri) is not None
    )
    if not found:
        return
    name = f"{api.get('Name', '')} ({api['ApiId']})"
    listed = asked.session.read_all(
        f"list the stages of {kind} {api['ApiId']}",
        client.get_stages,
        "Items",
        ApiId=api["ApiId"],
    )
    for stage in listed:
        deployed = Stage(
            kind, name, stage["StageName"], found, variables=stage.get("StageVariables", {})
        )
        yield from stages.callers(deployed, asked.callee)


def _integrations(asked: Asked, api: str) -> Iterator[Integration]:
    client = asked.session.client("apigatewayv2")
    for integration in asked.session.read_all(
        f"list the integrations of API {api}", client.get_integrations, "Items", ApiId=api
    ):
        name = f"integration {integration.get('IntegrationId', '')}"
        yield Integration(name, integration.get("IntegrationUri", ""))
    for authorizer in asked.session.read_all(
        f"list the authorizers of API {api}", client.get_authorizers, "Items", ApiId=api
    ):
        name = f"authorizer {authorizer.get('Name', '')}"
        yield Integration(name, authorizer.get("AuthorizerUri", ""))
