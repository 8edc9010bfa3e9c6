"""Who calls a function, as far as AWS shows it; what it does not show is said, too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Use(StrEnum):
    """Whether traffic takes a route."""

    CALLS = "calls"
    MAY = "may call"  # it is allowed to, and nothing shows that it does
    OFF = "off"  # disabled, or not deployed


@dataclass(frozen=True)
class Caller:
    """Who calls the function, and by which qualifier: None is one known only at run time."""

    kind: str
    name: str
    qualifier: str | None
    via: str = ""
    use: Use = Use.CALLS
    variables: tuple[str, ...] = ()  # of an API's stage, which make the qualifier what it is

    def __str__(self) -> str:
        """Name the caller."""
        return f"{self.kind} {self.name}" + (f" ({self.via})" if self.via else "")


@dataclass(frozen=True, order=True)
class Unread:
    """What AWS did not show, because the role may not read it."""

    what: str
    why: str
    fix: str
