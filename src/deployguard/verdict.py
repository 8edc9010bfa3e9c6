"""Reach a verdict: start from what AWS shows, probe the routes, and rule on what came back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from deployguard import discover, judge, plan, probe
from deployguard.config import Settings
from deployguard.model import Evidence, Policy, Route, Ruling, Verdict
from deployguard.resources import Function
from deployguard.run import Run
from deployguard.traffic import Caller, Discovery

AGING = ("check", "verify")
BEFORE_TRAFFIC = "deployguard, before traffic"


def start(
    run: Run, settings: Settings, *, routes: Iterable[Route], digests: Mapping[str, str]
) -> Evidence:
    """Return the evidence before the first probe."""
    plan.refuse_long_hold(run.function, hold_ms=settings.hold_ms)
    policy = Policy(
        min_containers=settings.min_containers,
        max_probes=settings.max_probes,
        hold_ms=settings.hold_ms,
        grace_s=settings.grace,
        discovery=Discovery(settings.routes),
        ignored=settings.ignore,
        aged_s=_aged_s(run, settings),
    )
    return Evidence(
        expected=run.expected,
        policy=policy,
        mode=run.function.mode,
        routes=tuple(routes),
        digests=digests,
        updated=run.function.modified,
        alias=run.record.alias or "",
    )


def _aged_s(run: Run, settings: Settings) -> float:
    """Return how old a container is to be seen, where the command asks for that."""
    aged_s = settings.aged if run.record.command in AGING else None
    plan.refuse_long_wait(aged_s or 0.0, timeout_s=settings.timeout)
    return aged_s or 0.0


def before_traffic(run: Run, evidence: Evidence, version: Function) -> Evidence:
    """Probe a version that no caller reaches yet, and add what that shows."""
    run.step(f"probe version {version.version}")
    gate = Route(BEFORE_TRAFFIC, version.version, {version.version: 1.0})
    digests = {**evidence.digests, version.version: version.digest or ""}
    evidence = of_probes(run, replace(evidence, routes=(gate,), digests=digests))
    return _grown_old(run, evidence, qualifier=version.version)


def of_routes(run: Run, name: str, evidence: Evidence, *, qualifiers: tuple[str, ...]) -> None:
    """Probe what each qualifier serves, and make sure afterwards that it still serves it."""
    run.step(f"probe {', '.join(qualifiers)}")
    evidence, routes = _with_routes(run, name, evidence, qualifiers)
    evidence = _grown_old(run, of_probes(run, evidence), qualifier=qualifiers[0])
    run.step("judge")
    superseded = discover.changes_since(run, name, routes, digests=evidence.digests)
    rule(run, replace(evidence, superseded=superseded))


def _grown_old(run: Run, evidence: Evidence, *, qualifier: str) -> Evidence:
    """Where that is asked for, see how the containers of a fresh route answer when they age."""
    is_fresh = judge.worst(each.verdict for each in run.ruling.routes) is Verdict.FRESH
    if not evidence.policy.aged_s or evidence.aged or not is_fresh:
        return evidence
    run.step(f"probe {qualifier} again, as its containers age")
    evidence = probe.until_old(run, evidence, qualifier=qualifier)
    rule(run, evidence)
    return evidence


def survey(run: Run, name: str, evidence: Evidence, *, qualifiers: tuple[str, ...]) -> Evidence:
    """Probe what each qualifier serves, and judge nothing."""
    return probe.until_ruled(run, _with_routes(run, name, evidence, qualifiers)[0])


def ends_elsewhere(run: Run, name: str, evidence: Evidence, *, others: Iterable[str]) -> bool:
    """Rule already now where a route ends at another image that moving the alias will not mend."""
    others = [qualifier for qualifier in others if qualifier != evidence.alias]
    called = [caller for caller in _existing(evidence) if caller.qualifier != evidence.alias]
    routes = discover.routes(run, name, others, calling=called)
    digests = discover.digests(run, name, routes, known=evidence.digests)
    evidence = replace(evidence, digests=digests)
    wrong = [route for route in routes if judge.other_digests(evidence, route)]
    if wrong:
        rule(run, replace(evidence, routes=(*evidence.routes, *wrong)))
    return bool(wrong)


def _with_routes(
    run: Run, name: str, evidence: Evidence, qualifiers: tuple[str, ...]
) -> tuple[Evidence, tuple[Route, ...]]:
    routes = discover.routes(run, name, qualifiers, calling=_existing(evidence))
    digests = discover.digests(run, name, routes, known=evidence.digests)
    there = {route.qualifier for route in routes}
    missing = {c.qualifier for c in evidence.calling if c.qualifier not in {None, *there}}
    routed = replace(
        evidence,
        routes=(*evidence.routes, *routes),
        digests=digests,
        missing=tuple(sorted(filter(None, missing))),
    )
    return routed, routes


def _existing(evidence: Evidence) -> list[Caller]:
    """Return the callers of versions that exist, and of aliases, which may exist."""
    return [
        caller
        for caller in evidence.calling
        if not (caller.qualifier or "").isdigit() or caller.qualifier in evidence.digests
    ]


def of_probes(run: Run, evidence: Evidence) -> Evidence:
    """Probe until it is decided, and return all evidence."""
    evidence = probe.until_ruled(run, evidence)
    rule(run, evidence)
    return evidence


def rule(run: Run, evidence: Evidence) -> Ruling:
    """Judge the evidence; the record holds both."""
    run.record.evidence = evidence
    run.record.ruling = judge.ruling(evidence)
    return run.record.ruling


def name_old_builds(run: Run, name: str) -> None:
    """Look up whose the old builds are; it takes a while, so an alias is put back first."""
    evidence = run.record.evidence
    if evidence is not None and run.record.verdict is Verdict.STALE:
        run.step("name the old builds")
        rule(run, replace(evidence, builds=discover.builds(run, name)))
