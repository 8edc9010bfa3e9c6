"""What Lambda shows of a function version."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from deployguard.lab.control.lifecycle import FAILURE_TEXT
from deployguard.lab.control.names import function_arn
from deployguard.lab.control.records import Function, Settings, Version

CREATING = {"code": "Creating", "text": "The function is being created."}


def when(seconds: float) -> str:
    """Return a time as Lambda writes it, `+0000` without a colon."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def configuration(
    function: Function, version: Version, *, qualifier: str | None = None
) -> dict[str, Any]:
    """Show a version; its ARN carries the qualifier that it was asked by."""
    shown = _lasting(function, version, qualifier=qualifier) | _states(version)
    if version.package.kind == "Zip":
        shown["RuntimeVersionConfig"] = {"RuntimeVersionArn": _runtime(function, version)}
    return shown


def listed(function: Function, version: Version, *, qualifier: str | None = None) -> dict[str, Any]:
    """Show a version in a list: without its states and its runtime's version."""
    return _lasting(function, version, qualifier=qualifier)


def code(function: Function, version: Version) -> dict[str, str]:
    """Show where a version's code came from."""
    package = version.package
    if package.kind == "Image":
        return {
            "RepositoryType": "ECR",
            "ImageUri": package.image_uri,
            "ResolvedImageUri": package.resolved_uri,
        }
    bucket = f"awslambda-{function.region}-tasks.s3.{function.region}.amazonaws.com"
    return {"RepositoryType": "S3", "Location": f"https://{bucket}/snapshots/{function.name}"}


def _lasting(function: Function, version: Version, *, qualifier: str | None) -> dict[str, Any]:
    """Return the members that do not change while a version lives, and its revision."""
    shown = {
        "FunctionName": function.name,
        "FunctionArn": function_arn(function.region, function.name, qualifier),
        "CodeSize": version.package.size,
        "CodeSha256": version.package.code_sha256,
        "PackageType": version.package.kind,
        "Version": version.number,
        "LastModified": when(version.modified),
        "RevisionId": version.revision,
    }
    return shown | _settings(version.settings, published=version.number.isdigit())


def _settings(settings: Settings, *, published: bool) -> dict[str, Any]:
    """Return the configuration in the shape of answers, which differs from that of requests."""
    shown = dict(settings)
    if "ImageConfig" in shown:
        shown["ImageConfigResponse"] = {"ImageConfig": shown.pop("ImageConfig")}
    if "Layers" in shown:
        shown["Layers"] = [{"Arn": arn, "CodeSize": 0} for arn in shown["Layers"]]
    if "VpcConfig" in shown:
        network = "vpc-0123456789abcdef0" if shown["VpcConfig"].get("SubnetIds") else ""
        shown["VpcConfig"] = {"VpcId": network} | shown["VpcConfig"]
    snapshot = published and shown["SnapStart"]["ApplyOn"] == "PublishedVersions"
    shown["SnapStart"] = shown["SnapStart"] | {"OptimizationStatus": "On" if snapshot else "Off"}
    return shown


def _states(version: Version) -> dict[str, str]:
    """Return the members that say how far creation or an update has come."""
    shown = {"State": version.state}
    if version.state == "Pending":
        return shown | {"StateReason": CREATING["text"], "StateReasonCode": CREATING["code"]}
    if version.state == "Failed" and version.failure:
        text = FAILURE_TEXT.get(version.failure, version.failure)
        shown |= {"StateReason": text, "StateReasonCode": version.failure}
    if version.update is not None:
        shown["LastUpdateStatus"] = version.update
    if version.update == "InProgress":
        # NOTE: the code is not in the service's own enum; it was recorded all the same.
        shown["LastUpdateStatusReason"] = CREATING["text"]
        shown["LastUpdateStatusReasonCode"] = CREATING["code"]
    if version.update == "Failed" and version.failure:
        shown["LastUpdateStatusReason"] = FAILURE_TEXT.get(version.failure, version.failure)
        shown["LastUpdateStatusReasonCode"] = version.failure
    return shown


def _runtime(function: Function, version: Version) -> str:
    """Return an ARN that names the runtime's version, equal for equal runtimes."""
    digest = hashlib.sha256(str(version.settings.get("Runtime")).encode()).hexdigest()
    return f"arn:aws:lambda:{function.region}::runtime:{digest}"
