"""Where settings come from: flag > environment > deployguard.toml > default; errors name it."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import ValidationError

from deployguard import manual
from deployguard.config import PREFIX, SECRETS, Settings
from deployguard.errors import ConfigurationError
from deployguard.fleet import file as fleet_file
from deployguard.fleet.file import OF_THE_RUN, Entry

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

FILES: dict[str, tuple[str, ...]] = {
    "deployguard.toml": (),
    "pyproject.toml": ("tool", "deployguard"),
}


FUNCTIONS = "functions"  # the tables of a fleet, which are no setting
Loaded = tuple[Settings, tuple[tuple[Entry, Settings], ...]]


def load(typed: Mapping[str, Any], *, folder: Path) -> Settings:
    """Merge what was typed with the environment and the file; raise ConfigurationError."""
    file, in_file = _from_file(folder)
    in_file.pop(FUNCTIONS, None)
    return _merged(typed, in_file, file=file)


def load_fleet(typed: Mapping[str, Any], *, folder: Path, command: str) -> Loaded:
    """Load the settings, and each entry of the file's fleet with settings of its own over them."""
    file, in_file = _from_file(folder)
    return _fleet(typed, in_file, file=file, command=command)


def fleet_of(document: Mapping[str, Any], *, name: str, command: str) -> Loaded:
    """Load the same of a document that says what the file would."""
    return _fleet({}, _known_keys(document, name), file=name, command=command)


def own(command: str) -> set[str]:
    """Return the settings that an entry of a fleet can have for itself."""
    fields = Settings.model_fields.items()
    return {name for name, each in fields if command in _extra(each)["commands"]} - OF_THE_RUN


def _fleet(
    typed: Mapping[str, Any], in_file: Mapping[str, Any], *, file: str, command: str
) -> Loaded:
    rest = {key: value for key, value in in_file.items() if key != FUNCTIONS}
    settings = _merged(typed, rest, file=file)
    entries = fleet_file.parse(in_file.get(FUNCTIONS, []), allowed=own(command), file=file)
    return settings, tuple(
        (each, _merged(typed, {**rest, **each.settings}, file=file)) for each in entries
    )


def _extra(field: FieldInfo) -> Any:
    return field.json_schema_extra


def _merged(typed: Mapping[str, Any], in_file: Mapping[str, Any], *, file: str) -> Settings:
    _refuse_unknown_names(os.environ)
    from_environment = {
        name for name in Settings.model_fields if os.environ.get(PREFIX + name.upper())
    }
    below = {key: value for key, value in in_file.items() if key not in from_environment}
    try:
        return Settings(**{**below, **typed})
    except ValidationError as error:
        raise _explained(error, typed=typed, in_file=below, file=file) from error


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = [*SECRETS, *(PREFIX + name.upper() for name in Settings.model_fields)]
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            raise ConfigurationError(
                f"unknown environment variable {name}", fix=_did_you_mean(name, known)
            )


def _from_file(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the first file that has settings, and them."""
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
            return name, _known_keys(document, name)
    return "", {}


def _known_keys(document: Mapping[str, Any], file: str) -> dict[str, Any]:
    settings = {key.replace("-", "_"): value for key, value in document.items()}
    for key in document:
        if key.replace("-", "_") not in (*Settings.model_fields, FUNCTIONS):
            raise ConfigurationError(
                f"{file}: unknown key {key!r}", fix=_did_you_mean(key, Settings.model_fields)
            )
    return settings


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    return manual.did_you_mean(name, known, otherwise="remove it; `--help` lists the settings")


def _explained(
    error: ValidationError, *, typed: Mapping[str, Any], in_file: Mapping[str, Any], file: str
) -> ConfigurationError:
    """Say which value cannot be used, where it comes from, and what may have been meant."""
    details = error.errors(include_url=False, include_context=False)[0]
    name = str(details["loc"][0])
    got = typed.get(name, in_file.get(name, os.environ.get(PREFIX + name.upper())))
    extra: Any = Settings.model_fields[name].json_schema_extra
    if name in typed:
        where, origin = f"--{name.replace('_', '-')}", "it was given on the command line"
    elif name in in_file:
        where, origin = f"{file}: {name}", f"it stands in {file}"
    else:
        where, origin = PREFIX + name.upper(), "it comes from the environment"
    message = details["msg"].removeprefix("Value error, ")
    shown = "" if extra["unshown"] else f" (got {got!r})"
    return ConfigurationError(f"{where}: {message}{shown}", cause=origin, fix=_meant(name, got))


def _meant(name: str, got: Any) -> str:
    annotation = Settings.model_fields[name].annotation
    choices = get_args(annotation) if get_origin(annotation) is Literal else ()
    return manual.did_you_mean(str(got), choices, otherwise="") if choices else ""
