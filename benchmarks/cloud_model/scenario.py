"""What is there when a check begins, and what happens while it runs: one cell of the grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployguard.model import LATEST, Policy, Verdict

ANY = 0  # a pool of 1 to 200 containers, small ones as likely as large ones by their log
ACCOUNT_SHARE = 500  # half of the usual account limit of 1,000
ALIAS = "live"


@dataclass(frozen=True)
class Scenario:
    """The containers, how they are chosen, and how long old ones go on answering."""

    size: int = 30
    old: int = 1
    routing: str = "mru"
    partitions: int = 1
    load: float = 0.0  # share of the containers that other callers keep busy
    roaming: bool = False  # they take others before each round, instead of keeping theirs
    move: str = ""  # of an alias, `step` or `ramp`; none means a route to $LATEST
    lasting_s: float = math.inf  # after the change; the change is long past where it has no end
    grace_s: float = Policy.grace_s
    max_probes: int = Policy.max_probes
    free: int = ACCOUNT_SHARE

    @property
    def qualifier(self) -> str:
        """Return what is asked."""
        return ALIAS if self.move else LATEST

    @property
    def changed_at(self) -> float:
        """Return when the change was made, in seconds of the run."""
        return -self.grace_s if math.isinf(self.lasting_s) else 0.0

    @property
    def is_bad(self) -> bool:
        """Say whether old containers go on answering when they are tolerated no longer."""
        return self.old > 0 and self.changed_at + self.lasting_s > self.grace_s

    @property
    def wanted(self) -> Verdict:
        """Return the verdict that is right."""
        return Verdict.STALE if self.is_bad else Verdict.FRESH

    @property
    def chosen(self) -> str:
        """Say how containers are chosen."""
        if self.partitions > 1:
            return f"{self.partitions} partitions"
        return self.routing
