"""Measure the lab, in a process of its own: python -m benchmarks.lab_front."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.signature import ACCESS_KEY, SECRET_KEY

BURST = 1000
HOLD_MS = 3000
ROLE = "arn:aws:iam::123456789012:role/lab"
FUNCTION = "/2015-03-31/functions/bench"


def main() -> None:
    """Print one line per figure."""
    start_up()
    with lab_process() as lab:
        make(lab)
        control_plane(lab)
        for _ in range(3):
            asyncio.run(burst(lab))
    with lab_process("tls") as lab:
        make(lab)
        for _ in range(3):
            asyncio.run(burst(lab))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"peak memory of the largest lab: {peak:.0f} MB")


@contextlib.contextmanager
def lab_process(*words: str) -> Iterator[Client]:
    """Run a lab as `deployguard lab up` does, with virtual containers."""
    script = (
        "import functools, sys\n"
        "from deployguard.lab import commands\n"
        "commands.up(say=functools.partial(print, flush=True), tls='tls' in sys.argv)\n"
    )
    command = [sys.executable, "-c", script, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4 + len(words))]
        exports = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)
        lab = Client(exports["AWS_ENDPOINT_URL"], ca_bundle=exports.get("AWS_CA_BUNDLE"))
        lab.set(virtual=True, account_concurrency=2 * BURST)
        yield lab
        process.terminate()


def start_up() -> None:
    """Time a whole process with a lab that is started, asked once, and stopped; and its parts."""
    script = (
        "import time; t = time.perf_counter()\n"
        "from deployguard.lab.serve import running_lab\n"
        "u = time.perf_counter()\n"
        "with running_lab() as lab:\n"
        "    lab.health(); v = time.perf_counter()\n"
        "w = time.perf_counter(); print(u - t, v - u, w - v)\n"
    )
    runs = []
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        runs.append([float(each) * 1000 for each in done.stdout.split()])
    imports, ready, stop = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"start: imports {imports:.0f} ms, to first answer {ready:.0f} ms; stop {stop:.0f} ms")


def make(lab: Client) -> None:
    """Create the function that everything here is about."""
    stamp = json.dumps({"schema": "deployguard/stamp/v1", "build_id": "b1"}).encode()
    image = images.of_files({"app.py": b"", "build-stamp.json": stamp})
    lab.client("lambda").create_function(
        FunctionName="bench",
        PackageType="Image",
        Code={"ImageUri": images.push(image, repository="bench", ecr=lab.client("ecr"))},
        Role=ROLE,
        Timeout=30,
    )


def control_plane(lab: Client) -> None:
    """Time GetFunctionConfiguration, by boto3 one after the other and by raw kept connections."""
    client = lab.client("lambda")
    client.get_function_configuration(FunctionName="bench")
    started = time.perf_counter()
    for _ in range(200):
        client.get_function_configuration(FunctionName="bench")
    print(f"control plane, boto3 in a row: {200 / (time.perf_counter() - started):.0f} calls/s")
    rate = asyncio.run(raw_rate(lab, f"{FUNCTION}/configuration", connections=20, each=100))
    print(f"control plane, 20 raw kept connections: {rate:.0f} calls/s")


async def raw_rate(lab: Client, path: str, *, connections: int, each: int) -> float:
    """Send GET requests over kept connections and return how many a second were answered."""
    request = message(lab, "GET", path, body=b"")

    async def talk() -> None:
        reader, writer = await connect(lab, None)
        for _ in range(each):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"\ncontent-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(talk() for _ in range(connections)))
    return connections * each / (time.perf_counter() - started)


async def burst(lab: Client) -> None:
    """Hold many virtual containers at once and print the ramp that the containers saw."""
    canary = {"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": HOLD_MS}}
    request = message(lab, "POST", f"{FUNCTION}/invocations", body=json.dumps(canary).encode())
    opening = time.perf_counter()
    context = ssl.create_default_context(cafile=lab.ca_bundle) if lab.ca_bundle else None
    streams = await asyncio.gather(*(connect(lab, context) for _ in range(BURST)))
    sending = time.perf_counter()
    for _, writer in streams:
        writer.write(request)
    replies = await asyncio.gather(*(reply(reader) for reader, _ in streams))
    done = time.perf_counter()
    for _, writer in streams:
        writer.close()
    received = [each["received"] for each in replies]
    overlap = max(received) < min(each["released"] for each in replies)
    containers = len({each["container"] for each in replies})
    scheme = lab.endpoint.partition(":")[0]
    ramp = 1000 * (max(received) - min(received))
    print(
        f"{scheme}, {BURST} held {HOLD_MS} ms: ramp {ramp:.0f} ms, "
        f"{containers} containers, all overlapping: {overlap}; connections "
        f"{1000 * (sending - opening):.0f} ms, wall {1000 * (done - sending):.0f} ms"
    )


async def connect(
    lab: Client, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open one connection to the lab."""
    host, _, port = lab.endpoint.partition("://")[2].partition(":")
    return await asyncio.open_connection(host, int(port), ssl=context)


def message(lab: Client, method: str, path: str, *, body: bytes) -> bytes:
    """Return a signed request as it goes over the wire."""
    request = AWSRequest(method, lab.endpoint + path, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "lambda", "eu-west-1").add_auth(request)
    head = [
        f"{method} {path} HTTP/1.1",
        f"Host: {lab.endpoint.partition('://')[2]}",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in request.headers.items()),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def reply(reader: asyncio.StreamReader) -> dict[str, Any]:
    """Read one answer and return its breadcrumb."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"\ncontent-length: ")[2].partition(b"\r\n")[0]
    found: dict[str, Any] = json.loads(await reader.readexactly(int(length)))["deployguard"]
    return found


if __name__ == "__main__":
    main()
