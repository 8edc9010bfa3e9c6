"""What a stream is: a terminal or a log, whose, how large, in colour; and what is said on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from deployguard import ci, safe
from deployguard.ci import Provider
from deployguard.errors import DeployguardError, Interrupted, parts_of
from deployguard.style import Page

USUAL = os.terminal_size((80, 24))
BLIND = ("dumb", "unknown", "")


@dataclass(frozen=True)
class Sight:
    """What a stream is, as far as it matters for what is shown on it."""

    provider: Provider
    is_terminal: bool  # whose lines can be written anew
    colour: bool


def sight(stream: TextIO, environ: Mapping[str, str]) -> Sight:
    """Look where a stream goes; NO_COLOR and FORCE_COLOR outrank what it is."""
    is_terminal = stream.isatty() and environ.get("TERM", "") not in BLIND
    forced = environ.get("FORCE_COLOR", "") not in ("", "0")
    colour = not environ.get("NO_COLOR") and (is_terminal or forced)
    return Sight(ci.detect(environ), is_terminal, colour)


def page(stream: TextIO, environ: Mapping[str, str]) -> Page:
    """Return how text is to be laid out on a stream."""
    seen = sight(stream, environ)
    return Page(_size(stream).columns if seen.is_terminal else None, seen.colour)


def _size(stream: TextIO) -> os.terminal_size:
    """Return the size of a terminal, which may have changed; some do not know theirs."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return USUAL
    return size if size.columns > 0 and size.lines > 0 else USUAL


def is_debugged(environ: Mapping[str, str]) -> bool:
    """Say whether somebody asked the CI service for everything that there is to see."""
    return environ.get("RUNNER_DEBUG") == "1" or environ.get("CI_DEBUG_TRACE") == "true"


class Writer:
    """A stream that nobody may listen to any more: that must end no run that changes things."""

    def __init__(self, stream: TextIO) -> None:
        """Write to a stream, in one piece each time."""
        self._stream = stream
        self._is_heard = True

    def write(self, text: str) -> None:
        """Write and flush, or do without."""
        if not self._is_heard:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # a closed pipe, a terminal that went away
            self._is_heard = False
            with suppress(OSError, ValueError):  # what is left in the buffer goes nowhere
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    @property
    def size(self) -> os.terminal_size:
        """Return how much a terminal shows."""
        return _size(self._stream)

    def can(self, text: str) -> bool:
        """Say whether the stream has these characters."""
        try:
            text.encode(self._stream.encoding or "ascii")
        except (UnicodeError, LookupError):
            return False
        return True


def say(text: str) -> None:
    """Print a result on stdout."""
    write(safe.log(text))


def write(text: str) -> None:
    """Write what is safe for its surface already; what stdout has no character for, as escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def talk(text: str) -> None:
    """Say something to whoever listens; that nobody does must not end a run that changes things."""
    Writer(sys.stderr).write(safe.log(text) + "\n")


def command(commands: str) -> None:
    """Print workflow commands; they are made of escaped parts."""
    sys.stderr.write(commands)


def warn(problem: DeployguardError) -> None:
    """Tell of a problem that the command survives."""
    complain(problem, severity="warning")


def complain(problem: DeployguardError | Interrupted, *, severity: str = "error") -> None:
    """Tell of a problem."""
    from deployguard.report import text

    parts = {**parts_of(problem), "severity": severity}
    Writer(sys.stderr).write(text.problem(parts, page(sys.stderr, os.environ)))
