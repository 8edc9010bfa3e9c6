"""The members of a report that follow from the evidence, and are told anew when it is replayed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter

from deployguard import aging, coverage, judge
from deployguard.findings import filled
from deployguard.model import (
    LATEST,
    Claim,
    Coverage,
    Evidence,
    Expected,
    Finding,
    Probe,
    Round,
    RouteRuling,
    Ruling,
    State,
    Verdict,
)
from deployguard.shape import Shape, ShapeKind

EVIDENCE = TypeAdapter(Evidence)
STRENGTH = (Claim.NONE, Claim.SAMPLED, Claim.EXHAUSTIVE, Claim.BY_CONSTRUCTION)


def members(
    evidence: Evidence | None, ruling: Ruling | None, *, known: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return the members that follow from the evidence, and from what it is about."""
    if evidence is None:
        nothing: dict[str, Any] = {"routes": [], "coverage": _coverage([]), "containers": []}
        nothing |= {"callers": [], "unread": [], "replacement": None, "aged": None}
        return {**nothing, "findings": [], "rounds": [], "evidence": []}
    rulings = ruling.routes if ruling else ()
    answered = _containers(evidence)
    # What answered on two routes is one, and each route has had some of the rounds only.
    counted = {"containers": len(answered), "rounds": len(evidence.rounds)} if rulings else {}
    return {
        "routes": [_route(ruled, evidence) for ruled in rulings],
        "coverage": _coverage([ruled.coverage for ruled in rulings]) | counted,
        "containers": answered,
        "callers": [caller.members() for caller in evidence.callers],
        "unread": [asdict(unread) for unread in evidence.unread],
        "replacement": _replacement(evidence, ruling),
        "findings": [_told(finding, known) for finding in ruling.findings] if ruling else [],
        "aged": aging.summary(evidence),
        "rounds": [_round(evidence, each) for each in evidence.rounds],
        "evidence": [EVIDENCE.dump_python(evidence, mode="json")],
    }


def expected(expected: Expected | None) -> dict[str, str | None]:
    if expected is None:
        return {"digest": None, "build_id": None, "link": "none"}
    return {
        "digest": expected.digest,
        "build_id": expected.build_id,
        "link": expected.link.value,
    }


def blanks(function: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what a finding's command leaves open, from the entry of the function."""
    arn = str(function["function"])
    return {
        "FUNCTION": arn,
        "NAME": arn.rpartition(":")[2],
        "ALIAS": function["alias"],
        "DIGEST": function["expected"]["digest"],
    }


def _told(finding: Finding, known: Mapping[str, str | None]) -> dict[str, Any]:
    return asdict(replace(finding, command=filled(finding.command, known)))


def _route(ruled: RouteRuling, evidence: Evidence) -> dict[str, Any]:
    main = max(ruled.route.versions, key=lambda version: ruled.route.versions[version])
    return {
        "caller": ruled.route.caller,
        "qualifier": ruled.route.qualifier,
        "versions": dict(ruled.route.versions),
        "digest": evidence.digests.get(main),
        "verdict": ruled.verdict.value,
        "coverage": _coverage([ruled.coverage]),
        "shape": _shape(judge.shape_of(evidence, ruled.route)),
    }


def _shape(found: Shape) -> dict[str, str] | None:
    return None if found.kind is ShapeKind.NONE else asdict(found)


def _coverage(coverages: Iterable[Coverage]) -> dict[str, Any]:
    """Sum up several routes: the weakest claim, and every assumption."""
    found = list(coverages)
    claims = [each.claim for each in found]
    bounds = [each.stale_upper_bound for each in found]
    return {
        "claim": min(claims, key=STRENGTH.index, default=Claim.NONE).value,
        "containers": sum(each.containers for each in found),
        "cold_starts": sum(each.cold_starts for each in found),
        "rounds": max((each.rounds for each in found), default=0),
        "probes": sum(each.probes for each in found),
        "stale_upper_bound": None
        if not bounds or None in bounds
        else max(bound for bound in bounds if bound is not None),
        "assumptions": list(dict.fromkeys(a for each in found for a in each.assumptions)),
        "shortfalls": list(dict.fromkeys(s for each in found for s in each.shortfalls)),
    }


def _containers(evidence: Evidence) -> list[dict[str, Any]]:
    """List every container that answered, with what it is known to run."""
    answered = [p for r in evidence.rounds for p in r.probes if p.breadcrumb is not None]
    crumbs = [probe.breadcrumb for probe in answered if probe.breadcrumb is not None]
    by_container: dict[str, list[Probe]] = {}
    for probe, identity in zip(answered, coverage.identities(crumbs), strict=True):
        by_container.setdefault(identity, []).append(probe)
    return [_container(evidence, identity, probes) for identity, probes in by_container.items()]


def _container(evidence: Evidence, identity: str, probes: list[Probe]) -> dict[str, Any]:
    last = probes[-1]
    crumb = last.breadcrumb
    assert crumb is not None
    states = [judge.state(evidence, probe) for probe in probes]
    version = last.executed_version or ""
    found = next((s for s in (State.STALE, State.UNKNOWN) if s in states), State.FRESH)
    return {
        "container": identity,
        "build_id": crumb.stamp.build_id if crumb.stamp else None,
        "digest": _digest(evidence, version, found),
        "born": datetime.fromtimestamp(crumb.born, UTC).isoformat(timespec="milliseconds"),
        "version": version,
        "log_stream": crumb.log_stream,
        "probes": len(probes),
        "state": found.value,
    }


def _digest(evidence: Evidence, version: str, found: State) -> str | None:
    """Return a container's digest where it is known: a stale one of $LATEST could be of any."""
    if version == LATEST and found is not State.FRESH:
        return None
    return evidence.digests.get(version)


def _replacement(evidence: Evidence, ruling: Ruling | None) -> dict[str, Any] | None:
    """Say what became of the containers that answered before a remedy.

    One that was not seen again is gone only where the verdict speaks for every container.
    """
    replacement = evidence.replacement
    if replacement is None:
        return None
    crumbs = (probe.breadcrumb for each in evidence.rounds for probe in each.probes)
    after = {crumb.container for crumb in crumbs if crumb is not None}
    unseen = [each for each in replacement.containers if each not in after]
    is_proven = ruling is not None and ruling.verdict is Verdict.FRESH
    return {
        "remedy": replacement.remedy.value,
        "at": datetime.fromtimestamp(replacement.at, UTC).isoformat(timespec="milliseconds"),
        "before": len(replacement.containers),
        "stayed": [each for each in replacement.containers if each in after],
        "gone": unseen if is_proven else [],
        "unseen": [] if is_proven else unseen,
    }


def _round(evidence: Evidence, each: Round) -> dict[str, Any]:
    states = [judge.state(evidence, probe).value for probe in each.probes]
    return {
        "number": each.number,
        "started": each.started,
        "connect_s": each.connect_s,
        "ramp_s": each.ramp_s,
        "peak_overlap": each.peak_overlap,
        "probes": len(each.probes),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "qualifiers": list(dict.fromkeys(probe.qualifier for probe in each.probes)),
    }
