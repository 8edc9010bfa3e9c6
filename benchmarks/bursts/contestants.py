"""Three ways to send so many overlapping requests; each runs in a new process.

CPU is counted from when a process has imported what it needs, up to its last answer; signing,
clients and certificates are in it. The C program signs nothing and is counted from its start.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from benchmarks.bursts.servers import raise_file_limit
from deployguard.burst import Connections, Request, tls_context

BODY = b'{"deployguard": {"canary": 1, "nonce": "0", "hold_ms": 500}}'
PATH = "/2015-03-31/functions/f/invocations"
MIB = 2**20 if sys.platform == "darwin" else 2**10  # what a process's peak is counted in


def requests(url: str, count: int, *, query: str = "") -> list[Request]:
    """Sign so many canaries."""
    signer = SigV4Auth(Credentials("AKID", "secret"), "lambda", "eu-west-1")
    signed = []
    for _ in range(count):
        request = AWSRequest("POST", url + PATH + query, data=BODY)
        signer.add_auth(request)
        headers = tuple((name, str(value)) for name, value in request.headers.items())
        signed.append(Request("POST", url + PATH + query, headers, BODY))
    return signed


def ours(url: str, bundle: str, count: int) -> dict[str, float]:
    """Connect, then fire."""
    signed = requests(url, count)
    began = time.monotonic()
    with Connections(url, tls=tls_context(bundle)) as connections:
        burst = connections.fire(signed, deadline_s=60)
        wall = time.monotonic() - began
    answered = sum(reply.status == 200 for reply in burst.replies)
    return {"wall": wall, "connect": burst.connect_s, "ok": answered}


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


def command(name: str, url: str, bundle: Path, count: int, *, floor: Path | None) -> list[str]:
    """Return what runs a contestant, and prints what it took as JSON."""
    if name == "floor":
        return [str(floor), url.rsplit(":", 1)[1], str(bundle), str(count)]
    return [sys.executable, "-m", __name__, name, url, str(bundle), str(count)]


def run(name: str, url: str, bundle: Path, count: int, *, floor: Path | None) -> dict[str, Any]:
    """Run a contestant, and add what the server saw of it."""
    before = told(url, bundle)["cpu"]
    ran = command(name, url, bundle, count, floor=floor)
    done = subprocess.run(ran, stdout=subprocess.PIPE, check=True)
    seen = told(url, bundle)
    arrivals = sorted(seen["arrivals"])
    edges = sorted([(at, 1) for at in arrivals] + [(at + 0.5, -1) for at in arrivals])
    held = peak = 0
    for _, change in edges:
        held += change
        peak = max(peak, held)
    server = {"ramp": arrivals[-1] - arrivals[0], "peak": peak, "server": seen["cpu"] - before}
    return {**json.loads(done.stdout), **server}


def told(url: str, bundle: Path) -> dict[str, Any]:
    """Ask the server what arrived since it was asked the last time."""
    with Connections(url, tls=tls_context(str(bundle))) as connections:
        (reply,) = connections.fire([Request("GET", url + "/arrivals", ())], deadline_s=10).replies
    return dict(json.loads(reply.body))


def main() -> None:
    """Run one contestant and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("url")
    parser.add_argument("bundle")
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    raise_file_limit()
    before = resource.getrusage(resource.RUSAGE_SELF)
    measured = CONTESTANTS[options.name](options.url, options.bundle, options.count)
    used = resource.getrusage(resource.RUSAGE_SELF)
    measured["cpu"] = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    measured["mib"] = used.ru_maxrss / MIB
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
