"""The picture of a run: a row for each container, against the time since the run began.

Rows are as low as their number demands. What is drawn of the time before the run is an arrow: a
container that is days old would leave no room for the run itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from deployguard.model import Evidence, State
from deployguard.pages.builds import UNKNOWN, Builds
from deployguard.pages.markup import Markup, el, short, size
from deployguard.report.html.axis import (
    LANE,
    LEFT,
    WIDTH,
    Axis,
    Mark,
    bursts,
    changes,
    flags,
    ticks,
)
from deployguard.report.html.lives import Answered, Life, Silence, counted, many, rounds, span

PITCHES = ((40, 20.0), (160, 8.0), (10**9, 3.0))  # up to so many rows, how high each is
NAMED = 20.0  # a row that is so high has a name beside it
HEAD = 22  # the heading of some rows
ANSWERS = {
    "f": "a fresh answer",
    "s": "an old build answered",
    "u": "an answer that tells neither",
}
SHAPES = {State.FRESH: "f", State.STALE: "s", State.UNKNOWN: "u"}


def shapes() -> Markup:
    """Return what marks are drawn with: told apart by their form, and by colour, too."""
    return el(
        "g",
        el("circle", id="f", r=3.5, class_="f"),
        el("path", id="s", d="M-4 -4L4 4M4 -4L-4 4", class_="s"),
        el("rect", id="u", x=-3.5, y=-3.5, width=7, height=7, class_="u"),
        el("path", id="old", d="M0 0l9 -5v10z", class_="old"),
    )


def key(rows: int) -> Markup:
    """Return what each mark means in a picture of so many rows."""
    is_low = _pitch(rows) < NAMED
    marks = [
        (_bar_of(shape) if is_low else el("use", href=f"#{shape}", x=5, y=8), words)
        for shape, words in ANSWERS.items()
    ]
    if not is_low:
        marks += [
            (el("path", class_="birth", d="M5 1v14"), "born"),
            (el("use", href="#old", x=0, y=8), "born before the run"),
            (el("path", class_="held f", d="M0 8H14"), "a probe, for as long as it took"),
        ]
    marks += [
        (el("rect", x=0, y=4, width=14, height=8, fill="currentColor"), "a container of a build"),
        (el("rect", class_="round", x=0, y=0, width=14, height=16), "a round of probes"),
        (el("path", class_="change move", d="M5 0v16"), "the alias is moved"),
        (el("path", class_="change", d="M5 0v16"), "another change"),
    ]
    told = (el("li", el("svg", mark, class_="swatch"), f" {words}") for mark, words in marks)
    return el("ul", *told, class_="key")


def _bar_of(shape: str) -> Markup:
    return el("path", class_=f"low {shape}", d=_bar(3, 7, 8, 14))


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
    axis = Axis(max(0.001, *times))
    labels, lanes = flags(marks, axis)
    top = LANE * (lanes + 1) + 26
    rows, bottom = _rows(told, quiet, axis, builds, top=top)
    return el(
        "svg",
        *bursts(evidence, axis, top=top, bottom=bottom),
        *ticks(axis, top=top, bottom=bottom),
        *rows,
        *changes(marks, axis, bottom=bottom),
        *labels,
        viewBox=f"0 0 {WIDTH} {size(bottom + 6)}",
        class_="picture",
        role="img",
        aria_label=_about(told, marks, evidence, axis),
    )


def _rows(
    told: Sequence[Life], quiet: Sequence[Silence], axis: Axis, builds: Builds, *, top: float
) -> tuple[list[Markup], float]:
    """Return all rows, and where they end."""
    pitch = _pitch(len(told))
    rows: list[Markup] = []
    for part, height in (*_groups(told, axis, builds, pitch), *_silences(quiet, axis)):
        rows.append(el("g", part, transform=f"translate(0 {size(top)})"))
        top += height
    return rows, top


def _pitch(rows: int) -> float:
    return next(height for most, height in PITCHES if rows <= most)


def _about(told: Sequence[Life], marks: Sequence[Mark], evidence: Evidence, axis: Axis) -> str:
    moves = sum(mark.is_move for mark in marks)
    return (
        f"Timeline of {span(axis.until)}: {many(len(told), 'container')} answered"
        f"{f', {counted(told)}' if told else ''}, in {many(len([*rounds(evidence)]), 'round')}; "
        f"{many(moves, 'move')} of an alias. The table of containers says the same in words."
    )


def _groups(
    told: Sequence[Life], axis: Axis, builds: Builds, pitch: float
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


def _row(life: Life, axis: Axis, number: int, y: float, *, pitch: float) -> Markup:
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
    answers: Sequence[Answered], axis: Axis, middle: float, *, pitch: float
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


def _merged(answers: Sequence[Answered], axis: Axis) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for each in sorted(answers, key=lambda each: each.sent):
        begin, end = axis.x(each.sent), axis.x(each.until)
        if found and begin <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _silences(quiet: Sequence[Silence], axis: Axis) -> Iterator[tuple[Markup, float]]:
    for each in quiet:
        words = el("text", f"{each.answer}: {len(each.answers)}", x=0, y=15)
        yield Markup(words + "".join(_marks(each.answers, axis, 11, pitch=NAMED))), HEAD
