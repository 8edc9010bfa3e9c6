"""Overlapping HTTP requests: connections first, then everything at once.

Overlap is what makes a burst evidence. All connections are opened and their TLS handshakes finished
before the first request is sent, so the requests leave within milliseconds of each other. Knows
nothing of AWS: the requests arrive signed. A request is sent once and never again; whatever breaks
after that leaves its reply unknown.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import h11

from deployguard.burst import origin, steps
from deployguard.burst.origin import proxy_for, tls_context
from deployguard.errors import Refusal

__all__ = ["Burst", "Connections", "Reply", "Request", "proxy_for", "tls_context"]

MAX_BODY = 7 * 2**20  # Lambda's synchronous answer is at most 6 MB
SPARE_FILES = 128  # handles that the rest of the process may need
ADDRESSES_TRIED = 3


@dataclass(frozen=True)
class Request:
    """One request, complete and signed."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What became of one request; times are `time.monotonic()`.

    `sent` is None where nothing of it left this machine. `answered` is None where no complete
    answer came: with `sent` set, nobody knows whether the server acted on it.
    """

    sent: float | None
    answered: float | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    error: str = ""


@dataclass(frozen=True)
class Burst:
    """The replies in the order of the requests, and how closely the requests overlapped."""

    replies: tuple[Reply, ...]
    connect_s: float
    ramp_s: float  # first to last request sent
    peak_in_flight: int


class Connections:
    """Connections to one endpoint, kept between bursts and topped up before each."""

    def __init__(
        self,
        endpoint: str,
        *,
        tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
        connect_timeout_s: float = 15.0,
    ) -> None:
        """Remember where to connect; nothing is opened yet."""
        self._endpoint = urlsplit(endpoint)
        if (self._endpoint.scheme == "https") != (tls is not None):
            raise ValueError("an https endpoint needs a TLS context, and only that")
        self._tls = tls
        self._proxy = origin.parse_proxy(proxy) if proxy else None
        self._connect_timeout_s = connect_timeout_s
        self._idle: list[steps.Line] = []

    def __enter__(self) -> Connections:
        """Return itself; `open` and `fire` connect."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection."""
        self.close()

    def close(self) -> None:
        """Close every connection."""
        for line in self._idle:
            line.sock.close()
        self._idle = []

    def open(self, count: int) -> str:
        """Have `count` connections ready; say why, where some could not be made."""
        for line in [line for line in self._idle if not line.is_open()]:
            line.sock.close()
            self._idle.remove(line)
        if len(self._idle) >= count:
            return ""
        _allow_files(count)
        door = self._proxy or self._endpoint
        try:
            addresses = origin.addresses(door)
        except OSError as error:
            return f"cannot resolve {door.hostname}: {origin.words(error)}"
        return self._connect(count, addresses)

    def _connect(self, count: int, addresses: list[Any]) -> str:
        failures: list[str] = []
        deadline = time.monotonic() + self._connect_timeout_s
        attempts = min(ADDRESSES_TRIED, len(addresses))
        for attempt in range(attempts):
            missing = count - len(self._idle)
            now = time.monotonic()
            steps.drive(
                [
                    self._opening(origin.in_turn(addresses, place)[attempt], failures)
                    for place in range(missing)
                ],
                deadline=now + (deadline - now) / (attempts - attempt),
            )
        return failures[-1] if len(self._idle) < count else ""

    def _opening(self, address: Any, failures: list[str]) -> steps.Steps:
        family, kind, protocol, _, where = address
        line = None
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError as error:
            failures.append(origin.words(error))
            return
        try:
            yield from steps.reach(sock, where)
            if self._proxy and self._tls:
                yield from steps.tunnel(sock, self._endpoint, self._proxy)
            if self._tls:
                sock = self._tls.wrap_socket(
                    sock,
                    server_hostname=self._endpoint.hostname,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=False,  # a cut answer must not pass as a whole one
                )
                yield from steps.patiently(sock, sock.do_handshake)
            line = steps.Line(
                sock, h11.Connection(h11.CLIENT, max_incomplete_event_size=steps.MAX_HEAD)
            )
            self._idle.append(line)
        except TimeoutError:
            failures.append("no connection in time")
        except (OSError, h11.ProtocolError, steps.NothingSent) as error:
            failures.append(origin.words(error))
        finally:
            if line is None:
                sock.close()

    def fire(
        self, requests: Sequence[Request], *, deadline_s: float, max_body: int = MAX_BODY
    ) -> Burst:
        """Connect first, then send all requests at once and wait for their answers."""
        began = time.monotonic()
        failure = self.open(len(requests))
        connect_s = time.monotonic() - began
        lines, self._idle = self._idle[: len(requests)], self._idle[len(requests) :]
        flight = _Flight([Reply(None, None, error=f"not sent: {failure}")] * len(requests))
        try:
            wires = [self._encoded(line, one) for line, one in zip(lines, requests, strict=False)]
            exchanges = [
                flight.exchange(place, line, wire, max_body=max_body)
                for place, (line, wire) in enumerate(zip(lines, wires, strict=True))
            ]
            steps.drive(exchanges, deadline=time.monotonic() + deadline_s)
        finally:
            self._keep(lines)
        sent = [reply.sent for reply in flight.replies if reply.sent is not None]
        ramp_s = max(sent) - min(sent) if sent else 0.0
        return Burst(tuple(flight.replies), connect_s, ramp_s, flight.peak)

    def _encoded(self, line: steps.Line, request: Request) -> bytes:
        parts = urlsplit(request.url)
        target = parts._replace(scheme="", netloc="", path=parts.path or "/", fragment="").geturl()
        if origin.identity(parts) != origin.identity(self._endpoint):
            raise ValueError(f"{origin.netloc(parts)} is not {origin.netloc(self._endpoint)}")
        headers = [*request.headers]
        given = {name.lower() for name, _ in headers}
        defaults = {"Host": origin.netloc(parts), "Accept-Encoding": "identity"}
        if request.body or request.method in ("POST", "PUT"):
            defaults["Content-Length"] = str(len(request.body))
        if self._proxy and not self._tls:
            target = f"http://{origin.netloc(parts)}{target}"
            defaults.update(origin.credentials(self._proxy))
        headers += [item for item in defaults.items() if item[0].lower() not in given]
        head = h11.Request(method=request.method, target=target, headers=headers)
        events: list[h11.Event] = [head, h11.Data(data=request.body), h11.EndOfMessage()]
        return b"".join(line.http.send(event) or b"" for event in events)

    def _keep(self, lines: Iterable[steps.Line]) -> None:
        for line in lines:
            if line.is_reusable():
                line.http.start_next_cycle()
                self._idle.append(line)
            else:
                line.sock.close()


@dataclass
class _Flight:
    """The replies so far, and how many requests are under way."""

    replies: list[Reply]
    now: int = 0
    peak: int = 0

    def exchange(self, place: int, line: steps.Line, wire: bytes, *, max_body: int) -> steps.Steps:
        """Send one request and hear its answer; the reply is noted however it ends."""
        heard, error, answered = steps.Heard(), "", None
        self.now += 1
        self.peak = max(self.peak, self.now)
        sent: float | None = time.monotonic()
        try:
            yield from steps.send(line.sock, wire)
            yield from steps.hear(line, heard, max_body)
            answered = time.monotonic()
        except TimeoutError:
            error = "timeout"
        except steps.TooLarge:
            answered, error = time.monotonic(), f"the answer is larger than {max_body:,} bytes"
            heard.body.clear()
        except steps.NothingSent as problem:
            sent, error = None, f"not sent: {problem}"
        except (OSError, h11.ProtocolError) as problem:
            error = origin.words(problem)
        finally:
            self.now -= 1
        self.replies[place] = Reply(
            sent, answered, heard.status, heard.headers, bytes(heard.body), error
        )


def _allow_files(connections: int) -> None:
    """Raise the soft limit of open files to what the connections need."""
    if sys.platform == "win32":
        return
    import resource

    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise Refusal(
            f"{connections} connections need {needed} open files; the limit is {hard}",
            fix=f"raise the hard limit (ulimit -Hn {needed}), or lower --max-probes",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
