"""How much of the containers did the probes reach: sampled, or all that could be idle?

The argument: Lambda creates a container only for a request that no idle one can take. So a cold
start during a burst means that at that moment no container was idle: each was held by one of our
probes, which tells us its build, or busy with other traffic. A round *exhausts* when that is
shown, and the claim needs several such rounds in a row that do not contradict each other:

1. the record is whole: every probe came back with a breadcrumb, all of one version;
2. the probes overlapped: all had arrived before the first container can have been released, and
   no container answered two of them;
3. enough containers were born after their own probe was sent (cold starts);
4. it was much larger than the pool that existed before, against pools that AWS may partition;
5. no container that had answered before was left out while others were cold-started (it was
   idle, so the argument does not hold here);
6. no later round finds a container that is older than an earlier exhausting round.

A broken condition 1, 2, 5 or 6 starts the count anew. Ages are measured by each container's own
clock and placed on the client's clock, so clocks that differ do not matter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from deployguard.model import Answer, Breadcrumb, Claim, Coverage, Policy, Probe, Round

FIRST_SIZE = 10
MEMORY = 2  # rounds after which a silent container counts as gone, not as idle
CLOCK_SLACK_S = 0.05  # a container's stamps may disagree this much with the client's
ON_DEMAND = "on-demand"
PROVISIONED = "provisioned-concurrency"
CONFIDENCE = 0.95
IDLE_ONLY = (
    "only containers that were idle are spoken of: one that was busy with other traffic during "
    "every round was not asked"
)
ONE_POOL = (
    "Lambda creates a container only when no idle one can take the request; where it keeps "
    "containers in parts that do not share, large rounds make a missed part unlikely, not "
    "impossible"
)
DIAGNOSTIC = (
    "the upper bound is a diagnostic: it supposes that Lambda picks containers at random, which "
    "nobody promises"
)


@dataclass(frozen=True)
class _View:
    """One round as the argument sees it: which containers, which of them born in it."""

    number: int
    started: float
    probes: int
    containers: frozenset[str]
    cold: frozenset[str]
    elders: frozenset[str]  # seen for the first time, and not cold-started by our probes
    oldest_elder: float  # birth of the oldest of them, on the client's clock
    idle: frozenset[str]  # known before, silent here although others were cold-started
    flaws: tuple[str, ...]
    lost: bool  # more requests were in flight than the record holds
    throttled: bool


@dataclass(frozen=True)
class _Standing:
    """Where the argument stands after some rounds."""

    exhausting: int  # rounds in a row
    doubts: tuple[str, ...]  # what kept the last round from counting, or made the count start anew


def assess(rounds: Sequence[Round], *, qualifier: str, policy: Policy, after: int = 0) -> Coverage:
    """Say what the rounds claim, what that rests on, and what is missing for more.

    Rounds up to number `after` do not count, because a stale container answered; what they tell of
    the pool is remembered, which saves probes over leaving them out.
    """
    views = _views(rounds, qualifier)
    seen = _seen(views)
    if not seen:
        return Coverage(
            claim=Claim.NONE,
            rounds=len(views),
            probes=sum(view.probes for view in views),
            assumptions=(IDLE_ONLY, ONE_POOL),
            shortfalls=("no probe was answered with a breadcrumb",),
        )
    shortfalls = _shortfalls(views, policy, after=after)
    return Coverage(
        claim=Claim.SAMPLED if shortfalls else Claim.EXHAUSTIVE,
        containers=len(seen),
        cold_starts=sum(len(view.cold) for view in views),
        rounds=len(views),
        probes=sum(view.probes for view in views),
        stale_upper_bound=_bound(len(seen)) if shortfalls else 0.0,
        assumptions=(
            IDLE_ONLY,
            ONE_POOL,
            _kinds(rounds, qualifier),
            *([DIAGNOSTIC] if shortfalls else []),
        ),
        shortfalls=shortfalls,
    )


def next_size(rounds: Sequence[Round], *, qualifier: str, policy: Policy, ceiling: int) -> int:
    """Return how many probes the next round needs; fewer after throttles, never above ceiling."""
    views = _views(rounds, qualifier)
    if not views:
        return max(1, min(FIRST_SIZE, ceiling))
    last, throttled = views[-1], [view.probes for view in views if view.throttled]
    if last.throttled:
        return max(1, min(last.probes // 2, ceiling))
    wanted = _enough(views, policy)
    if throttled:
        wanted = min(wanted, last.probes * 2)
    if len(throttled) > 1:
        wanted = min(wanted, min(throttled) // 2)
    return max(1, min(wanted, ceiling))


def identities(crumbs: Sequence[Breadcrumb]) -> list[str]:
    """Name the container of each breadcrumb: by its own id, or by its log stream.

    A container that was restored from a snapshot reports the id of the snapshot; its siblings too.
    """
    shared = _shared(crumbs)
    return [_name(crumb, shared) for crumb in crumbs]


def _shared(crumbs: Iterable[Breadcrumb]) -> Collection[str]:
    streams: dict[str, set[str]] = {}
    for crumb in crumbs:
        if crumb.log_stream:
            streams.setdefault(crumb.container, set()).add(crumb.log_stream)
    return {container for container, found in streams.items() if len(found) > 1}


def _name(crumb: Breadcrumb, shared: Collection[str]) -> str:
    if crumb.container and crumb.container not in shared:
        return crumb.container
    return crumb.log_stream or crumb.container


def _answered(probes: Iterable[Probe]) -> Iterator[tuple[Probe, Breadcrumb, float]]:
    for probe in probes:
        if probe.breadcrumb is not None and probe.answered is not None:
            yield probe, probe.breadcrumb, probe.answered


def _views(rounds: Sequence[Round], qualifier: str) -> list[_View]:
    own = [(each, [p for p in each.probes if p.qualifier == qualifier]) for each in rounds]
    own = [(each, probes) for each, probes in own if probes]
    shared = _shared(crumb for _, probes in own for _, crumb, _ in _answered(probes))
    views: list[_View] = []
    for each, probes in own:
        views.append(_view(each, probes, before=views, shared=shared))
    return views


def _view(
    each: Round, probes: Sequence[Probe], *, before: Sequence[_View], shared: Collection[str]
) -> _View:
    known = _seen(before)
    born: dict[str, float] = {}
    cold: set[str] = set()
    answers: Counter[str] = Counter()
    for probe, crumb, answered in _answered(probes):
        name = _name(crumb, shared)
        answers[name] += 1
        born[name] = min(born.get(name, math.inf), probe.sent - age(crumb))
        if name not in known and _is_cold_start(probe, crumb, answered):
            cold.add(name)
    elders = born.keys() - known - cold
    return _View(
        number=each.number,
        started=each.started,
        probes=len(probes),
        containers=frozenset(born),
        cold=frozenset(cold),
        elders=frozenset(elders),
        oldest_elder=min((born[name] for name in elders), default=math.inf),
        idle=_seen(before[-MEMORY:]) - born.keys() if cold else frozenset(),
        flaws=(*_record_flaws(each, probes), *_overlap_flaws(probes, answers)),
        lost=each.peak_overlap > len(each.probes),
        throttled=any(probe.answer is Answer.THROTTLED for probe in probes),
    )


def _seen(views: Iterable[_View]) -> frozenset[str]:
    return frozenset[str]().union(*(view.containers for view in views))


def age(crumb: Breadcrumb) -> float:
    """Return how old the container was when it received the probe, by the larger of two clocks."""
    return max(crumb.received - crumb.born, crumb.uptime_s - (crumb.released - crumb.received))


def arrivals(each: Round) -> Iterator[tuple[float, bool]]:
    """Yield how long after the first request each probe was in a container, at the latest.

    The second value says whether that container was started for it.
    """
    first = min((probe.sent for probe in each.probes), default=0.0)
    for probe, crumb, answered in _answered(each.probes):
        in_container = answered - _held(probe, crumb, answered)
        yield in_container - first, _is_cold_start(probe, crumb, answered)


def _held(probe: Probe, crumb: Breadcrumb, answered: float) -> float:
    """Return how long a container was held, as it says: but no longer than its probe took."""
    return max(0.0, min(crumb.released - crumb.received, answered - probe.sent))


def _is_cold_start(probe: Probe, crumb: Breadcrumb, answered: float) -> bool:
    """Say whether the container was born after the probe that it answered had been sent."""
    held = crumb.released - crumb.received
    return (
        crumb.initialization_type == ON_DEMAND
        and crumb.invocation == 1
        and answered - held - age(crumb) >= probe.sent
    )


def _record_flaws(each: Round, probes: Sequence[Probe]) -> Iterator[str]:
    """Yield why a round's record does not speak for every probe that was sent."""
    silent = Counter(probe.answer for probe in probes if probe.breadcrumb is None)
    for answer, count in sorted(silent.items()):
        yield f"{count} of {len(probes)} probes got no breadcrumb ({answer})"
    unanswered = sum(p.breadcrumb is not None and p.answered is None for p in probes)
    if unanswered:
        yield f"{unanswered} breadcrumbs have no time of arrival"
    crumbs = [crumb for _, crumb, _ in _answered(probes)]
    for what, count in (
        ("did not say which build they are", sum(crumb.stamp is None for crumb in crumbs)),
        ("did not say who they are", sum(not (c.container or c.log_stream) for c in crumbs)),
    ):
        if count:
            yield f"{count} containers {what}"
    if len(each.probes) != each.peak_overlap:
        yield f"{each.peak_overlap} requests were in flight at once, not all {len(each.probes)}"
    versions = sorted({crumb.function_version for crumb in crumbs})
    if len(versions) > 1:
        yield f"{len(versions)} versions answered, each from containers of its own"


def _overlap_flaws(probes: Sequence[Probe], answers: Counter[str]) -> Iterator[str]:
    """Yield why a round's probes were not all held at once, in distinct containers."""
    if any(count > 1 for count in answers.values()):
        yield "one container answered several probes: they were not held at once (--hold-ms)"
    answered = [*_answered(probes)]
    if any(
        not 0 <= crumb.released - crumb.received <= at - probe.sent + CLOCK_SLACK_S
        for probe, crumb, at in answered
    ):
        yield "a container says that it held a probe for longer than the probe took"
    free = min((p.sent + _held(p, crumb, at) for p, crumb, at in answered), default=math.inf)
    if len(probes) > 1 and free <= max(_last_arrivals(probes)):
        yield "a container was free again before the last probe had arrived (--hold-ms)"


def _last_arrivals(probes: Sequence[Probe]) -> Iterator[float]:
    """Yield when each probe had arrived at the latest, as far as that can be known.

    NOTE: of one that waits for its container to start only the sending is seen. It came the same
    way as the others; if it was late, a container that was free took it, and has answered twice.
    """
    yield from (probe.sent for probe in probes)
    for probe, crumb, answered in _answered(probes):
        if not _is_cold_start(probe, crumb, answered):
            yield answered - _held(probe, crumb, answered)


def _standing(views: Sequence[_View], policy: Policy, *, after: int) -> _Standing:
    counted: list[_View] = []
    pool = 0
    doubts: list[str] = []
    for view in views:
        pool += len(view.elders)
        if view.number <= after:
            continue
        doubts = [f"round {view.number}: {flaw}" for flaw in view.flaws]
        if counted and view.oldest_elder < counted[0].started:
            doubts.append(
                f"round {view.number} found a container that is older than round "
                f"{counted[0].number}, which should have reached it"
            )
        if view.idle:
            doubts.append(
                f"round {view.number}: {len(view.idle)} containers that had answered before did "
                f"not, while {len(view.cold)} others were cold-started; they are kept apart, "
                "busy with other traffic, or gone"
            )
        if doubts:
            counted = []
        if not view.flaws and not view.idle:
            small = _too_small(view, pool, policy)
            doubts += small
            counted += [] if small else [view]
    return _Standing(len(counted), tuple(doubts))


def _too_small(view: _View, pool: int, policy: Policy) -> list[str]:
    doubts = []
    if len(view.cold) < policy.min_cold_starts:
        doubts.append(
            f"round {view.number}: {len(view.cold)} cold starts among {view.probes} probes; "
            f"{policy.min_cold_starts} would show that no container was left idle"
        )
    if view.probes < policy.pool_factor * pool:
        doubts.append(
            f"round {view.number}: {view.probes} probes are fewer than {policy.pool_factor:g} "
            f"times the {pool} containers that were there before"
        )
    return doubts


def _shortfalls(views: Sequence[_View], policy: Policy, *, after: int) -> tuple[str, ...]:
    """Say what is missing, ending with what would settle it; nothing when the claim holds."""
    standing = _standing(views, policy, after=after)
    lost = [
        f"the record of round {view.number} lacks probes that were sent"
        for view in views
        if view.lost
    ]
    wanted = max(1, policy.min_rounds)
    if standing.exhausting >= wanted and not lost:
        return ()
    missing = max(1, wanted - standing.exhausting)
    settle = (
        f"{missing} more rounds in a row of about {_enough(views, policy)} probes that hold their "
        "containers together would settle it; or send traffic through an alias on a version"
    )
    return (*lost, *standing.doubts, settle)


def _enough(views: Sequence[_View], policy: Policy) -> int:
    """Return a size that exhausts what is known to be there, with something to spare."""
    pool = sum(len(view.elders) for view in views)
    everyone = len(_seen(views))
    larger = max(math.ceil(policy.pool_factor * pool), everyone)
    return max(FIRST_SIZE, larger + 2 * policy.min_cold_starts)


def _bound(containers: int) -> float:
    """Return the largest stale share that would be missed by chance in 1 of 20 random samples."""
    return 1.0 - math.pow(1.0 - CONFIDENCE, 1.0 / containers)


def _kinds(rounds: Sequence[Round], qualifier: str) -> str:
    probes = [p for each in rounds for p in each.probes if p.qualifier == qualifier]
    kinds = {crumb.initialization_type for _, crumb, _ in _answered(probes)}
    if PROVISIONED in kinds and ON_DEMAND in kinds:
        return "containers of provisioned concurrency and on-demand ones both answered"
    if PROVISIONED in kinds:
        return "only containers of provisioned concurrency answered, no on-demand one"
    return "no container of provisioned concurrency answered; if there is one, it was not asked"
