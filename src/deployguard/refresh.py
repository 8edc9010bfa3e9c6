"""The story of refresh: see which containers answer, replace them, see whether they still do."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployguard import discover, hazards, journal, judge, plan, publish, remedy, shift, verdict
from deployguard.aws import callers, functions
from deployguard.config import Settings
from deployguard.model import LATEST, Evidence, Remedy, Replacement, State, Verdict
from deployguard.resources import Alias, Function
from deployguard.run import Run
from deployguard.target import Target, alias_of


@dataclass(frozen=True)
class Scene:
    """What a refresh starts from."""

    qualifiers: tuple[str, ...]  # the first is the one to refresh
    alias: Alias | None
    latest: Function
    evidence: Evidence


def refresh(run: Run, settings: Settings, target: Target) -> tuple[str, ...] | None:
    """Replace the containers behind a route by a remedy, and show that they are gone.

    Returns the planned steps, and takes none, where only the plan is asked for.
    """
    chosen = Remedy(settings.remedy)
    scene = _look(run, settings, target, chosen)
    if settings.dry_run:
        return plan.refresh(chosen, qualifier=scene.qualifiers[0], drain_s=settings.drain)
    with journal.held(run, settings, target.name, needed=chosen is not Remedy.WAIT) as is_outdated:
        if is_outdated:
            scene = _look(run, settings, target, chosen)
        seen = _census(run, target.name, scene, chosen)
        if chosen is Remedy.PUBLISH:
            _publish(run, target.name, scene, seen=seen)
        else:
            at = _replace_in_place(run, settings, scene, chosen)
            _judge(run, target.name, scene, scene.evidence, Replacement(chosen, at, seen))
        if chosen is Remedy.CONFIGURE and settings.remove_variable:
            remedy.remove_variable(run, discover.settled(run, target.name))
    return None


def instead_of_failing(
    run: Run, name: str, evidence: Evidence, *, move: shift.Move, qualifiers: tuple[str, ...]
) -> None:
    """Try what may help against the stale containers that were found, and judge again."""
    assert run.record.ruling is not None
    scene = Scene(qualifiers, None, run.function, evidence)
    for chosen in plan.remedies(run.record.ruling):
        assert run.record.evidence is not None
        seen = containers(run.record.evidence, State.STALE)
        run.say(f"{len(seen)} stale containers answered: trying the remedy {chosen}")
        run.step(f"replace containers: {chosen}")
        latest = discover.settled(run, name)
        if chosen is Remedy.PUBLISH:
            version = _published_anew(run, latest)
            evidence = verdict.before_traffic(run, evidence, version)
            move.to(version.version)
        else:
            remedy.set_variable(run, latest)
        _judge(run, name, scene, evidence, Replacement(chosen, run.function.modified, seen))
        if run.record.verdict is not Verdict.STALE:
            return


def containers(evidence: Evidence, *states: State) -> tuple[str, ...]:
    """Name the containers that answered, all of them or those in some states."""
    found = (
        probe.breadcrumb.container
        for each in evidence.rounds
        for probe in each.probes
        if probe.breadcrumb is not None
        if not states or judge.state(evidence, probe) in states
    )
    return tuple(dict.fromkeys(found))


def _look(run: Run, settings: Settings, target: Target, chosen: Remedy) -> Scene:
    """Read what the route runs now, and refuse what the remedy cannot do or must not cost."""
    run.step("settle")
    qualifiers = (_qualifier(settings, target, chosen), *settings.also)
    latest = discover.settled(run, target.name)
    routes = discover.routes(run, target.name, qualifiers)
    known = discover.digests(run, target.name, routes, known={LATEST: latest.digest or ""})
    serving = max(routes[0].versions, key=lambda version: routes[0].versions[version])
    runs = latest if serving == LATEST else discover.version(run, target.name, serving)
    discover.shipped(run, settings.model_copy(update={"image": None}), runs)
    plan.refuse_useless(chosen, routes[0], latest=latest, runs=runs)
    if chosen is Remedy.DRAIN:
        _warn(run, settings, latest)
    alias = None
    if qualifiers[0] != LATEST and not qualifiers[0].isdigit():
        run.record.alias = qualifiers[0]
        alias = discover.existing_alias(run, target.name, qualifiers[0])
    evidence = verdict.start(run, settings, routes=[], digests=known)
    return Scene(qualifiers, alias, latest, evidence)


def _qualifier(settings: Settings, target: Target, chosen: Remedy) -> str:
    match chosen:
        case Remedy.PUBLISH:
            return alias_of(settings, target)
        case Remedy.CONFIGURE:
            return target.qualifier or LATEST
        case _:
            return target.qualifier or settings.alias


def _warn(run: Run, settings: Settings, latest: Function) -> None:
    """Say what a drain will cost; refuse it where that is more than was accepted."""
    found = hazards.costs(callers.of(run.session, latest), hold_s=settings.drain)
    for sentence in hazards.refuse(found, accept_loss=settings.accept_loss):
        run.say(sentence)


def _census(run: Run, name: str, scene: Scene, chosen: Remedy) -> tuple[str, ...]:
    """Probe the route as it is, to know afterwards which containers went."""
    run.step(f"probe {', '.join(scene.qualifiers)} as it is")
    policy = replace(scene.evidence.policy, grace_s=0.0)
    asked = replace(scene.evidence, policy=policy, replacement=Replacement(chosen, 0.0, ()))
    found = verdict.survey(run, name, asked, qualifiers=scene.qualifiers)
    seen = containers(found)
    run.say(f"{len(seen)} containers answered before the remedy {chosen}")
    return seen


def _publish(run: Run, name: str, scene: Scene, *, seen: tuple[str, ...]) -> None:
    """Give callers a new version of the same image, and keep it if its containers are fresh."""
    version = _published_anew(run, scene.latest)
    evidence = verdict.before_traffic(run, scene.evidence, version)
    if run.record.verdict is not Verdict.FRESH:
        return
    with shift.moved(
        run, name, name=scene.qualifiers[0], before=scene.alias, version=version.version
    ) as move:
        _judge(run, name, scene, evidence, Replacement(Remedy.PUBLISH, run.function.modified, seen))
        if run.record.verdict is Verdict.FRESH:
            move.keep()


def _published_anew(run: Run, latest: Function) -> Function:
    known = functions.versions(run.session, latest.name)
    return publish.version(run, remedy.mark_description(run, latest), known=known)


def _replace_in_place(run: Run, settings: Settings, scene: Scene, chosen: Remedy) -> float:
    """Carry a remedy out that changes no version; return when it took effect."""
    name = scene.latest.name
    run.step(f"replace containers: {chosen}")
    if chosen is Remedy.CONFIGURE:
        remedy.set_variable(run, scene.latest)
        return run.function.modified
    if chosen is Remedy.WAIT:
        return run.session.now()
    with remedy.drained(run, name):
        at = run.session.now()
        run.say(f"no invocation of {name} starts for {settings.drain:g} s")
        run.wait_until(run.now + settings.drain, why="running invocations end")
    return at


def _judge(run: Run, name: str, scene: Scene, evidence: Evidence, replacement: Replacement) -> None:
    """Judge the route by the containers that should be gone, and by the build of all others."""
    tolerated = run.left if replacement.remedy is Remedy.WAIT else evidence.policy.grace_s
    evidence = replace(
        evidence,
        policy=replace(evidence.policy, grace_s=tolerated),
        replacement=replacement,
        changed_at=run.now,
        updated=run.function.modified,
    )
    verdict.of_routes(run, name, evidence, qualifiers=scene.qualifiers)
