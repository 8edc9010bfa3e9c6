"""API Gateway REST APIs: what is deployed to each stage, with the stage's variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.errors import AwsFailure, Trouble
from deployguard.routes import definitions, stages
from deployguard.routes.definitions import Integration, UnreadableError
from deployguard.routes.stages import Stage

NOT_THE_SNAPSHOT = " (as edited; what is deployed could not be read)"


def callers(asked: Asked) -> Found:
    """Yield each stage whose methods or authorizers call the function."""
    client = asked.session.client("apigateway")
    for api in asked.session.read_all(
        "list the REST APIs", client.get_rest_apis, "items", limit=500
    ):
        what = f"REST API {api['id']}"
        yield from or_unread(what, _of(asked, api), may_be_gone=True)


def _of(asked: Asked, api: Mapping[str, Any]) -> Found:
    listed = asked.session.read(
        f"list the stages of REST API {api['id']}",
        asked.session.client("apigateway").get_stages,
        restApiId=api["id"],
    )
    name = f"{api.get('name', '')} ({api['id']})"
    exported: dict[str, tuple[Integration, ...]] = {}  # stages may share a deployment
    for stage in listed.get("item", ()):
        deployment = stage["deploymentId"]
        if deployment not in exported:
            exported[deployment] = tuple(_deployed(asked, api["id"], stage["stageName"]))
        canary = stage.get("canarySettings", {})
        deployed = Stage(
            "REST API",
            name,
            stage["stageName"],
            integrations=exported[deployment],
            variables=stage.get("variables", {}),
            overrides=canary.get("stageVariableOverrides", {}),
            has_own_canary=canary.get("deploymentId", deployment) != deployment,
        )
        yield from stages.callers(deployed, asked.callee)
        yield from stages.unread(deployed)


def _deployed(asked: Asked, api: str, stage: str) -> Iterator[Integration]:
    """Yield what is deployed to a stage: a snapshot, which later edits do not change."""
    doing = f"export stage {stage} of REST API {api}"
    client = asked.session.client("apigateway")

    def export() -> Any:
        return client.get_export(
            restApiId=api,
            stageName=stage,
            exportType="swagger",
            parameters={"extensions": "apigateway"},
            accepts="application/json",
        )["body"].read()

    try:
        yield from list(definitions.integrations(asked.session.read(doing, export)))
    except (AwsFailure, UnreadableError) as failure:
        if getattr(failure, "trouble", None) in (Trouble.DENIED, Trouble.CREDENTIALS):
            raise
        for where, uri in _edited(asked, api):
            yield Integration(where + NOT_THE_SNAPSHOT, uri)


def _edited(asked: Asked, api: str) -> Iterator[Integration]:
    """Yield what is edited now, and will be deployed with the next deployment."""
    client = asked.session.client("apigateway")
    for resource in asked.session.read_all(
        f"list the resources of REST API {api}",
        client.get_resources,
        "items",
        restApiId=api,
        embed=["methods"],
        limit=500,
    ):
        for verb, method in resource.get("resourceMethods", {}).items():
            uri = method.get("methodIntegration", {}).get("uri", "")
            yield Integration(f"{verb} {resource.get('path', '')}", uri)
    for authorizer in asked.session.read_all(
        f"list the authorizers of REST API {api}",
        client.get_authorizers,
        "items",
        restApiId=api,
        limit=500,
    ):
        name = authorizer.get("name", "")
        yield Integration(f"authorizer {name}", authorizer.get("authorizerUri", ""))
