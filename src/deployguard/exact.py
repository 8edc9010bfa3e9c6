"""Exact tests: how often chance alone would look like what was seen, however little that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import comb

ALPHA = 0.05  # what comes by chance no more often than this is no chance


def chance_of_more(here: int, of_here: int, there: int, of_there: int) -> float:
    """Return how often chance would put so many of the marked ones, or more, on this side.

    This is Fisher's exact test, one-sided: exact for any number of answers, however small.
    """
    marked, total = here + there, of_here + of_there
    ways = sum(
        comb(of_here, more) * comb(of_there, marked - more)
        for more in range(here, min(marked, of_here) + 1)
    )
    return ways / comb(total, marked)


@dataclass(frozen=True)
class Split:
    """Where marked values lie furthest above the others, and how often chance does that."""

    at: float  # the smallest value on the upper side
    below: float | None  # the greatest one on the lower side
    above: tuple[int, int]  # marked, and others, from there on
    under: tuple[int, int]
    chance: float

    @property
    def is_perfect(self) -> bool:
        """Say whether all marked ones lie above, and all others below."""
        return self.above[1] == 0 and self.under[0] == 0


def split(marked: Sequence[float], others: Sequence[float]) -> Split | None:
    """Find the threshold that tells marked values from others best; None where a side is empty.

    The chance is that of Smirnov's exact test, one-sided, which has looked at each threshold: of
    all the orders in which the values might have come, the part that is split so well somewhere.
    """
    if not marked or not others:
        return None
    groups = _groups(marked, others)
    best, at, above = 0, len(groups), (0, 0)
    here = there = 0
    for place, (_, ours, theirs) in enumerate(groups):
        here, there = here + ours, there + theirs
        lead = here * len(others) - there * len(marked)
        if lead > best:
            best, at, above = lead, place, (here, there)
    if at == len(groups):
        return None
    sizes = [(ours + theirs) for _, ours, theirs in groups]
    return Split(
        at=groups[at][0],
        below=groups[at + 1][0] if at + 1 < len(groups) else None,
        above=above,
        under=(len(marked) - above[0], len(others) - above[1]),
        chance=_chance_of_lead(best, sizes, of_marked=len(marked), of_others=len(others)),
    )


def _groups(marked: Sequence[float], others: Sequence[float]) -> list[tuple[float, int, int]]:
    """Count marked and other ones of each value, the greatest first."""
    values = sorted([(value, 1) for value in marked] + [(value, 0) for value in others])
    counted = []
    for value, found in groupby(reversed(values), key=lambda pair: pair[0]):
        marks = [mark for _, mark in found]
        counted.append((value, sum(marks), len(marks) - sum(marks)))
    return counted


def _chance_of_lead(lead: int, sizes: Sequence[int], *, of_marked: int, of_others: int) -> float:
    """Return how often a random order leads so far, or further, where one value ends.

    It walks down the values, and keeps how likely each number of the rarer ones is so far.
    """
    rare, total, walked, reached = min(of_marked, of_others), of_marked + of_others, 0, 0.0
    likely = {0: 1.0}
    for size in sizes:
        for _ in range(size):
            likely = _one_more(likely, left=total - walked, of_rare=rare)
            walked += 1
        for few in list(likely):
            here = few if rare == of_marked else walked - few
            if here * of_others - (walked - here) * of_marked >= lead:
                reached += likely.pop(few)
    return min(1.0, reached)


def _one_more(likely: dict[int, float], *, left: int, of_rare: int) -> dict[int, float]:
    after: dict[int, float] = {}
    for few, part in likely.items():
        chance = (of_rare - few) / left
        if chance > 0:
            after[few + 1] = after.get(few + 1, 0.0) + part * chance
        if chance < 1:
            after[few] = after.get(few, 0.0) + part * (1 - chance)
    return after
