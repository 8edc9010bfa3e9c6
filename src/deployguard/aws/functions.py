"""Lambda's control plane in our words: reads that return nouns, writes that carry revisions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from deployguard.aws.session import Session
from deployguard.errors import AwsFailure, NotFound, Refusal
from deployguard.model import Mode
from deployguard.resources import Alias, Function, Provisioned, Setup

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import (
        AliasConfigurationResponseTypeDef,
        AliasConfigurationTypeDef,
    )

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


def begin(session: Session, name: str) -> None:
    """Begin to read a function, which is what everything begins with."""
    get = session.functions.get_function
    session.begin(f"read function {name}", get, FunctionName=name)


def function(session: Session, name: str, *, qualifier: str | None = None) -> Function:
    """Read a function, or one of its versions; raise NotFound where there is none."""
    named = f"{name}:{qualifier}" if qualifier else name
    extra: dict[str, Any] = {"Qualifier": qualifier} if qualifier else {}
    answer = session.read(
        f"read function {named}",
        session.functions.get_function,
        FunctionName=name,
        **extra,
    )
    return _function(
        answer["Configuration"],
        code=answer.get("Code", {}),
        reserved=answer.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
    )


def alias(session: Session, name: str, alias_name: str) -> Alias | None:
    """Read an alias, or return None where the function has none of that name."""
    try:
        answer = session.read(
            f"read alias {alias_name} of {name}",
            session.functions.get_alias,
            FunctionName=name,
            Name=alias_name,
        )
    except NotFound:
        return None
    return _alias(answer)


def aliases(session: Session, name: str) -> list[Alias]:
    """List all aliases, the one that holds the lease among them."""
    listed = session.read_all(
        f"list the aliases of {name}",
        session.functions.list_aliases,
        "Aliases",
        FunctionName=name,
    )
    return [_alias(each) for each in listed]


def publish(session: Session, name: str, *, digest: str, revision: str) -> Function:
    """Publish `$LATEST` provided that it still is that image at that revision."""
    answer = session.write(
        f"publish a version of {name}",
        session.functions.publish_version,
        FunctionName=name,
        CodeSha256=digest.removeprefix("sha256:"),
        RevisionId=revision,
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
    answer = session.write(
        f"create alias {alias_name} of {name}",
        session.functions.create_alias,
        FunctionName=name,
        Name=alias_name,
        FunctionVersion=version,
        Description=description,
    )
    return _alias(answer)


def describe_alias(
    session: Session, name: str, alias_name: str, *, description: str, revision: str
) -> Alias:
    """Change the description of an alias, provided that nobody changed it since `revision`."""
    answer = session.write(
        f"change the description of alias {alias_name} of {name}",
        session.functions.update_alias,
        FunctionName=name,
        Name=alias_name,
        Description=description,
        RevisionId=revision,
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
    answer = session.write(
        f"move alias {alias_name} of {name} to version {version}",
        session.functions.update_alias,
        FunctionName=name,
        Name=alias_name,
        FunctionVersion=version,
        RoutingConfig={"AdditionalVersionWeights": dict(weights)},
        RevisionId=revision,
    )
    return _alias(answer)


def delete_alias(session: Session, name: str, alias_name: str) -> None:
    """Delete an alias; deleting what is not there is no error on AWS."""
    session.write(
        f"delete alias {alias_name} of {name}",
        session.functions.delete_alias,
        FunctionName=name,
        Name=alias_name,
    )


def versions(session: Session, name: str) -> dict[str, float]:
    """List all published versions, newest first, with when they were published, in Unix seconds."""
    listed = _versions(session, name)
    found = {version["Version"]: _unix(version.get("LastModified", "")) for version in listed}
    numbers = sorted((n for n in found if n.isdigit()), key=int, reverse=True)
    return {number: found[number] for number in numbers}


def digests(session: Session, name: str) -> dict[str, str]:
    """List all versions, `$LATEST` too, each with its digest."""
    listed = _versions(session, name)
    return {version["Version"]: f"sha256:{version['CodeSha256'].lower()}" for version in listed}


def _versions(session: Session, name: str) -> Iterator[Any]:
    return session.read_all(
        f"list the versions of {name}",
        session.functions.list_versions_by_function,
        "Versions",
        FunctionName=name,
    )


def provisioned(session: Session, name: str, qualifier: str) -> Provisioned | None:
    """Read the provisioned concurrency of a qualifier; None where there is none."""
    try:
        answer = session.read(
            f"read the provisioned concurrency of {name}:{qualifier}",
            session.functions.get_provisioned_concurrency_config,
            FunctionName=name,
            Qualifier=qualifier,
        )
    except NotFound:
        return None
    return Provisioned(
        status=answer["Status"],
        requested=answer["RequestedProvisionedConcurrentExecutions"],
        available=answer.get("AvailableProvisionedConcurrentExecutions", 0),
        reason=answer.get("StatusReason", ""),
    )


def describe(session: Session, name: str, *, description: str, revision: str) -> None:
    """Change the description of `$LATEST`, provided that nobody changed it since `revision`."""
    session.write(
        f"change the description of {name}",
        session.functions.update_function_configuration,
        FunctionName=name,
        Description=description,
        RevisionId=revision,
    )


def variable(session: Session, name: str, variable_name: str) -> str | None:
    """Read one variable of the environment of `$LATEST`."""
    value: str | None = _environment(session, name)[0].get(variable_name)
    return value


def set_variable(session: Session, name: str, variable_name: str, *, value: str | None) -> None:
    """Set one variable of `$LATEST`, or remove it; the other ones leave this place for AWS only.

    AWS replaces the environment as a whole, so the write holds for the revision that was read.
    """
    variables, revision = _environment(session, name)
    others = {key: old for key, old in variables.items() if key != variable_name}
    wanted = others if value is None else {**others, variable_name: value}
    try:
        session.write(
            f"set variable {variable_name} of {name}",
            session.functions.update_function_configuration,
            FunctionName=name,
            Environment={"Variables": wanted},
            RevisionId=revision,
        )
    except AwsFailure as failure:
        # NOTE: AWS quotes the whole environment where it is too large.
        if any(secret and secret in str(failure) for secret in others.values()):
            failure.happened = f"could not set variable {variable_name} of {name}: {failure.code}"
            raise failure from None
        raise


def _environment(session: Session, name: str) -> tuple[dict[str, str], str]:
    """Read the environment of `$LATEST`, and the revision that it is of."""
    answer = session.read(
        f"read the configuration of {name}",
        session.functions.get_function_configuration,
        FunctionName=name,
    )
    environment = answer.get("Environment", {})
    if "Error" in environment:
        code = environment["Error"].get("ErrorCode", "")
        raise Refusal(
            f"the environment of {name} cannot be read: {code}",
            cause="it is encrypted with a key that the role may not use",
            fix="grant kms:Decrypt on the function's key, or use another remedy",
        )
    return dict(environment.get("Variables", {})), answer.get("RevisionId", "")


def reserved(session: Session, name: str) -> int | None:
    """Read the reserved concurrency; None where there is none, which is not 0."""
    answer = session.read(
        f"read the reserved concurrency of {name}",
        session.functions.get_function_concurrency,
        FunctionName=name,
    )
    return answer.get("ReservedConcurrentExecutions")


def reserve(session: Session, name: str, concurrency: int | None) -> None:
    """Reserve concurrency, or give the reservation back; nothing makes this write conditional."""
    if concurrency is None:
        session.write(
            f"remove the reserved concurrency of {name}",
            session.functions.delete_function_concurrency,
            FunctionName=name,
        )
        return
    session.write(
        f"reserve concurrency {concurrency} for {name}",
        session.functions.put_function_concurrency,
        FunctionName=name,
        ReservedConcurrentExecutions=concurrency,
    )


def unreserved_concurrency(session: Session) -> int | None:
    """Read how many containers the account leaves; unknown where the role may not ask."""
    try:
        answer = session.read(
            "read the account's concurrency", session.functions.get_account_settings
        )
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
        description=configuration.get("Description", ""),
        architecture=next(iter(configuration.get("Architectures", ())), "x86_64"),
        mode=_mode(configuration),
        fingerprint=_fingerprint(configuration),
        reserved_concurrency=reserved,
        setup=_setup(configuration),
    )


def _setup(configuration: Mapping[str, Any]) -> Setup:
    logging = configuration.get("LoggingConfig", {})
    levels = {"application": "ApplicationLogLevel", "system": "SystemLogLevel"}
    return Setup(
        memory_mb=configuration.get("MemorySize", 128),
        subnets=len(configuration.get("VpcConfig", {}).get("SubnetIds", ())),
        log_format=logging.get("LogFormat", "Text"),
        log_group=logging.get("LogGroup") or f"/aws/lambda/{configuration['FunctionName']}",
        log_levels={of: logging[key] for of, key in levels.items() if key in logging},
        is_durable=bool(configuration.get("DurableConfig")),
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
    overrides = configuration.get("ImageConfigResponse", {}).get("ImageConfig", {})
    return Mode(
        tenant_isolated=tenancy == "PER_TENANT",
        managed_instances=bool(configuration.get("CapacityProviderConfig")),
        snap_start=snap_start != "None",
        overrides=tuple(f"{key} {json.dumps(value)}" for key, value in overrides.items() if value),
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
