"""How builds are told apart in a picture: by colour, and by a pattern for who sees no colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deployguard.pages.markup import Markup, el

UNKNOWN = "unknown"
# Told apart by those who see few colours, too; and readable on white and on black.
COLOURS = ("#3778bf", "#d97706", "#0f9d6e", "#c2417c", "#7c5cc4", "#8a6d3b", "#0891a8", "#b4423a")
OTHERS = "#8b8f96"
TILE = 8
PATTERNS = (  # drawn on a paler ground; the first build, which is the expected one, has none
    "",
    "M-2 2l4 -4M0 8l8 -8M6 10l4 -4",
    "M2 2h1M6 6h1",
    "M-2 6l4 4M0 0l8 8M6 -2l4 4",
    "M0 2h8M0 6h8",
    "M2 0v8M6 0v8",
    "M0 4h8M4 0v8",
    "M0 2h4M4 6h4",
)


@dataclass(frozen=True)
class Builds:
    """The builds of a picture, in the order in which colours are given out."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str | None]) -> Builds:
        """Give each build a colour of its own, as long as they last; the unknown one has none."""
        return cls(tuple(dict.fromkeys(name for name in names if name is not None)))

    def fill(self, name: str | None) -> str:
        """Return what a shape of a build is filled with."""
        number = self.names.index(name) if name and name in self.names else len(COLOURS)
        return f"url(#b{number})" if number < len(COLOURS) else OTHERS

    def swatch(self, name: str | None, x: float = 0, y: float = 0, *, side: float = 12) -> Markup:
        """Return a square that shows how a build is drawn."""
        return el("rect", x=x, y=y, width=side, height=side, fill=self.fill(name))


def patterns() -> Markup:
    """Return what shapes are filled with, for a picture that stands by itself."""
    return el("defs", *_patterns())


def defined(*more: Markup) -> Markup:
    """Return what all pictures of a page are filled with, and what else they repeat."""
    return el("svg", patterns(), *more, class_="defined", aria_hidden="true")


def _patterns() -> Iterator[Markup]:
    for number, (colour, lines) in enumerate(zip(COLOURS, PATTERNS, strict=True)):
        ground = el(
            "rect", width=TILE, height=TILE, fill=colour, opacity=None if not lines else "0.5"
        )
        drawn = el("path", d=lines, stroke=colour, stroke_width=2) if lines else Markup()
        yield el(
            "pattern",
            ground,
            drawn,
            id=f"b{number}",
            width=TILE,
            height=TILE,
            patternUnits="userSpaceOnUse",
        )
