"""Parsers whose options are made from the settings, in one loop, when they are first used."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from deployguard.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from deployguard.config import Settings


POSITIONAL = {"function": "?", "executions": "*", "implementation": "?", "language": "?"}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and whose options are made when it is used, from `command`.

    The settings take longer to import than all else that `deployguard --help` does.
    """

    command = ""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the command's options, then parse."""
        name, self.command = self.command, ""
        if name:
            _add(self, name)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise ConfigurationError(message, fix=f"see `{self.prog} --help`")


def _add(parser: argparse.ArgumentParser, name: str) -> None:
    if name == "lab":
        from deployguard.lab import arguments

        arguments.add(parser)
        return
    if name == "doctor":
        from deployguard.doctor import arguments as doctors

        doctors.add(parser)
    if name == "report":
        from deployguard.report import arguments as reports

        reports.add(parser)
    for field_name, field in settings_class().model_fields.items():
        extra: Any = field.json_schema_extra
        if name in extra["commands"]:
            _add_option(parser, field_name, field, extra)


def _add_option(
    parser: argparse.ArgumentParser, name: str, field: FieldInfo, extra: Mapping[str, str]
) -> None:
    variable = f"DEPLOYGUARD_{name.upper()}"
    default = "" if field.default in (None, (), "", False) else f", default {_shown(field.default)}"
    text = f"{field.description} [{variable}{default}]".replace("%", "%%")
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
    if name in POSITIONAL:
        parser.add_argument(
            name,
            nargs=POSITIONAL[name],
            metavar=None if choices else extra["metavar"] or name.upper(),
            choices=choices,
            default=argparse.SUPPRESS,
            help=text,
        )
        return
    kwargs: dict[str, Any] = {"dest": name, "default": argparse.SUPPRESS, "help": text}
    if field.annotation is bool:
        kwargs["action"] = argparse.BooleanOptionalAction
    elif choices:
        kwargs["choices"] = choices
    else:
        kwargs["metavar"] = extra["metavar"]
        kwargs["action"] = "append" if get_origin(field.annotation) is tuple else "store"
    parser.add_argument(extra["flag"] or f"--{name.replace('_', '-')}", **kwargs)


def _shown(default: Any) -> str:
    return ",".join(default) if isinstance(default, tuple) else str(default)


def settings_class() -> type[Settings]:
    """Return the settings, imported late."""
    from deployguard.config import Settings

    return Settings
