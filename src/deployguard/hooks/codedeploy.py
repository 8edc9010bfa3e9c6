"""A lifecycle hook of CodeDeploy on Lambda: it judges, and answers Succeeded or Failed in time.

CodeDeploy waits an hour for an answer that does not come, so whatever happens one is given, and it
is Succeeded only where containers have answered with the expected build.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from deployguard import __version__, guard, loading, pins, safe
from deployguard.aws import deployments
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.errors import AccessDenied, ConfigurationError, DeployguardError, OutOfTime
from deployguard.hooks import appspec
from deployguard.hooks.appspec import AppSpec
from deployguard.model import LATEST, Verdict
from deployguard.progress import Event, Said
from deployguard.report import document
from deployguard.run import Record, Run
from deployguard.target import Target, target_of

ANSWER_S = 10.0  # kept for the answer, so that it can be sent again
SHARE = 0.8  # of the rest, after which the run itself ends
LONGEST_LINE = 200_000  # CloudWatch Logs takes 256 KB


def handler(event: Mapping[str, Any], context: Any) -> dict[str, str]:
    """Judge what is deployed, tell CodeDeploy, and log the report."""
    deployment, execution = _ids(event)

    def left_s() -> float:
        return float(context.get_remaining_time_in_millis()) / 1000

    judge = partial(_judged, deployment, asked=context.function_name)
    report = within(left_s() - ANSWER_S, judge)
    status = "Succeeded" if report["verdict"] == Verdict.FRESH else "Failed"
    try:
        _write(one_line(report))
    finally:  # a report that cannot be logged is no reason to leave CodeDeploy waiting
        session = Session()
        session.hurry(max(1.0, left_s() - 1))
        is_first = deployments.answer(session, deployment, execution, status=status)
    if not is_first:
        _say("CodeDeploy has been answered before; that answer stands")
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


def within(seconds: float, judge: Callable[[float], dict[str, Any]]) -> dict[str, Any]:
    """Return the report of a judge, or that of none where it does not come in time.

    In a thread, because no time-out of ours ends every call that hangs.
    """
    reports: list[dict[str, Any]] = []
    worker = Thread(target=lambda: reports.append(judge(seconds)), daemon=True)
    if seconds > 0:
        worker.start()
        worker.join(seconds)
    if reports:
        return reports[0]
    record = Record("verify")
    record.error = OutOfTime(
        f"there was no verdict in the {max(seconds, 0):.0f} s that Lambda left for it",
        cause=f"the time-out of this function is short ({ANSWER_S:.0f} s of it are kept for the "
        "answer), or calls to AWS hang",
        fix="give this function a time-out of 300 s, and see what the log says",
    )
    if seconds > 0 and not worker.is_alive():
        record.error = DeployguardError("the judge broke down: its traceback is in the log")
    return document.build(record, seconds=max(seconds, 0.0), tool=__version__, history=())


def _judged(deployment: str, seconds: float, *, asked: str) -> dict[str, Any]:
    """Judge what a deployment is about, and return the report, however that ends."""
    began = time.monotonic()
    record = Record("verify")
    try:
        settings = _settings()
        session = Session(region=target_of(settings.function).region if settings.function else None)
        limit_s = min(settings.timeout, seconds * SHARE)
        run = Run(session, record, timeout_s=limit_s)
        run.tell = _tell
        with run.resources:
            _judge(run, settings, deployment, asked=asked)
    except DeployguardError as error:
        record.error = error
    except Exception as bug:
        record.error = DeployguardError(f"a bug in deployguard: {type(bug).__name__}: {bug}")
    took_s = time.monotonic() - began
    return document.build(record, seconds=took_s, tool=__version__, history=())


def _settings() -> Settings:
    """Read the settings; the stamp that lies here is this function's own, not the build's."""
    return loading.load({}, folder=Path.cwd()).model_copy(update={"stamp": None})


def _judge(run: Run, settings: Settings, deployment: str, *, asked: str) -> None:
    target, version = _target(run, settings, deployment, asked=asked)
    pins.refuse_elsewhere(run.session, settings, target)
    qualifier = target.qualifier or ""
    if qualifier.isdigit():
        # Its callers still reach the old one, through the alias that has not moved yet.
        settings = settings.model_copy(update={"routes": "off"})
    _say(f"judging {target.name}:{qualifier}")
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


def one_line(report: Mapping[str, Any]) -> str:
    """Return a report in one line of a log; where it is too long for one, without its evidence."""
    line = _compact(report)
    if len(line) <= LONGEST_LINE:
        return line
    functions = [{**function, "evidence": []} for function in report["functions"]]
    return _compact({**report, "functions": functions})


def _compact(report: Mapping[str, Any]) -> str:
    return "".join(line.strip() for line in safe.json(report).splitlines())


def _tell(event: Event) -> None:
    if isinstance(event, Said):
        _say(event.text)


def _say(text: str) -> None:
    _write(safe.line(text))


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
