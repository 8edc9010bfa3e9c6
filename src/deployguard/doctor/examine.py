"""The story of doctor: read everything at once, and say of what may not be read that it is so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from deployguard import lease, plan, probe
from deployguard.aws import functions, identity, images, metrics, preflight
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.doctor import granted, lifecycle
from deployguard.doctor.facts import Deployment, Facts, Kept
from deployguard.errors import AwsFailure, DeployguardError, NotFound, Refusal
from deployguard.lease import Lease
from deployguard.model import LATEST, Probe
from deployguard.resources import Alias, Function, Image, Provisioned
from deployguard.run import Run
from deployguard.target import Target, alias_of
from deployguard.traffic import Unread

T = TypeVar("T")
PARTS = 8  # that are read at once


class _Named(NamedTuple):
    """What is read by the names alone."""

    latest: Future[Function | Unread]
    alias: Future[Alias | Unread | None]
    provisioned: Future[Provisioned | Unread | None]
    unreserved: Future[int | None]
    lease: Future[Lease | Refusal | Unread | None]


class _Found(NamedTuple):
    """What is read of the function that has the name, and of what its alias serves."""

    deployments: Future[tuple[Deployment, ...] | Unread]
    in_use: Future[int | Unread]
    behind: Function | Unread | None
    image: Future[Image | DeployguardError | Unread]
    kept: Future[tuple[Kept, ...]]
    siblings: Future[tuple[str, ...] | Unread]


def examine(run: Run, settings: Settings, target: Target, *, commands: Iterable[str]) -> Facts:
    """Find out all that the checks look at; nothing is written.

    Raises: NotFound where there is no such function.
    """
    session, name = run.session, target.name
    alias_name = alias_of(settings, target)
    with ThreadPoolExecutor(PARTS) as pool:
        place = pool.submit(identity.place, session)
        named = _named(pool, session, name, alias_name)
        latest, alias = named.latest.result(), named.alias.result()
        found = _found(pool, run, settings, latest=latest, alias=alias, named=name)
        permissions, how = granted.look_up(
            session, place.result(), name, latest, alias_name, commands=commands
        )
        return Facts(
            place=place.result(),
            named_endpoint=settings.expect_endpoint,
            name=name,
            latest=latest,
            alias_name=alias_name,
            alias=alias,
            behind=found.behind,
            image=found.image.result(),
            kept=found.kept.result(),
            siblings=found.siblings.result(),
            lease=named.lease.result(),
            now=session.now(),
            deployments=found.deployments.result(),
            provisioned=named.provisioned.result(),
            unreserved=named.unreserved.result(),
            in_use=found.in_use.result(),
            hold_ms=settings.hold_ms,
            probe=_asked(run, settings, latest, alias),
            permissions=permissions,
            how_permitted=how,
        )


def _named(pool: ThreadPoolExecutor, session: Session, name: str, alias_name: str) -> _Named:
    reserve = "the provisioned concurrency"
    return _Named(
        latest=_begin(pool, "the function", functions.function, session, name),
        alias=_begin(pool, f"alias {alias_name}", functions.alias, session, name, alias_name),
        provisioned=_begin(pool, reserve, functions.provisioned, session, name, alias_name),
        unreserved=pool.submit(functions.unreserved_concurrency, session),
        lease=_begin(pool, "the lease", _lease, session, name),
    )


def _found(
    pool: ThreadPoolExecutor,
    run: Run,
    settings: Settings,
    *,
    latest: Function | Unread,
    alias: Alias | Unread | None,
    named: str,
) -> _Found:
    session = run.session
    name = latest.name if isinstance(latest, Function) else named.rpartition(":")[2]
    moves = "the deployments of CodeDeploy"
    deployments = _begin(pool, moves, preflight.deployments, session, name)
    in_use = _begin(pool, "the concurrency in use", metrics.peak_concurrency, session, name)
    behind = _begin(pool, "the live version", _behind, run, alias)
    image = _begin(pool, "the image", _shipped, run, settings, latest)
    siblings = _begin(pool, "the other functions", _siblings, session, latest)
    served = behind.result()
    kept = pool.submit(_kept, run, latest, served)
    return _Found(deployments, in_use, served, image, kept, siblings)


def _begin(
    pool: ThreadPoolExecutor, what: str, read: Callable[..., T], *arguments: object
) -> Future[T | Unread]:
    return pool.submit(_unless_failed, what, partial(read, *arguments))


def _unless_failed(what: str, read: Callable[[], T]) -> T | Unread:
    try:
        return read()
    except NotFound:
        raise
    except AwsFailure as failure:
        return Unread(what, failure.cause or failure.happened, failure.fix)


def _behind(run: Run, alias: Alias | Unread | None) -> Function | None:
    if not isinstance(alias, Alias) or alias.version == LATEST:
        return None
    name = ":".join(alias.arn.split(":")[:7])
    return functions.function(run.session, name, qualifier=alias.version)


def _shipped(
    run: Run, settings: Settings, latest: Function | Unread
) -> Image | DeployguardError | Unread:
    """Resolve the image that was shipped; a refusal of it is what there is to say of it."""
    uri = settings.image or (latest.image_uri if isinstance(latest, Function) else None)
    if uri is None:
        return Unread("the image", "it is not known which one it is", "name it by --image")
    try:
        return images.image(run.session, uri)
    except (NotFound, Refusal) as refusal:
        return refusal


def _lease(session: Session, name: str) -> Lease | Refusal | None:
    """Read who may change the function now; a refusal to make sense of it is what there is."""
    found = functions.alias(session, name, lease.ALIAS)
    try:
        return lease.parse(found.description, function=name) if found else None
    except Refusal as refusal:
        return refusal


def _siblings(session: Session, latest: Function | Unread) -> tuple[str, ...]:
    """Name the functions that run another image of the same repository, and which."""
    if not isinstance(latest, Function) or not latest.image_uri:
        return ()
    try:
        digests = {image.digest for image in preflight.stored(session, latest.image_uri)}
    except NotFound:  # the repository is gone, which another check tells
        return ()
    return tuple(
        f"{name} ({digest})"
        for name, digest in preflight.image_functions(session).items()
        if name != latest.name and digest in digests - {latest.digest}
    )


def _kept(run: Run, *runs: Function | Unread | None) -> tuple[Kept, ...]:
    """Look whether the images that run, or may have to run again, stay in the registry."""
    found = {
        each.image_uri: "$LATEST" if each.version == LATEST else f"version {each.version}"
        for each in reversed(runs)
        if isinstance(each, Function) and each.image_uri
    }
    return tuple(_of_uri(run, named, uri) for uri, named in found.items())


def _of_uri(run: Run, named: str, uri: str) -> Kept:
    session, digest = run.session, images.parse(uri).digest or ""

    def fate() -> lifecycle.Fate | None:
        rules = preflight.rules(session, uri)
        stored = preflight.stored(session, uri) if rules else ()
        return lifecycle.fate(rules, stored, digest=digest, now=session.now())

    return Kept(
        named=named,
        obstacle=_unless_failed("the registry", partial(images.obstacle, session, uri)),
        fate=_unless_failed("the lifecycle policy", fate),
    )


def _asked(
    run: Run, settings: Settings, latest: Function | Unread, alias: Alias | Unread | None
) -> Probe | None:
    """Send one canary where callers go, unless nobody should."""
    if not settings.canary or not isinstance(latest, Function) or latest.reserved_concurrency == 0:
        return None
    try:
        plan.refuse_unsafe(latest)
    except Refusal:
        return None
    run.record.function = latest
    qualifier = alias.name if isinstance(alias, Alias) else LATEST
    return probe.fire(run, {qualifier: 1}).probes[0]
