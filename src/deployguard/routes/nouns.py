"""The nouns of an audit: where each caller ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deployguard.model import Expected
from deployguard.traffic import Caller, Unread, Use


class Outcome(StrEnum):
    """Where a route ends."""

    EXPECTED = "expected"
    OTHER = "another image"
    NOWHERE = "nothing of that name"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class End:
    """One version that a qualifier serves, with the image behind it."""

    version: str
    share: float
    digest: str
    build_id: str | None = None


@dataclass(frozen=True)
class Path:
    """The way of one caller, to its ends."""

    caller: Caller
    outcome: Outcome
    ends: tuple[End, ...] = ()


@dataclass(frozen=True)
class Served:
    """What a function serves: the versions of each qualifier, and the image of each version."""

    qualifiers: Mapping[str, Mapping[str, float]]  # as shares that sum to 1
    digests: Mapping[str, str]  # version -> sha256:<hex>
    builds: Mapping[str, str] = field(default_factory=dict)  # digest -> build id


@dataclass(frozen=True)
class Audit:
    """Where all traffic that AWS shows really goes."""

    function: str  # its ARN
    expected: Expected
    paths: tuple[Path, ...]
    unread: tuple[Unread, ...]

    @property
    def exit_code(self) -> int:
        """Return 10 where traffic ends elsewhere, 11 where something is unknown, 0 otherwise."""
        outcomes = {path.outcome for path in self.paths if path.caller.use is Use.CALLS}
        if outcomes & {Outcome.OTHER, Outcome.NOWHERE}:
            return 10
        return 11 if self.unread or Outcome.UNKNOWN in outcomes else 0
