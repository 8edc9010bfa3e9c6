"""The story: what check, verify, rollback, recover and prune do, in order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from deployguard import discover, journal, plan, publish, refresh, shift, usage, verdict
from deployguard.aws import functions
from deployguard.config import Settings
from deployguard.model import LATEST, Evidence, Route, Verdict
from deployguard.report import history
from deployguard.resources import Alias, Function
from deployguard.routes.discovery import Discoverer
from deployguard.run import Moment, Run
from deployguard.target import Target, alias_of

THE_DEPLOY = "the deploy step"


def check(run: Run, settings: Settings, target: Target) -> tuple[str, ...] | None:
    """Settle, publish, probe the version, move the alias, probe the containers, judge.

    Returns the planned steps, and takes none, where only the plan is asked for.
    """
    alias = run.record.alias = alias_of(settings, target)
    prepared = _prepare(run, settings, target, alias=alias)
    if prepared is None:
        return None
    if settings.dry_run:
        return prepared.plan.steps(
            prepared.live, also=settings.also, on_stale=settings.on_stale, aged_s=settings.aged
        )
    with journal.held(run, settings, target.name, needed=prepared.plan.writes) as is_outdated:
        if is_outdated:
            prepared = _prepare(run, settings, target, alias=alias)
        if prepared is not None:
            _carry_out(run, settings, target, prepared)
    verdict.name_old_builds(run, target.name)
    return None


def verify(run: Run, settings: Settings, target: Target, *, of: str = LATEST) -> None:
    """Judge the routes as they are; only the canaries reach the function.

    The version `of` says which image is expected there, unless the settings do.
    """
    qualifier = target.qualifier or settings.alias
    run.record.alias = None if qualifier == LATEST or qualifier.isdigit() else qualifier
    run.step("settle")
    latest = discover.settled(run, target.name)
    callers = Discoverer(run, settings, latest)
    discover.shipped(
        run, settings, discover.version(run, target.name, of) if of != LATEST else latest
    )
    evidence = verdict.start(run, settings, routes=[], digests={LATEST: latest.digest or ""})
    evidence = callers.added_to(evidence)
    verdict.of_routes(run, target.name, evidence, qualifiers=(qualifier, *settings.also))
    verdict.name_old_builds(run, target.name)


def rollback(run: Run, settings: Settings, target: Target) -> tuple[str, ...] | None:
    """Move the alias to what served before, and show that it serves again.

    Returns the planned steps, and takes none, where only the plan is asked for.
    """
    alias = run.record.alias = alias_of(settings, target)
    run.record.function = functions.function(run.session, target.name)
    if settings.dry_run:
        before, version = _way_back(run, settings, target, alias=alias)
        return (f"move alias {alias} from {before.version} to {version.version}", f"probe {alias}")
    # Under the lease, because what a killed run left may be all that is to be put back.
    with journal.held(run, settings, target.name):
        before, version = _way_back(run, settings, target, alias=alias)
        _go_back(run, settings, target, before=before, version=version)
    verdict.name_old_builds(run, target.name)
    return None


def recover(run: Run, settings: Settings, target: Target) -> None:
    """Finish or undo what a killed run left behind, as far as nobody changed it since."""
    run.record.function = functions.function(run.session, target.name)
    locked = settings.model_copy(update={"lock": True})
    with journal.held(run, locked, target.name, needed=False) as has_recovered:
        if not has_recovered:
            run.say("no run has left anything behind")


def prune(run: Run, settings: Settings, target: Target) -> tuple[str, ...] | None:
    """Delete old published versions that nothing uses, and never one that is the way back.

    Returns the planned steps, and takes none, where only the plan is asked for.
    """
    run.step("look what uses versions")
    run.record.function = functions.function(run.session, target.name)
    pruning = usage.read(run, settings, target.name)
    if settings.dry_run:
        return pruning.steps()
    with journal.held(run, settings, target.name, needed=bool(pruning.doomed)):
        if pruning.doomed:  # read again, because the lease was free until now
            pruning = usage.read(run, settings, target.name)
        run.step("delete versions")
        for step in pruning.steps():
            run.say(step)
        usage.delete(run, target.name, pruning.doomed)
    return None


def _way_back(
    run: Run, settings: Settings, target: Target, *, alias: str
) -> tuple[Alias, Function]:
    """Read the alias and the version that is to serve again; refuse one that could not."""
    run.step("find the way back")
    discover.settled(run, target.name)
    before = discover.existing_alias(run, target.name, alias)
    to = settings.to
    if to is None and alias in run.record.recovered:
        run.say(f"what was live before the killed run is live again: {before.version}")
        to = before.version
    to = to or history.version_before(Path(settings.report_dir), before)
    version = discover.usable(run, target.name, to)
    # The pipeline's image and stamp are of what is left: the version itself says what to expect.
    discover.shipped(run, settings.model_copy(update={"image": None, "stamp": None}), version)
    return before, version


def _go_back(
    run: Run, settings: Settings, target: Target, *, before: Alias, version: Function
) -> None:
    """Move the alias, for good, unless it serves that alone already; then ask its containers."""
    name, to = before.name, version.version
    evidence = verdict.start(run, settings, routes=[], digests={to: version.digest or ""})
    if before.versions != {to: 1.0}:
        with shift.moved(
            run, target.name, name=name, before=before, version=to, finish=True
        ) as move:
            move.keep()
        evidence = replace(evidence, changed_at=run.now)
    run.record.after = to
    verdict.of_routes(run, target.name, evidence, qualifiers=(name,))


class Prepared(NamedTuple):
    """What a check starts from: what is live, what is to be done, and what is known so far."""

    live: plan.Live
    plan: plan.Plan
    evidence: Evidence


def _prepare(run: Run, settings: Settings, target: Target, *, alias: str) -> Prepared | None:
    """Read all that a check rests on; None where another deploy has moved on already."""
    run.step("settle")
    live = discover.live(run, settings, target.name, alias=alias)
    evidence = verdict.start(
        run,
        settings,
        routes=[Route(THE_DEPLOY, LATEST, {LATEST: 1.0})],
        digests={LATEST: live.latest.digest or ""},
    )
    if verdict.rule(run, _superseded_before(live, evidence)).decided:
        return None
    planned = plan.check(live, alias=alias)
    others = discover.routes(run, target.name, (q for q in settings.also if q != alias))
    discover.digests(run, target.name, others, known=evidence.digests)  # refused now, or not at all
    return Prepared(live, planned, evidence)


def _carry_out(run: Run, settings: Settings, target: Target, prepared: Prepared) -> None:
    """Publish, probe the version before traffic reaches it, then move the alias and judge it."""
    live, planned, evidence = prepared
    callers = Discoverer(run, settings, live.latest, digests=live.versions)
    if planned.writes and live.no_way_back:
        run.say(f"there is no way back: {live.no_way_back}")
        evidence = replace(evidence, no_way_back=live.no_way_back)
    version = _published(run, live, planned)
    digests = {**evidence.digests, **discover.known_digests(live)}
    evidence = verdict.before_traffic(run, replace(evidence, digests=digests), version)
    if run.record.verdict is not Verdict.FRESH:
        return
    evidence = callers.added_to(evidence)
    if settings.on_stale != "fail" and verdict.ends_elsewhere(
        run, target.name, evidence, others=settings.also
    ):
        return
    to = version.version if planned.move else None
    if not planned.move:
        run.record.after = version.version
    run.meet(Moment.MOVE)
    with shift.moved(
        run, target.name, name=planned.alias, before=run.record.before, version=to
    ) as move:
        _judge_moved(run, settings, target, evidence, move=move)
        if run.record.verdict is Verdict.FRESH or settings.on_stale == "fail":
            run.meet(Moment.KEEP)
            move.keep()


def _published(run: Run, live: plan.Live, planned: plan.Plan) -> Function:
    if live.behind_alias is not None and not planned.publish:
        return live.behind_alias
    return publish.version(run, live.latest, known=live.versions)


def _judge_moved(
    run: Run, settings: Settings, target: Target, evidence: Evidence, *, move: shift.Move
) -> None:
    """Judge the containers that callers reach now, and replace stale ones where that is asked."""
    alias = move.intent.name
    qualifiers = (alias, *settings.also)
    if move.has_moved:
        unready = discover.provisioned_ready(run, target.name, alias) if run.record.before else ""
        evidence = replace(evidence, unready=unready, changed_at=run.now)
    verdict.of_routes(run, target.name, evidence, qualifiers=qualifiers)
    if settings.on_stale == "refresh" and run.record.verdict is Verdict.STALE:
        with journal.held(run, settings, target.name):
            refresh.instead_of_failing(run, target.name, evidence, move=move, qualifiers=qualifiers)


def _superseded_before(live: plan.Live, evidence: Evidence) -> Evidence:
    """Note that callers have the expected image already, and somebody's next one is on its way."""
    behind = live.behind_alias
    has_moved_on = live.latest.digest != live.expected.digest
    if has_moved_on and behind is not None and behind.digest == live.expected.digest:
        return replace(evidence, superseded=f"$LATEST was updated to {live.latest.digest}")
    return evidence
