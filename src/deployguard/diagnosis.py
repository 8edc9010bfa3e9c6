"""From evidence that falls short of FRESH to the findings that name why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from deployguard import shape
from deployguard.findings import KINDS, finding
from deployguard.model import (
    LATEST,
    Answer,
    Coverage,
    Evidence,
    Finding,
    Link,
    Probe,
    Route,
    State,
)
from deployguard.shape import Cause

FAILURES = {
    Answer.NO_BREADCRUMB: "DG301",
    Answer.FUNCTION_ERROR: "DG302",
    Answer.THROTTLED: "DG303",
    Answer.DENIED: "DG306",
}


class Advice(NamedTuple):
    """What a finding tells where the shape of old answers shows what causes them."""

    cause: str = ""
    fix: str = ""


ADVICE = {
    Cause.ROUTING: Advice(
        "every answer comes from a version that the route does not serve: the alias's move has "
        "not arrived, or another alias, function or region is asked",
        "compare the function's ARN and the qualifier with what callers use; check again with a "
        "longer --grace, and if it stays so, tell AWS",
    ),
    Cause.PROPAGATION: Advice(
        "the alias's move is still arriving: fewer answers are old from round to round",
        "check again with a longer --grace",
    ),
    Cause.WEIGHTS: Advice(
        "requests are divided between versions: weights were left over, or the alias's move has "
        "reached a part of AWS only",
        "send UpdateAlias with empty AdditionalVersionWeights, then check again with a longer "
        "--grace",
    ),
    Cause.DRAINING: Advice(
        "old containers are draining: AWS replaces the warm ones of $LATEST when it likes, and "
        "each request to one keeps it",
        "wait, or replace them now with `deployguard refresh FUNCTION --remedy configure`; traffic "
        "through an alias leaves old containers behind at once",
    ),
    Cause.PARTITIONS: Advice(
        "AWS keeps old containers apart from new ones, or still starts old ones",
        "send traffic through an alias, which leaves old containers behind at once; or replace "
        "them with `deployguard refresh FUNCTION --remedy configure`",
    ),
    Cause.IMAGE: Advice(KINDS["DG104"].cause, KINDS["DG104"].fix),
    Cause.NOTHING: Advice(),
}


def superseded(evidence: Evidence) -> Finding:
    """Name what somebody else changed."""
    return finding(
        "DG401", seen=evidence.superseded, expected="nobody else changes the route meanwhile"
    )


def wrong_digest(evidence: Evidence, route: Route) -> Finding:
    """Name a route whose versions hold another image."""
    expected = evidence.expected.digest
    shares = ", ".join(
        f"{share:.0%} to version {version} ({evidence.digests.get(version, 'unknown digest')})"
        for version, share in route.versions.items()
    )
    seen = f"{route.qualifier} sends {shares}"
    if route.qualifier == LATEST:
        runs = evidence.digests.get(LATEST, "an unknown digest")
        return finding("DG101", seen=f"{LATEST} runs {runs}", expected=expected)
    serves_expected = any(evidence.digests.get(v) == expected for v in route.versions)
    return finding("DG203" if serves_expected else "DG202", seen=seen, expected=expected)


def unlabelled(evidence: Evidence) -> Finding:
    """Say that nothing ties a breadcrumb to the expected digest."""
    return finding(
        "DG102",
        seen=f"no label dev.deployguard.build-id was read of {evidence.expected.digest}, "
        "and no stamp file was passed",
        expected="a build id in the image's labels, or in a stamp file of the pipeline",
    )


def unready(evidence: Evidence) -> Finding:
    """Say why provisioned containers cannot be counted on."""
    return finding("DG309", seen=evidence.unready, expected="provisioned concurrency READY")


def no_way_back(evidence: Evidence) -> Finding:
    """Say why the alias could not go back to what it served before."""
    return finding(
        "DG405", seen=evidence.no_way_back, expected="a previous version that can serve again"
    )


def mode(evidence: Evidence) -> Finding | None:
    """Name the way the containers run, where it limits what can be claimed."""
    if evidence.mode.tenant_isolated:
        return finding("DG307", seen="TenantIsolationMode PER_TENANT", expected="shared containers")
    if evidence.mode.managed_instances:
        return finding(
            "DG308", seen="a capacity provider", expected="one invocation at a time in a container"
        )
    return None


def unproven(
    evidence: Evidence,
    route: Route,
    probes: Sequence[Probe],
    *,
    states: Sequence[State],
    seen: Coverage,
) -> tuple[Finding, ...]:
    """Name every reason why a route is not shown to be fresh, the gravest first."""
    found = [
        *_stale(evidence, route, probes, states=states),
        *_failed(route, probes),
        *_contradicting(route, probes),
        *_older(evidence, route, probes),
    ]
    if not found:
        found.append(_too_little(route, probes, seen=seen))
    return tuple(found)


def _stale(
    evidence: Evidence, route: Route, probes: Sequence[Probe], *, states: Sequence[State]
) -> list[Finding]:
    stale = [p for p, s in zip(probes, states, strict=True) if s is State.STALE]
    survivors = [p for p in stale if evidence.survived(p)]
    if survivors:
        return [_survived(evidence, route, probes, survivors=survivors)]
    if not stale:
        return []
    ran_expected = [p for p in stale if _ran_expected_version(evidence, p)]
    on_route = "DG204" if route.is_fixed else "DG201"
    found = shape.of(evidence, route, dict(zip(probes, states, strict=True)))
    told = Advice(_whose_stamp(evidence)) if ran_expected else ADVICE[found.points_to]
    return [
        finding(
            "DG104" if ran_expected else on_route,
            seen=f"{len(stale)} of {len(probes)} probes of {route.qualifier} "
            f"answered from {_builds(evidence, ran_expected or stale)}",
            expected=f"build {evidence.expected.build_id}, {evidence.expected.digest}",
            cause=told.cause,
            fix=told.fix,
        )
    ]


def _survived(
    evidence: Evidence, route: Route, probes: Sequence[Probe], *, survivors: Sequence[Probe]
) -> Finding:
    assert evidence.replacement is not None
    containers = {p.breadcrumb.container for p in survivors if p.breadcrumb is not None}
    since = datetime.fromtimestamp(evidence.replacement.at, UTC).isoformat(timespec="seconds")
    return finding(
        "DG205",
        seen=f"{len(survivors)} of {len(probes)} probes of {route.qualifier} were answered by "
        f"{len(containers)} containers from before the remedy {evidence.replacement.remedy}",
        expected=f"containers that were born after {since}",
    )


def _whose_stamp(evidence: Evidence) -> str:
    if evidence.expected.link is Link.PIPELINE:
        return "the stamp file that the pipeline passed is not the one in this image"
    return ""


def _ran_expected_version(evidence: Evidence, probe: Probe) -> bool:
    digest = evidence.digests.get(probe.executed_version or "")
    return probe.executed_version != LATEST and digest == evidence.expected.digest


def _builds(evidence: Evidence, probes: Sequence[Probe]) -> str:
    def name(probe: Probe) -> str:
        crumb = probe.breadcrumb
        if crumb is None or crumb.stamp is None:
            return f"version {probe.executed_version}, which told no build id"
        build_id = crumb.stamp.build_id
        origin = evidence.builds.get(build_id, f"version {probe.executed_version}")
        return f"build {build_id} ({origin})"

    counted = Counter(name(probe) for probe in probes).most_common(5)
    if len(counted) == 1:
        return counted[0][0]
    return ", ".join(f"{build} x{count}" for build, count in counted)


def _failed(route: Route, probes: Sequence[Probe]) -> list[Finding]:
    found = []
    for answer, identifier in FAILURES.items():
        failed = [probe for probe in probes if probe.answer is answer]
        if failed:
            detail = Counter(probe.detail for probe in failed).most_common(1)[0][0]
            found.append(
                finding(
                    identifier,
                    seen=f"{len(failed)} of {len(probes)} probes of {route.qualifier}: {detail}",
                    expected="a breadcrumb from each probe",
                )
            )
    return found


def _contradicting(route: Route, probes: Sequence[Probe]) -> list[Finding]:
    wrong = [
        p
        for p in probes
        if p.breadcrumb is not None and p.breadcrumb.function_version != p.executed_version
    ]
    if not wrong:
        return []
    first = wrong[0]
    said = first.breadcrumb.function_version if first.breadcrumb else ""
    return [
        finding(
            "DG305",
            seen=f"a breadcrumb of {route.qualifier} says version {said or 'nothing'}",
            expected=f"version {first.executed_version}, which AWS says it ran",
        )
    ]


def _older(evidence: Evidence, route: Route, probes: Sequence[Probe]) -> list[Finding]:
    updated = datetime.fromtimestamp(evidence.updated, UTC).isoformat(timespec="seconds")
    older = [
        probe
        for probe in probes
        if evidence.predates_update(probe)
        and not evidence.survived(probe)
        and probe.breadcrumb is not None
        and probe.breadcrumb.stamp is not None
        and probe.breadcrumb.stamp.build_id == evidence.expected.build_id
    ]
    if not older:
        return []
    return [
        finding(
            "DG107",
            seen=f"{len(older)} of {len(probes)} probes of {route.qualifier} were answered by "
            f"containers from before {updated}",
            expected="containers that were born after the update, or another build id",
        )
    ]


def _too_little(route: Route, probes: Sequence[Probe], *, seen: Coverage) -> Finding:
    missing = "; ".join(seen.shortfalls) or "more agreeing probes"
    unstamped = [
        p.breadcrumb.stamp_error
        for p in probes
        if p.breadcrumb is not None and p.breadcrumb.stamp is None
    ]
    cause = f"{len(unstamped)} breadcrumbs held no stamp: {unstamped[0]}" if unstamped else ""
    return finding(
        "DG304",
        seen=f"{len(probes)} probes of {route.qualifier}: {missing}",
        expected="enough agreeing evidence to speak for every container",
        cause=cause,
    )
