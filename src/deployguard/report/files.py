"""The report on disk: written whole or not at all, never through a symbolic link."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from deployguard import safe
from deployguard.errors import ConfigurationError, DeployguardError
from deployguard.run import REPAIRS

NAME = "report.json"
SIZE_CAP = 64 << 20
READABLE = 0o644  # it holds no secret, and a CI service may collect it as another user


def prepare(folder: Path, *, name: str = NAME) -> Path:
    """Make sure, before anything is changed, that a report can be written into `folder`."""
    if folder.is_symlink() or (folder / name).is_symlink():
        raise ConfigurationError(
            f"--report-dir {folder} is or holds a symbolic link",
            cause="what it points to would be overwritten",
            fix="name a folder of this run's own",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigurationError(
            f"--report-dir {folder} cannot be written: {error.strerror}",
            fix="name a folder that this user may write",
        ) from error
    return folder


def dump(document: Mapping[str, Any]) -> str:
    """Return a document as JSON text."""
    return safe.json(document)


def name_of(command: str) -> str:
    """Return the name of a command's report.

    One that judges no containers writes beside the report that the verdict before it is in.
    """
    return f"{command}.json" if command in (*REPAIRS, "routes", "history") else NAME


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write a report atomically and return its path."""
    return keep(dump(document), folder, name=name_of(document["command"]))


def render(
    document: Mapping[str, Any],
    folder: Path,
    *,
    form: str,
    complain: Callable[[DeployguardError], None],
) -> Path:
    """Write a report in one of its forms, atomically, under the form's usual name."""
    from deployguard.report import beside, renderers
    from deployguard.report.forms import FORMS

    told = beside.read(folder, document, forms=[form], complain=complain)
    return keep(renderers.render(document, form, beside=told), folder, name=FORMS[form].file)


def keep(content: str, folder: Path, *, name: str) -> Path:
    """Write a file of the report's folder atomically and return its path."""
    path = folder / name
    prepare(folder, name=name)  # again: it may have gone, or become a link, since the run began
    try:
        _replace(path, content)
    except OSError as error:
        raise ConfigurationError(
            f"{path} could not be written: {error.strerror}",
            cause="the disk is full, or the folder was taken away during the run",
            fix="make room, and name a folder that stays; what the run did is on stdout",
        ) from error
    return path


def _replace(path: Path, content: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".report-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(temporary).chmod(READABLE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _refuse(constant: str) -> Any:
    raise ValueError(f"it holds {constant}")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse(text)


def load(path: Path) -> Any:
    """Read a JSON file; raise OSError, ValueError or RecursionError where it is none."""
    if path.stat().st_size > SIZE_CAP:
        raise ConfigurationError(f"{path} is larger than {SIZE_CAP} bytes")
    return json.loads(path.read_bytes(), parse_constant=_refuse, parse_float=_finite)


def read(path: Path) -> dict[str, Any]:
    """Read a report; raise ConfigurationError where it is none."""
    try:
        document = load(path)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} cannot be read as a report: {error}",
            fix="give the report.json of a check, verify or rollback",
        ) from error
    if not isinstance(document, dict) or document.get("schema") != "deployguard/report/v1":
        got = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise ConfigurationError(
            f"{path} is no report of this version: got {got!r}, expected 'deployguard/report/v1'"
        )
    return document
