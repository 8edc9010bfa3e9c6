"""The command line in a process that was forked from one that has imported it already.

Starting Python and importing the SDK costs more than all else that most runs do. A fork behaves as
a start from nothing does, but for what Python reads in its environment only when it starts.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path

from deployguard import __main__

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])
BOOKKEEPING = threading.Lock()  # multiprocessing's own is not made for threads
PATIENCE_S = 90.0
HUNG = 999


@dataclass(frozen=True)
class Order:
    """What a process is to run, and in which world."""

    arguments: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    said: Path  # the folder for its output
    clock_step_s: float = 0.0  # of the machine's clock, as this process sees it
    largest_file: int | None = None  # in bytes: the disk is full beyond


class Process:
    """One process that runs the command line, held at its start until `go`."""

    def __init__(self, order: Order) -> None:
        """Fork it."""
        self.order = order
        for name in ("out", "err"):  # a process may be killed before it opens them
            (order.said / name).touch()
        self.gate, child = CONTEXT.Pipe()
        with BOOKKEEPING:
            self.process = CONTEXT.Process(target=_obey, args=(order, child))
            self.process.start()
        child.close()
        self.pid = self.process.pid or 0
        self.began = time.time()

    def go(self) -> None:
        """Let it run."""
        self.began = time.time()
        self.gate.send_bytes(b"go")

    @property
    def is_over(self) -> bool:
        """Say whether it ended."""
        return bool(connection.wait([self.process.sentinel], 0))

    @property
    def out(self) -> str:
        """Return what it printed so far."""
        return (self.order.said / "out").read_text()

    @property
    def err(self) -> str:
        """Return what it said on stderr so far."""
        return (self.order.said / "err").read_text()

    def kill(self) -> None:
        """End it by SIGKILL, if it is still there."""
        self.process.kill()

    def wait(self) -> int:
        """Return its exit code; HUNG where it had to be killed."""
        ended = connection.wait([self.process.sentinel], PATIENCE_S)
        if not ended:
            self.process.kill()
            connection.wait([self.process.sentinel])
        with BOOKKEEPING:
            self.process.join()
        code = self.process.exitcode if ended else HUNG
        assert code is not None
        self.process.close()
        self.gate.close()
        return code


def _obey(order: Order, gate: Connection) -> None:
    """Run the command line once the gate opens, and exit as it does."""
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    sys.argv = ["deployguard", *order.arguments]
    for name, number in (("out", 1), ("err", 2)):
        handle = os.open(order.said / name, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(handle, number)
        os.close(handle)
    if order.largest_file is not None:
        sys.dont_write_bytecode = True  # compiled modules would be cut off, and stay so
        resource.setrlimit(resource.RLIMIT_FSIZE, (order.largest_file, order.largest_file))
    if order.clock_step_s:
        now, step = time.time, order.clock_step_s
        time.time = lambda: now() + step
    gate.recv_bytes()
    sys.exit(__main__.main())
