"""The chapter: read who calls the function, and follow each caller to the image it reaches."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from deployguard import discover
from deployguard.aws import functions, images, sources
from deployguard.config import Settings
from deployguard.errors import DeployguardError, NoCredentials
from deployguard.model import LATEST
from deployguard.routes import resolve
from deployguard.routes.nouns import Audit, Served
from deployguard.run import Run
from deployguard.target import Target

READERS = 8


def audit(run: Run, settings: Settings, target: Target) -> Audit:
    """Say where the traffic of a function goes; with a qualifier, that of this one alone."""
    latest = discover.settled(run, target.name)
    discover.shipped(run, settings, latest)
    served = read_served(run, latest.name)
    callers, unread = sources.callers(run, latest, served=served, names=settings.sources)
    if target.qualifier is not None:
        callers = tuple(each for each in callers if each.qualifier in (target.qualifier, None))
    served = with_builds(run, latest.name, served, versions=resolve.reached(callers, served))
    paths = resolve.paths(callers, served, digest=run.expected.digest)
    return Audit(latest.arn, run.expected, paths, unread)


def read_served(run: Run, name: str) -> Served:
    """Read what each qualifier serves."""
    digests = functions.digests(run.session, name)
    qualifiers = {version: {version: 1.0} for version in digests}
    aliases = {alias.name: alias.versions for alias in functions.aliases(run.session, name)}
    return Served({**qualifiers, **aliases}, digests)


def with_builds(run: Run, name: str, served: Served, *, versions: Iterable[str]) -> Served:
    """Add the build ids of these versions, as far as the registry tells them."""
    known = run.expected.build_id
    builds = {run.expected.digest: known} if known else {}
    by_digest = {served.digests.get(version, ""): version for version in versions}
    wanted = {digest: by_digest[digest] for digest in by_digest if digest not in builds}
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda version: _build(run, name, version), wanted.values())
        told = zip(wanted, found, strict=True)
        return replace(served, builds={**builds, **{key: build for key, build in told if build}})


def _build(run: Run, name: str, version: str) -> str | None:
    try:
        qualifier = None if version == LATEST else version
        uri = functions.function(run.session, name, qualifier=qualifier).image_uri
        stamp = images.image(run.session, uri or "").stamp
    except NoCredentials:
        raise
    except DeployguardError:  # a name is a courtesy, not evidence
        return None
    return stamp.build_id if stamp is not None else None
