"""What containers answer when they are older: the same as when they were young, or not.

A container can run the right build and go wrong with age: a deadline, a token or a connection that
was made when its process started. So the same containers are asked twice, and again once they are
as old as was asked for. What goes wrong then is no other build; but it keeps a verdict from FRESH.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from deployguard import coverage
from deployguard.findings import finding
from deployguard.model import Answer, Breadcrumb, Evidence, Finding

KEEP_S = 60.0  # between probes, which keep a container; AWS ends idle ones after minutes
AT_ONCE = 2  # rounds without a wait between them: some state lasts for one invocation
SHOWN = 3
BROKEN = (Answer.FUNCTION_ERROR, Answer.NO_BREADCRUMB)


def resume_at(evidence: Evidence) -> float | None:
    """Return when to probe the containers again; None where it is known how they age."""
    if len(evidence.aged) < AT_ONCE:
        return 0.0
    ripe, last = ripe_at(evidence), evidence.aged[-1].started
    if ripe is None or last >= ripe or any(_wrong(evidence)):
        return None
    return min(ripe, last + KEEP_S)


def ripe_at(evidence: Evidence) -> float | None:
    """Return when all containers that answered at first are old enough; None where none did."""
    young = [probe for each in evidence.aged[:AT_ONCE] for probe in each.probes]
    return max(
        (
            probe.answered + evidence.policy.aged_s - probe.breadcrumb.uptime_s
            for probe in young
            if probe.breadcrumb is not None and probe.answered is not None
        ),
        default=None,
    )


def doubts(evidence: Evidence, *, is_fresh: bool) -> tuple[Finding, ...]:
    """Name what goes wrong with age; and, of routes that are fresh, that no old one was seen."""
    found = tuple(_wrong(evidence))
    if found or not is_fresh or not evidence.policy.aged_s or _old(evidence):
        return found
    containers = len(_lives(evidence))
    seen = f"{containers} containers were probed, and none at the age of {_wanted(evidence)}"
    return (
        finding(
            "DG304",
            seen=seen,
            expected=f"an answer of a container that is older than {_wanted(evidence)}",
            cause="the run's time or probes ended first, or AWS used other containers meanwhile",
            fix="give more --timeout or --max-probes, or run when less traffic does",
        ),
    )


def warnings(evidence: Evidence) -> tuple[Finding, ...]:
    """Say so where the canary itself is all that was seen to age."""
    crumbs = [crumb for life in _lives(evidence).values() for crumb in life]
    if not crumbs or any(crumb.self_test is not None for crumb in crumbs):
        return ()
    seen = f"a self-test in 0 of {len(crumbs)} breadcrumbs"
    return (finding("DG313", seen=seen, expected="a self-test that does what invocations do"),)


def summary(evidence: Evidence) -> dict[str, Any] | None:
    """Return what a report tells of aging; None where nobody asked for it."""
    if not evidence.aged:
        return None
    crumbs = [crumb for life in _lives(evidence).values() for crumb in life]
    results = Counter(crumb.self_test.ok for crumb in crumbs if crumb.self_test is not None)
    return {
        "seconds": evidence.policy.aged_s,
        "containers": len(_lives(evidence)),
        "old": _old(evidence),
        "oldest_s": round(max((crumb.uptime_s for crumb in crumbs), default=0.0), 3),
        "self_tests": {"passed": results[True], "failed": results[False], "unknown": results[None]},
    }


def _wrong(evidence: Evidence) -> Iterator[Finding]:
    lives = _lives(evidence)
    failing = [_told(name, life[0]) for name, life in lives.items() if not _passes(life[0])]
    if failing:
        yield finding("DG311", seen=_some(failing), expected="a self-test that passes")
    changed = [text for name, life in lives.items() if (text := _change(name, life))]
    probes = [probe for each in evidence.aged for probe in each.probes]
    broken = [probe for probe in probes if probe.answer in BROKEN]
    if broken:
        detail = Counter(probe.detail for probe in broken).most_common(1)[0][0]
        changed.append(
            f"{len(broken)} of {len(probes)} probes of containers that had answered "
            f"before were not answered with a breadcrumb: {detail}"
        )
    if changed:
        expected = f"the same answer until it is {_wanted(evidence)} old"
        yield finding("DG312", seen=_some(changed), expected=expected)


def _change(name: str, life: Sequence[Breadcrumb]) -> str:
    """Say what the first answer of a container is contradicted by, or nothing."""
    first = life[0]
    for later in life[1:]:
        if _passes(first) and not _passes(later):
            return f"{_told(name, later)}; it passed at the age of {first.uptime_s:.1f} s"
        if (first.born, _build(first)) != (later.born, _build(later)):
            return (
                f"container {name[:12]} said that it is build {_build(first)}, and at the age of "
                f"{later.uptime_s:.1f} s build {_build(later)}, or named another birth"
            )
    return ""


def _told(name: str, crumb: Breadcrumb) -> str:
    assert crumb.self_test is not None
    ended = "failed" if crumb.self_test.ok is False else "told nothing"
    detail = f" ({crumb.self_test.detail})" if crumb.self_test.detail else ""
    age = f"at the age of {crumb.uptime_s:.1f} s"
    return f"the self-test of container {name[:12]} {ended} {age}{detail}"


def _passes(crumb: Breadcrumb) -> bool:
    return crumb.self_test is None or crumb.self_test.ok is True


def _build(crumb: Breadcrumb) -> str:
    return crumb.stamp.build_id if crumb.stamp is not None else "unknown"


def _lives(evidence: Evidence) -> dict[str, list[Breadcrumb]]:
    """Return what each container answered, in the order of its age."""
    probes = [probe for each in evidence.aged for probe in each.probes]
    crumbs = [probe.breadcrumb for probe in probes if probe.breadcrumb is not None]
    found: dict[str, list[Breadcrumb]] = {}
    for name, crumb in zip(coverage.identities(crumbs), crumbs, strict=True):
        found.setdefault(name, []).append(crumb)
    return {name: sorted(life, key=lambda crumb: crumb.uptime_s) for name, life in found.items()}


def _old(evidence: Evidence) -> int:
    """Return how many containers were seen at the age that was asked for."""
    lives = _lives(evidence).values()
    return sum(life[-1].uptime_s >= evidence.policy.aged_s for life in lives)


def _wanted(evidence: Evidence) -> str:
    return f"{evidence.policy.aged_s:g} s"


def _some(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more
