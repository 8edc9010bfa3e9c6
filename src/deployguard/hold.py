"""How long probes hold their containers: until the last of them has arrived, and not much longer.

The first round holds by an estimate, later ones by what was measured. A hold that was too short is
never believed: `coverage` wants proof, of each round, that all probes had arrived before the first
container was free again. The late arrival that breaks the proof is what lengthens the next hold.
"""

from __future__ import annotations

from collections.abc import Sequence

from deployguard import coverage
from deployguard.model import Round

FIRST_S = 0.5  # the trips of a first round are not known
LEAST_S = 0.1  # trips as short as those that were measured may be luck
MARGIN = 2.0
EACH_S = 0.0005  # for every probe: what a busy machine takes to send one and to read its answer
LONGEST_MS = 10_000  # a canary holds no longer


def next_ms(rounds: Sequence[Round], size: int, *, asked_ms: int | None, longest_ms: int) -> int:
    """Return how long the next round should hold its containers; what was asked for comes first.

    One probe has no other to overlap with.
    """
    if asked_ms is not None:
        return asked_ms
    if size == 1:
        return 0
    hold_s = _trips_s(rounds) + size * EACH_S
    return min(round(hold_s * 1000), longest_ms, LONGEST_MS)


def _trips_s(rounds: Sequence[Round]) -> float:
    """Return what the arrivals so far ask for; who waits for a cold start is no late arrival."""
    every = [found for each in rounds for found in coverage.arrivals(each)]
    if not every:
        return FIRST_S
    slowest = max(after for after, _ in every)
    latest = max((after for after, is_cold in every if not is_cold), default=0.0)
    return max(LEAST_S, MARGIN * latest, min(MARGIN * slowest, FIRST_S))
