"""The past of a function as one HTML file: the picture, then the same in words."""

from __future__ import annotations

from deployguard import safe
from deployguard.history import chart, render
from deployguard.history.served import History
from deployguard.pages import frame
from deployguard.pages.builds import Builds, defined
from deployguard.pages.markup import el


def html(history: History) -> str:
    """Return the file."""
    title = f"Builds that served {safe.line(history.function)}"
    picture = el("div", chart.inline(history, Builds(())), class_="scroll", tabindex=0)
    words = el("pre", render.text(history), tabindex=0)
    return frame.page(title, defined(), el("main", el("h1", title), picture, words))
