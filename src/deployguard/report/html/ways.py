"""The routes of a run as the ways that an audit knows: from each caller to the images behind."""

from __future__ import annotations

from collections.abc import Iterator

from deployguard.model import Evidence, Route
from deployguard.routes.nouns import End, Outcome, Path
from deployguard.traffic import Caller, Use


def paths(evidence: Evidence) -> list[Path]:
    """Return a way for each route that was judged, and for each caller that takes one."""
    return [*_of_routes(evidence), *_elsewhere(evidence)]


def _of_routes(evidence: Evidence) -> Iterator[Path]:
    for route in evidence.routes:
        callers = [each for each in evidence.callers if each.qualifier == route.qualifier]
        for caller in callers or [Caller("", route.caller, route.qualifier)]:
            ends = tuple(_ends(evidence, route))
            yield Path(caller, _outcome(evidence, ends), ends)


def _elsewhere(evidence: Evidence) -> Iterator[Path]:
    """Yield the callers of what was not judged: it is ignored, unused, missing, or not known."""
    judged = {route.qualifier for route in evidence.routes}
    for caller in evidence.callers:
        if caller.qualifier not in judged and caller.use is not Use.OFF:
            is_missing = caller.qualifier in evidence.missing
            yield Path(caller, Outcome.NOWHERE if is_missing else Outcome.UNKNOWN)


def _ends(evidence: Evidence, route: Route) -> Iterator[End]:
    for version, share in route.versions.items():
        digest = evidence.digests.get(version, "")
        build = evidence.expected.build_id if digest == evidence.expected.digest else None
        yield End(version, share, digest, build)


def _outcome(evidence: Evidence, ends: tuple[End, ...]) -> Outcome:
    found = {end.digest for end in ends if end.share > 0}
    if "" in found:
        return Outcome.UNKNOWN
    return Outcome.EXPECTED if found == {evidence.expected.digest} else Outcome.OTHER
