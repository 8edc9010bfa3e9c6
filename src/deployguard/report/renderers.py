"""What renders a report in each of its forms; the text is safe for the form's surface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deployguard import ci, safe
from deployguard.report import document, github, markdown, text

RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "text": text.render,
    "json": safe.json,
    "markdown": markdown.render,
    "github": github.render,
    "dotenv": lambda report: ci.dotenv(document.outputs(report)),
}
