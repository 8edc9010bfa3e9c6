"""The command line: it finds the command that is meant, and its end is the exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from deployguard import __version__, ci, console, manual, parser
from deployguard.errors import ConfigurationError, DeployguardError, Interrupted

if TYPE_CHECKING:
    import argparse

BROKEN_PIPE = 141


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    if not arguments:
        console.Writer(sys.stderr).write(parsers(sys.stderr).format_help())
        return ConfigurationError.exit_code
    try:
        parsed = parsers().parse_args(arguments)
        return command(parsed.command)(parsed)
    except DeployguardError as error:
        console.complain(error)
        if ci.detect(os.environ) is ci.Provider.GITHUB:
            outputs = {"verdict": "ERROR", "exit-code": str(error.exit_code)}
            ci.write_outputs(os.environ, outputs, report_dir=Path.cwd())
        return error.exit_code
    except Interrupted as end:
        console.complain(end)
        return end.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def parsers(to: TextIO | None = None) -> parser.Overview:
    """Return the parser of all commands, whose help is made for stdout or another stream."""
    page = partial(console.page, to or sys.stdout, os.environ)
    return parser.build(version=__version__, page=page)


def command(name: str) -> Callable[[argparse.Namespace], int]:
    """Return what does a command, imported with nothing of what the other purposes need."""
    (purpose,) = (each for each in manual.PURPOSES if name in each.commands)
    module = import_module(f"deployguard.commands.{purpose.module}")
    run: Callable[[argparse.Namespace], int] = getattr(module, name.replace("-", "_"))
    return run
