"""The routes to a function in the form that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.report import files
from deployguard.routes import render
from deployguard.routes.nouns import Audit


def shown(found: Audit, written: Mapping[str, Any], *, form: str) -> str:
    """Return them as text, as a graph, or as the document that was written."""
    match form:
        case "json":
            return files.dump(written)
        case "mermaid":
            return render.mermaid(found)
        case _:
            return render.text(found)
