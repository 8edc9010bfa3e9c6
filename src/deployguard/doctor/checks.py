"""What is right and wrong about what a preflight found; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from deployguard import plan
from deployguard.doctor.facts import Facts, Kept, Permission
from deployguard.errors import DeployguardError, NotFound, Refusal
from deployguard.model import LATEST, Alias, Answer, Function, Image, Probe
from deployguard.traffic import Unread

FEW = 10  # containers: with less room than that, probes and callers are in each other's way
HIDING = ("WARN", "ERROR", "FATAL")


class Severity(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    REFUSED = "refused"  # a command could not run, or would refuse to
    BROKEN = "broken"  # what runs is not what was shipped, or cannot be

    @property
    def exit_code(self) -> int:
        """Return the exit code that it stands for."""
        return {Severity.REFUSED: Refusal.exit_code, Severity.BROKEN: 10}.get(self, 0)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    topic: str
    name: str
    severity: Severity
    seen: str
    fix: str = ""


def all_of(facts: Facts) -> tuple[Check, ...]:
    """Look at everything, topic by topic."""
    return (
        *_of_place(facts),
        *_of_function(facts),
        *_of_image(facts),
        *_of_alias(facts),
        *_of_room(facts),
        *_of_canary(facts),
        *_of_permissions(facts),
    )


def exit_code(checks: tuple[Check, ...]) -> int:
    """Return the exit code of the worst."""
    return max((check.severity.exit_code for check in checks), default=0)


def _unread(topic: str, name: str, unread: Unread) -> Check:
    seen = f"{unread.what} could not be read: {unread.why}"
    return Check(topic, name, Severity.WARNING, seen, unread.fix)


def _of_place(facts: Facts) -> Iterator[Check]:
    place = facts.place
    yield Check("place", "caller", Severity.OK, place.caller or "not asked")
    yield Check("place", "account", Severity.OK, place.account)
    yield Check("place", "region", Severity.OK, place.region)
    if place.is_aws or place.endpoint == facts.named_endpoint:
        yield Check("place", "endpoint", Severity.OK, place.endpoint)
    else:
        fix = "unset AWS_ENDPOINT_URL, or allow it by --expect-endpoint"
        seen = f"{place.endpoint}, which is not AWS's own"
        yield Check("place", "endpoint", Severity.WARNING, seen, fix)


def _of_function(facts: Facts) -> Iterator[Check]:
    function = facts.latest
    if isinstance(function, Unread):
        yield _unread("function", "state", function)
        return
    yield _of_state(function)
    yield _of_timeout(function, hold_ms=facts.hold_ms)
    yield from _of_mode(function)
    setup = function.setup
    network = f"in {setup.subnets} subnets of a VPC" if setup.subnets else "in no VPC"
    yield Check("function", "memory", Severity.OK, f"{setup.memory_mb} MB, {network}")
    yield _of_logs(function)
    if function.mode.overrides:
        yield Check(
            "function",
            "handler",
            Severity.WARNING,
            f"ImageConfig outweighs what the image says: {', '.join(function.mode.overrides)}",
            "remove it from the function, or make sure that it names the guarded handler",
        )
    else:
        yield Check("function", "handler", Severity.OK, "as the image says")


def _of_state(function: Function) -> Check:
    try:
        plan.refuse_unsafe(function)
    except Refusal as refusal:
        return Check("function", "state", Severity.REFUSED, refusal.happened, refusal.fix)
    text = f"{function.state}, last update {function.update_status}"
    if function.is_settled:
        return Check("function", "state", Severity.OK, text)
    return Check("function", "state", Severity.WARNING, text, "wait: the old code serves meanwhile")


def _of_timeout(function: Function, *, hold_ms: int) -> Check:
    try:
        plan.refuse_long_hold(function, hold_ms=hold_ms)
    except Refusal as refusal:
        return Check("function", "timeout", Severity.REFUSED, refusal.happened, refusal.fix)
    return Check("function", "timeout", Severity.OK, f"{function.timeout_s} s")


def _of_mode(function: Function) -> Iterator[Check]:
    mode = function.mode
    modes = (
        (mode.tenant_isolated, "tenants", "isolates tenants: a canary reaches its own tenant's"),
        (mode.managed_instances, "instances", "runs on managed instances: no burst counts them"),
    )
    for applies, name, seen in modes:
        if applies:
            fix = "no verdict but INCONCLUSIVE can come of a check; compare digests instead"
            yield Check("function", name, Severity.REFUSED, f"it {seen} containers", fix)
    if mode.snap_start:
        seen = "snapshots: containers start with the memory of the time of publishing"
        yield Check("function", "snapshots", Severity.NOTE, seen)
    if function.setup.is_durable:
        seen = "durable: an execution goes on with the version that it started on"
        yield Check("function", "durable", Severity.NOTE, seen)


def _of_logs(function: Function) -> Check:
    setup = function.setup
    hidden = [
        f"{of} lines below {level}"
        for of, level in setup.log_levels.items()
        if level in HIDING and setup.log_format == "JSON"
    ]
    if not hidden:
        return Check("function", "logs", Severity.OK, f"{setup.log_format}, nothing left out")
    seen = f"{setup.log_format}; not written: {', '.join(hidden)}"
    return Check(
        "function", "logs", Severity.WARNING, seen, "take no missing line for a sign of anything"
    )


def _of_image(facts: Facts) -> Iterator[Check]:
    latest, image = facts.latest, facts.image
    if isinstance(image, Unread):
        yield _unread("image", "registry", image)
    elif isinstance(image, DeployguardError):
        is_ours = isinstance(image, (Refusal, NotFound))
        severity = Severity.BROKEN if is_ours else Severity.WARNING
        yield Check("image", "registry", severity, image.happened, image.fix)
    elif isinstance(latest, Function):
        yield from _of_shipped(latest, image)
    for kept in facts.kept:
        yield from _of_kept(kept)


def _of_shipped(latest: Function, image: Image) -> Iterator[Check]:
    if image.digest == latest.digest:
        yield Check("image", "digest", Severity.OK, f"$LATEST runs {image.digest}")
    else:
        seen = f"$LATEST runs {latest.digest}, but {image.digest} was shipped"
        fix = "run UpdateFunctionCode with the image's digest"
        yield Check("image", "digest", Severity.BROKEN, seen, fix)
    if image.architecture in ("", latest.architecture):
        yield Check("image", "architecture", Severity.OK, latest.architecture)
    else:
        seen = f"built for {image.architecture}, but {latest.name} runs {latest.architecture}"
        fix = f"build with --platform for {latest.architecture}, or change Architectures"
        yield Check("image", "architecture", Severity.BROKEN, seen, fix)
    if image.stamp is not None:
        yield Check("image", "build id", Severity.OK, image.stamp.build_id)
    else:
        fix = "build with `docker build $(deployguard stamp) .`"
        yield Check("image", "build id", Severity.WARNING, "no label names one", fix)


def _of_kept(kept: Kept) -> Iterator[Check]:
    name = f"of {kept.named}"
    if isinstance(kept.obstacle, Unread):
        yield _unread("image", name, kept.obstacle)
    elif kept.obstacle:
        fix = "push it again, or restore it, before Lambda has to fetch it"
        yield Check("image", name, Severity.BROKEN, kept.obstacle, fix)
    else:
        yield Check("image", name, Severity.OK, "is in ECR")
    if isinstance(kept.fate, Unread):
        yield _unread("image", f"{name}, in time", kept.fate)
    elif kept.fate is not None:
        severity = Severity.WARNING if kept.fate.is_due else Severity.NOTE
        fix = "let the rule keep what an alias or a way back needs" if kept.fate.is_due else ""
        yield Check("image", f"{name}, in time", severity, kept.fate.text, fix)


def _of_alias(facts: Facts) -> Iterator[Check]:
    alias = facts.alias
    if isinstance(alias, Unread):
        yield _unread("alias", facts.alias_name, alias)
    elif alias is None:
        seen = "does not exist: `check` creates it, and has no way back"
        yield Check("alias", facts.alias_name, Severity.NOTE, seen)
    else:
        yield from _of_existing(facts, alias)
    if isinstance(facts.deployments, Unread):
        yield _unread("alias", "CodeDeploy", facts.deployments)
    elif facts.deployments:
        seen = "; ".join(facts.deployments)
        fix = "let it finish or stop it: two that move one alias undo each other"
        yield Check("alias", "CodeDeploy", Severity.REFUSED, seen, fix)
    else:
        yield Check("alias", "CodeDeploy", Severity.OK, "deploys nothing here now")


def _of_existing(facts: Facts, alias: Alias) -> Iterator[Check]:
    behind = facts.behind
    if isinstance(behind, Unread):
        yield _unread("alias", alias.name, behind)
    elif alias.version == LATEST:
        fix = "point it at a published version, which is fresh by construction"
        yield Check("alias", alias.name, Severity.WARNING, f"serves {LATEST}", fix)
    elif behind is not None and not behind.is_ready:
        seen = f"serves version {alias.version}, which is {behind.state} ({behind.state_reason})"
        fix = "mend what the reason names, or roll back"
        yield Check("alias", alias.name, Severity.BROKEN, seen, fix)
    else:
        yield Check("alias", alias.name, Severity.OK, f"serves version {alias.version}")
    if alias.weights:
        shares = ", ".join(f"{share:.0%} to version {v}" for v, share in alias.weights.items())
        fix = "finish the shift, or send UpdateAlias with empty AdditionalVersionWeights"
        yield Check("alias", "weights", Severity.WARNING, shares, fix)
    else:
        yield Check("alias", "weights", Severity.OK, "none")
    yield from _of_provisioned(facts)


def _of_provisioned(facts: Facts) -> Iterator[Check]:
    found = facts.provisioned
    if isinstance(found, Unread):
        yield _unread("alias", "provisioned", found)
    elif found is None:
        yield Check("alias", "provisioned", Severity.OK, "none")
    else:
        reason = f" ({found.reason})" if found.reason else ""
        seen = f"{found.status}, {found.available} of {found.requested} available{reason}"
        is_ready = found.status == "READY"
        severity = Severity.OK if is_ready else Severity.WARNING
        fix = "" if is_ready else "wait until it is READY, or mend what the reason names"
        yield Check("alias", "provisioned", severity, seen, fix)


def _of_room(facts: Facts) -> Iterator[Check]:
    if isinstance(facts.latest, Unread):
        return
    reserved = facts.latest.reserved_concurrency
    if reserved == 0:
        fix = "give it concurrency again: nothing can be invoked"
        yield Check("room", "reserved", Severity.REFUSED, "0: it is switched off", fix)
        return
    text = "none" if reserved is None else str(reserved)
    yield Check("room", "reserved", Severity.OK, text)
    limit = facts.unreserved if reserved is None else reserved
    if limit is None:
        fix = "grant lambda:GetAccountSettings, or look at the account's limits"
        yield Check("room", "free", Severity.WARNING, "not known", fix)
        return
    if isinstance(facts.in_use, Unread):
        yield _unread("room", "free", facts.in_use)
        return
    free = limit - facts.in_use
    seen = f"{free} of {limit}, as {facts.in_use} were in use in the last minutes"
    fix = "raise the limit, or check when less traffic runs" if free < FEW else ""
    yield Check("room", "free", Severity.WARNING if free < FEW else Severity.OK, seen, fix)


ANSWERS = {
    Answer.NO_BREADCRUMB: "decorate the handler with @canary and build again",
    Answer.FUNCTION_ERROR: "read the function's log of this time, and mend what it names",
    Answer.THROTTLED: "raise the limit, or check when less traffic runs",
}


def _of_canary(facts: Facts) -> Iterator[Check]:
    probe, image = facts.probe, facts.image
    if probe is None:
        yield Check("canary", "answer", Severity.NOTE, "none was sent")
    elif probe.answer is Answer.DENIED:
        fix = "grant lambda:InvokeFunction on the function's ARN and ARN:*"
        yield Check("canary", "answer", Severity.REFUSED, f"denied: {probe.detail}", fix)
    elif probe.breadcrumb is None:
        fix = ANSWERS.get(probe.answer, "run again")
        seen = f"{probe.answer}: {probe.detail}"
        yield Check("canary", "answer", Severity.WARNING, seen, fix)
    else:
        yield _of_breadcrumb(probe, image if _is_of(facts, probe) else None)


def _is_of(facts: Facts, probe: Probe) -> bool:
    """Say whether the container that answered runs the very image that was shipped."""
    ran = facts.latest if probe.executed_version == LATEST else facts.behind
    if not isinstance(ran, Function) or not isinstance(facts.image, Image):
        return False
    return (ran.version, ran.digest) == (probe.executed_version, facts.image.digest)


def _of_breadcrumb(probe: Probe, image: Image | DeployguardError | Unread | None) -> Check:
    crumb = probe.breadcrumb
    said = crumb.stamp.build_id if crumb is not None and crumb.stamp else None
    seen = f"{probe.qualifier} answers from version {probe.executed_version}, build {said}"
    if said is None:
        fix = "copy build-stamp.json into the image"
        return Check("canary", "answer", Severity.WARNING, f"{seen}: it has no stamp", fix)
    if isinstance(image, Image) and image.stamp is not None and image.stamp.build_id != said:
        fix = "write the stamp before `docker build`, and copy it in after the cached steps"
        seen = f"{seen}, but the labels of its image say {image.stamp.build_id}"
        return Check("canary", "answer", Severity.BROKEN, seen, fix)
    return Check("canary", "answer", Severity.OK, seen)


def _of_permissions(facts: Facts) -> Iterator[Check]:
    if facts.how_permitted:
        seen = f"IAM was not asked: {facts.how_permitted}"
        yield Check("permissions", "how", Severity.NOTE, seen)
    for permission in facts.permissions:
        yield from _of_command(permission)


def _of_command(permission: Permission) -> Iterator[Check]:
    command = permission.command
    lost: dict[tuple[str, str], list[str]] = {}
    for need, resource in permission.missing:
        lost.setdefault((resource, need.without), []).append(need.action)
    for (resource, without), actions in lost.items():
        seen = f"lacks {', '.join(actions)} on {resource}"
        fix = f"deployguard doctor --policy --commands {command} prints what to grant"
        if without:
            yield Check("permissions", command, Severity.WARNING, f"{seen}: {without}", fix)
        else:
            yield Check("permissions", command, Severity.REFUSED, seen, fix)
    if permission.unknown:
        seen = f"nothing harmless tells of {', '.join(permission.unknown)}"
        fix = "grant iam:SimulatePrincipalPolicy, to have them looked up"
        yield Check("permissions", command, Severity.NOTE, seen, fix)
    elif not lost:
        yield Check("permissions", command, Severity.OK, "everything that it needs")
