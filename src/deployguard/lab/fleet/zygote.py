"""Containers forked from a warm interpreter, for bursts that a start from nothing makes too slow.

A forked container is a process like any other: its handler, stamp and environment are read after
the fork, and it crashes, is killed and is measured like one that was started from nothing. What
differs: the interpreter's start and the import of AWS's runtime client (not of the handler) are
over already, so its initialization is several times shorter; all share one hash seed; `ps` shows
the zygote's command line; modules of the standard library are imported that a handler could
otherwise be the first to import. An image that such a start would treat otherwise than a start
from nothing, as it replaces a module or sets what an interpreter reads when it starts, is not
forked; neither is any where the system lacks pidfds or AWS's client is missing.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployguard.lab.fleet.environment import AWS_RUNTIME, INTERPRETER, leash

SCRIPT = str(Path(__file__).with_name("warm_runtime.py"))
CAN_FORK = sys.platform == "linux" and hasattr(os, "pidfd_open")
SHARED = sys.stdlib_module_names | {"awslambdaric", "runtime_client", "simplejson"}
READ_AT_START = ("PYTHON", "LC_", "MALLOC_", "GLIBC_")
HONOURED = INTERPRETER.keys() | {"PYTHONPATH", "PYTHONUNBUFFERED"}  # AWS's client never buffers


@dataclass
class Request:
    """What the zygote is asked, one at a time."""

    message: dict[str, Any]
    descriptors: tuple[int, ...]
    answer: asyncio.Future[int]


class Zygote:
    """The warm interpreter: started when it is first needed, and again should it be gone."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.popen: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        self.requests: deque[Request] = deque()
        self.children: set[int] = set()

    async def fork(self, env: Mapping[str, str], *, cwd: Path, output: int) -> int:
        """Start a container and return its process id.

        Raises:
            OSError: there is no such folder, or no room for another process.
            ConnectionError: the zygote itself is gone.
        """
        folder = os.open(cwd, os.O_PATH | os.O_DIRECTORY)
        try:
            pid = await self._ask({"env": dict(env)}, folder, output)
        finally:
            os.close(folder)
        if pid < 0:
            raise OSError(-pid, os.strerror(-pid))
        self.children.add(pid)
        return pid

    def bury(self, pid: int, then: Callable[[int], None]) -> None:
        """Pass on the exit status of a container that has ended; until then its id is its own."""

        def answered(answer: asyncio.Future[int]) -> None:
            self.children.discard(pid)
            then(-signal.SIGKILL if answer.exception() else answer.result())

        if pid in self.children:
            self._ask({"bury": pid}).add_done_callback(answered)
        else:
            then(-signal.SIGKILL)  # its zygote was killed, and took its containers along

    def close(self) -> None:
        """End it, and with it all that it has forked."""
        if self.control is not None:
            asyncio.get_running_loop().remove_reader(self.control)
            self.control.close()
            self.control = None
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()
            self.popen = None
        self.children.clear()
        while self.requests:
            answer = self.requests.popleft().answer
            if not answer.done():
                answer.set_exception(ConnectionError("the zygote is gone"))

    def _ask(self, message: dict[str, Any], *descriptors: int) -> asyncio.Future[int]:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.requests.append(Request(message, descriptors, answer))
        if len(self.requests) == 1:
            self._send()
        return answer

    def _send(self) -> None:
        """Send the oldest request; the next one goes when this one is answered."""
        while self.requests and self.requests[0].answer.done():
            self.requests.popleft()  # cancelled: its descriptors are closed already
        if not self.requests:
            return
        request = self.requests[0]
        message = json.dumps(request.message).encode()
        try:
            socket.send_fds(self.control or self._start(), [message], request.descriptors)
        except ConnectionError:
            self.close()
        except OSError as error:  # such as a message that is too large
            request.answer.set_exception(error)
            self._send()

    def _start(self) -> socket.socket:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.popen = subprocess.Popen(
                [*leash(), sys.executable, SCRIPT, str(theirs.fileno())],
                env=INTERPRETER,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        self.control.setblocking(False)
        asyncio.get_running_loop().add_reader(self.control, self._answered)
        return self.control

    def _answered(self) -> None:
        assert self.control is not None
        try:
            message = self.control.recv(64)
        except ConnectionError:
            message = b""
        if not message:
            self.close()
            return
        request = self.requests.popleft()
        if not request.answer.done():
            request.answer.set_result(json.loads(message)["answer"])
        self._send()


def suits(env: Mapping[str, str], *, cwd: Path, runtime: tuple[str, ...]) -> bool:
    """Tell whether a fork shows an image what a start from nothing would show it."""
    if not CAN_FORK or runtime != AWS_RUNTIME:
        return False
    if not env["LANG"].upper().endswith((".UTF-8", ".UTF8")):
        return False
    if any(name.startswith(READ_AT_START) for name in env.keys() - HONOURED):
        return False
    folders = {str(cwd), *env["PYTHONPATH"].split(os.pathsep)}
    return not any(SHARED & _modules(folder) for folder in folders)


def _modules(folder: str) -> set[str]:
    """Return the names that an import may find in a folder."""
    try:
        return {name.partition(".")[0] for name in os.listdir(folder)}  # noqa: PTH208 (names only)
    except OSError:
        return set()
