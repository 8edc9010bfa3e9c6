"""The second decider: what the evidence says, and whether more of it is needed.

1. A route whose versions hold another digest is STALE, whatever containers say.
2. A probe is fresh when the version that AWS says it ran holds the expected digest and the
   container's own build id is the expected one; stale when either is another; unknown otherwise.
3. A route to numbered versions is FRESH by construction once probes agree, several in a row over
   several seconds, and more of them where old answers came first; versions are immutable, so
   agreement is all that is left to show.
4. Any other route is FRESH only where bursts exhausted its containers since the last doubt.
5. Everything else is INCONCLUSIVE, old answers included that ended while they were tolerated.
   Silence moves no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from deployguard import aging, coverage, diagnosis, shape
from deployguard.model import (
    LATEST,
    Answer,
    Claim,
    Coverage,
    Evidence,
    Finding,
    Probe,
    Remedy,
    Round,
    Route,
    RouteRuling,
    Ruling,
    State,
    Verdict,
)
from deployguard.shape import Shape

WORST_FIRST = (
    Verdict.ERROR,
    Verdict.SUPERSEDED,
    Verdict.STALE,
    Verdict.INCONCLUSIVE,
    Verdict.FRESH,
)
PAUSE_S = 1.0  # between rounds that wait for old answers or throttles to end
SILENT = {
    Answer.NO_BREADCRUMB,
    Answer.REPLAYED,
    Answer.FUNCTION_ERROR,
    Answer.DENIED,
    Answer.REFUSED,
}


def ruling(evidence: Evidence) -> Ruling:
    """Judge every route; the verdict of all is the worst of them."""
    routes = tuple(_route(evidence, route) for route in evidence.routes)
    verdict = worst(ruled.verdict for ruled in routes)
    findings = tuple(
        finding
        for ruled in routes
        if ruled.decided or ruled.verdict is verdict
        for finding in ruled.findings
    )
    if evidence.superseded:
        return Ruling(Verdict.SUPERSEDED, True, routes, (diagnosis.superseded(evidence), *findings))
    late = _late(evidence)
    if late:
        verdict = Verdict.STALE
    aged = aging.doubts(evidence, is_fresh=verdict is Verdict.FRESH)
    doubts = (*late, *diagnosis.doubts(evidence), *aged)
    if doubts:
        verdict = worst((verdict, Verdict.INCONCLUSIVE))
    findings = (*doubts, *findings, *diagnosis.warnings(evidence), *aging.warnings(evidence))
    is_decided_stale = any(r.decided and r.verdict is Verdict.STALE for r in routes)
    return Ruling(verdict, is_decided_stale or all(r.decided for r in routes), routes, findings)


def _late(evidence: Evidence) -> tuple[Finding, ...]:
    """Name the old builds that answered while containers were left to age."""
    probes = [probe for each in evidence.aged for probe in each.probes]
    stale = [probe for probe in probes if state(evidence, probe) is State.STALE]
    if not stale:
        return ()
    qualifier = stale[0].qualifier
    known = (route for route in evidence.routes if route.qualifier == qualifier)
    route = next(known, Route("", qualifier, {qualifier: 1.0}))
    states = [State.STALE] * len(stale)
    return diagnosis.unproven(evidence, route, stale, states=states, seen=Coverage(Claim.NONE))


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the gravest verdict; no verdict at all is INCONCLUSIVE."""
    return min(verdicts, key=WORST_FIRST.index, default=Verdict.INCONCLUSIVE)


def state(evidence: Evidence, probe: Probe) -> State:
    """Say what one probe shows; AWS's word on the version outranks the container's on itself."""
    expected = evidence.expected
    digest = evidence.digests.get(probe.executed_version or "")
    if probe.executed_version != LATEST and digest not in (None, expected.digest):
        return State.STALE
    crumb = probe.breadcrumb if probe.answer is Answer.BREADCRUMB else None
    if crumb is None or crumb.stamp is None or expected.build_id is None:
        return State.UNKNOWN
    if crumb.nonce != probe.nonce or crumb.function_version != probe.executed_version:
        return State.UNKNOWN
    if crumb.stamp.build_id != expected.build_id or evidence.survived(probe):
        return State.STALE
    if evidence.predates_update(probe):
        return State.UNKNOWN
    return State.FRESH if digest == expected.digest else State.UNKNOWN


def state_on(evidence: Evidence, route: Route, probe: Probe) -> State:
    """Say what one probe shows of a route; an answer from elsewhere shows nothing good of it."""
    found = state(evidence, probe)
    is_elsewhere = probe.executed_version not in route.versions
    return State.UNKNOWN if found is State.FRESH and is_elsewhere else found


def other_digests(evidence: Evidence, route: Route) -> bool:
    """Say whether some traffic of a route ends at another image, or at one that is not known."""
    return any(
        share > 0 and evidence.digests.get(version) != evidence.expected.digest
        for version, share in route.versions.items()
    )


def probes_of(evidence: Evidence, route: Route) -> list[Probe]:
    """Return a route's probes in the order in which they were sent."""
    found = (p for r in evidence.rounds for p in r.probes if p.qualifier == route.qualifier)
    return sorted(found, key=lambda probe: (probe.sent, probe.nonce))


def rounds_of(evidence: Evidence, route: Route) -> list[Round]:
    """Return the rounds that probed a route."""
    return [r for r in evidence.rounds if any(p.qualifier == route.qualifier for p in r.probes)]


def shape_of(evidence: Evidence, route: Route) -> Shape:
    """Say which shape the old answers of a route have."""
    return shape.of(evidence, route, {p: state(evidence, p) for p in probes_of(evidence, route)})


def _route(evidence: Evidence, route: Route) -> RouteRuling:
    if other_digests(evidence, route):
        return _settled(evidence, route, Verdict.STALE, *diagnosis.other_digest(evidence, route))
    if evidence.expected.build_id is None:
        return _settled(evidence, route, Verdict.INCONCLUSIVE, diagnosis.unlabelled(evidence))
    by_construction = evidence.is_by_construction(route)
    ruled = _fixed(evidence, route) if by_construction else _draining(evidence, route)
    return _limited_by_mode(evidence, ruled)


def _settled(evidence: Evidence, route: Route, verdict: Verdict, *findings: Finding) -> RouteRuling:
    rounds = rounds_of(evidence, route)
    seen = Coverage(claim=Claim.NONE, rounds=len(rounds), probes=len(probes_of(evidence, route)))
    return RouteRuling(route, verdict, True, seen, findings)


def _fixed(evidence: Evidence, route: Route) -> RouteRuling:
    policy = evidence.policy
    streak = _agreeing(evidence, route)
    span = streak[-1].sent - streak[0].sent if streak else 0.0  # a hold adds nothing to it
    wanted, wanted_span = (
        (1, 0.0) if route.is_one_version else (_enough_agreeing(evidence, route), policy.settle_s)
    )
    containers = _containers(evidence, streak)
    enough_containers = route.is_one_version or containers >= policy.min_containers
    if len(streak) >= wanted and span >= wanted_span and enough_containers:
        seen = _fixed_coverage(evidence, route, Claim.BY_CONSTRUCTION)
        return RouteRuling(route, Verdict.FRESH, True, seen)
    seen = _fixed_coverage(evidence, route, Claim.NONE)
    resume_at = streak[0].sent + policy.settle_s if len(streak) >= wanted else 0.0
    return _unproven(evidence, route, seen, resume_at=resume_at)


def _agreeing(evidence: Evidence, route: Route) -> list[Probe]:
    streak: list[Probe] = []
    for probe in reversed(probes_of(evidence, route)):
        if state_on(evidence, route, probe) is not State.FRESH:
            break
        streak.append(probe)
    return streak[::-1]


def _enough_agreeing(evidence: Evidence, route: Route) -> int:
    """Return how many probes in a row have to agree.

    Old answers show that the move is still arriving: a few would agree long before it has.
    """
    policy = evidence.policy
    is_arriving = any(state(evidence, p) is State.STALE for p in probes_of(evidence, route))
    return max(1, policy.agreeing_probes, policy.agreeing_after_old if is_arriving else 0)


def _containers(evidence: Evidence, probes: Iterable[Probe]) -> int:
    crumbs = [p.breadcrumb for p in probes if p.breadcrumb is not None]
    return len(set(coverage.identities(crumbs)))


def _fixed_coverage(evidence: Evidence, route: Route, claim: Claim) -> Coverage:
    probes = probes_of(evidence, route)
    return Coverage(
        claim=claim,
        containers=_containers(evidence, probes),
        rounds=len(rounds_of(evidence, route)),
        probes=len(probes),
        stale_upper_bound=0.0 if claim is Claim.BY_CONSTRUCTION else None,
        assumptions=(
            "a published version is immutable, and a container belongs to one version",
            "the alias's move has reached every part of AWS that these probes did not",
        ),
        shortfalls=() if claim is Claim.BY_CONSTRUCTION else ("too few probes agree in a row",),
    )


def _draining(evidence: Evidence, route: Route) -> RouteRuling:
    policy, own = evidence.policy, rounds_of(evidence, route)
    last_doubt = _last_round_in_doubt(evidence, route)
    seen = coverage.assess(own, qualifier=route.qualifier, policy=policy, after=last_doubt)
    fresh = [p for p in probes_of(evidence, route) if state_on(evidence, route, p) is State.FRESH]
    if seen.claim is Claim.EXHAUSTIVE and _containers(evidence, fresh) >= policy.min_containers:
        return RouteRuling(route, Verdict.FRESH, True, seen)
    return _unproven(evidence, route, seen, resume_at=0.0)


def _last_round_in_doubt(evidence: Evidence, route: Route) -> int:
    """Return the number of the last round in which not every probe of the route was fresh, or 0."""
    return max(
        (
            each.number
            for each in rounds_of(evidence, route)
            if set(_states(evidence, route, each)) != {State.FRESH}
        ),
        default=0,
    )


def _unproven(evidence: Evidence, route: Route, seen: Coverage, *, resume_at: float) -> RouteRuling:
    """Rule on a route that is not shown to be fresh: seen stale, or too little seen."""
    probes = probes_of(evidence, route)
    last_sent = probes[-1].sent if probes else 0.0
    grace_is_over = last_sent >= evidence.changed_at + evidence.policy.grace_s
    states = [state(evidence, probe) for probe in probes]
    if State.STALE in states:
        verdict = Verdict.STALE
        decided = _is_over(evidence, route) or _cannot_change(evidence, route)
        resume_at = max(resume_at, last_sent + _pause(evidence, route, last_sent))
        if since := _since_old_ones_ended(evidence, route):
            verdict, probes = Verdict.INCONCLUSIVE, since
            states = [state(evidence, probe) for probe in since]
    else:
        verdict = Verdict.INCONCLUSIVE
        decided = _is_silent(evidence, route) or (
            grace_is_over and len(rounds_of(evidence, route)) >= evidence.policy.max_rounds
        )
        if any(probe.answer is Answer.THROTTLED for probe in probes):
            resume_at = max(resume_at, last_sent + PAUSE_S)
    findings = diagnosis.unproven(evidence, route, probes, states=states, seen=seen)
    return RouteRuling(route, verdict, decided, seen, findings, resume_at)


def _since_old_ones_ended(evidence: Evidence, route: Route) -> list[Probe]:
    """Return the probes after old answers that ended while they were tolerated, if they did.

    Only rounds of nothing but fresh answers show that; what is silent shows nothing.
    """
    last_stale = _last_stale(evidence, route)
    if last_stale >= evidence.changed_at + evidence.policy.grace_s:
        return []
    later = [each for each in rounds_of(evidence, route) if each.started > last_stale]
    fresh = [each for each in later if set(_states(evidence, route, each)) == {State.FRESH}]
    if _cannot_change(evidence, route) or len(fresh) < max(1, evidence.policy.min_rounds):
        return []
    return [probe for probe in probes_of(evidence, route) if probe.sent > last_stale]


def _last_stale(evidence: Evidence, route: Route) -> float:
    return max(p.sent for p in probes_of(evidence, route) if state(evidence, p) is State.STALE)


def _pause(evidence: Evidence, route: Route, last_sent: float) -> float:
    """Return how long to leave old containers alone.

    Each probe keeps one that would go alive, and half of the probes are to be left when old ones
    are tolerated no longer.
    """
    if evidence.replacement is not None and evidence.replacement.remedy is Remedy.WAIT:
        return max(PAUSE_S, last_sent - evidence.changed_at)
    policy = evidence.policy
    last = _states(evidence, route, rounds_of(evidence, route)[-1])
    more = max(1, (policy.max_probes - evidence.spent) // (2 * len(last)))  # rounds of that size
    return max(PAUSE_S, (evidence.changed_at + policy.grace_s - last_sent) / more)


def _is_over(evidence: Evidence, route: Route) -> bool:
    """Say whether old answers were tolerated long enough: one came after the grace.

    Where they ended within it, what follows gets some rounds to agree.
    """
    probes, policy = probes_of(evidence, route), evidence.policy
    last_stale = _last_stale(evidence, route)
    tolerated_until = evidence.changed_at + policy.grace_s
    later = [each for each in rounds_of(evidence, route) if each.started > last_stale]
    return last_stale >= tolerated_until or (
        probes[-1].sent >= tolerated_until and len(later) >= policy.max_rounds
    )


def _cannot_change(evidence: Evidence, route: Route) -> bool:
    """Say whether waiting is useless: the expected image itself answers with another build id."""
    return any(
        state(evidence, probe) is State.STALE
        and not evidence.survived(probe)
        and probe.executed_version != LATEST
        and evidence.digests.get(probe.executed_version or "") == evidence.expected.digest
        for probe in probes_of(evidence, route)
    )


def _is_silent(evidence: Evidence, route: Route) -> bool:
    """Say whether the last rounds brought nothing, for a reason that more rounds will not mend."""
    last = rounds_of(evidence, route)[-evidence.policy.min_rounds :]
    answers = {p.answer for r in last for p in r.probes if p.qualifier == route.qualifier}
    if answers == {Answer.DENIED}:
        return True
    return len(last) >= evidence.policy.min_rounds and answers <= SILENT


def _limited_by_mode(evidence: Evidence, ruled: RouteRuling) -> RouteRuling:
    """Lower FRESH to INCONCLUSIVE where containers are not what the argument supposes."""
    limit = diagnosis.mode(evidence)
    if limit is None or ruled.verdict is not Verdict.FRESH:
        return ruled
    return RouteRuling(
        ruled.route, Verdict.INCONCLUSIVE, True, ruled.coverage, (*ruled.findings, limit)
    )


def next_size(evidence: Evidence, route: Route, *, ceiling: int) -> int:
    """Return how many probes the next round should send to a route."""
    policy = evidence.policy
    if not evidence.is_by_construction(route):
        rounds = rounds_of(evidence, route)
        last = _states(evidence, route, rounds[-1]) if rounds else []
        if State.STALE in last:
            return max(1, min(ceiling, _enough_to_wait(evidence, last)))
        size = coverage.next_size(rounds, qualifier=route.qualifier, policy=policy, ceiling=ceiling)
        known = (
            0 if rounds or evidence.replacement is None else len(evidence.replacement.containers)
        )
        return max(1, min(ceiling, max(size, known, policy.min_containers)))
    if route.is_one_version:
        return 1
    agreeing = len(_agreeing(evidence, route))
    enough = _enough_agreeing(evidence, route) if agreeing else policy.agreeing_probes
    return max(1, min(ceiling, max(max(enough, policy.min_containers) - agreeing, 2)))


def _enough_to_wait(evidence: Evidence, last: Collection[State]) -> int:
    """Return how many probes tell whether stale containers still answer.

    After a remedy the first round asked for all that were known; each more would keep one alive.
    """
    return len(last) if evidence.replacement is None else min(len(last), coverage.FIRST_SIZE)


def _states(evidence: Evidence, route: Route, each: Round) -> list[State]:
    return [
        state_on(evidence, route, probe)
        for probe in each.probes
        if probe.qualifier == route.qualifier
    ]
