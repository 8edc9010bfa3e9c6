"""Which errors a Retry or Catch takes, and how long a Retry waits."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

FATAL = ("States.DataLimitExceeded", "States.Runtime")  # what States.ALL does not take


def takes(names: Sequence[str], error: str) -> bool:
    """Tell whether a list of error names takes an error."""
    if error in names:
        return True
    if "States.TaskFailed" in names and error not in (*FATAL, "States.Timeout"):
        return True
    return "States.ALL" in names and error not in FATAL


class Patience:
    """The Retry of one state, which counts each retrier's attempts."""

    def __init__(self, retriers: Sequence[Mapping[str, Any]]) -> None:
        """Start with none made."""
        self.retriers = retriers
        self.made = [0] * len(retriers)

    def pause(self, error: str) -> float | None:
        """Return how long to wait before the next attempt, or None for no further one."""
        for number, retrier in enumerate(self.retriers):
            if not takes(retrier["ErrorEquals"], error):
                continue
            made = self.made[number]
            if made >= retrier.get("MaxAttempts", 3):
                return None
            self.made[number] += 1
            pause = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** made
            pause = min(pause, retrier.get("MaxDelaySeconds", pause))
            return random.uniform(0, pause) if retrier.get("JitterStrategy") == "FULL" else pause
        return None
