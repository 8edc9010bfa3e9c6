"""What threatens a deploy from outside: lifecycle rules of the registry, and CodeDeploy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.aws import images
from deployguard.aws.session import Session
from deployguard.doctor.facts import Deployment
from deployguard.doctor.lifecycle import Rule, Stored
from deployguard.errors import NotFound

UNFINISHED = ["Created", "Queued", "InProgress", "Baking", "Ready"]
AT_ONCE = 25  # deployments that AWS describes in one call


def rules(session: Session, uri: str) -> tuple[Rule, ...]:
    """Read the lifecycle rules of an image's repository, the most important first."""
    repository = images.parse(uri)
    try:
        answer = session.read(
            f"read the lifecycle policy of {repository.name}",
            session.registry.get_lifecycle_policy,
            registryId=repository.account,
            repositoryName=repository.name,
        )
    except NotFound:
        return ()
    found = json.loads(answer["lifecyclePolicyText"])["rules"]
    return tuple(map(_rule, sorted(found, key=lambda rule: rule["rulePriority"])))


def _rule(rule: Mapping[str, Any]) -> Rule:
    selection = rule["selection"]
    prefixes = tuple(f"{prefix}*" for prefix in selection.get("tagPrefixList", ()))
    return Rule(
        priority=rule["rulePriority"],
        tags=selection["tagStatus"],
        patterns=prefixes or tuple(selection.get("tagPatternList", ())),
        counts=selection["countType"],
        limit=selection["countNumber"],
    )


def stored(session: Session, uri: str) -> tuple[Stored, ...]:
    """List the images of an image's repository."""
    repository = images.parse(uri)
    return tuple(_stored(session, repository))


def _stored(session: Session, repository: images.Uri) -> Iterator[Stored]:
    named: dict[str, Any] = {"registryId": repository.account, "repositoryName": repository.name}
    while True:
        page = session.read(
            f"list the images of {repository.name}", session.registry.describe_images, **named
        )
        for detail in page["imageDetails"]:
            yield Stored(
                detail["imageDigest"],
                tuple(detail.get("imageTags", ())),
                detail["imagePushedAt"].timestamp(),
            )
        if not page.get("nextToken"):
            return
        named["nextToken"] = page["nextToken"]


def image_functions(session: Session) -> dict[str, str]:
    """List the functions that are container images, each with its digest."""
    listed = session.read_all("list the functions", session.functions.list_functions, "Functions")
    return {
        function["FunctionName"]: f"sha256:{function['CodeSha256'].lower()}"
        for function in listed
        if function.get("PackageType") == "Image"
    }


def deployments(session: Session, name: str) -> tuple[Deployment, ...]:
    """Name the deployments of CodeDeploy that are, or may be, about to move an alias.

    NOTE: one whose AppSpec lies in S3 does not say here which function it is of.
    """
    client = session.client("codedeploy")
    named: dict[str, Any] = {"includeOnlyStatuses": UNFINISHED}
    found: list[str] = []
    while True:
        page = session.read("list deployments", client.list_deployments, **named)
        found += page["deployments"]
        if not page.get("nextToken"):
            break
        named["nextToken"] = page["nextToken"]
    starts = range(0, len(found), AT_ONCE)
    chunks = (found[start : start + AT_ONCE] for start in starts)
    described = (
        each
        for chunk in chunks
        for each in session.read(
            "describe deployments", client.batch_get_deployments, deploymentIds=chunk
        )["deploymentsInfo"]
    )
    on_lambda = (each for each in described if each.get("computePlatform", "Lambda") == "Lambda")
    return tuple(moving for each in on_lambda for moving in _moving(each, name))


def _moving(deployment: Mapping[str, Any], name: str) -> Iterator[Deployment]:
    """Yield a deployment unless it says that it is of another function."""
    identifier, revision = deployment["deploymentId"], deployment.get("revision", {})
    content = revision.get("appSpecContent", revision.get("string", {})).get("content")
    text = f"{identifier} of {deployment['applicationName']} is {deployment['status']}"
    if content is None:
        where = "in S3" if revision.get("revisionType") == "S3" else "elsewhere"
        yield Deployment(identifier, f"{text}; its AppSpec lies {where}", is_ours=False)
    elif re.search(rf"""\bName["']?\s*:\s*["']?{re.escape(name)}(?![\w-])""", content):
        yield Deployment(identifier, text, is_ours=True)
