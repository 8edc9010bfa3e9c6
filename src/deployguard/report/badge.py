"""The verdict as a small picture, for a page that shows the state of a deployment."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from deployguard import safe
from deployguard.report import words

COLOURS = {"FRESH": "#1a7f37", "STALE": "#b3261e", "ERROR": "#b3261e"}
UNDECIDED = "#7a5b00"
LONGEST = 40  # characters of a build id
HEIGHT, PADDING = 20, 6
NARROW, WIDE = "fijlrt.,:;'|!()[] -", "mwMW@%"


def render(document: Mapping[str, Any]) -> str:
    """Return the badge as SVG; what it shows is its accessible name, too."""
    build = _short(words.build_of(document))
    left, right = "deployguard", " ".join(filter(None, (words.verdict(document), build)))
    first, second = _width(left), _width(right)
    colour = COLOURS.get(words.verdict(document), UNDECIDED)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="{HEIGHT}" '
        f'role="img" aria-label="{safe.html(f"{left}: {right}")}">\n'
        f"<title>{safe.html(f'{left}: {right}')}</title>\n"
        f'<rect width="{first}" height="{HEIGHT}" fill="#444"/>\n'
        f'<rect x="{first}" width="{second}" height="{HEIGHT}" fill="{colour}"/>\n'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">\n'
        f"{_text(left, at=0, width=first)}{_text(right, at=first, width=second)}</g>\n</svg>\n"
    )


def _text(text: str, *, at: int, width: int) -> str:
    room = f'textLength="{width - 2 * PADDING}" lengthAdjust="spacingAndGlyphs"'
    return f'<text x="{at + PADDING}" y="14" {room}>{safe.html(text)}</text>\n'


def _short(build: str | None) -> str:
    line = safe.line(build or "")
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def _width(text: str) -> int:
    return 2 * PADDING + round(sum(map(_advance, text)))


def _advance(char: str) -> float:
    """Return about how wide a character is in Verdana of 11 pixels."""
    if unicodedata.east_asian_width(char) in "WF":
        return 11.0
    if char in NARROW:
        return 4.5
    return 10.5 if char in WIDE else 8.0 if char.isupper() else 7.0
