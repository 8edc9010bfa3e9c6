"""The decider of prune: which published versions nobody needs any more; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Pruning:
    """Which versions stay, and why, and which are to be deleted."""

    kept: Mapping[str, str]  # version -> why; the newest first
    doomed: tuple[str, ...]  # the oldest first, so that what is left after a failure is the newer

    def steps(self) -> tuple[str, ...]:
        """Say each step in words."""
        kept = (f"keep version {version}: {why}" for version, why in self.kept.items())
        return (*kept, *(f"delete version {version}" for version in self.doomed))


def decide(
    versions: Iterable[str], *, routes: Mapping[str, str], others: Mapping[str, str], keep: int
) -> Pruning:
    """Keep what serves, what served before it, whatever else is named, and the newest.

    `routes` and `others` say of versions why they are needed; only what traffic takes has one
    before it, which is the way back.
    """
    newest_first = sorted(set(versions), key=int, reverse=True)
    whys = {**others, **routes}
    for version, why in routes.items():
        previous = next((each for each in newest_first if int(each) < int(version)), None)
        if previous is not None:
            whys.setdefault(previous, f"it is the one before version {version}: {why}")
    for version in newest_first[:keep]:
        whys.setdefault(version, f"it is one of the newest {keep}")
    kept = {version: whys[version] for version in newest_first if version in whys}
    return Pruning(kept, tuple(each for each in reversed(newest_first) if each not in kept))
