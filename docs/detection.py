"""What the detection bench found, as tables and as a picture; `make bench` measures it anew."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployguard.pages import frame
from deployguard.pages.builds import COLOURS
from deployguard.pages.markup import Markup, el

FOUND = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
OURS = "deployguard"
METHODS = (
    OURS,
    "as many at once, not held",
    "as many in a row",
    "one invoke",
    "a version gate",
)
WIDTH, HEIGHT, ACROSS = 320, 150, 2  # of a panel, and how many stand side by side
LEFT, GAP, TOP, BELOW, LEGEND = 46, 62, 40, 36, 17
DASHED = "6 4"
NAMESPACE = "http://www.w3.org/2000/svg"


# Tables


def ours() -> list[tuple[str, ...]]:
    """Return how deployguard ended in each cell."""
    head = (
        "what varies",
        "",
        "old ones: STALE",
        "false FRESH",
        "INCONCLUSIVE",
        "none old: FRESH",
        "false STALE",
        "INCONCLUSIVE",
        "probes per container",
        "seconds",
    )
    return [head, *map(_ours, FOUND["cells"])]


def _ours(cell: dict[str, Any]) -> tuple[str, ...]:
    bad = cell["bad"][OURS] if cell["is_bad"] else None
    good = cell["good"].get(OURS) or (None if cell["is_bad"] else cell["bad"][OURS])
    shown = [_share(bad, kind) for kind in ("stale", "false_fresh", "inconclusive")]
    shown += [_share(good, kind) for kind in ("fresh", "stale", "inconclusive")]
    pairs = [each for each in (bad, good) if each]
    probes = " / ".join(f"{each['per_container']:.3g}" for each in pairs)
    seconds = " / ".join(f"{each['wall_s']:.1f}" for each in pairs)
    return f"{cell['sweep']}: {cell['line']}", cell["x"], *shown, probes, seconds


def others() -> list[tuple[str, ...]]:
    """Return how often each method called fresh what was not."""
    head = ("what varies", "", *METHODS)
    return [head] + [
        (
            f"{cell['sweep']}: {cell['line']}",
            cell["x"],
            *(_share(cell["bad"][method], "false_fresh") for method in METHODS),
        )
        for cell in FOUND["cells"]
        if cell["is_bad"]
    ]


def sample() -> list[tuple[str, ...]]:
    """Return how the sample ended for real, and in the model."""
    head = ("scenario", "real runs", "probes", "model", "probes")
    rows = []
    for each in FOUND["sample"]:
        sides = [
            (_verdicts(each[side]["verdicts"]), f"{each[side]['probes']:g}")
            for side in ("real", "model")
        ]
        rows.append((each["name"], *sides[0], *sides[1]))
    return [head, *rows]


def _verdicts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items())


def _share(result: dict[str, Any] | None, kind: str) -> str:
    if result is None:
        return ""
    return "0" if result[kind] == 0 else f"{100 * result[kind] / result['runs']:.3g} %"


# The picture


@dataclass(frozen=True)
class Line:
    """Shares, from 0 to 1, one for each place on the axis, and the method that they are of."""

    name: str
    shares: tuple[float, ...]
    method: str
    is_second: bool = False  # of the same method

    @property
    def colour(self) -> str:
        """Return the colour of the method, which is the same in all panels."""
        return COLOURS[METHODS.index(self.method)]


@dataclass(frozen=True)
class Panel:
    """One diagram: what it shows, and what its axis is."""

    title: str
    axis: str
    places: Sequence[str]
    lines: Sequence[Line]


def svg() -> str:
    """Return the picture as a file, which follows the reader's colour scheme."""
    panels = (
        _missed("One old container passes as fresh", "pool size", "default limits", "pool size"),
        _missed("Old containers pass as fresh", "old share", "mru", "old ones among 30"),
        _load(),
        _partitions(),
    )
    stride = TOP + HEIGHT + BELOW + LEGEND * max(len(panel.lines) for panel in panels) + 8
    drawn = [
        mark
        for number, panel in enumerate(panels)
        for mark in _panel(
            panel,
            left=LEFT + (number % ACROSS) * (WIDTH + GAP),
            top=TOP + (number // ACROSS) * stride,
        )
    ]
    width = LEFT + ACROSS * WIDTH + (ACROSS - 1) * GAP + 16
    height = stride * len(panels) // ACROSS
    picture = el(
        "svg",
        el("style", Markup(frame.picture_style() + ".line { fill: none; stroke-width: 2 }")),
        el("rect", width=width, height=height, fill="var(--paper)"),
        *drawn,
        xmlns=NAMESPACE,
        viewBox=f"0 0 {width} {height}",
        class_="picture",
        role="img",
        aria_label="How often old containers pass as fresh, and good deploys as inconclusive",
    )
    return f"{picture}\n"


def _cells(sweep: str, line: str) -> list[dict[str, Any]]:
    return [cell for cell in FOUND["cells"] if (cell["sweep"], cell["line"]) == (sweep, line)]


def _shares(results: Iterable[dict[str, Any]], kind: str) -> tuple[float, ...]:
    return tuple(result[kind] / result["runs"] for result in results)


def _by_method(cells: Sequence[dict[str, Any]], methods: Iterable[str]) -> list[Line]:
    """Return a line for each method; those that end alike share one."""
    alike: dict[tuple[float, ...], list[str]] = {}
    for method in methods:
        shares = _shares((cell["bad"][method] for cell in cells), "false_fresh")
        alike.setdefault(shares, []).append(method)
    return [Line(", ".join(names), shares, names[0]) for shares, names in alike.items()]


def _missed(title: str, sweep: str, line: str, axis: str) -> Panel:
    cells = _cells(sweep, line)
    places = [cell["x"].replace("000", "k") for cell in cells]
    return Panel(title, axis, places, _by_method(cells, METHODS))


def _load() -> Panel:
    same = _cells("production load", "the same containers")
    other = _cells("production load", "others in each round")
    ours, theirs = (
        _shares((cell["bad"][OURS] for cell in cells), "false_fresh") for cells in (same, other)
    )
    lines = [
        Line(f"{OURS}, callers keep the same ones", ours, OURS),
        Line(f"{OURS}, callers take others in each round", theirs, OURS, is_second=True),
        *_by_method(same, METHODS[1:]),
    ]
    title, axis = (
        "One old container of 30 passes as fresh",
        "containers that other callers keep busy",
    )
    return Panel(title, axis, [cell["x"] for cell in same], lines)


def _partitions() -> Panel:
    lines, places = [], ["1", "2", "3", "4", "5", "6"]
    for size in ("30 containers", "1 to 200 containers"):
        cells = {cell["x"].split()[0]: cell["good"][OURS] for cell in _cells("routing", size)}
        cells["1"] = cells["mru"]
        shares = _shares((cells[place] for place in places), "inconclusive")
        lines.append(Line(f"{OURS}, {size}", shares, OURS, is_second=bool(lines)))
    axis = "groups of containers that do not know of each other"
    return Panel("Good deploys of $LATEST that end INCONCLUSIVE", axis, places, lines)


def _panel(panel: Panel, *, left: int, top: int) -> Iterator[Markup]:
    bottom = top + HEIGHT
    yield el("text", panel.title, x=left, y=top - 16, class_="flag")
    for percent in (0, 25, 50, 75, 100):
        y = bottom - HEIGHT * percent / 100
        yield el("path", class_="tick" if percent else "axis", d=f"M{left} {y:g}h{WIDTH}")
        label = f"{percent} %"
        yield el("text", label, x=left - 6, y=y + 4, class_="dim", text_anchor="end")
    xs = [left + WIDTH * (n + 0.5) / len(panel.places) for n in range(len(panel.places))]
    for x, place in zip(xs, panel.places, strict=True):
        yield el("text", place, x=x, y=bottom + 14, class_="dim", text_anchor="middle")
    middle = left + WIDTH / 2
    yield el("text", panel.axis, x=middle, y=bottom + 29, class_="dim", text_anchor="middle")
    for number, line in enumerate(panel.lines):
        points = [(x, bottom - HEIGHT * share) for x, share in zip(xs, line.shares, strict=True)]
        yield from _drawn(line, points)
        y = bottom + BELOW + LEGEND * (number + 1) - 4
        yield from _drawn(line, [(left, y - 4), (left + 26, y - 4)])
        yield el("text", line.name, x=left + 36, y=y)


def _drawn(line: Line, points: Sequence[tuple[float, float]]) -> Iterator[Markup]:
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashes = DASHED if line.is_second else None
    yield el("path", class_="line", d=path, stroke=line.colour, stroke_dasharray=dashes)
    for x, y in points:
        yield el("circle", cx=x, cy=y, r=3, fill=line.colour)
