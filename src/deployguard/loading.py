"""Where settings come from: flag > environment > deployguard.toml > default; errors name it."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployguard.config import PREFIX, SECRETS, Settings
from deployguard.errors import ConfigurationError

FILES: dict[str, tuple[str, ...]] = {
    "deployguard.toml": (),
    "pyproject.toml": ("tool", "deployguard"),
}


def load(typed: Mapping[str, Any], *, folder: Path) -> Settings:
    """Merge what was typed with the environment and the file; raise ConfigurationError."""
    _refuse_unknown_names(os.environ)
    in_file = _from_file(folder)
    from_environment = {
        name for name in Settings.model_fields if os.environ.get(PREFIX + name.upper())
    }
    below = {key: value for key, value in in_file.items() if key not in from_environment}
    try:
        return Settings(**{**below, **typed})
    except ValidationError as error:
        raise _explained(error, typed=typed, in_file=below) from error


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = [*SECRETS, *(PREFIX + name.upper() for name in Settings.model_fields)]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(
                f"unknown environment variable {name}", fix=_did_you_mean(name, known)
            )


def _from_file(folder: Path) -> dict[str, Any]:
    for name, table in FILES.items():
        path = folder / name
        if not path.is_file():
            continue
        try:
            document: Any = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"{name} cannot be read: {error}") from error
        for key in table:
            document = document.get(key, {}) if isinstance(document, dict) else {}
        if not isinstance(document, dict):
            raise ConfigurationError(f"{name}: {'.'.join(table)} must be a table")
        if document:
            return _known_keys(document, name)
    return {}


def _known_keys(document: Mapping[str, Any], file: str) -> dict[str, Any]:
    settings = {key.replace("-", "_"): value for key, value in document.items()}
    for key in document:
        if key.replace("-", "_") not in Settings.model_fields:
            raise ConfigurationError(
                f"{file}: unknown key {key!r}", fix=_did_you_mean(key, Settings.model_fields)
            )
    return settings


def _did_you_mean(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else "remove it; `--help` lists the settings"


def _explained(
    error: ValidationError, *, typed: Mapping[str, Any], in_file: Mapping[str, Any]
) -> ConfigurationError:
    details = error.errors(include_url=False, include_context=False)[0]
    name = str(details["loc"][0])
    if name in typed:
        where = f"--{name.replace('_', '-')}"
    elif name in in_file:
        where = f"deployguard.toml: {name}"
    else:
        where = PREFIX + name.upper()
    message = details["msg"].removeprefix("Value error, ")
    got = typed.get(name, in_file.get(name, os.environ.get(PREFIX + name.upper())))
    extra: Any = Settings.model_fields[name].json_schema_extra
    shown = "" if extra["unshown"] else f" (got {got!r})"
    return ConfigurationError(f"{where}: {message}{shown}")
