"""What renders a report in each of its forms; the text is safe for the form's surface."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from deployguard import ci, safe
from deployguard.report import (
    badge,
    cdevents,
    github,
    gitlab,
    junit,
    markdown,
    reading,
    statement,
    text,
)
from deployguard.report.html import page
from deployguard.report.html.page import Beside

RENDERERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "text": text.render,
    "json": safe.json,
    "markdown": markdown.render,
    "github": github.render,
    "gitlab": lambda report: gitlab.render(report, job_url=ci.job_url(os.environ)),
    "junit": junit.render,
    "badge": badge.render,
    "cdevents": cdevents.render,
    "in-toto": statement.render,
    "dotenv": lambda report: ci.dotenv(reading.outputs(report)),
}


ALONE = Beside()


def render(report: Mapping[str, Any], form: str, *, beside: Beside = ALONE) -> str:
    """Return a report in a form; the page shows what other commands told, too."""
    if form == "html":
        return _page(report, beside)
    return RENDERERS[form](report)


def _page(report: Mapping[str, Any], beside: Beside) -> str:
    shown = reading.foremost(report)
    return page.render(
        report,
        shown,
        evidence=reading.kept(shown),
        findings=reading.findings(report),
        beside=beside,
    )
