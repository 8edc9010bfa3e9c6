"""Measure the lab's containers in-process: python -m benchmarks.lab_fleet."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployguard.lab.fleet.invoke import invoke
from deployguard.lab.fleet.pool import Fleet
from deployguard.lab.knobs import Settings
from deployguard.lab.nouns import LATEST, Build, Clock

REGION = "eu-central-1"
ARN = f"arn:aws:lambda:{REGION}:123456789012:function:bench"
HOLD_MS = 500
HANDLER = """
import time

def handler(event, context):
    time.sleep(event.get("hold_ms", 0) / 1000)
    return context.log_stream_name
"""


@dataclass(frozen=True)
class Limits:
    """No limit that matters."""

    reserved: int | None = None
    account_unreserved: int = 10_000
    provisioned: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Routed:
    """Where an invocation goes."""

    build: Build
    executed_version: str = LATEST
    invoked_arn: str = ARN


@dataclass(frozen=True)
class Cloud:
    """A control plane with one function."""

    build: Build

    def route(self, _region: str, _name: str, _qualifier: str | None, /) -> Routed:
        """Return the one build."""
        return Routed(self.build)

    def throttle(self, _region: str, _function_name: str, /) -> Limits:
        """Return the one set of limits."""
        return Limits()


class Bench:
    """A fleet with one function."""

    def __init__(self, folder: Path, *, virtual: bool = False, zygote: bool = False) -> None:
        """Write the function's image."""
        task = folder / "var" / "task"
        task.mkdir(parents=True, exist_ok=True)
        (task / "app.py").write_text(HANDLER)
        (task / "build-stamp.json").write_text('{"build_id": "bench"}')
        self.cloud = Cloud(replace(build(folder), virtual=virtual))
        self.fleet = Fleet(clock=Clock(), knobs=Settings(zygote=zygote), log=lambda *_: None)

    async def __aenter__(self) -> Bench:
        """Start the fleet."""
        await self.fleet.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop it."""
        await self.fleet.stop()
        self.fleet.close()

    async def call(self, hold_ms: int = 0) -> float:
        """Invoke once and return the milliseconds it took."""
        canary = {"canary": 1, "nonce": "00" * 16, "hold_ms": hold_ms}
        began = time.perf_counter()
        await invoke(
            self.cloud,
            self.fleet,
            region=REGION,
            function="bench",
            qualifier=None,
            payload=json.dumps({"deployguard": canary, "hold_ms": hold_ms}).encode(),
        )
        return (time.perf_counter() - began) * 1000

    async def burst(self, count: int) -> tuple[float, int]:
        """Invoke at once, each held; return the seconds it took and the containers there are."""
        began = time.perf_counter()
        await asyncio.gather(*(self.call(HOLD_MS) for _ in range(count)))
        return time.perf_counter() - began, len(self.fleet.containers())


def build(root: Path) -> Build:
    """Describe the function."""
    return Build(
        region=REGION,
        function_name="bench",
        function_arn=ARN,
        version=LATEST,
        generation=1,
        code_sha256="0" * 64,
        root=root,
        entrypoint=(),
        command=("app.handler",),
        working_dir="/var/task",
        environment={},
        timeout_s=60,
        memory_mb=512,
        log_group="/aws/lambda/bench",
    )


def private_mb(pid: int) -> float:
    """Return the memory that a process shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


async def real(folder: Path, *, zygote: bool) -> None:
    """Measure containers that are processes, started from nothing or forked."""
    way = "forked" if zygote else "spawned"
    async with Bench(folder, zygote=zygote) as bench:
        await bench.call()
        warm = [await bench.call() for _ in range(500)]
        row(f"{way}: warm invoke, median", f"{statistics.median(warm):.2f} ms")
        row(f"{way}: warm invoke, 99th of 100", f"{statistics.quantiles(warm, n=100)[98]:.2f} ms")
    for count in (1, 50, 200):
        began = processor_s()
        async with Bench(folder, zygote=zygote) as bench:
            seconds, found = await bench.burst(count)
            if count == 200:
                pids = [int(str(one["pid"])) for one in bench.fleet.containers()]
                each = statistics.median(private_mb(pid) for pid in pids)
                row(f"{way}: private memory per container", f"{each:.1f} MB")
                again, _ = await bench.burst(count)
                over = f"{(again * 1000 - HOLD_MS):.0f} ms"
                row(f"{way}: 200 warm, beyond the hold", over)
        cold = f"{seconds - HOLD_MS / 1000:.2f} s, {found} containers"
        spent = f"{processor_s() - began:.2f} s of processor"
        row(f"{way}: {count} cold starts, beyond the hold", f"{cold}, {spent}")


def processor_s() -> float:
    """Return the processor time of this process and of all that it has started and buried."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    used = [resource.getrusage(one) for one in who]
    return sum(one.ru_utime + one.ru_stime for one in used)


async def virtual(folder: Path) -> None:
    """Measure containers that are answered inside the lab."""
    async with Bench(folder, virtual=True) as bench:
        await bench.call()
        warm = [await bench.call() for _ in range(2000)]
        row("virtual warm invoke, median", f"{statistics.median(warm):.3f} ms")
        for count, name in ((1000, "cold"), (1000, "warm"), (2000, "half of them cold")):
            seconds, found = await bench.burst(count)
            over = f"{seconds * 1000 - HOLD_MS:.0f} ms, {found} containers"
            row(f"{count} held virtual, {name}, beyond the hold", over)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row("peak memory of this process", f"{peak:.0f} MB")


def row(name: str, value: str) -> None:
    """Print one line of the table."""
    print(f"{name:48} {value}", flush=True)


def main() -> None:
    """Print the table."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(real(Path(folder), zygote=False))
        asyncio.run(real(Path(folder), zygote=True))
        asyncio.run(virtual(Path(folder)))


if __name__ == "__main__":
    main()
