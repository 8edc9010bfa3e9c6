"""A lifecycle hook of CodeDeploy on Lambda: it judges, and answers Succeeded or Failed in time.

CodeDeploy waits an hour for an answer that does not come, so whatever happens one is given, and it
is Succeeded only where containers have answered with the expected build.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from deployguard import guard, loading, pins
from deployguard.aws import deployments
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.errors import AccessDenied, ConfigurationError
from deployguard.hooks import appspec, intime
from deployguard.hooks.appspec import AppSpec
from deployguard.model import LATEST, Verdict
from deployguard.run import Record, Run
from deployguard.target import Target, target_of


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Judge what is deployed, tell CodeDeploy, and log the report."""
    deployment, execution = _ids(event)
    seconds = intime.left_s(context) - intime.ANSWER_S
    judge = partial(_judge, deployment, seconds, asked=context.function_name)
    report, _ = intime.ended(Record("verify"), judge, within_s=seconds)
    status = "Succeeded" if report["verdict"] == Verdict.FRESH else "Failed"
    try:
        intime.write(intime.one_line(report))
    finally:  # a report that cannot be logged is no reason to leave CodeDeploy waiting
        session = Session()
        session.hurry(max(1.0, intime.left_s(context) - 1))
        is_first = deployments.answer(session, deployment, execution, status=status)
    if not is_first:
        intime.say("CodeDeploy has been answered before; that answer stands")
    return {"status": status, "verdict": str(report["verdict"])}


def _ids(event: Mapping[str, Any]) -> tuple[str, str]:
    names = ("DeploymentId", "LifecycleEventHookExecutionId")
    deployment, execution = (event.get(name) for name in names)
    if not isinstance(deployment, str) or not isinstance(execution, str):
        raise ConfigurationError(
            f"this is no event of a hook of CodeDeploy: it lacks {' or '.join(names)}",
            cause="something else invoked this function, so there is nobody to answer",
            fix="name the function in the Hooks of an AppSpec, and leave the calling to CodeDeploy",
        )
    return deployment, execution


def _judge(deployment: str, seconds: float, record: Record, *, asked: str) -> None:
    """Judge what a deployment is about."""
    settings = intime.here(loading.load({}, folder=Path.cwd()))
    session = Session(region=target_of(settings.function).region if settings.function else None)
    with intime.begun(session, record, settings, within_s=seconds) as run:
        target, version = _target(run, settings, deployment, asked=asked)
        pins.refuse_elsewhere(run.session, settings, target)
        qualifier = target.qualifier or ""
        if qualifier.isdigit():
            # Its callers still reach the old one, through the alias that has not moved yet.
            settings = settings.model_copy(update={"routes": "off"})
        intime.say(f"judging {target.name}:{qualifier}")
        guard.verify(run, settings, target, of=version)


def _target(run: Run, settings: Settings, deployment: str, *, asked: str) -> tuple[Target, str]:
    """Return what to judge, and the version whose image is expected there."""
    named = target_of(settings.function) if settings.function else None
    try:
        spec = appspec.parse(deployments.appspec(run.session, deployment))
    except (AccessDenied, ConfigurationError):
        if named is None or named.qualifier is None:
            raise
        return named, named.qualifier if named.qualifier.isdigit() else LATEST
    if named is not None:
        _refuse_another(spec, named)
        if named.qualifier is not None:
            return named, spec.version
    found = target_of(spec.function)
    return found._replace(qualifier=appspec.qualifier(spec, asked)), spec.version


def _refuse_another(spec: AppSpec, named: Target) -> None:
    """Refuse settings that name what is not deployed, such as the version before this one."""
    if appspec.name_in(named.name) != appspec.name_in(spec.function):
        raise ConfigurationError(
            f"the deployment is of {spec.function}, but this hook is for {named.name}",
            fix="set DEPLOYGUARD_FUNCTION to the function that is deployed, or leave it out",
        )
    if named.qualifier not in (None, spec.version, spec.alias):
        raise ConfigurationError(
            f"the deployment is of version {spec.version} and alias {spec.alias}, but this hook "
            f"is for {named.qualifier}",
            cause="DEPLOYGUARD_FUNCTION was set for another deployment",
            fix="leave its qualifier out: the AppSpec can be read",
        )
