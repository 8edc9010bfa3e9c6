"""What is right and wrong about the alias, who else moves it, and what answers there; pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployguard import lease
from deployguard.diagnosis import FAILURES
from deployguard.doctor.check import Check, found, raised, unread
from deployguard.doctor.facts import Facts
from deployguard.errors import DeployguardError, Refusal
from deployguard.findings import KINDS, filled
from deployguard.lease import Lease
from deployguard.model import LATEST, Answer, Probe, Severity
from deployguard.resources import Alias, Function, Image
from deployguard.traffic import Unread

FEW = 10  # containers: with less room than that, probes and callers are in each other's way


def of_alias(facts: Facts) -> Iterator[Check]:
    """Look at what the alias serves, and who else is about to move it."""
    alias = facts.alias
    if isinstance(alias, Unread):
        yield unread(facts.alias_name, alias)
    elif alias is None:
        yield found(facts.alias_name, "DG508", f"there is no alias {facts.alias_name}")
    else:
        yield from _of_existing(facts, alias)
    yield _of_lease(facts)
    yield from _of_deployments(facts)


def _of_lease(facts: Facts) -> Check:
    held = facts.lease
    if isinstance(held, Unread):
        return unread("lease", held)
    if isinstance(held, Refusal):
        return raised("lease", held)
    if held is None:
        return Check("lease", "nobody holds it")
    return _of_held(held, now=facts.now)


def _of_held(held: Lease, *, now: float) -> Check:
    until = lease.moment(held.until)
    if not held.is_over(now):
        seen = f"{held.by} holds it until {until}"
        return found("lease", "DG406", seen, severity=Severity.WARNING)
    if not held.intents:
        return Check("lease", f"{held.by} held it until {until}, and left nothing half done")
    left = ", ".join(f"{i.what} {i.name or 'of the function'}" for i in held.intents)
    return found("lease", "DG407", f"{held.by} held it until {until}, and left half done: {left}")


def _of_deployments(facts: Facts) -> Iterator[Check]:
    if isinstance(facts.deployments, Unread):
        yield unread("CodeDeploy", facts.deployments)
        return
    for each in facts.deployments:
        identifier = "DG409" if each.is_ours else "DG410"
        command = filled(KINDS[identifier].command, {"DEPLOYMENT": each.identifier})
        yield found("CodeDeploy", identifier, each.text, command=command)
    if not facts.deployments:
        yield Check("CodeDeploy", "deploys nothing here now")


def _of_existing(facts: Facts, alias: Alias) -> Iterator[Check]:
    behind = facts.behind
    if isinstance(behind, Unread):
        yield unread(alias.name, behind)
    elif alias.version == LATEST:
        yield found(alias.name, "DG509", f"serves {LATEST}")
    elif behind is not None and not behind.is_ready:
        seen = f"serves version {alias.version}, which is {behind.state} ({behind.state_reason})"
        yield found(alias.name, "DG109", seen, severity=Severity.BROKEN)
    else:
        yield Check(alias.name, f"serves version {alias.version}")
    if alias.weights:
        shares = ", ".join(f"{share:.0%} to version {v}" for v, share in alias.weights.items())
        yield found("weights", "DG203", shares, expected="none", severity=Severity.WARNING)
    else:
        yield Check("weights", "none")
    yield _of_provisioned(facts)


def _of_provisioned(facts: Facts) -> Check:
    told = facts.provisioned
    if isinstance(told, Unread):
        return unread("provisioned", told)
    if told is None:
        return Check("provisioned", "none")
    reason = f" ({told.reason})" if told.reason else ""
    seen = f"{told.status}, {told.available} of {told.requested} available{reason}"
    if told.status == "READY":
        return Check("provisioned", seen)
    return found("provisioned", "DG309", seen, severity=Severity.WARNING)


def of_room(facts: Facts) -> Iterator[Check]:
    """Look at the concurrency that is left for probes."""
    if isinstance(facts.latest, Unread):
        return
    reserved = facts.latest.reserved_concurrency
    if reserved == 0:
        yield found("reserved", "DG510", "0: it is switched off")
        return
    yield Check("reserved", "none" if reserved is None else str(reserved))
    limit = facts.unreserved if reserved is None else reserved
    if limit is None:
        fix = "grant lambda:GetAccountSettings, or look at the account's limits"
        yield found("free", "DG515", "the account's limit is not known", fix=fix)
    elif isinstance(facts.in_use, Unread):
        yield unread("free", facts.in_use)
    else:
        free = limit - facts.in_use
        seen = f"{free} of {limit}, as {facts.in_use} were in use in the last minutes"
        yield found("free", "DG511", seen) if free < FEW else Check("free", seen)


def of_canary(facts: Facts) -> Iterator[Check]:
    """Look at what a container behind the alias answered."""
    probe, image = facts.probe, facts.image
    if probe is None:
        yield found("answer", "DG512", "none was sent")
    elif probe.breadcrumb is None:
        is_denied = probe.answer is Answer.DENIED
        severity = Severity.REFUSED if is_denied else Severity.WARNING
        seen = f"{probe.answer}: {probe.detail}"
        yield found("answer", FAILURES.get(probe.answer, "DG304"), seen, severity=severity)
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
        return found("answer", "DG114", seen, severity=Severity.WARNING)
    if isinstance(image, Image) and image.stamp is not None and image.stamp.build_id != said:
        expected = f"build {image.stamp.build_id}, as the labels of its image say"
        severity = Severity.BROKEN
        return found("answer", "DG104", seen, expected=expected, severity=severity)
    return Check("answer", seen)
