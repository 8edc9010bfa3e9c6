"""The chapter: read who calls the function, and follow each caller to the image it reaches."""

from __future__ import annotations

from deployguard import discover
from deployguard.aws import sources
from deployguard.config import Settings
from deployguard.routes import resolve, served
from deployguard.routes.nouns import Audit
from deployguard.run import Run
from deployguard.target import Target
from deployguard.traffic import SOURCES


def audit(run: Run, settings: Settings, target: Target) -> Audit:
    """Say where the traffic of a function goes; with a qualifier, that of this one alone."""
    latest = discover.settled(run, target.name)
    discover.shipped(run, settings, latest)
    serves = served.read(run, latest.name)
    reading = sources.Reading(
        run, latest, served=serves, names=settings.sources or SOURCES, within_s=run.left
    )
    callers, unread = reading.callers(run.say)
    if target.qualifier is not None:
        callers = tuple(each for each in callers if each.qualifier in (target.qualifier, None))
    versions = resolve.reached(callers, serves)
    serves = served.with_builds(run, latest.name, serves, versions=versions)
    paths = resolve.paths(callers, serves, digest=run.expected.digest)
    return Audit(latest.arn, run.expected, paths, unread)
