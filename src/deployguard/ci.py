"""The edge to the CI service: where GitHub and GitLab want what written, and how much of it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from deployguard import safe
from deployguard.errors import ConfigurationError

OUTPUTS = (
    "verdict",
    "exit-code",
    "image-digest",
    "build-id",
    "version",
    "report-path",
    "html-path",
    "junit-path",
)

# GitHub drops a whole summary above 1 MiB.
LARGEST_SUMMARY = 900_000
DOTENV_FILE = "deployguard.env"


class Provider(StrEnum):
    """The CI services that get more than plain text."""

    GITHUB = "github"
    GITLAB = "gitlab"
    PLAIN = "plain"


def detect(environ: Mapping[str, str]) -> Provider:
    """Name the CI service that this environment belongs to."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return Provider.GITHUB
    if environ.get("GITLAB_CI"):  # "true"; gitlab-ci-local says "false", and reads the same files
        return Provider.GITLAB
    return Provider.PLAIN


def write_outputs(
    environ: Mapping[str, str], outputs: Mapping[str, str], *, report_dir: Path
) -> None:
    """Hand the run's results to the steps and jobs that follow."""
    unknown = sorted(outputs.keys() - set(OUTPUTS))
    if unknown:
        raise ValueError(f"no such output: {', '.join(unknown)}")
    match detect(environ):
        case Provider.GITHUB if path := environ.get("GITHUB_OUTPUT"):
            _append(Path(path), safe.outputs(outputs, token=secrets.token_hex(16)))
        case Provider.GITLAB:
            report_dir.mkdir(parents=True, exist_ok=True)
            target = report_dir / DOTENV_FILE
            target.unlink(missing_ok=True)
            _append(target, dotenv(outputs))
        case _:
            pass


def dotenv(outputs: Mapping[str, str]) -> str:
    """Render outputs as GitLab's dotenv report.

    The names start with GUARD_: later jobs get them in their environment, where a deployguard
    job would refuse an unknown DEPLOYGUARD_ name.
    """
    named = {f"GUARD_{name.upper().replace('-', '_')}": text for name, text in outputs.items()}
    return safe.dotenv(named)


def job_url(environ: Mapping[str, str]) -> str:
    """Return where GitLab shows this job; nothing elsewhere."""
    return environ.get("CI_JOB_URL", "") if detect(environ) is Provider.GITLAB else ""


def summary(environ: Mapping[str, str], markdown: str) -> None:
    """Add Markdown to the page of a GitHub run."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path and detect(environ) is Provider.GITHUB:
        _append(Path(path), capped(markdown, LARGEST_SUMMARY))


def capped(markdown: str, limit: int) -> str:
    """Cut Markdown to a number of UTF-8 bytes, by whole sections, or else by lines."""
    if _size(markdown) < limit:
        return markdown if markdown.endswith("\n") else markdown + "\n"
    note = "\n_Cut here: the rest is too long for this page and stands in the report._\n"
    room = limit - _size(note)
    sections = re.split(r"(?m)^(?=##? )", markdown)
    kept = _fitting(sections, room) or _fitting(markdown.splitlines(keepends=True), room)
    return kept + note


def _fitting(parts: Iterable[str], room: int) -> str:
    kept = []
    for part in parts:
        room -= _size(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept)


def _size(text: str) -> int:
    return len(text.encode(errors="backslashreplace"))


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror}",
            cause="the CI service names this file, but this process may not write it",
            fix="run deployguard where the job's own files are writable",
        ) from error
