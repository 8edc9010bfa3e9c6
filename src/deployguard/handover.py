"""Hand a finished report to whoever reads it: its folder, the CI service and a web hook.

The verdict is reached; that nobody can take it changes nothing, and is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from deployguard import ci
from deployguard.errors import ConfigurationError, DeployguardError
from deployguard.report import files
from deployguard.report.forms import FORMS
from deployguard.run import REPAIRS

Complain = Callable[[DeployguardError], None]


def prepare(folder: Path, command: str, *, forms: Sequence[str]) -> None:
    """Make sure that a report can be written, and that no form of an earlier one is taken for it.

    report.json itself stays until it is replaced: it tells what was live before.
    """
    files.prepare(folder)
    if command in REPAIRS:
        return
    for name in {ci.DOTENV_FILE, *(FORMS[form].file for form in forms)} - {files.NAME}:
        with suppress(OSError):  # it is not there, or cannot be written either, which is told then
            (folder / name).unlink()


def to_folder(
    report: Mapping[str, Any], folder: Path, *, forms: Sequence[str], complain: Complain
) -> tuple[dict[str, str], int]:
    """Write the report, and then its other forms; return outputs of their paths, and the exit code.

    A run that changed something has to leave a report: without one it did not end well.
    """
    try:
        paths = {"report-path": str(files.write(report, folder))}
    except ConfigurationError as error:
        complain(error)
        return {"report-path": ""}, int(report["exit_code"]) or error.exit_code
    if report["command"] not in REPAIRS:
        for form in forms:
            with _survived(complain):
                written = files.render(report, folder, form=form, complain=complain)
                paths[f"{form}-path"] = str(written)
    told = {name: path for name, path in paths.items() if name in ci.OUTPUTS}
    return told, int(report["exit_code"])


def to_ci(
    report: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    outputs: Mapping[str, str],
    folder: Path,
    summary: bool,
    complain: Complain,
) -> str:
    """Hand the results to later steps and the summary to readers; return workflow commands."""
    from deployguard.report import github, markdown, reading

    is_github = ci.detect(environ) is ci.Provider.GITHUB
    told = {**reading.outputs(report), **outputs}
    if report["command"] in REPAIRS:  # what came before has told the rest, where both are one step
        told = {"exit-code": told["exit-code"]} if is_github else {}
    if told:
        outputs_to_ci(environ, outputs=told, folder=folder, complain=complain)
    if summary:
        with _survived(complain):
            ci.summary(environ, markdown.render(report))
    return github.render(report) if is_github else ""


def to_webhook(
    report: Mapping[str, Any], url: str, environ: Mapping[str, str], *, complain: Complain
) -> None:
    """Send the report to where the user wants it."""
    from deployguard import webhook

    with _survived(complain):
        webhook.send(report, url, environ=environ)


def outputs_to_ci(
    environ: Mapping[str, str], *, outputs: Mapping[str, str], folder: Path, complain: Complain
) -> None:
    """Hand the results to later steps."""
    with _survived(complain):
        ci.write_outputs(environ, outputs, report_dir=folder)


@contextmanager
def _survived(complain: Complain) -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        complain(error)
    except Exception as bug:  # of a form; the verdict stands, and the pipeline is to hear it
        complain(DeployguardError(f"a bug in deployguard: {type(bug).__name__}: {bug}"))
