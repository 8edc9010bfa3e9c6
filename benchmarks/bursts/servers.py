"""Servers that hold every request for 500 ms and note when each arrived; and a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import shutil
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path

HOLD_S = 0.5
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
BY_HAND = Path(__file__).parents[1] / "by_hand"


def built(name: str, folder: Path) -> Path | None:
    """Compile one of the C programs; None without a compiler and OpenSSL's headers."""
    if (compiler := shutil.which("cc")) is None:
        return None
    made = folder / name
    command = [compiler, "-O2", str(BY_HAND / f"{name}.c"), "-o", str(made), "-lssl", "-lcrypto"]
    done = subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    return made if done.returncode == 0 else None


@contextlib.contextmanager
def in_c(program: Path, pem: Path) -> Iterator[int]:
    """Run the server that costs little; yield its port."""
    with subprocess.Popen([program, pem], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.terminate()


@contextlib.contextmanager
def in_python(pem: Path, *, host: str = "127.0.0.1") -> Iterator[int]:
    """Run the server that can also misbehave; yield its port."""
    with _process(_serve, pem, host) as port:
        yield port


@contextlib.contextmanager
def proxy() -> Iterator[int]:
    """Run a CONNECT proxy; yield its port."""
    with _process(_relay) as port:
        yield port


@contextlib.contextmanager
def _process(run: Callable[..., Awaitable[None]], *arguments: object) -> Iterator[int]:
    near, far = Pipe()
    process = Process(target=_run, args=(run, far, *arguments), daemon=True)
    process.start()
    try:
        yield near.recv()
    finally:
        process.terminate()
        process.join()


def _run(run: Callable[..., Awaitable[None]], pipe: Connection, *arguments: object) -> None:
    raise_file_limit()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(pipe, *arguments))  # type: ignore[arg-type]


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Held(asyncio.Protocol):
    """Answer each request 500 ms after it came, unless it asks for something else."""

    lines: list[Held] = []  # noqa: RUF012 (one list for all connections)
    arrivals: list[float] = []  # noqa: RUF012

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.seen = transport, b""
        self.lines.append(self)

    def data_received(self, data: bytes) -> None:
        """Look for the end of a request."""
        self.seen += data
        if self.seen.startswith(b"GET /arrivals"):
            self._tell()
        elif self.seen.startswith(b"GET /hang-up"):
            self._hang_up()
        elif self.seen.endswith(b"}}"):
            self.arrivals.append(time.monotonic())
            is_cut = b"?cut" in self.seen and len(self.arrivals) % 2
            self.seen = b""
            if is_cut:
                self.transport.close()
            else:
                asyncio.get_running_loop().call_later(HOLD_S, self.transport.write, ANSWER)

    def _tell(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        told = {"cpu": used.ru_utime + used.ru_stime, "arrivals": self.arrivals}
        self._say(json.dumps(told).encode())
        self.arrivals.clear()

    def _hang_up(self) -> None:
        """Close half of the other connections."""
        others = [line for line in self.lines if line is not self and line.is_open]
        for line in others[::2]:
            line.transport.abort()
        self._say(b"%d" % len(others[::2]))

    @property
    def is_open(self) -> bool:
        """Say whether the connection is still there."""
        return not self.transport.is_closing()

    def _say(self, body: bytes) -> None:
        self.seen = b""
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def _serve(pipe: Connection, pem: Path, host: str) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Held, host, 0, ssl=context, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _relay(pipe: Connection) -> None:
    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        host, port = head.split(b" ", 2)[1].decode().rsplit(":", 1)
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(OPEN)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0, backlog=4096)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()
