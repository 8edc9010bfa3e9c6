"""A program that implements the canary: it reads an event a line, and writes an answer a line."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import IO

from deployguard.conformance.nouns import Answer
from deployguard.errors import ConfigurationError

LONGEST = 2**23  # bytes of an answer
CHUNK = 1 << 16
PARTING_S = 1.0
LAST_WORDS = 2_000  # bytes of its standard error


class Program:
    """The program, from its start to its end, and that of whatever it has started."""

    def __init__(self, words: Sequence[str]) -> None:
        """Start it, in a process group of its own."""
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed at the exit
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            self._said.close()
            raise ConfigurationError(
                f"the program {words[0]!r} cannot be started: {error}",
                fix="name one that can be run, with its path, or the ARN of a function, or a URL",
            ) from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._rest = b""

    def __enter__(self) -> Program:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End its input, then itself and whatever it has started."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(PARTING_S)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._said.close()

    def ask(self, event: bytes, *, limit_s: float) -> Answer:
        """Send one event, and wait for the line that answers it."""
        if b"\n" in self._rest:
            return Answer(None, "it wrote more than one line for an event", is_over=True)
        try:
            self._exchange(event + b"\n", time.monotonic() + limit_s)
        except TimeoutError:
            return Answer(None, self._told(f"no line within {limit_s:.0f} s"), is_over=True)
        except OverflowError:
            return Answer(None, f"a line of more than {LONGEST} bytes", is_over=True)
        except EOFError:
            return Answer(None, self._told("it ended, or closed its output"), is_over=True)
        line, _, self._rest = self._rest.partition(b"\n")
        return Answer(line)

    def _exchange(self, out: bytes, deadline: float) -> None:
        """Write, and read on until a line is whole, since it may answer before it has read all."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._in, selectors.EVENT_WRITE)
            ready.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = deadline - time.monotonic()
                found = ready.select(left) if left > 0 else []
                if not found:
                    raise TimeoutError
                for key, _ in found:
                    if key.fd == self._out:
                        self._read()
                    else:
                        out = self._write(out)
                        if not out:
                            ready.unregister(self._in)

    def _read(self) -> None:
        chunk = os.read(self._out, CHUNK)
        if not chunk:
            raise EOFError
        self._rest += chunk
        if len(self._rest) > LONGEST:
            raise OverflowError

    def _write(self, out: bytes) -> bytes:
        try:
            return out[os.write(self._in, out[:CHUNK]) :]
        except BlockingIOError:
            return out
        except BrokenPipeError as error:
            raise EOFError from error

    def _told(self, trouble: str) -> str:
        """Add the end of what it wrote to its standard error."""
        self._said.seek(0, os.SEEK_END)
        self._said.seek(max(0, self._said.tell() - LAST_WORDS))
        words = " ".join(self._said.read().decode(errors="replace").split())
        return f"{trouble}; it said: {words[-300:]}" if words else trouble
