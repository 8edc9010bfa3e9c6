"""Our burst beside a thread pool of boto3 clients: `python -m benchmarks.burst [COUNT ...]`.

Both call the same local TLS server, which holds every request for 500 ms as a canary does and
notes when each arrived. Every contestant is a new process with new connections, trusting the
SDK's certificates plus the server's own, as on a build machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3
import botocore
import trustme
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from deployguard.burst import Connections, Request, tls_context

HOLD_S = 0.5
BODY = b'{"deployguard": {"canary": 1, "nonce": "0", "hold_ms": 500}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PATH = "/2015-03-31/functions/f/invocations"


class Held(asyncio.Protocol):
    """Answer each request 500 ms after it came, and remember when that was."""

    arrivals: list[float] = []  # noqa: RUF012 (one list for all connections)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.seen = transport, b""

    def data_received(self, data: bytes) -> None:
        """Look for the end of a request."""
        self.seen += data
        if self.seen.startswith(b"GET /arrivals"):
            body = json.dumps(self.arrivals).encode()
            self.arrivals.clear()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            self.transport.write(body)
            self.seen = b""
        elif self.seen.endswith(b"}}"):
            self.arrivals.append(time.monotonic())
            self.seen = b""
            asyncio.get_running_loop().call_later(HOLD_S, self.transport.write, ANSWER)


def serve(pipe: Connection, certificate: bytes) -> None:
    """Run the server until it is terminated."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as pem:
        pem.write(certificate)
        pem.flush()
        context.load_cert_chain(pem.name)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Held, "127.0.0.1", 0, ssl=context, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    raise_file_limit()
    asyncio.run(main())


def raise_file_limit() -> None:
    """Allow as many open files as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def ours(url: str, bundle: str, count: int) -> dict[str, float]:
    """Sign, connect, then fire."""
    signer = SigV4Auth(Credentials("AKID", "secret"), "lambda", "eu-west-1")
    requests = []
    for _ in range(count):
        request = AWSRequest("POST", url + PATH, data=BODY)
        signer.add_auth(request)
        headers = tuple((name, str(value)) for name, value in request.headers.items())
        requests.append(Request("POST", url + PATH, headers, BODY))
    began = time.monotonic()
    with Connections(url, tls=tls_context(bundle)) as connections:
        burst = connections.fire(requests, deadline_s=60)
    return {
        "wall": time.monotonic() - began,
        "connect": burst.connect_s,
        "ok": sum(reply.status == 200 for reply in burst.replies),
    }


def boto3_threads(url: str, bundle: str, count: int) -> dict[str, float]:
    """Give every request a thread of one shared client, and start them together."""
    client = boto3.client(
        "lambda",
        region_name="eu-west-1",
        endpoint_url=url,
        verify=bundle,
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        config=Config(max_pool_connections=count, retries={"total_max_attempts": 1}),
    )
    together = Barrier(count + 1)

    def invoke(_: int) -> bool:
        together.wait()
        return bool(client.invoke(FunctionName="f", Payload=BODY)["StatusCode"] == 200)

    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(invoke, number) for number in range(count)]
        together.wait()
        began = time.monotonic()
        ok = sum(future.result() for future in futures)
    return {"wall": time.monotonic() - began, "connect": 0.0, "ok": ok}


CONTESTANTS: dict[str, Callable[[str, str, int], dict[str, float]]] = {
    "ours": ours,
    "boto3": boto3_threads,
}


def child(name: str, url: str, bundle: str, count: int) -> None:
    """Run one contestant and print what it cost."""
    raise_file_limit()
    before = resource.getrusage(resource.RUSAGE_SELF)
    measured = CONTESTANTS[name](url, bundle, count)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    measured["cpu"] = usage.ru_utime + usage.ru_stime - before.ru_utime - before.ru_stime
    measured["rss_mib"] = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    measured["start_mib"] = before.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    print(json.dumps(measured))


def run(name: str, url: str, bundle: str, count: int) -> dict[str, Any]:
    """Run a contestant in a new process, and ask the server what it saw."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.burst",
        "--child",
        name,
        "--url",
        url,
        "--bundle",
        bundle,
    ]
    done = subprocess.run([*command, str(count)], stdout=subprocess.PIPE, check=True)
    with Connections(url, tls=tls_context(bundle)) as connections:
        (reply,) = connections.fire([Request("GET", url + "/arrivals", ())], deadline_s=10).replies
    arrivals = sorted(json.loads(reply.body))
    edges = sorted([(at, 1) for at in arrivals] + [(at + HOLD_S, -1) for at in arrivals])
    held = peak = 0
    for _, change in edges:
        held += change
        peak = max(peak, held)
    ramp = arrivals[-1] - arrivals[0]
    return {**json.loads(done.stdout), "ramp": ramp, "peak": peak}


def table(url: str, bundle: str, count: int) -> None:
    """Print one comparison."""
    print(f"\n{count} requests over TLS, each held 500 ms")
    print("          ramp ms   peak   wall ms  connect ms   CPU s  peak MiB (at start)   answered")
    found = {}
    for name in CONTESTANTS:
        found[name] = seen = run(name, url, bundle, count)
        print(
            f"{name:<8}{seen['ramp'] * 1e3:9.1f}{seen['peak']:7d}{seen['wall'] * 1e3:10.0f}"
            f"{seen['connect'] * 1e3:12.0f}{seen['cpu']:8.2f}{seen['rss_mib']:10.0f}"
            f" ({seen['start_mib']:.0f})      {seen['ok']:9.0f}"
        )
    times = {key: found["boto3"][key] / found["ours"][key] for key in ("ramp", "wall", "cpu")}
    print("boto3 : ours = " + ", ".join(f"{key} {ratio:.1f}" for key, ratio in times.items()))


def main() -> None:
    """Start the server and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", type=int, nargs="*", default=[200, 1000])
    parser.add_argument("--child", choices=CONTESTANTS, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--bundle", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.url, options.bundle, options.counts[0])
        return
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes()
    near, far = Pipe()
    server = Process(target=serve, args=(far, certificate), daemon=True)
    server.start()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle.pem"
        roots = (Path(botocore.__file__).parent / "cacert.pem").read_bytes()
        bundle.write_bytes(roots + authority.cert_pem.bytes())
        url = f"https://localhost:{near.recv()}"
        for count in options.counts:
            table(url, str(bundle), count)
    server.terminate()
    server.join()


if __name__ == "__main__":
    main()
