"""The first chapter: what AWS shows now, once no update is in progress, and what was shipped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import tenacity

from deployguard import plan, stamp
from deployguard.aws import functions, images
from deployguard.config import Settings
from deployguard.errors import (
    AccessDenied,
    AwsFailure,
    DeployguardError,
    NotFound,
    OutOfTime,
    Refusal,
)
from deployguard.model import LATEST, Route, Stamp
from deployguard.resources import Alias, Function, Image
from deployguard.run import Run
from deployguard.traffic import Caller, listed

T = TypeVar("T")
RECENT_VERSIONS = 5


def live(run: Run, settings: Settings, name: str, *, alias: str) -> plan.Live:
    """Read what is live and what was shipped; wait out an update that is in progress."""
    latest = settled(run, name)
    with ThreadPoolExecutor(2) as pool:
        aliased = pool.submit(_behind_alias, run, name, alias)
        digests = pool.submit(functions.digests, run.session, name)
        image = shipped(run, settings, latest)
        run.record.before, behind, no_way_back = aliased.result()
        versions = digests.result()
    return plan.Live(latest, run.record.before, behind, image, run.expected, versions, no_way_back)


def settled(run: Run, name: str) -> Function:
    """Return `$LATEST` once it is active and no update of it is in progress."""

    def is_settled(function: Function) -> bool:
        if not function.is_settled:
            run.say(f"{name}: state {function.state}, update {function.update_status}; waiting")
        return function.is_settled

    latest = _poll(
        run,
        lambda: functions.function(run.session, name),
        until=is_settled,
        otherwise=lambda seen: unfinished(seen, after_s=run.timeout_s),
    )
    run.record.function = latest
    return latest


def unfinished(function: Function, *, after_s: float) -> OutOfTime:
    """Say that AWS did not finish an update in the run's time."""
    return OutOfTime(
        f"{function.name} is still being updated after {after_s:.0f} s: "
        f"state {function.state}, update {function.update_status}",
        finding="DG106",
    )


def shipped(run: Run, settings: Settings, runs: Function) -> Image | None:
    """Resolve the shipped image once, to a digest, and tie it to a build id.

    It is the image of `runs` unless the settings name another; without access to the registry
    the pipeline's stamp file has to do.
    """
    plan.refuse_unsafe(runs)
    uri = settings.image or runs.image_uri or ""
    pipeline = stamp.read(Path(settings.stamp)) if settings.stamp else None
    try:
        image = _image(run, uri)
    except AccessDenied as denied:
        digest = images.parse(uri).digest if settings.image else runs.digest
        if digest is None:
            raise
        run.say(f"{denied.happened}; the link from stamp to digest is the pipeline's word")
        run.record.expected = plan.expected(digest, labels=None, pipeline=pipeline)
        return None
    run.record.expected = plan.expected(image.digest, labels=image.stamp, pipeline=pipeline)
    return image


def _image(run: Run, uri: str) -> Image:
    """Resolve an image: for all runs at once where a digest names it, which names it for ever."""
    resolve = partial(images.image, run.session, uri)
    if "@" not in uri:
        return resolve()
    return run.common.answer(f"image {uri}", resolve, until=run.session.deadline)


def existing_alias(run: Run, name: str, alias: str) -> Alias:
    """Read an alias that has to exist."""
    found = functions.alias(run.session, name, alias)
    if found is None:
        raise no_alias(name, alias)
    run.record.before = found
    return found


def version(run: Run, name: str, number: str) -> Function:
    """Read a published version once it can be invoked: AWS may still be preparing it."""
    return ready(run, functions.function(run.session, name, qualifier=number))


def ready(run: Run, version: Function) -> Function:
    """Wait until a version can be invoked; refuse one that never will be."""
    named = f"version {version.version} of {version.name}"
    if not version.is_ready:
        version = _poll(
            run,
            lambda: functions.function(run.session, version.name, qualifier=version.version),
            until=lambda seen: seen.is_ready or seen.has_failed,
            otherwise=lambda seen: OutOfTime(
                f"{named} is still {seen.state} after {run.timeout_s:.0f} s",
                finding="DG106",
                cause="AWS is preparing its image",
            ),
        )
    if not version.is_ready:
        raise Refusal(
            f"{named} is in state {version.state} ({version.state_reason})", finding="DG109"
        )
    return version


def usable(run: Run, name: str, number: str) -> Function:
    """Read a version that is to serve again; refuse one that could not."""
    found = version(run, name, number)
    why = _obstacle(run, found)
    if why:
        raise Refusal(
            f"version {number} of {name} could not serve again: {why}",
            finding="DG405",
            cause="AWS could not prepare it, or a lifecycle rule took its image",
            fix="restore what is missing, or name another version with --to",
            command="deployguard rollback FUNCTION --to VERSION",
        )
    return found


def routes(
    run: Run, name: str, qualifiers: Iterable[str], *, calling: Collection[Caller] = ()
) -> tuple[Route, ...]:
    """Read what each qualifier serves now; then what those serve that callers use besides.

    One of those that does not exist has no route.
    """
    found = {qualifier: _serves(run, name, qualifier) for qualifier in dict.fromkeys(qualifiers)}
    for called in dict.fromkeys(caller.qualifier for caller in calling):
        if called is not None and called not in found:
            with contextlib.suppress(NotFound):
                found[called] = _serves(run, name, called)
    return tuple(
        Route(_names(calling, qualifier), qualifier, serves) for qualifier, serves in found.items()
    )


def _names(calling: Iterable[Caller], qualifier: str) -> str:
    """Name those who call a qualifier, as far as they are known."""
    named = [caller for caller in calling if caller.qualifier == qualifier]
    return listed(named) or f"callers of {qualifier}"


def digests(
    run: Run, name: str, routes: Iterable[Route], *, known: Mapping[str, str]
) -> dict[str, str]:
    """Add the digest of each version on the routes that is not known yet."""
    found = dict(known)
    for number in (version for route in routes for version in route.versions):
        if number not in found:
            found[number] = version(run, name, number).digest or ""
    return found


def known_digests(live: plan.Live) -> dict[str, str]:
    """Return the digest of the version that served before, if there was one."""
    behind = live.behind_alias
    return {behind.version: behind.digest or ""} if behind is not None else {}


def changes_since(
    run: Run, name: str, routes: Iterable[Route], *, digests: Mapping[str, str]
) -> str:
    """Say what somebody changed on the routes since they were read, or nothing."""
    for route in routes:
        serves = _serves(run, name, route.qualifier)
        if serves != route.versions:
            return f"{route.qualifier} now serves {_shares(serves)}"
        if LATEST in route.versions:
            latest = functions.function(run.session, name)
            if (latest.digest, latest.update_status) != (digests[LATEST], "Successful"):
                return f"{LATEST} now holds {latest.digest} ({latest.update_status})"
    return ""


def builds(run: Run, name: str) -> dict[str, str]:
    """Name the builds of recent versions, so that a finding can say whose an old one is."""
    found: dict[str, str] = {}
    with contextlib.suppress(DeployguardError):  # a name is a courtesy, not evidence
        for number in list(functions.versions(run.session, name))[:RECENT_VERSIONS]:
            with contextlib.suppress(DeployguardError):  # an old image may be gone
                version = functions.function(run.session, name, qualifier=number)
                made = _image(run, version.image_uri or "").stamp
                if made is not None:
                    found.setdefault(made.build_id, f"version {number}{_origin(made)}")
    return found


def _origin(made: Stamp) -> str:
    built = f", built {made.created}" if made.created else ""
    commit = f", commit {made.revision[:8]}" if made.revision else ""
    return built + commit


def provisioned_ready(run: Run, name: str, qualifier: str) -> str:
    """Wait for provisioned concurrency; return why it is not ready, or nothing."""
    found = None
    with contextlib.suppress(AccessDenied):  # nothing of a move rests on it
        found = _poll(
            run,
            lambda: functions.provisioned(run.session, name, qualifier),
            until=lambda config: config is None or config.is_settled,
            otherwise=None,
        )
    if found is None or found.status == "READY":
        return ""
    reason = f" ({found.reason})" if found.reason else ""
    return f"{found.status}, {found.available} of {found.requested} available{reason}"


def _serves(run: Run, name: str, qualifier: str) -> dict[str, float]:
    if qualifier == LATEST or qualifier.isdigit():
        return {qualifier: 1.0}
    alias = functions.alias(run.session, name, qualifier)
    if alias is None:
        raise no_alias(name, qualifier)
    return alias.versions


def _shares(serves: Mapping[str, float]) -> str:
    return ", ".join(f"version {version} to {share:.0%}" for version, share in serves.items())


def no_alias(name: str, alias: str) -> NotFound:
    """Say that an alias which has to exist does not."""
    return NotFound(
        f"{name} has no alias {alias}",
        finding="DG508",
        fix=f"name an existing qualifier, e.g. '{name}:{LATEST}', or let `check` create it",
    )


def _behind_alias(
    run: Run, name: str, alias_name: str
) -> tuple[Alias | None, Function | None, str]:
    """Read an alias and the version behind it, and say why that could not serve again."""
    alias = functions.alias(run.session, name, alias_name)
    if alias is None:
        return None, None, f"alias {alias_name} does not exist yet"
    if alias.version == LATEST:
        return alias, None, f"alias {alias_name} serves {LATEST}, which holds the new image"
    behind = functions.function(run.session, name, qualifier=alias.version)
    why = _obstacle(run, behind)
    return alias, behind, f"version {behind.version} could not serve again: {why}" if why else ""


def _obstacle(run: Run, version: Function) -> str:
    """Say why a version could not serve, or nothing where nothing is known to be in the way."""
    if not version.is_ready:
        reason = f" ({version.state_reason})" if version.state_reason else ""
        return f"it is in state {version.state}{reason}"
    try:
        return images.obstacle(run.session, version.image_uri) if version.image_uri else ""
    except AwsFailure as failure:  # what cannot be known must not stop an emergency
        run.say(f"{failure.happened}; whether version {version.version} has its image is not known")
        return ""


def pause_s(waited_s: float) -> float:
    """Return how long to wait before the next look, which comes a tenth too late at most."""
    return min(2.0, max(0.1, waited_s / 10))


def _poll(
    run: Run,
    read: Callable[[], T],
    *,
    until: Callable[[T], bool],
    otherwise: Callable[[T], OutOfTime] | None,
) -> T:
    """Read, with growing pauses, until it is so; at the deadline raise, or give what was read."""

    def at_the_deadline(attempts: tenacity.RetryCallState) -> T:
        last: T = attempts.outcome.result()  # type: ignore[union-attr]
        if otherwise is not None:
            raise otherwise(last)
        return last

    run.checkpoint()
    return tenacity.Retrying(
        retry=tenacity.retry_if_not_result(until),
        wait=lambda attempts: pause_s(attempts.seconds_since_start or 0.0),
        stop=tenacity.stop_after_delay(max(run.left, 0.0)),
        retry_error_callback=at_the_deadline,
    )(read)
