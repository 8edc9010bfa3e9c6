"""Publish what was settled, and only that: the digest and the revision are preconditions."""

from __future__ import annotations

from collections.abc import Collection

from deployguard import discover
from deployguard.aws import functions
from deployguard.errors import AwsFailure, Superseded
from deployguard.resources import Function
from deployguard.run import Run

ATTEMPTS = 4


def version(run: Run, latest: Function, *, known: Collection[str]) -> Function:
    """Publish the expected image as a version, or get the one of the `known` that AWS has already.

    A lost answer is safe to ask again: publishing what is published returns that version. A
    refused revision may be our own: it also moves when a state settles.
    """
    run.step("publish")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            published = _publish(run, latest)
        except AwsFailure as failure:
            if attempt == ATTEMPTS or not failure.is_undecided:
                raise
            latest = _still_ours(run, latest.name)
            if not run.session.pause(attempt):
                raise
            continue
        run.record.published = published.version
        run.record.deduplicated = published.version in known
        note = " (published before; nothing changed since)" if run.record.deduplicated else ""
        run.say(f"published version {published.version}{note}")
        return discover.ready(run, published)
    raise AssertionError("the last attempt returns or raises")


def _publish(run: Run, latest: Function) -> Function:
    digest = latest.digest or ""
    return run.change(
        "PublishVersion",
        lambda: functions.publish(
            run.session, latest.name, digest=digest, revision=latest.revision
        ),
        before={},
        after={"digest": digest},
    )


def _still_ours(run: Run, name: str) -> Function:
    """Return `$LATEST` again; raise Superseded where somebody put other code there."""
    latest = discover.settled(run, name)
    if latest.digest != run.expected.digest:
        raise Superseded(
            f"{name} was updated to {latest.digest} while this run was publishing "
            f"{run.expected.digest}",
            finding="DG401",
        )
    return latest
