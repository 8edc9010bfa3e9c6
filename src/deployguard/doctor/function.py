"""What is right and wrong about the function and its images; pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployguard import plan
from deployguard.doctor.check import Check, found, raised, unread
from deployguard.doctor.facts import Facts, Kept
from deployguard.errors import DeployguardError, Refusal
from deployguard.model import LATEST, Severity
from deployguard.resources import Function, Image
from deployguard.traffic import Unread

HIDING = {"INFO": Severity.NOTE} | dict.fromkeys(("WARN", "ERROR", "FATAL"), Severity.WARNING)


def of_function(facts: Facts) -> Iterator[Check]:
    """Look at the state and the configuration."""
    function = facts.latest
    if isinstance(function, Unread):
        yield unread("state", function)
        return
    yield _of_state(function)
    yield _of_timeout(function, hold_ms=facts.hold_ms)
    yield from _of_mode(function)
    setup = function.setup
    network = f"in {setup.subnets} subnets of a VPC" if setup.subnets else "in no VPC"
    yield Check("memory", f"{setup.memory_mb} MB, {network}")
    yield _of_logs(function)
    if function.mode.overrides:
        yield found("handler", "DG113", f"ImageConfig says {', '.join(function.mode.overrides)}")
    else:
        yield Check("handler", "as the image says")


def _of_state(function: Function) -> Check:
    try:
        plan.refuse_unsafe(function)
    except Refusal as refusal:
        return raised("state", refusal)
    seen = f"{function.state}, last update {function.update_status}"
    if function.is_settled:
        return Check("state", seen)
    return found("state", "DG106", seen, severity=Severity.WARNING)


def _of_timeout(function: Function, *, hold_ms: int | None) -> Check:
    try:
        plan.refuse_long_hold(function, hold_ms=hold_ms)
    except Refusal as refusal:
        return raised("timeout", refusal)
    return Check("timeout", f"{function.timeout_s} s")


def _of_mode(function: Function) -> Iterator[Check]:
    """Look at each way of running that limits what can be claimed, or that looks like old code."""
    mode = function.mode
    if mode.tenant_isolated:
        seen = "TenantIsolationMode PER_TENANT"
        yield found("tenants", "DG307", seen, severity=Severity.REFUSED)
    else:
        yield Check("tenants", "containers are shared")
    if mode.managed_instances:
        seen = "they run on a capacity provider"
        yield found("instances", "DG308", seen, severity=Severity.REFUSED)
    else:
        yield Check("instances", "one invocation at a time in a container")
    if mode.snap_start:
        yield found("snapshots", "DG505", "SnapStart applies to published versions")
    else:
        yield Check("snapshots", "none")
    if function.setup.is_durable:
        yield found("durable", "DG506", "executions are durable")
    else:
        yield Check("durable", "no durable executions")


def _of_logs(function: Function) -> Check:
    setup = function.setup
    into = f"{setup.log_format}, into {setup.log_group or 'the usual group'}"
    hidden = {
        of: level
        for of, level in setup.log_levels.items()
        if setup.log_format == "JSON" and level in HIDING and (of, level) != ("system", "INFO")
    }
    if not hidden:
        return Check("logs", f"{into}, of every level")
    told = ", ".join(f"{of} lines below {level}" for of, level in hidden.items())
    severity = max((HIDING[level] for level in hidden.values()), key=list(Severity).index)
    return found("logs", "DG504", f"{into}; not written: {told}", severity=severity)


def of_image(facts: Facts) -> Iterator[Check]:
    """Look at what was shipped, what ECR keeps, and who else runs images of the repository."""
    latest, image = facts.latest, facts.image
    if isinstance(image, Unread):
        yield unread("registry", image)
    elif isinstance(image, DeployguardError):
        yield raised("registry", image, otherwise="DG111", severity=Severity.BROKEN)
    elif isinstance(latest, Function):
        yield from _of_shipped(latest, image)
    for kept in facts.kept:
        yield from _of_kept(kept)
    if isinstance(facts.siblings, Unread):
        yield unread("siblings", facts.siblings)
    elif facts.siblings:
        seen = f"other images of this repository are run by {', '.join(facts.siblings)}"
        yield found("siblings", "DG516", seen)
    else:
        yield Check("siblings", "no function runs another image of this repository")


def _of_shipped(latest: Function, image: Image) -> Iterator[Check]:
    if image.digest == latest.digest:
        yield Check("digest", f"{LATEST} runs {image.digest}")
    else:
        seen = f"{LATEST} runs {latest.digest}"
        yield found("digest", "DG101", seen, expected=image.digest, severity=Severity.BROKEN)
    if image.architecture in ("", latest.architecture):
        yield Check("architecture", latest.architecture)
    else:
        seen = f"built for {image.architecture}, but {latest.name} runs {latest.architecture}"
        wanted = f"an image for {latest.architecture}"
        severity = Severity.BROKEN
        yield found("architecture", "DG112", seen, expected=wanted, severity=severity)
    if image.stamp is not None:
        yield Check("build id", image.stamp.build_id)
    else:
        yield found("build id", "DG102", "no label names one", severity=Severity.WARNING)


def _of_kept(kept: Kept) -> Iterator[Check]:
    name = f"of {kept.named}"
    if isinstance(kept.obstacle, Unread):
        yield unread(name, kept.obstacle)
    elif kept.obstacle:
        yield found(name, "DG111", kept.obstacle, severity=Severity.BROKEN)
    else:
        yield Check(name, "is in ECR")
    if isinstance(kept.fate, Unread):
        yield unread(f"{name}, in time", kept.fate)
    elif kept.fate is not None:
        severity = Severity.WARNING if kept.fate.is_due else Severity.NOTE
        yield found(f"{name}, in time", "DG507", kept.fate.text, severity=severity)
