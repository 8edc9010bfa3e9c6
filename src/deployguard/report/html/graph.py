"""The ways of traffic as a picture: callers, qualifiers, versions with their images, containers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from deployguard.model import Expected, State
from deployguard.pages.builds import UNKNOWN, Builds
from deployguard.pages.markup import Markup, el, short, size
from deployguard.report.html.lives import Life, many
from deployguard.routes.nouns import End, Outcome, Path
from deployguard.traffic import Use

WIDTH, HIGH, GAP, TOP = 960, 42, 12, 24
COLUMNS = ((0, 215, "caller"), (255, 130, "qualifier"), (425, 255, "version and image"))
ANSWERED = (720, 240, "containers that answered")
LETTER, SMALL = 6.9, 6.4
MOST = 12  # ways that are drawn; the table has them all
AT_RUN_TIME = "only at run time"
Key = tuple[int, str]


class _Box(NamedTuple):
    """What a box says in its two lines, and how it stands."""

    head: str
    foot: str
    kind: str = ""
    build: str | None = None
    has_swatch: bool = False


class _Edge(NamedTuple):
    label: str = ""
    kind: str = ""


@dataclass(frozen=True)
class _Graph:
    boxes: dict[Key, _Box]
    edges: dict[tuple[Key, Key], _Edge]

    def add(self, column: int, key: str, box: _Box) -> Key:
        self.boxes.setdefault((column, key), box)
        return column, key


def svg(
    paths: Sequence[Path],
    told: Sequence[Life],
    *,
    expected: Expected,
    builds: Builds,
    verdicts: Mapping[str, str],
) -> Markup:
    """Return the picture; `verdicts` tell how each qualifier was judged."""
    graph = _Graph({}, {})
    for path in paths[:MOST]:
        _add(graph, path, expected, verdicts=verdicts, told=told)
    places = _places(graph.boxes)
    columns = (*COLUMNS, ANSWERED) if told else COLUMNS
    more = len(paths) - MOST
    bottom = max(places.values(), default=0.0) + HIGH + GAP
    note = [el("text", f"and {more} more in the table", x=0, y=bottom + 8, class_="dim")]
    return el(
        "svg",
        *(el("text", name, x=x, y=12, class_="dim") for x, _, name in columns),
        *_edges(graph, places),
        *(_drawn(key, box, places[key], builds) for key, box in graph.boxes.items()),
        *(note if more > 0 else ()),
        viewBox=f"-1 0 {WIDTH + 2} {size(bottom + 16 * (more > 0))}",
        class_="picture graph",
        role="img",
        aria_label=f"Graph of {many(len(paths), 'way')} from a caller to an image. "
        "The table below it says the same in words.",
    )


def _add(
    graph: _Graph,
    path: Path,
    expected: Expected,
    *,
    verdicts: Mapping[str, str],
    told: Sequence[Life],
) -> None:
    caller, use = path.caller, path.caller.use
    about = " · ".join(filter(None, (caller.kind, caller.via, "" if use is Use.CALLS else use)))
    start = graph.add(0, str(caller), _Box(caller.name, about))
    called = caller.qualifier or AT_RUN_TIME
    verdict = verdicts.get(called, "")
    qualifier = graph.add(1, called, _Box(called, verdict, verdict.lower()))
    graph.edges.setdefault((start, qualifier), _Edge(kind="" if use is Use.CALLS else "may"))
    for end in path.ends:
        version = graph.add(2, end.version, _version(end, expected))
        share = "" if end.share == 1 else f"{end.share:.0%}"
        graph.edges.setdefault((qualifier, version), _Edge(share))
        for key, box in _answered(end.version, told):
            graph.edges.setdefault((version, graph.add(3, key, box)), _Edge())
    if not path.ends:
        kind = "stale" if path.outcome is Outcome.NOWHERE else "inconclusive"
        nowhere = graph.add(2, path.outcome, _Box(path.outcome.value, "", kind))
        graph.edges.setdefault((qualifier, nowhere), _Edge())


def _version(end: End, expected: Expected) -> _Box:
    is_expected = end.digest == expected.digest
    build = expected.build_id if is_expected else end.build_id
    head = f"{end.version} · {end.digest[:19] or 'image unknown'}"
    return _Box(head, f"build {build or UNKNOWN}", "fresh" if is_expected else "stale", build, True)


def _answered(version: str, told: Sequence[Life]) -> Iterator[tuple[str, _Box]]:
    own = Counter((life.build_id, life.state) for life in told if life.version == version)
    for (build, state), count in own.items():
        kind = "inconclusive" if state is State.UNKNOWN else state.value
        yield (
            f"{version} {state} {build}",
            _Box(
                f"{many(count, 'container')}, {state}",
                f"build {build or UNKNOWN}",
                kind,
                build,
                True,
            ),
        )


def _places(boxes: Mapping[Key, _Box]) -> dict[Key, float]:
    """Put the boxes of each column below each other, and short columns in the middle."""
    counts = Counter(column for column, _ in boxes)
    tallest = max(counts.values(), default=0)
    used: Counter[int] = Counter()
    found = {}
    for key in boxes:
        column = key[0]
        before = (tallest - counts[column]) / 2 + used[column]
        found[key] = TOP + before * (HIGH + GAP)
        used[column] += 1
    return found


def _edges(graph: _Graph, places: Mapping[Key, float]) -> Iterator[Markup]:
    columns = (*COLUMNS, ANSWERED)
    for (begin, end), edge in graph.edges.items():
        left, wide, _ = columns[begin[0]]
        x, y = left + wide, places[begin] + HIGH / 2
        to, at = columns[end[0]][0], places[end] + HIGH / 2
        half = (x + to) / 2
        drawn = (
            f"M{size(x)} {size(y)}C{size(half)} {size(y)} {size(half)} {size(at)} {to} {size(at)}"
        )
        yield el("path", d=drawn, class_=f"edge {edge.kind}".strip())
        if edge.label:
            yield el("text", edge.label, x=half, y=(y + at) / 2 - 4, text_anchor="middle")


def _drawn(key: Key, box: _Box, y: float, builds: Builds) -> Markup:
    left, wide, _ = (*COLUMNS, ANSWERED)[key[0]]
    room = int((wide - 14 - 16 * box.has_swatch) / SMALL)
    foot = left + 8 + 16 * box.has_swatch
    parts = [
        el("title", short(f"{box.head}: {box.foot}".removesuffix(": "), 300)),
        el("rect", x=left, y=y, width=wide, height=HIGH, rx=6, class_=f"box {box.kind}".strip()),
        el(
            "text",
            short(box.head, int((wide - 14) / LETTER)),
            x=left + 8,
            y=y + (17 if box.foot else 26),
        ),
    ]
    if box.foot:
        parts.append(el("text", short(box.foot, room), x=foot, y=y + 33, class_="dim"))
    if box.has_swatch:
        parts.insert(2, builds.swatch(box.build, left + 8, y + 23))
    return el("g", *parts)
