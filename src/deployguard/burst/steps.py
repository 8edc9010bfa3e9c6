"""Non-blocking steps over plain sockets: connect, tunnel, send, hear, all driven by one selector.

A step is a generator that yields whenever its socket would block, so that each exchange reads from
top to bottom while a thousand of them run side by side.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import SplitResult

import h11

from deployguard.burst import origin

MAX_HEAD = 64 * 2**10
UNDER_WAY = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)

T = TypeVar("T")
Wait = tuple[socket.socket, int]  # a socket, and the selector event that it waits for
Steps = Generator[Wait, None, None]


@dataclass
class Heard:
    """What has come of an answer so far."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)


@dataclass(eq=False)
class Line:
    """One connection and where its HTTP conversation stands."""

    sock: socket.socket
    http: h11.Connection

    def is_open(self) -> bool:
        """Look for a close, or for bytes that nobody asked for, without waiting."""
        try:
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def is_reusable(self) -> bool:
        """Say whether the exchange ended cleanly, with no byte beyond the answer."""
        both = (self.http.our_state, self.http.their_state)
        return both == (h11.DONE, h11.DONE) and not self.http.trailing_data[0]


class TooLarge(Exception):
    """The answer is larger than the caller wants to hold."""


class NothingSent(Exception):
    """The connection broke before the first byte of the request left."""


def drive(tasks: Iterable[Steps], *, deadline: float) -> None:
    """Run the tasks side by side; at the deadline the unfinished ones get a TimeoutError.

    All take their first step before anything else is done, so that they start close together.
    """
    with selectors.DefaultSelector() as selector:
        for task, wait in [(task, next(task, None)) for task in tasks]:
            if wait is not None:
                sock, events = wait
                selector.register(sock.fileno(), events, task)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                _advance(selector, key)
        for key in [*selector.get_map().values()]:
            try:
                key.data.throw(TimeoutError())
            except StopIteration:
                selector.unregister(key.fd)


def _advance(selector: selectors.BaseSelector, before: selectors.SelectorKey) -> None:
    try:
        _, events = next(before.data)
    except StopIteration:
        selector.unregister(before.fd)
        return
    if before.events != events:
        selector.modify(before.fd, events, before.data)


def patiently(
    sock: socket.socket, operation: Callable[[], T], blocked: int = selectors.EVENT_READ
) -> Generator[Wait, None, T]:
    """Repeat a non-blocking operation until it is done, waiting for the socket in between."""
    while True:
        try:
            return operation()
        except BlockingIOError:
            yield sock, blocked
        except ssl.SSLWantReadError:
            yield sock, selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            yield sock, selectors.EVENT_WRITE


def reach(sock: socket.socket, where: Any) -> Steps:
    """Connect."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = sock.connect_ex(where)
    if code in UNDER_WAY:
        yield sock, selectors.EVENT_WRITE
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def send(sock: socket.socket, wire: bytes) -> Steps:
    """Send all of it; `NothingSent` where not even the first byte left."""
    left = memoryview(wire)
    try:
        while left:
            some = partial(sock.send, left)
            left = left[(yield from patiently(sock, some, selectors.EVENT_WRITE)) :]
    except OSError as error:
        if len(left) == len(wire) and not isinstance(error, TimeoutError):
            raise NothingSent(origin.words(error)) from error
        raise


def tunnel(sock: socket.socket, endpoint: SplitResult, proxy: SplitResult) -> Steps:
    """Ask the proxy for a way through (CONNECT)."""
    line = Line(sock, h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD))
    where = f"{origin.bracketed(endpoint)}:{origin.port(endpoint)}"
    headers = [("Host", where), *origin.credentials(proxy).items()]
    wire = line.http.send(h11.Request(method="CONNECT", target=where, headers=headers)) or b""
    wire += line.http.send(h11.EndOfMessage()) or b""
    yield from send(sock, wire)
    while not isinstance(event := (yield from _event(line)), h11.Response):
        pass
    if not 200 <= event.status_code < 300:
        raise h11.RemoteProtocolError(
            f"the proxy {origin.netloc(proxy)} answered {event.status_code} to CONNECT"
        )


def hear(line: Line, heard: Heard, max_body: int) -> Steps:
    """Take in one whole answer; none is there at once, so that the next task may go on."""
    yield line.sock, selectors.EVENT_READ
    while not isinstance(event := (yield from _event(line)), h11.EndOfMessage):
        if isinstance(event, h11.Response):
            heard.status = event.status_code
            heard.headers = {
                name.decode(): value.decode("latin-1") for name, value in event.headers
            }
        elif isinstance(event, h11.Data):
            heard.body += event.data
            if len(heard.body) > max_body:
                raise TooLarge


def _event(line: Line) -> Generator[Wait, None, h11.Event]:
    while (event := line.http.next_event()) is h11.NEED_DATA:
        data = yield from patiently(line.sock, partial(line.sock.recv, 65536))
        if not data and line.http.their_state is h11.SEND_RESPONSE:
            raise h11.RemoteProtocolError("the connection ended before the answer")
        line.http.receive_data(data)
    if not isinstance(event, h11.Event):
        raise h11.RemoteProtocolError("the answer switches to another protocol")
    return event
