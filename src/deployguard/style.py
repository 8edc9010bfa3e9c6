"""How text looks on a page: what colours mean, where lines break, and how wide they are."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployguard import safe

# What is written in which colour; each is also said in words or by a symbol.
COLOURS: Mapping[str, str] = {
    "FRESH": "1;32",
    "STALE": "1;31",
    "ERROR": "1;31",
    "SUPERSEDED": "1;33",
    "INCONCLUSIVE": "1;33",
    "fresh": "32",
    "stale": "31",
    "unknown": "33",
    "error": "1;31",
    "warning": "1;33",
    "command": "36",
    "strong": "1",
    "aside": "2",
}
NARROWEST_TEXT = 16  # with less room beside its label, text begins on a line of its own
HANGING = "  "


@dataclass(frozen=True)
class Page:
    """Where text is shown: how wide that is, where it has a width, and whether in colour."""

    width: int | None = None
    colour: bool = False
    is_grid: bool = False  # where a line that is too wide would spoil what stands below it

    def paint(self, text: str, role: str) -> str:
        """Return safe text in the colour of its role."""
        code = COLOURS.get(role)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code and text else text


@dataclass(frozen=True)
class Row:
    """A line, or several that belong together: a label, and text of any origin beside it."""

    label: str
    text: str = ""
    role: str = ""  # of the text
    whole: bool = False  # it is to be copied, so nothing may break it

    def on(self, page: Page) -> Iterator[str]:
        """Yield its lines, safe for a terminal or a log."""
        room = None if self.whole else page.width
        label, text = safe.log(self.label), safe.log(self.text).replace("\t", " ")
        if room is not None and room - width(label) < NARROWEST_TEXT:
            if label.strip():
                alone = wrapped(label.rstrip(), room, breaks=page.is_grid)
                yield from (page.paint(line, "aside") for line in alone)
            label = HANGING if room > len(HANGING) else ""
        left = " " * width(label)
        rest = None if room is None else max(1, room - len(left))
        for line in text.split("\n"):
            for part in wrapped(line, rest, breaks=page.is_grid):
                yield page.paint(label, "aside") + page.paint(part, self.role)
                label = left


def wrapped(text: str, room: int | None, *, breaks: bool) -> Iterator[str]:
    """Break a line at spaces; a word that is too long stays whole, or goes on below: none is lost.

    One that stays whole can be copied from a terminal.
    """
    if room is None or width(text) <= room:
        yield text
        return
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if width(joined) <= room:
            line = joined
            continue
        if line:
            yield line
        *whole, line = _pieces(word, room) if breaks else [word]
        yield from whole
    yield line


def _pieces(word: str, room: int) -> list[str]:
    pieces = [""]
    for char in word:
        if pieces[-1] and width(pieces[-1]) + width(char) > room:
            pieces.append("")
        pieces[-1] += char
    return pieces


def width(text: str) -> int:
    """Return how many cells of a terminal text takes."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
