"""What a function serves by each of its qualifiers, and which builds those are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from deployguard import lease
from deployguard.aws import functions, images
from deployguard.errors import DeployguardError, NoCredentials
from deployguard.model import LATEST
from deployguard.routes.nouns import Served
from deployguard.run import Run

READERS = 8


def read(run: Run, name: str, *, digests: Mapping[str, str] | None = None) -> Served:
    """Read what each qualifier serves; the digests of all versions, unless they are known."""
    digests = functions.digests(run.session, name) if digests is None else digests
    qualifiers = {version: {version: 1.0} for version in digests}
    aliases = {
        alias.name: alias.versions
        for alias in functions.aliases(run.session, name)
        if alias.name != lease.ALIAS
    }
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
