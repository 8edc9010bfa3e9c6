"""What other commands left in the folder of a report: it is shown with it, and moves no verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from deployguard.errors import ConfigurationError, DeployguardError
from deployguard.history import kept
from deployguard.report import files, reading
from deployguard.report.html.page import Beside
from deployguard.routes import document as audits

T = TypeVar("T")
BROKEN = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


def read(
    folder: Path,
    report: Mapping[str, Any],
    *,
    forms: Sequence[str],
    complain: Callable[[DeployguardError], None],
) -> Beside:
    """Return what tells of the same function; complain of what cannot be used."""
    functions = [each["function"] for each in reading.foremost(report)["functions"]]
    if "html" not in forms or not functions:
        return Beside()

    def told(command: str, parse: Callable[[Any], T]) -> T | None:
        path = folder / files.name_of(command)
        try:
            return _parsed(path, parse, functions) if path.exists() else None
        except (ConfigurationError, *BROKEN) as error:
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            complain(
                ConfigurationError(
                    f"{path} is left out of the page: {why}",
                    fix=f"run `deployguard {command}` again, or delete it",
                )
            )
            return None

    return Beside(told("history", kept.parse), told("routes", audits.parse))


def _parsed(path: Path, parse: Callable[[Any], T], functions: Sequence[str]) -> T:
    found = files.load(path)
    if found["function"] not in functions:
        raise ValueError(f"it is of {found['function']}")
    return parse(found)
