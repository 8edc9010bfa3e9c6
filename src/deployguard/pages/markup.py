"""Elements of HTML and SVG: text is escaped where it is put into one, unless it is markup."""

from __future__ import annotations

from collections.abc import Iterable

from deployguard import safe

VOID = {"meta"}
CLOSED = {"circle", "path", "rect", "use"}  # of SVG; as XML, too, they may be written so


class Markup(str):
    """Text that is markup, and is not escaped again."""

    __slots__ = ()


def el(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """Return an element; `class_` and `aria_label` become the attributes that they stand for."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID or (name in CLOSED and not children):
        return Markup(f"<{name}{told}{'/' if name in CLOSED else ''}>")
    return Markup(f"<{name}{told}>{''.join(map(_escaped, children))}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Markup:
    """Return parts one after the other."""
    return Markup(_escaped(between).join(map(_escaped, parts)))


def short(text: str, most: int) -> str:
    """Return a text on one line, cut where it is longer than there is room for."""
    one = safe.line(text[: most + 1])
    return one if len(one) <= most else f"{one[: most - 1]}…"


def size(number: float) -> str:
    """Return a coordinate as briefly as a picture of some hundred pixels needs it."""
    return f"{number:.1f}".removesuffix(".0")


def _escaped(value: str | float) -> str:
    if isinstance(value, Markup):
        return value
    return safe.html(value if isinstance(value, str) else size(value))
