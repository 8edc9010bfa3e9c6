"""From callers to the images that they reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deployguard.model import Route
from deployguard.routes.nouns import End, Outcome, Path, Served
from deployguard.traffic import Caller, Use

ORDER = (Outcome.OTHER, Outcome.NOWHERE, Outcome.UNKNOWN, Outcome.EXPECTED)  # the worst first


def paths(callers: Iterable[Caller], served: Served, *, digest: str) -> tuple[Path, ...]:
    """Follow each caller to its ends, the worst and those that traffic takes first."""
    found = [_path(caller, served, digest=digest) for caller in callers]
    uses = list(Use)
    return tuple(
        sorted(
            found,
            key=lambda path: (uses.index(path.caller.use), ORDER.index(path.outcome), _text(path)),
        )
    )


def routes(callers: Iterable[Caller], served: Served) -> tuple[Route, ...]:
    """Return one route for each qualifier that traffic takes and that serves something."""
    names: dict[str, list[str]] = {}
    for caller in callers:
        qualifier = caller.qualifier or ""
        if caller.use is Use.CALLS and qualifier in served.qualifiers:
            names.setdefault(qualifier, []).append(f"{caller.kind} {caller.name}")
    return tuple(
        Route(", ".join(sorted(set(names[qualifier]))), qualifier, served.qualifiers[qualifier])
        for qualifier in sorted(names)
    )


def reached(callers: Iterable[Caller], served: Served) -> Iterator[str]:
    """Yield each version that some caller reaches, once."""
    qualifiers = dict.fromkeys(caller.qualifier for caller in callers if caller.qualifier)
    yield from dict.fromkeys(
        version for each in qualifiers for version in served.qualifiers.get(each, ())
    )


def _path(caller: Caller, served: Served, *, digest: str) -> Path:
    if caller.qualifier is None:
        return Path(caller, Outcome.UNKNOWN)
    versions = served.qualifiers.get(caller.qualifier)
    if versions is None:
        return Path(caller, Outcome.NOWHERE)
    ends = tuple(
        End(version, share, image := served.digests.get(version, ""), served.builds.get(image))
        for version, share in versions.items()
    )
    is_expected = all(end.digest == digest for end in ends if end.share > 0)
    return Path(caller, Outcome.EXPECTED if is_expected else Outcome.OTHER, ends)


def _text(path: Path) -> tuple[str, ...]:
    caller = path.caller
    return caller.qualifier or "", caller.kind, caller.name, caller.via
