"""How a version changes over time: pending, active, updating, settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployguard.lab.control import errors, past
from deployguard.lab.control.records import Function, Package, Settings, Version, new_id
from deployguard.lab.nouns import LATEST, Build

if TYPE_CHECKING:
    from deployguard.lab.control.state import Cloud

FAILURE_TEXT = {
    "ImageAccessDenied": "Lambda does not have permission to access the ECR image.",
    "ImageDeleted": "The ECR image was deleted.",
    "InvalidImage": "The image is not valid.",
}


def make_build(cloud: Cloud, function: Function, version: Version) -> Build:
    """Return what containers of this version are made from, under a new generation."""
    generation = 1
    if version.number == LATEST:
        counter = cloud.region(function.region).counter(function.name)
        counter.generation += 1
        generation = counter.generation
    package, settings = version.package, version.settings
    own, logging = settings.get("ImageConfig", {}), settings["LoggingConfig"]
    handler = (settings["Handler"],) if "Handler" in settings else ()
    return Build(
        region=function.region,
        function_name=function.name,
        function_arn=function.arn,
        version=version.number,
        generation=generation,
        code_sha256=package.code_sha256,
        root=package.root,
        entrypoint=tuple(own.get("EntryPoint") or package.entrypoint),
        command=tuple(own.get("Command") or package.command or handler),
        working_dir=own.get("WorkingDirectory") or package.working_dir,
        environment={
            **package.environment,
            **settings.get("Environment", {}).get("Variables", {}),
        },
        timeout_s=settings["Timeout"],
        memory_mb=settings["MemorySize"],
        log_group=logging["LogGroup"],
        log_format=logging["LogFormat"],
        system_level=logging.get("SystemLogLevel", "INFO"),
        application_level=logging.get("ApplicationLogLevel", "INFO"),
        virtual=cloud.knobs.virtual,
    )


def begin(cloud: Cloud, function: Function, version: Version, *, seconds: float) -> None:
    """Leave a new version pending for a while."""
    version.next_build = make_build(cloud, function, version)
    version.due = cloud.clock.monotonic() + seconds
    if version is not function.latest and function.latest.update == "InProgress":
        version.failure = function.latest.failure  # it shares the fate of its update


def update(
    cloud: Cloud, function: Function, *, package: Package | None = None, settings: Settings
) -> None:
    """Start to apply a change to `$LATEST`; it shows at once and serves when it is settled."""
    latest = function.latest
    latest.package = package or latest.package
    latest.settings = settings
    latest.modified = cloud.clock.now()
    latest.revision = new_id()
    latest.update = "InProgress"
    latest.failure = cloud.knobs.update_fails
    latest.next_build = make_build(cloud, function, latest)
    latest.due = cloud.clock.monotonic() + cloud.knobs.update_s


def activate(cloud: Cloud, function: Function, version: Version) -> None:
    """Publish a version that is active from the start."""
    version.state = "Active"
    version.update = "Successful"
    version.build = make_build(cloud, function, version)


def settle(cloud: Cloud, function: Function) -> None:
    """End every change whose time has come, with the new revision that its end brings."""
    now = cloud.clock.monotonic()
    for version in function.all_versions():
        if version.due is None or version.due > now:
            continue
        version.due = None
        version.revision = new_id()
        if version.update == "InProgress":
            _end_update(cloud, version)
        elif version.failure:
            version.state = "Failed"
        else:
            version.state = "Active"
            version.update = "Successful"
            version.build = version.next_build
        past.keep(cloud, function.arn)


def _end_update(cloud: Cloud, version: Version) -> None:
    """Let the new build serve, or keep the old one where the update failed."""
    if version.failure:
        version.update = "Failed"
        return
    version.update = "Successful"
    version.build = version.next_build
    if version.build is not None:
        cloud.fleet.updated(version.build)


def require_settled(function: Function) -> None:
    """Refuse a change of `$LATEST` while it is being created or updated."""
    latest = function.latest
    if latest.state != "Active":
        raise errors.not_ready(latest.state)
    if latest.update == "InProgress":
        raise errors.updating(function.arn)
