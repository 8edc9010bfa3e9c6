"""What AWS shows of all functions in an account and region, and of the images that they run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.aws.session import Session


def functions(session: Session) -> dict[str, str]:
    """List the functions that are container images, by ARN, each with its digest."""
    listed = session.read_all("list the functions", session.functions.list_functions, "Functions")
    return {
        function["FunctionArn"]: f"sha256:{function['CodeSha256'].lower()}"
        for function in listed
        if function.get("PackageType") == "Image"
    }


def tags(session: Session, arn: str) -> Mapping[str, str]:
    """Read the tags of a function."""
    answer = session.read(f"read the tags of {arn}", session.functions.list_tags, Resource=arn)
    found: Mapping[str, str] = answer.get("Tags", {})
    return found


def digests(session: Session, repository: str, *, account: str | None) -> frozenset[str]:
    """List the digests of a repository's images; that of another account is named by it."""
    named: dict[str, Any] = {"repositoryName": repository}
    if account:
        named["registryId"] = account
    listed = session.read_all(
        f"list the images of {repository}",
        session.registry.describe_images,
        "imageDetails",
        **named,
    )
    return frozenset(image["imageDigest"] for image in listed)
