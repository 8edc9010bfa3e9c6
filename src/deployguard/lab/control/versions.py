"""Published versions: immutable, deduplicated, with numbers that are never used twice."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import errors, lifecycle, names, paging, provisioned, render
from deployguard.lab.control.records import Function, Version, new_id
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import LATEST

Params = dict[str, Any]


def publish(cloud: Cloud, region: str, params: Params) -> Params:
    """Publish `$LATEST`, or return the last version when nothing changed since."""
    function = cloud.function(region, names.parse(region, params["FunctionName"]).name)
    if params.get("PublishTo"):
        raise errors.not_in_lab("PublishTo")
    lifecycle.require_settled(function)
    latest = function.latest
    if params.get("RevisionId", latest.revision) != latest.revision:
        raise errors.stale_revision()
    expected, actual = params.get("CodeSha256"), latest.package.code_sha256
    if expected and expected != actual:
        raise errors.invalid(
            f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )
    version = _unchanged(function) or _publish_new(cloud, function, params.get("Description"))
    return render.configuration(function, version, qualifier=version.number)


def publish_pending(cloud: Cloud, function: Function) -> Version:
    """Publish together with a change of `$LATEST`; the version waits for it to be applied."""
    unchanged = _unchanged(function)
    if unchanged is not None:
        return unchanged
    version = _snapshot(cloud, function, None)
    seconds = max(cloud.knobs.update_s, cloud.knobs.publish_s)
    lifecycle.begin(cloud, function, version, seconds=seconds)
    _record(cloud, function, version)
    return version


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List `$LATEST` and every version that still exists."""
    function = cloud.function(region, names.parse(region, params["FunctionName"]).name)
    items = [
        render.listed(function, version, qualifier=version.number)
        for version in function.all_versions()
    ]
    return paging.page("Versions", items, params)


def delete(cloud: Cloud, function: Function, qualifier: str) -> None:
    """Delete one version that no alias references."""
    if qualifier == LATEST:
        raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
    if qualifier in function.aliases:
        raise errors.invalid("Deletion of aliases is not currently supported.")
    version = function.versions.get(qualifier)
    arn = f"{function.arn}:{qualifier}"
    if version is None:
        raise errors.no_function(arn)
    users = sorted(
        alias.name for alias in function.aliases.values() if qualifier in alias.target.versions()
    )
    if users:
        raise errors.conflict(
            "Unable to delete version because the following aliases reference it: "
            f"[{', '.join(users)}]"
        )
    provisioned.drop(cloud, function, qualifier)
    del function.versions[qualifier]
    function.policies.pop(qualifier, None)
    cloud.fleet.retired(function.arn, qualifier)
    before = render.configuration(function, version, qualifier=qualifier)
    cloud.writes("DeleteFunction", arn, before=before, after=None)


def _unchanged(function: Function) -> Version | None:
    """Return the last published version if `$LATEST` still equals what it was made from."""
    same = function.published_from == function.latest.fingerprint()
    return function.versions.get(function.last_published) if same else None


def _publish_new(cloud: Cloud, function: Function, description: str | None) -> Version:
    """Publish a version that is usable at once, unless the lab is told to take its time."""
    version = _snapshot(cloud, function, description)
    if cloud.knobs.publish_s > 0:
        lifecycle.begin(cloud, function, version, seconds=cloud.knobs.publish_s)
    else:
        lifecycle.activate(cloud, function, version)
    # NOTE: publishing moves the revision of $LATEST too, as recorded.
    function.latest.revision = new_id()
    _record(cloud, function, version)
    return version


def _snapshot(cloud: Cloud, function: Function, description: str | None) -> Version:
    """Freeze `$LATEST` under the next number."""
    counter = cloud.region(function.region).counter(function.name)
    counter.version += 1
    latest = function.latest
    settings = dict(latest.settings)
    if description is not None:
        settings["Description"] = description
    version = Version(str(counter.version), latest.package, settings, modified=cloud.clock.now())
    function.versions[version.number] = version
    function.last_published = version.number
    function.published_from = latest.fingerprint()
    return version


def _record(cloud: Cloud, function: Function, version: Version) -> None:
    """Write down that a version was published."""
    shown = render.configuration(function, version, qualifier=version.number)
    cloud.writes("PublishVersion", shown["FunctionArn"], before=None, after=shown)
