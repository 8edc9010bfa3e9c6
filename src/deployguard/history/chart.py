"""The past of a function as a picture: one band for each route, a column for each slot of time.

It stands by itself, as a file, or in a page: no script, no font, no link; its colours follow the
reader's scheme.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployguard.history.render import OF, UNKNOWN, moment, moved
from deployguard.history.served import SLOTS, History, Route, Served
from deployguard.pages import frame
from deployguard.pages.builds import Builds, patterns
from deployguard.pages.markup import Markup, el

COLUMN, HEIGHT, LEFT, TOP = 14, 90, 12, 58
BAND = HEIGHT + 58  # a route's name, its columns, and its axis
WIDTH = LEFT * 2 + COLUMN * SLOTS
ROW, SWATCH = 18, 10
NAMESPACE = "http://www.w3.org/2000/svg"


def svg(history: History) -> str:
    """Return the picture as a file."""
    style = el("style", Markup(frame.picture_style()))
    builds = Builds.of(_most_first(history))
    return f"{_picture(history, builds, style, patterns(), xmlns=NAMESPACE)}\n"


def inline(history: History, builds: Builds) -> Markup:
    """Return the picture for a page, which has the style and the patterns."""
    return _picture(history, Builds.of((*builds.names, *_most_first(history))))


def _picture(history: History, builds: Builds, *before: Markup, xmlns: str | None = None) -> Markup:
    names = _names(history)
    legend = TOP + BAND * max(1, len(history.routes))
    return el(
        "svg",
        *before,
        *_head(history),
        *_bands(history, builds),
        *_legend(names, builds, top=legend),
        xmlns=xmlns,
        viewBox=f"0 0 {WIDTH} {legend + ROW * len(names) + 8}",
        class_="picture history",
        role="img",
        aria_label=f"Builds that served {history.function}",
    )


def _names(history: History) -> dict[str, str | None]:
    """Name the builds, those that served most first, each with its build id."""
    counts: dict[str, int] = {}
    found: dict[str, str | None] = {}
    for route in history.routes:
        for served in route.served:
            counts[_name(served)] = counts.get(_name(served), 0) + served.count
            found[_name(served)] = served.build_id
    return {name: found[name] for name in sorted(counts, key=lambda name: (-counts[name], name))}


def _most_first(history: History) -> Iterator[str | None]:
    yield from _names(history).values()


def _name(served: Served) -> str:
    return f"{served.build_id or UNKNOWN} (version {served.version})"


def _head(history: History) -> Iterator[Markup]:
    since, until = moment(history.span.since), moment(history.span.until)
    yield _text(LEFT, 18, history.function)
    told = f"{since} to {until}; shares {OF[history.counted]}, gaps where none did"
    yield _text(LEFT, 34, told, class_="dim")
    if not history.routes:
        yield _text(LEFT, TOP + 20, "no breadcrumb line was found")


def _bands(history: History, builds: Builds) -> Iterator[Markup]:
    for number, route in enumerate(history.routes):
        top = TOP + BAND * number
        bottom = top + 22 + HEIGHT
        yield _text(LEFT, top + 12, f"{route.qualifier}: {route.count}")
        yield from _columns(history, route, builds, bottom=bottom)
        yield el("path", class_="axis", d=f"M{LEFT} {bottom}H{WIDTH - LEFT}")
        yield _text(LEFT, bottom + 13, moment(history.span.since), class_="dim")
        until = moment(history.span.until)
        yield _text(WIDTH - LEFT, bottom + 13, until, class_="dim", text_anchor="end")
        for move in history.moves:
            if move.qualifier == route.qualifier and not move.is_configuration:
                x = LEFT + COLUMN * (move.at - history.span.since) / history.span.slot_s
                title = el("title", f"{moment(move.at)} {moved(move)}")
                yield el("path", title, class_="move", d=f"M{x:.1f} {bottom - HEIGHT}V{bottom}")


def _columns(history: History, route: Route, builds: Builds, *, bottom: float) -> Iterator[Markup]:
    for slot in range(SLOTS):
        total = sum(served.slots[slot] for served in route.served)
        at = moment(history.span.since + slot * history.span.slot_s)
        y = float(bottom)
        for served in route.served:
            count = served.slots[slot]
            if not count:
                continue
            height = HEIGHT * count / total
            y -= height
            yield el(
                "rect",
                el("title", f"{at} {_name(served)}: {count} of {total}"),
                class_="share",
                x=LEFT + COLUMN * slot + 1,
                y=y,
                width=COLUMN - 2,
                height=height,
                fill=builds.fill(served.build_id),
            )


def _legend(names: dict[str, str | None], builds: Builds, *, top: int) -> Iterator[Markup]:
    for number, (name, build_id) in enumerate(names.items()):
        y = top + ROW * number
        yield builds.swatch(build_id, LEFT, y, side=SWATCH)
        yield _text(LEFT + SWATCH + 8, y + SWATCH, name)


def _text(x: float, y: float, words: str, **attributes: str) -> Markup:
    return el("text", words, x=x, y=y, **attributes)
