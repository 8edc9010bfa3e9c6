"""The time of a run as a picture: its axis, the bursts of probes, and the changes that it made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployguard.model import Evidence
from deployguard.pages.markup import Markup, el, short, size
from deployguard.report.html.lives import many, rounds

WIDTH, LEFT, RIGHT = 960, 216, 14
LANE = 15  # how high a line of labels of changes is
MOST_LANES = 8
LETTER = 6.3
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400)
TICKS = 8


@dataclass(frozen=True)
class Mark:
    """A change that the run made."""

    at: float
    label: str
    is_move: bool


@dataclass(frozen=True)
class Axis:
    """The time that is drawn: from the beginning of the run on."""

    until: float

    def x(self, seconds: float) -> float:
        """Return where a moment is drawn."""
        share = min(max(seconds / self.until, 0.0), 1.0)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def steps(self) -> Iterator[float]:
        """Yield the moments that are named."""
        step = next((s for s in STEPS if self.until / s <= TICKS), self.until / TICKS)
        yield from (step * number for number in range(math.floor(self.until / step) + 1))


def bursts(evidence: Evidence, axis: Axis, *, top: float, bottom: float) -> Iterator[Markup]:
    """Yield a band for each burst, named where there is room."""
    free = 0.0
    for name, each in sorted(rounds(evidence), key=lambda named: named[1].started):
        ends = [p.sent if p.answered is None else p.answered for p in each.probes]
        begin, end = axis.x(each.started), axis.x(max(ends, default=each.started))
        yield el(
            "rect",
            el("title", f"{name}: {many(len(each.probes), 'probe')}"),
            class_="round",
            x=begin,
            y=top - 22,
            width=max(1.0, end - begin),
            height=bottom - top + 22,
        )
        label = name if end - begin > LETTER * len(name) else name.split()[1]
        if begin >= free and begin + LETTER * len(label) <= WIDTH:
            yield el("text", label, x=begin + 2, y=top - 11, class_="dim")
            free = begin + LETTER * len(label) + 4


def ticks(axis: Axis, *, top: float, bottom: float) -> Iterator[Markup]:
    """Yield the moments, across all rows."""
    for seconds in axis.steps():
        x = axis.x(seconds)
        yield el("path", class_="tick", d=f"M{size(x)} {size(top - 4)}V{size(bottom)}")
        label = f"{seconds:g} s" if axis.until < 300 else f"{seconds / 60:g} min"
        if x < WIDTH - RIGHT - 8:
            yield el("text", label, x=x, y=10, class_="dim", text_anchor="middle")
    yield el("path", class_="axis", d=f"M{LEFT} {size(top - 4)}H{WIDTH - RIGHT}")


def changes(marks: Sequence[Mark], axis: Axis, *, bottom: float) -> Iterator[Markup]:
    """Yield a line for each change; those that moved an alias stand out."""
    for mark in marks:
        kind = "change move" if mark.is_move else "change"
        yield el("path", class_=kind, d=f"M{size(axis.x(mark.at))} {LANE}V{size(bottom)}")


def flags(marks: Sequence[Mark], axis: Axis) -> tuple[list[Markup], int]:
    """Return the labels of changes, in as many lines as it takes to keep them apart."""
    told: list[Markup] = []
    lanes: list[float] = []  # where each line is free again
    for mark in sorted(marks, key=lambda mark: mark.at):
        label = short(mark.label, 60)
        x, wide = axis.x(mark.at), LETTER * len(label) + 8
        is_late = x + wide > WIDTH
        begin = x - wide if is_late else x
        lane = next((n for n, free in enumerate(lanes) if free <= begin), len(lanes))
        if lane >= MOST_LANES:
            continue
        lanes[lane : lane + 1] = [begin + wide]
        told.append(
            el(
                "text",
                label,
                x=x - 4 if is_late else x + 4,
                y=LANE * (lane + 1) + 10,
                class_="flag",
                text_anchor="end" if is_late else None,
            )
        )
    return told, len(lanes)
