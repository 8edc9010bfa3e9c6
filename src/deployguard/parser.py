"""Parsers whose options are made from the settings, in one loop, when they are first used."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from deployguard import manual
from deployguard.errors import ConfigurationError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from deployguard.style import Page


POSITIONAL = {"function": "?", "executions": "*", "implementation": "?", "language": "?"}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are ours, and whose options are made when it is used, from `command`.

    The settings take longer to import than all else that `deployguard --help` does.
    """

    command = ""
    commands: Mapping[str, Parser] = {}

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the command's options, then parse."""
        self.fill()
        return super().parse_known_args(args, namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is left over, and say what may have been meant."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            used = self.commands.get(parsed.command, self)
            known = [name for action in used._actions for name in action.option_strings]
            typed = unknown[0].split("=")[0]
            otherwise = f"see `{used.prog} --help`"
            raise ConfigurationError(
                f"{used.prog} takes no {typed!r}",
                fix=manual.did_you_mean(typed, known, otherwise=otherwise),
            )
        return parsed

    def fill(self) -> None:
        """Add the command's options, once."""
        name, self.command = self.command, ""
        if name:
            _add(self, name)

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise ConfigurationError(message, fix=f"see `{self.prog} --help`")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is no choice, and say what may have been meant."""
        # NOTE: some versions of Python check the default of an argument that was left out, too.
        if action.choices is None or value in action.choices or value is argparse.SUPPRESS:
            return
        name = "/".join(action.option_strings) or action.metavar or action.dest
        choices = [str(choice) for choice in action.choices]
        raise ConfigurationError(
            f"{name}: {value!r} is none of {', '.join(choices)}",
            cause="it was given on the command line",
            fix=manual.did_you_mean(str(value), choices, otherwise=f"see `{self.prog} --help`"),
        )


class Overview(Parser):
    """The parser of all commands, which shows them by purpose."""

    page: Callable[[], Page]

    def format_help(self) -> str:
        """Return the help of the program."""
        head = f"{self.format_usage()}\n{self.description}\n\n"
        return head + manual.overview(self.page())


def build(*, version: str, page: Callable[[], Page]) -> Overview:
    """Make the parser of all commands."""
    parser = Overview(
        prog="deployguard",
        description="Prove that the code you just shipped is the code that runs.",
        usage="deployguard COMMAND [options]",
        allow_abbrev=False,
    )
    parser.page = page
    parser.add_argument("-V", "--version", action="version", version=f"deployguard {version}")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=Parser, prog="deployguard"
    )
    for name, text in manual.HELPS.items():
        parsed_by = commands.add_parser(
            name,
            help=text,
            description=f"{text}.",
            epilog=manual.examples(name),
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        parsed_by.command = name
    parser.commands = commands.choices
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Leave examples as they are, and give options enough room."""

    def __init__(self, prog: str, **how: Any) -> None:
        super().__init__(prog, max_help_position=28, **how)


def _add(parser: Parser, name: str) -> None:
    if name == "lab":
        from deployguard.lab import arguments

        arguments.add(parser)
        return
    if name == "completion":
        from deployguard import completion

        parser.add_argument("shell", choices=completion.SHELLS, help="the one to complete in")
        return
    if name == "doctor":
        from deployguard.doctor import arguments as doctors

        doctors.add(parser)
    if name == "report":
        from deployguard.report import arguments as reports

        reports.add(parser)
    from deployguard.config import Settings
    from deployguard.option import GROUPS

    groups = {title: parser.add_argument_group(title) for title in GROUPS}
    for field_name, field in Settings.model_fields.items():
        extra: Any = field.json_schema_extra
        if name in extra["commands"]:
            _add_option(groups[extra["group"]], field_name, field, extra)
    words = [str(a.metavar or a.dest.upper()) for a in parser._get_positional_actions()]
    parser.usage = " ".join(("%(prog)s", *words, "[options]"))


def _add_option(
    group: argparse._ArgumentGroup, name: str, field: FieldInfo, extra: Mapping[str, Any]
) -> None:
    from deployguard import kinds
    from deployguard.config import FLAG_ONLY

    variable = f"DEPLOYGUARD_{name.upper()}"
    if extra["switches"]:
        for value, text in extra["switches"].items():
            group.add_argument(
                f"-{value[0]}",
                f"--{value}",
                dest=name,
                action="store_const",
                const=value,
                default=argparse.SUPPRESS,
                help=f"{text} [{variable}={value}]",
            )
        return
    default = "" if field.default in (None, (), "", False) else f", default {_said(field.default)}"
    known = "" if name in FLAG_ONLY else f" [{variable}{default}]"
    text = f"{field.description}{known}".replace("%", "%%")
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else None
    if name in POSITIONAL:
        group.add_argument(
            name,
            nargs=POSITIONAL[name],
            metavar=None if choices else kinds.called(field) or name.upper(),
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
        kwargs["metavar"] = kinds.called(field)
        kwargs["action"] = "append" if get_origin(field.annotation) is tuple else "store"
    group.add_argument(extra["flag"] or f"--{name.replace('_', '-')}", **kwargs)


def _said(default: Any) -> str:
    if isinstance(default, bool):
        return "true" if default else "false"
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)
