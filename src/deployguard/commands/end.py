"""How a command ends: its report is printed, kept and handed to whoever reads it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployguard import __version__, console

if TYPE_CHECKING:
    from deployguard.config import Settings
    from deployguard.run import Record


def finish(record: Record, settings: Settings, *, seconds: float) -> int:
    """Make the report of a run, and hand it over."""
    from deployguard.report import document, history

    moves = history.after(Path(settings.report_dir), record)
    report = document.build(record, seconds=seconds, tool=__version__, history=moves)
    folder = Path(settings.report_dir)
    return hand_over(report, settings, folder=folder, forms=settings.reports)


def hand_over(
    report: Mapping[str, Any], settings: Settings, *, folder: Path | None, forms: Sequence[str]
) -> int:
    """Print a report, and hand it to whoever reads it, even where nobody reads stdout."""
    from deployguard.report import files, text

    try:
        if settings.format == "json":
            console.say(files.dump(report))
        else:
            is_brief = settings.verbosity == "quiet"
            console.write(text.render(report, console.page(sys.stdout, os.environ), brief=is_brief))
    finally:
        exit_code = _keep(report, settings, folder=folder, forms=forms)
    return exit_code


def _keep(
    report: Mapping[str, Any], settings: Settings, *, folder: Path | None, forms: Sequence[str]
) -> int:
    """Leave a report in its folder, if it has one, and with the CI service and a web hook."""
    from deployguard import handover

    paths, exit_code = {"report-path": ""}, int(report["exit_code"])
    if folder is not None:
        paths, exit_code = handover.to_folder(report, folder, forms=forms, complain=console.warn)
    console.command(
        handover.to_ci(
            report,
            os.environ,
            outputs={"exit-code": str(exit_code), **paths},
            folder=folder or Path(settings.report_dir),
            summary=settings.summary,
            complain=console.warn,
        )
    )
    if settings.webhook is not None:
        handover.to_webhook(report, settings.webhook, os.environ, complain=console.warn)
    return exit_code
