"""Plain stand-ins for the fleet's neighbours, and a little function that tells about itself."""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ParamSpec

from deployguard.lab.fleet.invoke import Answer, invoke
from deployguard.lab.fleet.pool import Fleet
from deployguard.lab.knobs import Settings as Knobs
from deployguard.lab.nouns import LATEST, AwsError, Build, Clock

Arguments = ParamSpec("Arguments")

REGION = "eu-central-1"
ARN = f"arn:aws:lambda:{REGION}:123456789012:function:reports"
HANDLER = """
import json, logging, os, signal, subprocess, sys, time, uuid
HERE = os.environ["LAMBDA_TASK_ROOT"]
STAMP = json.load(open(os.environ["DEPLOYGUARD_STAMP"]))
CONTAINER, BORN, COUNT, KEPT = uuid.uuid4().hex, time.time(), 0, []

def handler(event, context):
    global COUNT
    COUNT += 1
    asked = event.get("deployguard")
    if asked:
        received = time.time()
        time.sleep(min(asked.get("hold_ms", 0), 10000) / 1000)
        return {"deployguard": {
            "breadcrumb": 1, "nonce": asked["nonce"], "stamp": STAMP, "container": CONTAINER,
            "born": BORN, "received": received, "released": time.time(), "invocation": COUNT,
            "function_version": context.function_version, "request_id": context.aws_request_id,
            "invoked_arn": context.invoked_function_arn, "log_stream": context.log_stream_name,
            "initialization_type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
            "uptime_s": time.time() - BORN,
            "remaining_ms": context.get_remaining_time_in_millis()}}
    do = event.get("do")
    if do == "raise":
        raise ValueError(event["message"])
    if do == "exit":
        sys.exit(event["code"])
    if do == "signal":
        os.kill(os.getpid(), event["number"])
    if do == "hang":
        time.sleep(600)
    if do == "spawn":
        return subprocess.Popen(["sleep", "600"]).pid
    if do == "eat":
        KEPT.append(bytearray(event["mb"] * 1024 * 1024))
        time.sleep(event.get("seconds", 0))
    if do == "print":
        print(event["text"])
    if do == "log":
        logging.getLogger().info(event["text"])
    if do == "environ":
        return dict(os.environ) | {"cwd": os.getcwd()}
    if do == "context":
        return context.client_context.custom
    if do == "large":
        return "x" * event["size"]
    if do == "keep":
        path = os.path.join(os.environ["TMPDIR"], "kept")
        seen = os.path.exists(path)
        open(path, "w").close()
        return {"seen": seen, "count": COUNT}
    return event
"""


@dataclass(frozen=True)
class Routed:
    """Where an invocation goes."""

    build: Build
    executed_version: str
    invoked_arn: str


@dataclass(frozen=True)
class Limits:
    """How much may run at once."""

    reserved: int | None = None
    account_unreserved: int = 1000
    provisioned: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Cloud:
    """A control plane with one function; a qualifier is a version."""

    builds: dict[str, Build]
    limits: Limits = field(default_factory=Limits)

    def route(self, region: str, name: str, qualifier: str | None, /) -> Routed:
        """Find the build of a version."""
        version = qualifier or LATEST
        if name != "reports" or version not in self.builds:
            raise AwsError(404, "ResourceNotFoundException", f"Function not found: {name}")
        arn = f"{ARN}:{qualifier}" if qualifier else ARN
        return Routed(self.builds[version], version, arn)

    def throttle(self, region: str, function_name: str, /) -> Limits:
        """Give the limits that a test has set."""
        return self.limits


@dataclass
class Stage:
    """A fleet with its neighbours, ready to be invoked."""

    fleet: Fleet
    cloud: Cloud
    knobs: Knobs
    clock: Clock
    folder: Path
    logged: list[tuple[str, str]] = field(default_factory=list)  # stream, line

    async def call(self, event: Any = None, **more: Any) -> Answer:
        """Invoke the function."""
        payload = b"" if event is None else json.dumps(event).encode()
        arguments: dict[str, Any] = {
            "region": REGION,
            "function": "reports",
            "qualifier": None,
            "payload": payload,
        }
        return await invoke(self.cloud, self.fleet, **arguments | more)

    async def canary(self, hold_ms: int = 0, **more: Any) -> dict[str, Any]:
        """Invoke with a canary and return its breadcrumb."""
        event = {"deployguard": {"canary": 1, "nonce": "ab" * 16, "hold_ms": hold_ms}}
        answer = await self.call(event, **more)
        found = json.loads(answer.body)
        assert "deployguard" in found, found
        breadcrumb: dict[str, Any] = found["deployguard"]
        return breadcrumb

    async def burst(self, count: int, *, hold_ms: int = 300, **more: Any) -> list[dict[str, Any]]:
        """Send canaries that overlap."""
        return await asyncio.gather(*(self.canary(hold_ms, **more) for _ in range(count)))

    def lines(self) -> str:
        """Return everything logged so far as one text."""
        return "".join(line for _, line in self.logged)

    def deploy(self, build_id: str, *, version: str = LATEST, **changes: Any) -> Build:
        """Make another build serve a version, as an applied update does."""
        before = self.cloud.builds.get(version) or self.cloud.builds[LATEST]
        latest = version == LATEST
        after = replace(
            before,
            root=image(self.folder, build_id),
            version=version,
            generation=before.generation + 1 if latest else 1,
            **changes,
        )
        self.cloud.builds[version] = after
        if latest:
            self.fleet.updated(after)
        return after


def image(folder: Path, build_id: str, handler: str = HANDLER) -> Path:
    """Write the files of an image."""
    task = folder / build_id / "var" / "task"
    task.mkdir(parents=True)
    (task / "app.py").write_text(handler)
    stamp = {"schema": "deployguard/stamp/v1", "build_id": build_id}
    (task / "build-stamp.json").write_text(json.dumps(stamp))
    return folder / build_id


def a_build(root: Path, **changes: Any) -> Build:
    """Describe a build of the function."""
    build = Build(
        region=REGION,
        function_name="reports",
        function_arn=ARN,
        version=LATEST,
        generation=1,
        code_sha256="0" * 64,
        root=root,
        entrypoint=("/lambda-entrypoint.sh",),
        command=("app.handler",),
        working_dir="/var/task",
        environment={},
        timeout_s=30,
        memory_mb=128,
        log_group="/aws/lambda/reports",
    )
    return replace(build, **changes)


@asynccontextmanager
async def staged(
    folder: Path,
    *,
    virtual: bool = False,
    handler: str = HANDLER,
    fleet_options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> AsyncIterator[Stage]:
    """Run a fleet with one function."""
    build = a_build(image(folder, "one", handler), virtual=virtual, **changes)
    clock, knobs = Clock(), Knobs()
    logged: list[tuple[str, str]] = []

    def log(_: Build, stream: str, lines: list[tuple[int, str]]) -> None:
        logged.extend((stream, line) for _, line in lines)

    fleet = Fleet(clock=clock, knobs=knobs, log=log, **(fleet_options or {}))
    await fleet.start()
    try:
        cloud = Cloud({LATEST: build})
        yield Stage(fleet, cloud, knobs, clock, folder, logged)
    finally:
        await fleet.stop()
        fleet.close()


async def until(condition: Callable[[], Any], *, seconds: float = 10.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never became true"
        await asyncio.sleep(0.005)


def in_a_loop(test: Callable[Arguments, Awaitable[None]]) -> Callable[Arguments, None]:
    """Run an asynchronous test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        async def body() -> None:
            await test(*args, **kwargs)

        asyncio.run(body())

    return run


def running(pid: int) -> bool:
    """Tell whether a process lives; one that is dead but not yet buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
