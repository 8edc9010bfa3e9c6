"""The past of a function in the form that was asked for."""

from __future__ import annotations

from deployguard.history import chart, page, render
from deployguard.history.served import History
from deployguard.report import files


def shown(history: History, *, form: str) -> str:
    """Return it as text, as a document, as a picture, or as a page."""
    match form:
        case "json":
            return files.dump(render.document(history))
        case "svg":
            return chart.svg(history)
        case "html":
            return page.html(history)
        case _:
            return render.text(history)
