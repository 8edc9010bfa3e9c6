"""Lambda's control plane in our words: reads that return nouns, writes that carry revisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from deployguard.aws.session import Session, translated
from deployguard.errors import AwsFailure, NotFound
from deployguard.model import Alias, Function, Mode, Provisioned

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import (
        AliasConfigurationResponseTypeDef,
        AliasConfigurationTypeDef,
    )

# A write that AWS did not apply because what it was decided on is no longer so, or not yet.
REFUSED = ("PreconditionFailedException", "ResourceConflictException")

# What PublishVersion compares with the last published version (Developer Guide,
# configuration-versions); reserved concurrency and tags do not count.
COUNTED = (
    "Architectures",
    "CodeSha256",
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "Handler",
    "ImageConfigResponse",
    "KMSKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "Role",
    "Runtime",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
)


def function(session: Session, name: str, *, qualifier: str | None = None) -> Function:
    """Read a function, or one of its versions; raise NotFound where there is none."""
    named = f"{name}:{qualifier}" if qualifier else name
    extra: dict[str, Any] = {"Qualifier": qualifier} if qualifier else {}
    with translated(f"read function {named}"):
        answer = session.functions.get_function(FunctionName=name, **extra)
    return _function(
        answer["Configuration"],
        code=answer.get("Code", {}),
        reserved=answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
    )


def alias(session: Session, name: str, alias_name: str) -> Alias | None:
    """Read an alias, or return None where the function has none of that name."""
    try:
        with translated(f"read alias {alias_name} of {name}"):
            answer = session.functions.get_alias(FunctionName=name, Name=alias_name)
    except NotFound:
        return None
    return _alias(answer)


def aliases(session: Session, name: str) -> list[Alias]:
    """List all aliases, the one that holds the lease among them."""
    pages = session.functions.get_paginator("list_aliases")
    with translated(f"list the aliases of {name}"):
        return [
            _alias(each) for page in pages.paginate(FunctionName=name) for each in page["Aliases"]
        ]


def publish(session: Session, name: str, *, digest: str, revision: str) -> Function:
    """Publish `$LATEST` provided that it still is that image at that revision."""
    with translated(f"publish a version of {name}"):
        answer = session.functions.publish_version(
            FunctionName=name, CodeSha256=digest.removeprefix("sha256:"), RevisionId=revision
        )
    return _function(answer, code={}, reserved=None)


def create_alias(
    session: Session,
    name: str,
    alias_name: str,
    *,
    version: str,
    description: str = "moved by deployguard",
) -> Alias:
    """Create an alias; AWS refuses where one of that name exists."""
    with translated(f"create alias {alias_name} of {name}"):
        answer = session.functions.create_alias(
            FunctionName=name, Name=alias_name, FunctionVersion=version, Description=description
        )
    return _alias(answer)


def describe_alias(
    session: Session, name: str, alias_name: str, *, description: str, revision: str
) -> Alias:
    """Change the description of an alias, provided that nobody changed it since `revision`."""
    with translated(f"change the description of alias {alias_name} of {name}"):
        answer = session.functions.update_alias(
            FunctionName=name, Name=alias_name, Description=description, RevisionId=revision
        )
    return _alias(answer)


def move_alias(
    session: Session,
    name: str,
    alias_name: str,
    *,
    version: str,
    weights: Mapping[str, float],
    revision: str,
) -> Alias:
    """Point an alias at a version, provided that nobody moved it since `revision`.

    The weights are always sent: left out, AWS may keep old ones.
    """
    with translated(f"move alias {alias_name} of {name} to version {version}"):
        answer = session.functions.update_alias(
            FunctionName=name,
            Name=alias_name,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": dict(weights)},
            RevisionId=revision,
        )
    return _alias(answer)


def delete_alias(session: Session, name: str, alias_name: str) -> None:
    """Delete an alias; deleting what is not there is no error on AWS."""
    with translated(f"delete alias {alias_name} of {name}"):
        session.functions.delete_alias(FunctionName=name, Name=alias_name)


def versions(session: Session, name: str) -> dict[str, float]:
    """List all published versions, newest first, with when they were published, in Unix seconds."""
    pages = session.functions.get_paginator("list_versions_by_function")
    with translated(f"list the versions of {name}"):
        found = {
            version["Version"]: _unix(version.get("LastModified", ""))
            for page in pages.paginate(FunctionName=name)
            for version in page["Versions"]
        }
    numbers = sorted((n for n in found if n.isdigit()), key=int, reverse=True)
    return {number: found[number] for number in numbers}


def provisioned(session: Session, name: str, qualifier: str) -> Provisioned | None:
    """Read the provisioned concurrency of a qualifier; None where there is none to be read."""
    client = session.functions
    try:
        with translated(f"read the provisioned concurrency of {name}:{qualifier}"):
            answer = client.get_provisioned_concurrency_config(
                FunctionName=name, Qualifier=qualifier
            )
    except AwsFailure:
        return None
    return Provisioned(
        status=answer["Status"],
        requested=answer["RequestedProvisionedConcurrentExecutions"],
        available=answer.get("AvailableProvisionedConcurrentExecutions", 0),
        reason=answer.get("StatusReason", ""),
    )


def unreserved_concurrency(session: Session) -> int | None:
    """Read how many containers the account leaves; unknown where the role may not ask."""
    try:
        with translated("read the account's concurrency"):
            answer = session.functions.get_account_settings()
    except AwsFailure:
        return None
    return answer["AccountLimit"].get("UnreservedConcurrentExecutions")


def _function(
    configuration: Mapping[str, Any], *, code: Mapping[str, Any], reserved: int | None
) -> Function:
    arn = configuration["FunctionArn"]
    is_image = configuration.get("PackageType") == "Image"
    digest = f"sha256:{configuration['CodeSha256'].lower()}" if is_image else None
    return Function(
        name=configuration["FunctionName"],
        arn=":".join(arn.split(":")[:7]),
        version=configuration["Version"],
        digest=digest,
        image_uri=code.get("ResolvedImageUri"),
        package_type=configuration.get("PackageType", "Zip"),
        state=configuration.get("State", "Active"),
        state_reason=_reason(configuration, "State"),
        update_status=configuration.get("LastUpdateStatus", "Successful"),
        update_reason=_reason(configuration, "LastUpdateStatus"),
        revision=configuration.get("RevisionId", ""),
        modified=_unix(configuration.get("LastModified", "")),
        timeout_s=configuration.get("Timeout", 3),
        architecture=next(iter(configuration.get("Architectures", ())), "x86_64"),
        mode=_mode(configuration),
        fingerprint=_fingerprint(configuration),
        reserved_concurrency=reserved,
    )


def _unix(moment: str) -> float:
    """Read AWS's ISO time, whose zone comes as +0000 or Z; 0 where there is none."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0


def _reason(configuration: Mapping[str, Any], status: str) -> str:
    parts = (configuration.get(f"{status}ReasonCode"), configuration.get(f"{status}Reason"))
    return ": ".join(part for part in parts if part)


def _mode(configuration: Mapping[str, Any]) -> Mode:
    tenancy = configuration.get("TenancyConfig", {}).get("TenantIsolationMode")
    snap_start = configuration.get("SnapStart", {}).get("ApplyOn", "None")
    return Mode(
        tenant_isolated=tenancy == "PER_TENANT",
        managed_instances=bool(configuration.get("CapacityProviderConfig")),
        snap_start=snap_start != "None",
    )


def _fingerprint(configuration: Mapping[str, Any]) -> str:
    """Hash the counted members: environment values are secrets and leave this place as a hash."""
    counted = {key: configuration[key] for key in COUNTED if configuration.get(key)}
    return hashlib.sha256(json.dumps(counted, sort_keys=True, default=str).encode()).hexdigest()


def _alias(answer: AliasConfigurationTypeDef | AliasConfigurationResponseTypeDef) -> Alias:
    return Alias(
        name=answer["Name"],
        arn=answer["AliasArn"],
        version=answer["FunctionVersion"],
        weights=dict(answer.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})),
        revision=answer.get("RevisionId", ""),
        description=answer.get("Description", ""),
    )
