"""The lab as a running server: loopback only, many connections at once, TLS on demand."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import resource
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import trustme
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from deployguard.lab.app import HANG_UP, Lab
from deployguard.lab.client import Client

BACKLOG = 4096  # more than any burst; the kernel's own limit is often this
KEEP_ALIVE_S = 3600  # a server that hangs up on idle connections would add errors AWS has not
AUTHORITY = "ca.pem"


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP with the one thing ASGI lacks: closing a connection without an answer."""

    def on_message_begin(self) -> None:
        """Offer the application a way to hang up."""
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: self.transport.close}  # type: ignore[dict-item]


@contextlib.contextmanager
def running_lab(
    *,
    tls: bool = False,
    knobs: dict[str, Any] | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[Client]:
    """Run a lab in a thread of this process and yield the client that steers it.

    Labs that run at once in one process share moto, which a starting one empties.

    Raises: ValueError for a host that is not loopback; OSError for a port that is taken.
    """
    _check_loopback(host)
    _raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="deployguard-lab-") as name:
        folder = Path(name)
        outer = _listen(host, port)
        inner = _listen("127.0.0.1", 0) if tls else outer
        lab = Lab(folder, inner_port=inner.getsockname()[1])
        lab.turn(knobs or {})
        server = _Server(lab)
        server.listen(outer, _certificate(folder, host) if tls else None)
        if tls:
            server.listen(inner)  # for the containers and moto, which know no authority
        address = f"[{host}]" if ":" in host else host
        endpoint = f"{'https' if tls else 'http'}://{address}:{outer.getsockname()[1]}"
        with server.running():
            yield Client(endpoint, ca_bundle=str(folder / AUTHORITY) if tls else None)


class _Server:
    """The thread that serves a lab, on one socket or, with TLS, on a plain inner one as well."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.servers: list[tuple[uvicorn.Server, socket.socket]] = []
        self.ready: Future[asyncio.AbstractEventLoop] = Future()
        self.stopping = asyncio.Event()

    def listen(self, listener: socket.socket, certificate: str | None = None) -> None:
        self.servers.append((_uvicorn(self.lab, certificate), listener))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._run, name="deployguard-lab", daemon=True)
        thread.start()
        try:
            loop = self.ready.result()
            try:
                yield
            finally:
                loop.call_soon_threadsafe(self.stopping.set)
        finally:
            thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self.ready.done():
                raise
            self.ready.set_exception(error)

    async def _serve(self) -> None:
        await self.lab.start()
        serving = [
            asyncio.create_task(server.serve(sockets=[listener]))
            for server, listener in self.servers
        ]
        self.ready.set_result(asyncio.get_running_loop())
        await self.stopping.wait()
        await self.lab.stop()  # first, so that what waits for a container gets its answer
        for server, _ in self.servers:
            server.should_exit = True
        await asyncio.gather(*serving)
        for server, _ in self.servers:
            for connection in list(server.server_state.connections):
                connection.transport.abort()  # TLS would wait for a client that has gone silent


def _uvicorn(lab: Lab, certificate: str | None) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            lab,
            http=Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,  # the lab's own clock tells the date
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=0,
            ssl_certfile=certificate,
        )
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # NOTE: asyncio sets TCP_NODELAY only where the protocol is named; without it every answer on a
    # kept connection waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    return listener


def _certificate(folder: Path, host: str) -> str:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / AUTHORITY))
    issued = authority.issue_cert(host, "localhost")
    path = str(folder / "server.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(path)
    return path


def _check_loopback(host: str) -> None:
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ValueError(
            f"the lab accepts any credentials and runs any code, so it listens on loopback only, "
            f"got host {host!r}; use 127.0.0.1, ::1 or localhost"
        )


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
