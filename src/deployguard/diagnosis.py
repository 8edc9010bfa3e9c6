"""From evidence that falls short of FRESH to the findings that name why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from deployguard import shape
from deployguard.findings import KINDS, filled, finding
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
from deployguard.traffic import Caller, Discovery, listed

FAILURES = {
    Answer.NO_BREADCRUMB: "DG301",
    Answer.REPLAYED: "DG305",
    Answer.FUNCTION_ERROR: "DG302",
    Answer.THROTTLED: "DG303",
    Answer.DENIED: "DG306",
}


class Advice(NamedTuple):
    """What a finding tells where the shape of old answers shows what causes them."""

    cause: str = ""
    fix: str = ""
    command: str = ""


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
        KINDS["DG203"].command,
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
    Cause.IMAGE: Advice(KINDS["DG104"].cause, KINDS["DG104"].fix, KINDS["DG104"].command),
    Cause.NOTHING: Advice(),
}


def superseded(evidence: Evidence) -> Finding:
    """Name what somebody else changed."""
    return finding("DG401", seen=evidence.superseded)


def other_digest(evidence: Evidence, route: Route) -> tuple[Finding, ...]:
    """Name each reason why a route ends at another image: who made it so, and can mend it."""
    callers = evidence.callers_of(route.qualifier)
    by_variable = [caller for caller in callers if caller.variables]
    others = [caller for caller in callers if not caller.variables]
    found = []
    if by_variable:
        found.append(_other_digest("DG208", evidence, route, by_variable))
    if others or not by_variable:
        found.append(_other_digest(_of_qualifier(evidence, route), evidence, route, others))
    return tuple(found)


def _of_qualifier(evidence: Evidence, route: Route) -> str:
    if route.qualifier == LATEST:
        return "DG101"
    if route.is_one_version:
        return "DG206"
    digests = [evidence.digests.get(version) for version in route.versions]
    return "DG203" if evidence.expected.digest in digests else "DG202"


def _other_digest(
    identifier: str, evidence: Evidence, route: Route, callers: Sequence[Caller]
) -> Finding:
    shares = ", ".join(
        f"{share:.0%} to version {version} ({evidence.digests.get(version, 'unknown digest')})"
        for version, share in route.versions.items()
    )
    seen = f"{route.qualifier} sends {shares}"
    if route.qualifier == LATEST or route.is_one_version:
        runs = evidence.digests.get(route.qualifier, "an unknown digest")
        seen = f"{_version(route.qualifier)} runs {runs}"
    by = f", and it is called by {listed(callers)}" if callers else ""
    found = finding(identifier, seen=seen + by, expected=evidence.expected.digest)
    return _about(route, found)


def _version(qualifier: str) -> str:
    return f"version {qualifier}" if qualifier.isdigit() else qualifier


def unlabelled(evidence: Evidence) -> Finding:
    """Say that nothing ties a breadcrumb to the expected digest."""
    return finding(
        "DG102",
        seen=f"no label dev.deployguard.build-id was read of {evidence.expected.digest}, "
        "and no stamp file was passed",
    )


def doubts(evidence: Evidence) -> tuple[Finding, ...]:
    """Name what keeps any verdict from being FRESH, besides the routes themselves."""
    found = []
    if evidence.unready:
        found.append(finding("DG309", seen=evidence.unready))
    lost = [caller for caller in evidence.calling if caller.qualifier in evidence.missing]
    if lost:
        found.append(
            finding(
                "DG209",
                seen=f"{', '.join(evidence.missing)} does not exist, "
                f"and it is called by {listed(lost)}",
            )
        )
    if evidence.policy.discovery is Discovery.REQUIRED:
        found += _unknown(evidence)
    return tuple(found)


def _unknown(evidence: Evidence) -> Iterator[Finding]:
    dynamic = [caller for caller in evidence.calling if caller.qualifier is None]
    unread = [f"{unread.what} ({unread.why})" for unread in evidence.unread]
    named = [f"{caller} tells its qualifier at run time only" for caller in dynamic]
    if unread or named:
        yield finding(
            "DG310",
            seen="; ".join((*unread, *named)),
            fix=evidence.unread[0].fix if unread else "",
        )


def warnings(evidence: Evidence) -> tuple[Finding, ...]:
    """Name what moves no verdict, and should be known."""
    found = []
    if evidence.no_way_back:
        found.append(finding("DG405", seen=evidence.no_way_back))
    around = evidence.callers_of(LATEST) if evidence.alias else ()
    if around:
        found.append(
            finding(
                "DG207",
                seen=f"{LATEST} is called by {listed(around)}",
                expected=f"callers of {evidence.alias}",
            )
        )
    return tuple(found)


def mode(evidence: Evidence) -> Finding | None:
    """Name the way the containers run, where it limits what can be claimed."""
    if evidence.mode.tenant_isolated:
        return finding("DG307", seen="TenantIsolationMode PER_TENANT")
    if evidence.mode.managed_instances:
        return finding("DG308", seen="a capacity provider")
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
        *_replaced_handler(evidence, probes),
        *_contradicting(route, probes),
        *_older(evidence, route, probes),
        *_unstamped(route, probes),
    ]
    if not found:
        found.append(_too_little(route, probes, seen=seen))
    return tuple(_about(route, each) for each in found)


def _about(route: Route, found: Finding) -> Finding:
    """Name the route in what there is to do."""
    return replace(found, command=filled(found.command, {"QUALIFIER": route.qualifier}))


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
            command=told.command,
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
                )
            )
    return found


def _replaced_handler(evidence: Evidence, probes: Sequence[Probe]) -> list[Finding]:
    """Name what may be why a handler does not know the canary."""
    replaced = evidence.mode.overrides
    is_unaware = any(p.answer in (Answer.NO_BREADCRUMB, Answer.FUNCTION_ERROR) for p in probes)
    return [finding("DG113", seen=", ".join(replaced))] if replaced and is_unaware else []


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
        )
    ]


def _unstamped(route: Route, probes: Sequence[Probe]) -> list[Finding]:
    why = [
        probe.breadcrumb.stamp_error
        for probe in probes
        if probe.breadcrumb is not None and probe.breadcrumb.stamp is None
    ]
    if not why:
        return []
    seen = f"{len(why)} of {len(probes)} breadcrumbs of {route.qualifier} held no stamp: {why[0]}"
    return [finding("DG114", seen=seen)]


def _too_little(route: Route, probes: Sequence[Probe], *, seen: Coverage) -> Finding:
    missing = "; ".join(seen.shortfalls) or "more agreeing probes"
    return finding("DG304", seen=f"{len(probes)} probes of {route.qualifier}: {missing}")
