"""The past of a function as a picture: one band for each route, a column for each slot of time.

The SVG stands by itself, in a page or as a file: no script, no font, no link; its colours follow
the reader's scheme. Every text in it is escaped, as all of it came from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployguard import safe
from deployguard.history.render import OF, UNKNOWN, moment, moved
from deployguard.history.served import SLOTS, History, Route, Served

COLUMN, HEIGHT, LEFT, TOP = 14, 90, 12, 58
BAND = HEIGHT + 58  # a route's name, its columns, and its axis
WIDTH = LEFT * 2 + COLUMN * SLOTS
ROW, SWATCH = 18, 10
# Told apart by those who see few colours, too; and readable on white and on black.
COLOURS = ("#3778bf", "#d97706", "#0f9d6e", "#c2417c", "#7c5cc4", "#8a6d3b", "#0891a8", "#b4423a")
OTHERS = "#8b8f96"
STYLE = """
.dg-history text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.dg-history .small { font-size: 10px; fill: #59636e }
.dg-history .axis { stroke: #59636e; stroke-width: 1 }
.dg-history .move { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
  .dg-history text { fill: #e6edf3 }
  .dg-history .small { fill: #9198a1 }
  .dg-history .axis { stroke: #9198a1 }
  .dg-history .move { stroke: #e6edf3 }
}
"""


def svg(history: History) -> str:
    """Return the picture."""
    builds = _builds(history)
    legend = TOP + BAND * max(1, len(history.routes))
    height = legend + ROW * len(builds) + 8
    parts = (*_head(history), *_bands(history, builds), *_legend(builds, top=legend))
    about = safe.html(f"Builds that served {safe.line(history.function)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'class="dg-history" role="img" aria-label="{about}">\n<style>{STYLE}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _builds(history: History) -> list[str]:
    """Name the builds, those that served most first."""
    counts: dict[str, int] = {}
    for route in history.routes:
        for served in route.served:
            counts[_name(served)] = counts.get(_name(served), 0) + served.count
    return sorted(counts, key=lambda name: (-counts[name], name))


def _name(served: Served) -> str:
    return f"{served.build_id or UNKNOWN} (version {served.version})"


def _colour(builds: Sequence[str], name: str) -> str:
    number = builds.index(name)
    return COLOURS[number] if number < len(COLOURS) else OTHERS


def _head(history: History) -> Iterator[str]:
    since, until = moment(history.span.since), moment(history.span.until)
    yield _text(LEFT, 18, history.function)
    told = f"{since} to {until}; shares {OF[history.counted]}, gaps where none did"
    yield _text(LEFT, 34, told, small=True)
    if not history.routes:
        yield _text(LEFT, TOP + 20, "no breadcrumb line was found")


def _bands(history: History, builds: Sequence[str]) -> Iterator[str]:
    for number, route in enumerate(history.routes):
        top = TOP + BAND * number
        bottom = top + 22 + HEIGHT
        yield _text(LEFT, top + 12, f"{route.qualifier}: {route.count}")
        yield from _columns(history, route, builds, bottom=bottom)
        yield f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - LEFT}"/>'
        yield _text(LEFT, bottom + 13, moment(history.span.since), small=True)
        yield _text(WIDTH - LEFT, bottom + 13, moment(history.span.until), small=True, end=True)
        for move in history.moves:
            if move.qualifier == route.qualifier and not move.is_configuration:
                x = LEFT + COLUMN * (move.at - history.span.since) / history.span.slot_s
                title = _title(f"{moment(move.at)} {moved(move)}")
                yield f'<path class="move" d="M{x:.1f} {bottom - HEIGHT}V{bottom}">{title}</path>'


def _columns(
    history: History, route: Route, builds: Sequence[str], *, bottom: float
) -> Iterator[str]:
    for slot in range(SLOTS):
        total = sum(served.slots[slot] for served in route.served)
        x, y = LEFT + COLUMN * slot, float(bottom)
        for served in route.served:
            count = served.slots[slot]
            if not count:
                continue
            height = HEIGHT * count / total
            y -= height
            at = moment(history.span.since + slot * history.span.slot_s)
            title = _title(f"{at} {_name(served)}: {count} of {total}")
            yield (
                f'<rect x="{x + 1}" y="{y:.2f}" width="{COLUMN - 2}" height="{height:.2f}" '
                f'fill="{_colour(builds, _name(served))}">{title}</rect>'
            )


def _legend(builds: Sequence[str], *, top: int) -> Iterator[str]:
    for number, name in enumerate(builds):
        y = top + ROW * number
        yield (
            f'<rect x="{LEFT}" y="{y}" width="{SWATCH}" height="{SWATCH}" '
            f'fill="{_colour(builds, name)}"/>'
        )
        yield _text(LEFT + SWATCH + 8, y + SWATCH, name)


def _text(x: float, y: float, words: str, *, small: bool = False, end: bool = False) -> str:
    kind = ' class="small"' if small else ""
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x}" y="{y}"{kind}{anchor}>{safe.html(safe.line(words))}</text>'


def _title(words: str) -> str:
    return f"<title>{safe.html(safe.line(words))}</title>"
