"""Functions: create, change, show, list, delete."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import (
    errors,
    lifecycle,
    names,
    packages,
    paging,
    provisioned,
    render,
    versions,
)
from deployguard.lab.control.records import Function, Version
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import LATEST

Params = dict[str, Any]

# Members that a configuration keeps as they were given.
KEPT = (
    "Role", "Runtime", "Handler", "Description", "Timeout", "MemorySize", "VpcConfig",
    "DeadLetterConfig", "Environment", "KMSKeyArn", "TracingConfig", "Layers",
    "FileSystemConfigs", "ImageConfig", "EphemeralStorage", "SnapStart", "TenancyConfig",
    "CapacityProviderConfig", "DurableConfig", "Architectures", "LoggingConfig",
)  # fmt: skip
MANAGED_ONLY = ("Runtime", "Handler", "Layers")


def create(cloud: Cloud, region: str, params: Params) -> Params:
    """Create a function, pending until it is ready."""
    name = names.parse(region, params["FunctionName"]).name
    arn = names.function_arn(region, name)
    if cloud.find(region, name) is not None:
        raise errors.conflict(f"Function already exist: {name}")
    if params.get("PublishTo"):
        raise errors.not_in_lab("PublishTo")
    kind = params.get("PackageType", "Zip")
    _refuse_mixture(kind, params)
    package = packages.accept(cloud, region, params["Code"], kind=kind, verb="creating")
    settings = _defaults(name) | _given(name, params)
    latest = Version(LATEST, package, settings, modified=cloud.clock.now())
    function = Function(region, name, arn, latest, tags=dict(params.get("Tags", {})))
    cloud.region(region).functions[name] = function
    lifecycle.begin(cloud, function, latest, seconds=cloud.knobs.update_s)
    shown = render.configuration(function, latest)
    if params.get("Publish"):
        # NOTE: AWS shows the new version's number here, under the unqualified ARN.
        shown["Version"] = versions.publish_pending(cloud, function).number
    cloud.writes("CreateFunction", arn, before=None, after=shown)
    return shown


def update_code(cloud: Cloud, region: str, params: Params) -> Params:
    """Start to replace the code of `$LATEST`."""
    function = _latest(cloud, region, params["FunctionName"])
    if params.get("PublishTo"):
        raise errors.not_in_lab("PublishTo")
    latest = function.latest
    package = packages.accept(cloud, region, params, kind=latest.package.kind, verb="updating")
    _require_changeable(function, params)
    before = render.configuration(function, latest)
    if params.get("DryRun"):
        return before
    settings = dict(latest.settings)
    if "Architectures" in params:
        settings["Architectures"] = params["Architectures"]
    lifecycle.update(cloud, function, package=package, settings=settings)
    shown = render.configuration(function, latest)
    cloud.writes("UpdateFunctionCode", function.arn, before=before, after=shown)
    if not params.get("Publish"):
        return shown
    version = versions.publish_pending(cloud, function)
    return render.configuration(function, version, qualifier=version.number)


def update_configuration(cloud: Cloud, region: str, params: Params) -> Params:
    """Start to change the configuration of `$LATEST`; the image is not looked up again."""
    function = _latest(cloud, region, params["FunctionName"])
    _refuse_mixture(function.latest.package.kind, params)
    _require_changeable(function, params)
    before = render.configuration(function, function.latest)
    settings = dict(function.latest.settings) | _given(function.name, params)
    if not settings.get("ImageConfig", True):
        del settings["ImageConfig"]
    lifecycle.update(cloud, function, settings=settings)
    shown = render.configuration(function, function.latest)
    cloud.writes("UpdateFunctionConfiguration", function.arn, before=before, after=shown)
    return shown


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show a function, version or alias with its code, tags and reservation."""
    function, version, qualifier = resolve(cloud, region, params)
    shown: Params = {
        "Configuration": render.configuration(function, version, qualifier=qualifier),
        "Code": render.code(function, version),
    }
    if function.tags:
        shown["Tags"] = dict(function.tags)
    if qualifier is None and function.reserved is not None:
        shown["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
    return shown


def get_configuration(cloud: Cloud, region: str, params: Params) -> Params:
    """Show the configuration of a function, version or alias."""
    function, version, qualifier = resolve(cloud, region, params)
    return render.configuration(function, version, qualifier=qualifier)


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List the functions of a region, with `ALL` every version of each."""
    items: list[Params] = []
    for name in sorted(cloud.region(region).functions):
        function = cloud.function(region, name)
        if params.get("FunctionVersion") == "ALL":
            items += [
                render.listed(function, version, qualifier=version.number)
                for version in function.all_versions()
            ]
        else:
            items.append(render.listed(function, function.latest))
    return paging.page("Functions", items, params)


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Delete a function, or one of its versions."""
    reference = names.parse(region, params["FunctionName"], params.get("Qualifier"))
    function = cloud.function(region, reference.name, reference.qualifier)
    if reference.qualifier is not None:
        versions.delete(cloud, function, reference.qualifier)
        return {"StatusCode": 204}
    for qualifier in list(function.provisions):
        provisioned.drop(cloud, function, qualifier)
    del cloud.region(region).functions[function.name]
    cloud.fleet.retired(function.arn, None)
    before = render.configuration(function, function.latest)
    cloud.writes("DeleteFunction", function.arn, before=before, after=None)
    return {"StatusCode": 204}


def resolve(cloud: Cloud, region: str, params: Params) -> tuple[Function, Version, str | None]:
    """Return the function, the version that a qualifier points at first, and the qualifier."""
    reference = names.parse(region, params["FunctionName"], params.get("Qualifier"))
    qualifier = reference.qualifier
    function = cloud.function(region, reference.name, qualifier)
    if qualifier is None:
        return function, function.latest, None
    version = function.version(provisioned.version_of(function, qualifier))
    if version is None:
        raise errors.no_function(f"{function.arn}:{qualifier}")
    return function, version, qualifier


def _latest(cloud: Cloud, region: str, name: str) -> Function:
    """Return the function whose `$LATEST` a request changes."""
    return cloud.function(region, names.parse(region, name).name)


def _require_changeable(function: Function, params: Params) -> None:
    """Refuse a change during another one, or one decided on an older revision."""
    lifecycle.require_settled(function)
    if params.get("RevisionId", function.latest.revision) != function.latest.revision:
        raise errors.stale_revision()


def _refuse_mixture(kind: str, params: Params) -> None:
    """Refuse what only the other kind of package takes."""
    if kind == "Image" and any(params.get(member) for member in MANAGED_ONLY):
        raise errors.invalid(
            "Please don't provide Handler or Runtime or Layer when the intended function "
            "PackageType is Image."
        )
    if kind == "Zip" and "Code" in params and not (params.keys() >= {"Runtime", "Handler"}):
        raise errors.invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment "
            "packages."
        )


def _defaults(name: str) -> Params:
    """Return the configuration of a function that gives none."""
    return {
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"},
        "SnapStart": {"ApplyOn": "None"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }


def _given(name: str, params: Params) -> Params:
    """Return the configuration members of a request."""
    given = {member: params[member] for member in KEPT if member in params}
    if "LoggingConfig" in given:
        logging = {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"}
        given["LoggingConfig"] = logging | given["LoggingConfig"]
    return given
