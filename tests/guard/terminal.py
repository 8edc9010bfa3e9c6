"""A terminal that a command runs in: a pty, and an emulator that knows what a person sees."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pyte

from tests.guard.world import Team

INTERRUPT = b"\x03"
WITHIN_S = 90.0
# Without a terminal of its own a process gets no Ctrl-C.
CONTROLLED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "deployguard", *sys.argv[1:]])
"""


@dataclass
class Terminal:
    """A screen of a size, and everything that was ever on it."""

    columns: int = 100
    rows: int = 40
    raw: bytes = b""
    frames: list[list[str]] = field(default_factory=list)
    exit_code: int = -1

    def __post_init__(self) -> None:
        """Begin with an empty screen."""
        self.screen = pyte.HistoryScreen(self.columns, self.rows, history=5000)
        self.stream = pyte.ByteStream(self.screen)

    def run(
        self,
        team: Team,
        *arguments: str,
        then: tuple[Callable[[list[str]], bool], Callable[[int], object]] | None = None,
        **environment: str,
    ) -> Terminal:
        """Run deployguard to its end; once a frame is as `then` says, do what it says."""
        master, end = pty.openpty()
        self.resize(master, self.columns)
        usual = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
        process = subprocess.Popen(
            [sys.executable, "-c", CONTROLLED, *arguments],
            cwd=team.folder,
            env=usual | team.surroundings(**environment),
            stdin=end,
            stdout=end,
            stderr=end,
            start_new_session=True,
        )
        os.close(end)
        deadline = time.monotonic() + WITHIN_S
        while self._hear(master):
            assert time.monotonic() < deadline, self.text()
            if then is not None and then[0](self.lines()):
                then[1](master)
                then = None
        self.exit_code = process.wait(timeout=WITHIN_S)
        os.close(master)
        return self

    def _hear(self, master: int) -> bool:
        if not select.select([master], [], [], 0.2)[0]:
            return True
        try:
            heard = os.read(master, 65536)
        except OSError:  # the other end is closed
            return False
        self.raw += heard
        self.stream.feed(heard)
        self.frames.append(self.lines())
        return bool(heard)

    def resize(self, master: int, columns: int) -> None:
        """Give the terminal another width, as its user does."""
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, columns, 0, 0))
        self.screen.resize(columns=columns)

    def lines(self) -> list[str]:
        """Return what is on the screen now."""
        return [line.rstrip() for line in self.screen.display]

    def text(self) -> str:
        """Return all that scrolled by, and what is on the screen."""
        past = (self._line(row) for row in self.screen.history.top)
        return "\n".join((*past, *self.lines()))

    def _line(self, row: dict[int, pyte.screens.Char]) -> str:
        return "".join(row[place].data for place in sorted(row)).rstrip()

    @property
    def escapes(self) -> set[str]:
        """Return the kinds of escape sequences that were written."""
        found = re.findall(r"\x1b(\[[0-9;?]*[A-Za-z]|.)", self.raw.decode())
        return {re.sub(r"\d+", "N", each) for each in found}
