"""What a version is configured with and made of, without a value of its environment."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from deployguard.aws import images
from deployguard.aws.session import Session
from deployguard.errors import ConfigurationError
from deployguard.executions.nouns import Configuration

SALT = secrets.token_bytes(32)  # so that a hash tells nothing outside of this process


class Configured(NamedTuple):
    """A version, or what `$LATEST` is now."""

    configuration: Configuration
    digest: str | None  # None where it is no image
    image: str  # URI by digest, or nothing
    log_group: str


class Pushed(NamedTuple):
    """What the registry tells of an image."""

    tags: tuple[str, ...]
    at: float | None


def read(session: Session, function: str, version: str) -> Configured:
    """Read a version of a function."""
    answer: Mapping[str, Any] = session.read(
        f"read {function}:{version}",
        session.functions.get_function,
        FunctionName=function,
        Qualifier=version,
    )
    told: Mapping[str, Any] = answer["Configuration"]
    is_image = told.get("PackageType") == "Image"
    name = told["FunctionName"]
    return Configured(
        configuration=_configuration(told),
        digest=f"sha256:{told['CodeSha256'].lower()}" if is_image else None,
        image=answer.get("Code", {}).get("ResolvedImageUri", "") if is_image else "",
        log_group=told.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}",
    )


def pushed(session: Session, image: str) -> Pushed:
    """Read the tags that an image has now, and when it was pushed."""
    uri = images.parse(image)
    answer: Any = session.read(
        f"look for image {uri.name} in ECR",
        session.registry.describe_images,
        registryId=uri.account,
        repositoryName=uri.name,
        imageIds=[{"imageDigest": uri.digest or ""}],
    )
    details: Mapping[str, Any] = next(iter(answer["imageDetails"]), {})
    at = details.get("imagePushedAt")
    return Pushed(tuple(sorted(details.get("imageTags", ()))), at.timestamp() if at else None)


def build_id(session: Session, image: str) -> str | None:
    """Return the build id in an image's labels, if it has one."""
    try:
        found = images.image(session, image).stamp
    except ConfigurationError:  # no URI of ECR's
        return None
    return found.build_id if found else None


def _configuration(told: Mapping[str, Any]) -> Configuration:
    environment: Mapping[str, Any] = told.get("Environment", {})
    variables: Mapping[str, str] = environment.get("Variables", {})
    vpc: Mapping[str, Any] = told.get("VpcConfig", {})
    shown = json.dumps(variables, sort_keys=True).encode()
    return Configuration(
        version=told["Version"],
        revision=told.get("RevisionId", ""),
        modified=_unix(told.get("LastModified", "")),
        timeout_s=told.get("Timeout", 3),
        memory_mb=told.get("MemorySize", 128),
        architecture=next(iter(told.get("Architectures", ())), "x86_64"),
        environment=tuple(sorted(variables)),
        environment_hash=""
        if "Error" in environment
        else hmac.new(SALT, shown, "sha256").hexdigest(),
        layers=tuple(layer["Arn"] for layer in told.get("Layers", ())),
        role=told.get("Role", ""),
        vpc=(*sorted(vpc.get("SubnetIds", ())), *sorted(vpc.get("SecurityGroupIds", ()))),
    )


def _unix(moment: str) -> float:
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
