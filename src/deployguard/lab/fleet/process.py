"""A container's operating-system process: started, listened to, measured, killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deployguard.lab.fleet.outcome import Exited, Invocation, Said, TimedOut
from deployguard.lab.fleet.runtime_api import Channel
from deployguard.lab.fleet.zygote import Zygote

MEGABYTE = 1024 * 1024
CHUNK = 1 << 16


@dataclass(frozen=True)
class Child:
    """A process that was just started; `bury` passes on its exit status once it has ended."""

    pid: int
    exit_fd: int  # readable when it has ended
    bury: Callable[[Callable[[int], None]], None]


class Process:
    """One runtime process, from its start to its end."""

    def __init__(self, child: Child, *, pipe: int, stamp: Callable[[], int]) -> None:
        """Watch it; `stamp` gives the time of its output lines, read from `pipe`, in ms."""
        self.loop = asyncio.get_running_loop()
        self.stamp = stamp
        self.channel = Channel()
        self.gone = asyncio.Event()
        self.output: list[tuple[int, str]] = []
        self.rest = b""
        self.peak_bytes = 0
        self.child = child
        self.pid = child.pid
        self.buried = False
        self.pipe = pipe
        os.set_blocking(self.pipe, False)
        self.loop.add_reader(self.pipe, self._read)
        self.loop.add_reader(child.exit_fd, self._exited)
        _no_core_files(self.pid)

    @property
    def alive(self) -> bool:
        """Whether it can still serve."""
        return not self.gone.is_set()

    async def start(self, limit_s: float) -> Said:
        """Wait until it asks for its first event, or fails to."""
        return await _within(self.channel.said, limit_s)

    async def answer(self, invocation: Invocation, *, deadline_ms: int, limit_s: float) -> Said:
        """Hand over an event and wait for what it says."""
        return await _within(self.channel.give(invocation, deadline_ms), limit_s)

    def kill(self) -> None:
        """End it and whatever it has started, at once."""
        if not self.buried:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def lines(self) -> list[tuple[int, str]]:
        """Take the output lines that have gathered, a last unfinished one included."""
        self._read()  # what it wrote before it answered is in the pipe already
        if self.rest:
            self.output.append((self.stamp(), _text(self.rest)))
            self.rest = b""
        lines, self.output = self.output, []
        return lines

    def resident_bytes(self) -> int:
        """Return how much memory it holds now, 0 where the system does not say."""
        try:
            pages = int(Path(f"/proc/{self.pid}/statm").read_bytes().split()[1])
        except (OSError, IndexError):
            return 0
        self.peak_bytes = max(self.peak_bytes, pages * resource.getpagesize())
        return pages * resource.getpagesize()

    def peak_mb(self) -> int:
        """Return the most memory that it ever held, in megabytes."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    self.peak_bytes = max(self.peak_bytes, int(line.split()[1]) * 1024)
        return -(-self.peak_bytes // MEGABYTE)

    def _read(self) -> None:
        if self.pipe < 0:
            return
        with contextlib.suppress(BlockingIOError, OSError):
            while chunk := os.read(self.pipe, CHUNK):
                *whole, self.rest = (self.rest + chunk).split(b"\n")
                now = self.stamp()
                self.output += [(now, _text(line)) for line in whole]
            self.loop.remove_reader(self.pipe)  # end of file: nobody holds the other end

    def _exited(self) -> None:
        self.loop.remove_reader(self.child.exit_fd)
        self.child.bury(self._ended)

    def _ended(self, code: int) -> None:
        self.buried = True
        self._read()
        self.loop.remove_reader(self.pipe)
        _close(self.child.exit_fd, self.pipe)
        self.pipe = -1
        self.gone.set()
        self.channel.close(Exited(code))


def spawn(
    command: list[str], *, cwd: Path, env: dict[str, str], stamp: Callable[[], int]
) -> Process:
    """Start a process from nothing."""
    pipe, write = os.pipe()
    alive, held = (None, None) if hasattr(os, "pidfd_open") else os.pipe()
    try:
        popen = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=write,
            stderr=write,
            start_new_session=True,
            pass_fds=() if held is None else (held,),
        )
    except BaseException:
        _close(pipe, alive)
        raise
    finally:
        _close(write, held)
    exit_fd = os.pidfd_open(popen.pid) if alive is None else alive
    child = Child(popen.pid, exit_fd, lambda then: then(popen.wait()))
    return Process(child, pipe=pipe, stamp=stamp)


async def fork(
    zygote: Zygote, *, cwd: Path, env: dict[str, str], stamp: Callable[[], int]
) -> Process:
    """Start a process from a warm interpreter."""
    pipe, write = os.pipe()
    try:
        pid = await zygote.fork(env, cwd=cwd, output=write)
        exit_fd = os.pidfd_open(pid)
    except BaseException:
        _close(pipe)
        raise
    finally:
        _close(write)
    child = Child(pid, exit_fd, partial(zygote.bury, pid))
    return Process(child, pipe=pipe, stamp=stamp)


async def _within(said: asyncio.Future[Said], limit_s: float) -> Said:
    try:
        return await asyncio.wait_for(said, limit_s)
    except TimeoutError:
        return TimedOut()


def _text(line: bytes) -> str:
    return line.decode(errors="replace") + "\n"


def _close(*descriptors: int | None) -> None:
    for descriptor in descriptors:
        if descriptor is not None:
            os.close(descriptor)


def _no_core_files(pid: int) -> None:
    """Keep crashing handlers from leaving core files in their image's folder."""
    if sys.platform == "linux":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
