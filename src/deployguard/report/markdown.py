"""The report as the page of a CI run shows it: the verdict first, then what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard import safe
from deployguard.report import text


def render(document: Mapping[str, Any]) -> str:
    """Return the report as Markdown."""
    return safe.fenced(text.render(document))
