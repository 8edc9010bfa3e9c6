"""The chapter of prune: who uses which published version, and the end of those that nobody does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from deployguard import lease, prune
from deployguard.aws import functions, metrics, versions
from deployguard.config import Settings
from deployguard.errors import AccessDenied, AwsFailure, NotFound, OutOfTime
from deployguard.lease import What
from deployguard.prune import Pruning
from deployguard.report import history
from deployguard.resources import Alias
from deployguard.run import Run

ATTEMPTS = 3
OF_LATE_S = 14 * 24 * 3600.0
OWN_S = 3600.0  # a check asks a version itself when it was published: no sign of a caller
LEFT = ("ResourceConflictException", "InvalidParameterValueException")  # this one, not all


def read(run: Run, settings: Settings, name: str) -> Pruning:
    """Find out which versions could go; what cannot matter for that is not asked for."""
    published = functions.versions(run.session, name)
    aliases = functions.aliases(run.session, name)
    routes = _served(aliases)
    others = {**_intended(run, aliases), **_remembered(run, settings)}
    candidates = prune.decide(published, routes=routes, others=others, keep=settings.keep)
    if not candidates.doomed:
        return candidates
    try:
        routes = {**versions.mapped(run.session, run.function.arn), **routes}
        others |= versions.configured(run.session, run.function.arn)
        others |= _granted(run, name, candidates.doomed)
    except AccessDenied as denied:
        unknown = ", ".join(candidates.doomed)
        raise AccessDenied(
            denied.happened,
            code=denied.code,
            cause=f"{denied.cause}, so nothing tells whether these versions are used: {unknown}",
            fix=f"{denied.fix}; or --keep more of them",
        ) from denied
    others |= _invoked(run, published, candidates.doomed)
    return prune.decide(published, routes=routes, others=others, keep=settings.keep)


def delete(run: Run, name: str, doomed: Iterable[str]) -> None:
    """Delete versions, one by one; AWS refuses where an alias has got to one since."""
    for number in doomed:
        run.checkpoint()
        if run.left <= 0:
            raise OutOfTime(
                f"version {number} and the newer ones are not deleted after {run.timeout_s:.0f} s",
                cause="AWS takes one at a time, and few of them in a second",
                fix="run prune again, or give a longer --timeout",
            )
        _delete(run, name, number)


def _delete(run: Run, name: str, number: str) -> None:
    """Delete one version; deleting it again after a lost answer does no harm."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            run.change(
                "DeleteFunction",
                lambda: versions.delete(run.session, name, number),
                before={"version": number},
                after={},
            )
        except NotFound:
            run.was_applied()
        except AwsFailure as failure:
            if failure.maybe_applied and attempt < ATTEMPTS and run.session.pause(attempt):
                continue
            if failure.code not in LEFT:
                raise
            run.say(f"version {number} is left: {failure.happened}")
        return


def _served(aliases: Iterable[Alias]) -> dict[str, str]:
    return {
        version: f"alias {alias.name} serves it"
        for alias in aliases
        for version in alias.versions
        if version.isdigit()
    }


def _intended(run: Run, aliases: Iterable[Alias]) -> dict[str, str]:
    """Name the versions that a dead run's lease tells of: `recover` may need them."""
    texts = [alias.description for alias in aliases if alias.name == lease.ALIAS]
    intents = [i for t in texts for i in lease.parse(t, function=run.function.arn).intents]
    values = (v for i in intents if i.what is What.ALIAS for v in (i.before, *i.after))
    aimed = (lease.alias_from(value, name=lease.ALIAS) for value in values)
    return {
        version: "the lease of a killed run names it"
        for alias in aimed
        if alias is not None
        for version in alias.versions
    }


def _remembered(run: Run, settings: Settings) -> dict[str, str]:
    return {
        version: f"alias {move.alias} served it, says the last report"
        for move in history.read(Path(settings.report_dir))
        if move.function == run.function.arn
        for version in (move.version, move.before)
        if version is not None
    }


def _granted(run: Run, name: str, numbers: Iterable[str]) -> dict[str, str]:
    allowed = (each for each in numbers if versions.has_policy(run.session, name, each))
    return dict.fromkeys(allowed, "a resource policy lets somebody invoke it")


def _invoked(run: Run, published: Mapping[str, float], numbers: Iterable[str]) -> dict[str, str]:
    """Name the versions that somebody invoked of late by their number."""
    name, now = run.function.name, run.session.now()
    found = {}
    try:
        for each in numbers:
            since = max(now - OF_LATE_S, published[each] + OWN_S)
            if metrics.invocations(run.session, name, each, since=since, until=now):
                found[each] = "it was invoked in the last two weeks"
    except AccessDenied as denied:
        run.say(f"{denied.happened}; so no version is kept for having been invoked of late")
    return found
