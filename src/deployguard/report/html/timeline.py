"""The picture of a run: a row for each container, against the time since the run began.

Rows are as low as their number demands. What is drawn of the time before the run is an arrow: a
container that is days old would leave no room for the run itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from deployguard.model import Evidence, State
from deployguard.pages.builds import UNKNOWN, Builds
from deployguard.pages.markup import Markup, el, short, size
from deployguard.report.html.lives import Answered, Life, Silence, counted, many, rounds, span

WIDTH, LEFT, RIGHT = 960, 216, 14
PITCHES = ((40, 20.0), (160, 8.0), (10**9, 3.0))  # up to so many rows, how high each is
NAMED = 20.0  # a row that is so high has a name beside it
LANE, HEAD = 15, 22  # a line of labels of changes; the heading of some rows
LETTER = 6.3
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14_400)
TICKS = 8
MOST_LANES = 8
SHAPES = {State.FRESH: "f", State.STALE: "s", State.UNKNOWN: "u"}


@dataclass(frozen=True)
class Mark:
    """A change that the run made."""

    at: float
    label: str
    is_move: bool


@dataclass(frozen=True)
class _Axis:
    """The time that is drawn: from the beginning of the run on."""

    until: float

    def x(self, seconds: float) -> float:
        share = min(max(seconds / self.until, 0.0), 1.0)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def ticks(self) -> Iterator[float]:
        step = next((s for s in STEPS if self.until / s <= TICKS), self.until / TICKS)
        yield from (step * number for number in range(math.floor(self.until / step) + 1))


def shapes() -> Markup:
    """Return what marks are drawn with: told apart by their form, and by colour, too."""
    return el(
        "g",
        el("circle", id="f", r=3.5, class_="f"),
        el("path", id="s", d="M-4 -4L4 4M4 -4L-4 4", class_="s"),
        el("rect", id="u", x=-3.5, y=-3.5, width=7, height=7, class_="u"),
        el("path", id="old", d="M0 0l9 -5v10z", class_="old"),
    )


def svg(
    evidence: Evidence,
    told: Sequence[Life],
    quiet: Sequence[Silence],
    marks: Sequence[Mark],
    *,
    seconds: float,
    builds: Builds,
) -> Markup:
    """Return the picture."""
    times = (*(life.until for life in told), *(mark.at for mark in marks), seconds)
    axis = _Axis(max(0.001, *times))
    flags, lanes = _flags(marks, axis)
    top = LANE * (lanes + 1) + 26
    pitch = next(height for most, height in PITCHES if len(told) <= most)
    body: list[Markup] = []
    y = float(top)
    for part, height in (*_groups(told, axis, builds, pitch), *_silences(quiet, axis)):
        body.append(el("g", part, transform=f"translate(0 {size(y)})"))
        y += height
    return el(
        "svg",
        *_rounds(evidence, axis, top=top, bottom=y),
        *_ticks(axis, top=top, bottom=y),
        *body,
        *(
            el("path", class_=f"change {kind}", d=f"M{size(x)} {at}V{size(y)}")
            for kind, x, at in (
                ("move" if mark.is_move else "", axis.x(mark.at), LANE) for mark in marks
            )
        ),
        *flags,
        viewBox=f"0 0 {WIDTH} {size(y + 6)}",
        class_="picture",
        role="img",
        aria_label=_about(told, marks, evidence, axis),
    )


def _about(told: Sequence[Life], marks: Sequence[Mark], evidence: Evidence, axis: _Axis) -> str:
    moves = sum(mark.is_move for mark in marks)
    return (
        f"Timeline of {span(axis.until)}: {many(len(told), 'container')} answered"
        f"{f', {counted(told)}' if told else ''}, in {many(len([*rounds(evidence)]), 'round')}; "
        f"{many(moves, 'move')} of an alias. The table of containers says the same in words."
    )


def _groups(
    told: Sequence[Life], axis: _Axis, builds: Builds, pitch: float
) -> Iterator[tuple[Markup, float]]:
    """Yield the rows of each build, and how high they are together."""
    number = 0
    for (state, build, version), found in groupby(
        told, key=lambda life: (life.state, life.build_id, life.version)
    ):
        group = list(found)
        old = [life.born for life in group if life.born < 0]
        ages = f", born up to {span(-min(old))} before the run" if old else ""
        name = f"{state} · {short(build or UNKNOWN, 60)} · version {short(version, 20)}"
        rows = [
            _row(life, axis, number + place, HEAD + pitch * place, pitch=pitch)
            for place, life in enumerate(group)
        ]
        number += len(group)
        yield (
            el(
                "g",
                builds.swatch(build, 0, 5),
                el("text", f"{name} · {many(len(group), 'container')}{ages}", x=18, y=15),
                *rows,
                fill=builds.fill(build),
            ),
            HEAD + pitch * len(group) + 6,
        )


def _row(life: Life, axis: _Axis, number: int, y: float, *, pitch: float) -> Markup:
    begin, end = axis.x(life.born), axis.x(life.until)
    thick = pitch * (0.4 if pitch >= NAMED else 0.75)
    middle = y + pitch / 2
    parts = [
        el("title", _words(life)),
        el("rect", x=begin, y=middle - thick / 2, width=max(1.0, end - begin), height=thick),
    ]
    if pitch >= NAMED:
        parts.append(el("text", life.container[:12], x=0, y=middle + 4, class_="id"))
        parts.append(_born(life, begin, middle))
    parts += _marks(life.answers, axis, middle, pitch=pitch)
    return el("g", *parts, id=f"t{number}", class_="row")


def _born(life: Life, begin: float, middle: float) -> Markup:
    """Draw the birth, or an arrow to it and how long before the run it was."""
    if life.born >= 0:
        return el("path", class_="birth", d=f"M{size(begin)} {size(middle - 7)}v14")
    arrow = el("use", href="#old", x=LEFT - 11, y=middle)
    words = el("text", life.birth, x=LEFT - 15, y=middle + 4, class_="dim", text_anchor="end")
    return Markup(arrow + words)


def _words(life: Life) -> str:
    return (
        f"{life.container[:12]} {life.state}, build {short(life.build_id or UNKNOWN, 60)}, "
        f"version {short(life.version, 20)}, born {life.birth}"
    )


def _marks(
    answers: Sequence[Answered], axis: _Axis, middle: float, *, pitch: float
) -> Iterator[Markup]:
    """Yield what the answers of a row show; those that would lie on each other are one."""
    for state, shape in SHAPES.items():
        spans = _merged([each for each in answers if each.state is state], axis)
        if not spans:
            continue
        if pitch >= NAMED:
            held = "".join(f"M{size(begin)} {size(middle)}H{size(end)}" for begin, end in spans)
            yield el("path", d=held, class_=f"held {shape}")
            yield from (el("use", href=f"#{shape}", x=end, y=middle) for _, end in spans)
        else:
            thin, high = max(0.8, pitch * 0.2), pitch - 0.5
            drawn = "".join(
                f"{_bar(begin, end, middle, thin)}{_bar(end - 4, end, middle, high)}"
                for begin, end in spans
            )
            yield el("path", d=drawn, class_=f"low {shape}")


def _bar(begin: float, end: float, middle: float, high: float) -> str:
    return f"M{size(begin)} {size(middle - high / 2)}H{size(end)}v{size(high)}H{size(begin)}z"


def _merged(answers: Sequence[Answered], axis: _Axis) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for each in sorted(answers, key=lambda each: each.sent):
        begin, end = axis.x(each.sent), axis.x(each.until)
        if found and begin <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _silences(quiet: Sequence[Silence], axis: _Axis) -> Iterator[tuple[Markup, float]]:
    for each in quiet:
        words = el("text", f"{each.answer}: {len(each.answers)}", x=0, y=15)
        yield Markup(words + "".join(_marks(each.answers, axis, 11, pitch=NAMED))), HEAD


def _rounds(evidence: Evidence, axis: _Axis, *, top: float, bottom: float) -> Iterator[Markup]:
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


def _ticks(axis: _Axis, *, top: float, bottom: float) -> Iterator[Markup]:
    for seconds in axis.ticks():
        x = axis.x(seconds)
        yield el("path", class_="tick", d=f"M{size(x)} {size(top - 4)}V{size(bottom)}")
        label = f"{seconds:g} s" if axis.until < 300 else f"{seconds / 60:g} min"
        if x < WIDTH - RIGHT - 8:
            yield el("text", label, x=x, y=10, class_="dim", text_anchor="middle")
    yield el("path", class_="axis", d=f"M{LEFT} {size(top - 4)}H{WIDTH - RIGHT}")


def _flags(marks: Sequence[Mark], axis: _Axis) -> tuple[list[Markup], int]:
    """Return the labels of changes, in as many lines as it takes to keep them apart."""
    flags: list[Markup] = []
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
        flags.append(
            el(
                "text",
                label,
                x=x - 4 if is_late else x + 4,
                y=LANE * (lane + 1) + 10,
                class_="flag",
                text_anchor="end" if is_late else None,
            )
        )
    return flags, len(lanes)
