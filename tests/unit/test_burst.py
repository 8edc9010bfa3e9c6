"""The burst against real servers on loopback: overlap, kept connections, and every way to break."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from deployguard.burst import Connections, Request, origin, proxy_for, tls_context
from deployguard.errors import ConfigurationError, Refusal

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Served:
    """What a test server has seen."""

    port: int = 0
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop | None = None

    def hang_up(self, count: int) -> None:
        """Close the first connections from the server's side, and wait until that is done."""
        assert self.loop is not None
        closing = asyncio.run_coroutine_threadsafe(self._hang_up(count), self.loop)
        closing.result(10)

    async def _hang_up(self, count: int) -> None:
        for writer in self.writers[:count]:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


Answer = Callable[[Served, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(served: Served, reader: asyncio.StreamReader) -> bool:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, OSError):
        return False
    served.heads.append(head)
    for row in head.lower().split(b"\r\n"):
        if row.startswith(b"content-length:"):
            served.bodies.append(await reader.readexactly(int(row.split(b":")[1])))
    return True


@contextlib.asynccontextmanager
async def listening(
    served: Served, answer: Answer, *, tls: ssl.SSLContext | None, host: str
) -> AsyncIterator[None]:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        served.writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        served.tasks.add(task)
        with contextlib.suppress(OSError):
            while not writer.is_closing() and await read_request(served, reader):
                await answer(served, reader, writer)
            writer.close()

    server = await asyncio.start_server(connection, host, 0, ssl=tls, backlog=2048)
    served.port = server.sockets[0].getsockname()[1]
    served.loop = asyncio.get_running_loop()
    yield
    for listener in server.sockets:  # accept no more; what is accepted still needs the server
        served.loop.remove_reader(listener.fileno())
    while accepting := asyncio.all_tasks() - served.tasks - {asyncio.current_task()}:
        await asyncio.wait(accepting, timeout=0.01)  # they fail, or become a connection's task
    server.close()
    for task in served.tasks:
        task.cancel()
    await asyncio.gather(*served.tasks, return_exceptions=True)
    for writer in served.writers:
        if not writer.is_closing():
            writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@contextlib.contextmanager
def serving(
    answer: Answer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> Iterator[Served]:
    served, ready, done = Served(), threading.Event(), threading.Event()

    async def main() -> None:
        async with listening(served, answer, tls=tls, host=host):
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield served
    finally:
        done.set()
        thread.join(10)


async def say_ok(
    served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    writer.write(OK)
    await writer.drain()


def together(parties: int) -> Answer:
    """Answer nobody before `parties` requests are here at the same time."""
    waiting: list[asyncio.Event] = []

    async def answer(
        served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        waiting.append(asyncio.Event())
        mine = waiting[-1]
        if len(waiting) == parties:
            for event in waiting:
                event.set()
            waiting.clear()
        await mine.wait()
        await say_ok(served, reader, writer)

    return answer


def saying(*parts: bytes, close: bool = True) -> Answer:
    async def answer(
        served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if close:
            writer.close()

    return answer


async def never(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def requests(url: str, count: int = 1) -> list[Request]:
    return [
        Request("POST", f"{url}/2015-03-31/functions/f/invocations?n={n}", (), b'{"n":%d}' % n)
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def trusting(authority: trustme.CA, tmp_path: Path) -> ssl.SSLContext:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    return tls_context(str(bundle))


def test_two_hundred_requests_over_tls_are_all_in_flight_at_once(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with serving(together(200), tls=server_tls) as served:
        url = f"https://localhost:{served.port}"
        with Connections(url, tls=trusting) as connections:
            burst = connections.fire(requests(url, 200), deadline_s=30)
    assert {reply.status for reply in burst.replies} == {200}
    assert burst.peak_in_flight == 200
    assert burst.ramp_s < 1
    assert burst.connect_s > 0
    assert sorted(served.bodies) == sorted(b'{"n":%d}' % n for n in range(200))


def test_the_replies_are_in_the_order_of_the_requests() -> None:
    async def echo(
        served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        body = served.bodies[-1]
        writer.write(b"HTTP/1.1 200 OK\r\nX-Up: A\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    with serving(echo) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            burst = connections.fire(requests(url, 20), deadline_s=10)
    assert [reply.body for reply in burst.replies] == [b'{"n":%d}' % n for n in range(20)]
    assert burst.replies[0].headers["x-up"] == "A"
    assert all(r.sent and r.answered and r.answered > r.sent for r in burst.replies)


def test_connections_are_kept_and_only_the_closed_ones_are_replaced() -> None:
    with serving(say_ok) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            connections.fire(requests(url, 10), deadline_s=10)
            connections.fire(requests(url, 10), deadline_s=10)
            assert served.connections == 10
            served.hang_up(5)
            burst = connections.fire(requests(url, 12), deadline_s=10)
    assert [reply.status for reply in burst.replies] == [200] * 12
    assert served.connections == 10 + 5 + 2
    assert len(served.heads) == 32


def test_closed_tls_connections_are_noticed_before_anything_is_sent(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with serving(say_ok, tls=server_tls) as served:
        url = f"https://127.0.0.1:{served.port}"
        with Connections(url, tls=trusting) as connections:
            connections.fire(requests(url, 6), deadline_s=10)
            served.hang_up(3)
            burst = connections.fire(requests(url, 6), deadline_s=10)
    assert [reply.status for reply in burst.replies] == [200] * 6
    assert served.connections == 9


def test_half_of_the_connections_closed_amid_a_burst_leave_half_unknown_and_sent_once(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def close_every_other(
        served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if len(served.heads) % 2:
            writer.close()
        else:
            await say_ok(served, reader, writer)

    with serving(close_every_other, tls=server_tls) as served:
        url = f"https://localhost:{served.port}"
        with Connections(url, tls=trusting) as connections:
            burst = connections.fire(requests(url, 50), deadline_s=10)
    unknown = [reply for reply in burst.replies if reply.answered is None]
    assert len(unknown) == 25
    assert all(reply.sent is not None and reply.error for reply in unknown)
    assert {reply.status for reply in burst.replies if reply.answered} == {200}
    assert (len(served.heads), served.connections) == (50, 50)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((), "the connection ended before the answer"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",), "peer closed connection"),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",), "illegal chunk header"),
        ((b"SSH-2.0-OpenSSH_9.2\r\n\r\n",), "illegal status line"),
        ((b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000,), "too long"),
    ],
)
def test_a_broken_answer_is_unknown_and_never_asked_for_again(
    parts: tuple[bytes, ...], error: str
) -> None:
    with serving(saying(*parts)) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=10).replies
    assert reply.sent is not None
    assert reply.answered is None
    assert reply.error
    assert error in reply.error or "reset" in reply.error
    assert len(served.heads) == 1


def test_a_tls_answer_cut_without_goodbye_is_not_a_whole_one(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    async def cut(
        served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of")
        await writer.drain()
        writer.transport.abort()

    with serving(cut, tls=server_tls) as served:
        url = f"https://localhost:{served.port}"
        with Connections(url, tls=trusting) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=10).replies
    assert (reply.answered, reply.status) == (None, 200)
    assert reply.error


def test_an_answer_past_the_deadline_is_a_timeout_and_its_connection_is_not_used_again() -> None:
    with serving(never) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            burst = connections.fire(requests(url, 3), deadline_s=0.2)
            connections.fire(requests(url, 3), deadline_s=0.2)
    assert [reply.error for reply in burst.replies] == ["timeout"] * 3
    assert [reply.answered for reply in burst.replies] == [None] * 3
    assert burst.peak_in_flight == 3
    assert served.connections == 6
    assert len(served.heads) == 6


def test_a_huge_answer_is_given_up_early() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    with serving(saying(head, *[b"a" * 100_000] * 1000)) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=20, max_body=300_000).replies
    assert reply.error == "the answer is larger than 300,000 bytes"
    assert (reply.status, reply.body) == (200, b"")


def test_bytes_after_an_answer_never_become_the_next_answer() -> None:
    with serving(saying(OK + OK.replace(b"ok", b"no"), close=False)) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            connections.fire(requests(url), deadline_s=10)
            (reply,) = connections.fire(requests(url), deadline_s=10).replies
    assert reply.body == b"ok"
    assert served.connections == 2


def test_interim_answers_and_chunks_are_understood() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    with serving(saying(interim, chunked)) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=10).replies
    assert (reply.status, reply.body, reply.error) == (200, b"ok", "")


def test_the_request_goes_out_as_it_was_signed() -> None:
    with serving(say_ok) as served:
        url = f"http://127.0.0.1:{served.port}"
        path = "/2015-03-31/functions/f%3A1/invocations?Qualifier=%24LATEST"
        request = Request("POST", url + path, (("X-Amz-Date", "now"),), b"{}")
        with Connections(url) as connections:
            connections.fire([request], deadline_s=10)
    head = served.heads[0].decode()
    assert head.startswith(f"POST {path} HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{served.port}\r\n" in head
    assert "X-Amz-Date: now\r\n" in head
    assert "Content-Length: 2\r\n" in head


def test_a_refused_connection_is_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with Connections(url) as connections:
            burst = connections.fire(requests(url, 2), deadline_s=1)
    assert [(reply.sent, reply.answered) for reply in burst.replies] == [(None, None)] * 2
    assert burst.replies[0].error == "not sent: Connection refused"
    assert (burst.peak_in_flight, burst.ramp_s) == (0, 0.0)


def test_an_unknown_host_is_not_sent() -> None:
    url = "http://nowhere.invalid"
    with Connections(url) as connections:
        (reply,) = connections.fire(requests(url), deadline_s=1).replies
    assert reply.error.startswith("not sent: cannot resolve nowhere.invalid: ")


def test_a_server_that_never_shakes_hands_is_not_sent(trusting: ssl.SSLContext) -> None:
    with serving(never) as served:
        url = f"https://localhost:{served.port}"
        with Connections(url, tls=trusting, connect_timeout_s=0.3) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=1).replies
    assert reply.error.startswith("not sent: ")
    assert served.heads == []


def test_an_untrusted_certificate_is_not_talked_to(server_tls: ssl.SSLContext) -> None:
    with serving(say_ok, tls=server_tls) as served:
        url = f"https://localhost:{served.port}"
        with Connections(url, tls=tls_context(None)) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=5).replies
    assert reply.error == (
        "not sent: certificate not trusted: unable to get local issuer certificate"
    )
    assert served.heads == []


def test_a_name_with_a_dead_address_is_reached_by_its_next_one() -> None:
    found = {address[4][0] for address in socket.getaddrinfo("localhost", 80)}
    if found != {"::1", "127.0.0.1"}:
        pytest.skip(f"localhost has one address family here: {found}")
    with serving(say_ok) as served:
        url = f"http://localhost:{served.port}"
        with Connections(url) as connections:
            burst = connections.fire(requests(url, 4), deadline_s=5)
    assert [reply.status for reply in burst.replies] == [200] * 4


def test_connections_spread_over_addresses_and_alternate_families() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    addresses = [(six, "a"), (six, "b"), (four, "c"), (four, "d"), (four, "e")]
    assert [name for _, name in origin.in_turn(addresses, 0)] == ["a", "c", "b", "d", "e"]
    assert [name for _, name in origin.in_turn(addresses, 1)] == ["b", "d", "a", "e", "c"]


def test_fifty_requests_to_an_ipv6_literal_are_in_flight_at_once() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"no ::1 on this machine: {error}")
    with serving(together(50), host="::1") as served:
        url = f"http://[::1]:{served.port}"
        with Connections(url) as connections:
            burst = connections.fire(requests(url, 50), deadline_s=10)
    assert [reply.status for reply in burst.replies] == [200] * 50
    assert f"Host: [::1]:{served.port}\r\n".encode() in served.heads[0]


async def relay(served: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do what a CONNECT proxy does."""
    _, where, _ = served.heads[-1].split(b" ", 2)
    host, port = where.decode().rsplit(":", 1)
    up_reader, up_writer = await asyncio.open_connection(host, int(port))
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
            sink.close()

    try:
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))
    finally:
        up_writer.transport.abort()


def test_https_goes_through_a_connect_proxy_with_its_credentials(
    server_tls: ssl.SSLContext, trusting: ssl.SSLContext
) -> None:
    with serving(together(50), tls=server_tls) as served, serving(relay) as proxy:
        url = f"https://localhost:{served.port}"
        through = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        with Connections(url, tls=trusting, proxy=through) as connections:
            burst = connections.fire(requests(url, 50), deadline_s=10)
    assert [reply.status for reply in burst.replies] == [200] * 50
    assert len(proxy.heads) == 50
    head = proxy.heads[0].decode()
    assert head.startswith(f"CONNECT localhost:{served.port} HTTP/1.1\r\n")
    secret = base64.b64encode(b"user:p@ss").decode()
    assert f"Proxy-Authorization: Basic {secret}\r\n" in head
    assert not any(b"roxy-" in head for head in served.heads)


def test_a_proxy_that_refuses_is_named_without_its_credentials(trusting: ssl.SSLContext) -> None:
    denied = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with serving(saying(denied)) as proxy:
        url = "https://lambda.eu-west-1.amazonaws.com"
        through = f"http://user:secret@127.0.0.1:{proxy.port}"
        with Connections(url, tls=trusting, proxy=through) as connections:
            (reply,) = connections.fire(requests(url), deadline_s=5).replies
    assert reply.error == f"not sent: the proxy 127.0.0.1:{proxy.port} answered 407 to CONNECT"


def test_http_goes_through_a_proxy_in_absolute_form() -> None:
    with serving(say_ok) as proxy:
        url = "http://lambda.internal:8080"
        with Connections(url, proxy=f"http://u:p@127.0.0.1:{proxy.port}") as connections:
            (reply,) = connections.fire(requests(url), deadline_s=5).replies
    assert reply.status == 200
    assert proxy.heads[0].startswith(b"POST http://lambda.internal:8080/2015-03-31/functions/f/")
    assert b"Proxy-Authorization: Basic" in proxy.heads[0]


def test_a_proxy_that_itself_needs_tls_is_refused_without_its_credentials() -> None:
    with pytest.raises(Refusal) as refused:
        Connections("http://a", proxy="https://user:secret@proxy:3129")
    assert "https://proxy:3129" in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "endpoint", "chosen"),
    [
        ({}, "https://lambda.eu-west-1.amazonaws.com", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://lambda.eu-west-1.amazonaws.com", "http://p:1"),
        ({"HTTPS_PROXY": "http://p:1"}, "http://127.0.0.1:9000", None),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": "http://q:2"}, "https://a", "http://q:2"),
        ({"HTTPS_PROXY": "http://p:1", "https_proxy": ""}, "https://a", None),
        ({"HTTP_PROXY": "p:1", "NO_PROXY": "127.0.0.1,.internal"}, "http://127.0.0.1:9000", None),
        ({"HTTP_PROXY": "p:1", "NO_PROXY": "*"}, "http://a", None),
        ({"HTTP_PROXY": "p:1", "no_proxy": ".internal"}, "http://lambda.internal", None),
        ({"HTTP_PROXY": "p:1", "no_proxy": ".internal"}, "http://lambda.example", "p:1"),
    ],
)
def test_the_proxy_is_the_one_that_the_environment_names(
    environ: dict[str, str], endpoint: str, chosen: str | None
) -> None:
    assert proxy_for(endpoint, environ) == chosen


def test_a_missing_ca_bundle_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.pem cannot be loaded: No such file"):
        tls_context(str(tmp_path / "absent.pem"))


def test_certificates_are_always_verified(authority: trustme.CA, tmp_path: Path) -> None:
    for bundle in (None, str(tmp_path)):
        context = tls_context(bundle)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname


def test_too_few_file_handles_are_refused_before_anything_is_opened() -> None:
    with serving(say_ok) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections, pytest.raises(Refusal, match="open files; the limit"):
            connections.open(2**31 - 200)
    assert served.connections == 0


def test_a_soft_limit_of_file_handles_is_raised() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(together(50)) as served:
        url = f"http://127.0.0.1:{served.port}"
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
            with Connections(url) as connections:
                burst = connections.fire(requests(url, 50), deadline_s=10)
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (50 + 128, hard)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [reply.status for reply in burst.replies] == [200] * 50


def test_a_request_for_another_host_is_a_mistake() -> None:
    with serving(say_ok) as served:
        url = f"http://127.0.0.1:{served.port}"
        with Connections(url) as connections, pytest.raises(ValueError, match="is not"):
            connections.fire(requests("http://127.0.0.1:1"), deadline_s=1)
    assert served.heads == []


def test_an_https_endpoint_needs_trusted_certificates() -> None:
    with pytest.raises(ValueError, match="TLS context"):
        Connections("https://a")
