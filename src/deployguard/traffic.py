"""Who calls a function, as far as AWS shows it; what it does not show is said, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SHOWN = 3
SOURCES = {  # what `--sources` names, and what is read for it
    "mappings": "event source mappings",
    "policies": "resource policies",
    "urls": "function URLs",
    "destinations": "destinations of functions",
    "rules": "EventBridge rules",
    "schedules": "EventBridge schedules",
    "pipes": "EventBridge pipes",
    "state-machines": "state machines",
    "rest-apis": "REST APIs",
    "http-apis": "HTTP and WebSocket APIs",
    "buckets": "S3 notifications",
    "topics": "SNS subscriptions",
    "load-balancers": "load balancer targets",
    "metrics": "invocations that CloudWatch counted",
}


class Use(StrEnum):
    """Whether traffic takes a route."""

    CALLS = "calls"
    MAY = "may call"  # it is allowed to, and nothing shows that it does
    OFF = "off"  # disabled, or not deployed


class Discovery(StrEnum):
    """Whether callers are looked for, and what it means that some could not be read."""

    AUTO = "auto"  # those that are found are judged
    OFF = "off"
    REQUIRED = "required"  # what could not be read is doubt


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

    def members(self) -> dict[str, str | None]:
        """Return what documents tell of the caller."""
        return {
            "kind": self.kind,
            "caller": self.name,
            "via": self.via,
            "use": self.use.value,
            "qualifier": self.qualifier,
        }


def listed(callers: Sequence[Caller]) -> str:
    """Name some callers, and count the rest."""
    more = f" and {len(callers) - SHOWN} more" if len(callers) > SHOWN else ""
    return ", ".join(map(str, callers[:SHOWN])) + more


@dataclass(frozen=True, order=True)
class Unread:
    """What AWS did not show, because the role may not read it."""

    what: str
    why: str
    fix: str
