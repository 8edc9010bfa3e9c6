"""One container: warm between invocations, reset after a crash, serving one event at a time."""

from __future__ import annotations

import asyncio
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from deployguard.lab.fleet import environment, logs, outcome, process, zygote
from deployguard.lab.fleet.logs import Init, Line, Run
from deployguard.lab.fleet.outcome import Exited, Invocation, NotStarted, Outcome, Said
from deployguard.lab.fleet.process import MEGABYTE, Process
from deployguard.lab.fleet.runtime_api import RuntimeApi
from deployguard.lab.fleet.seams import Knobs, Log
from deployguard.lab.fleet.virtual import Virtual
from deployguard.lab.fleet.zygote import Zygote
from deployguard.lab.nouns import Build, Clock

ON_DEMAND = "on-demand"
PROVISIONED = "provisioned-concurrency"
INIT_LIMIT_S = 10.0
PROVISIONED_INIT_LIMIT_S = 130.0
KILLED = Exited(-9)


@dataclass(frozen=True)
class Workshop:
    """What every container of a fleet is made with."""

    clock: Clock
    knobs: Knobs
    log: Log
    api: RuntimeApi
    tmp: Path
    runtime: tuple[str, ...]
    environment: Mapping[str, str]
    zygote: Zygote
    init_limit_s: float = INIT_LIMIT_S


@dataclass(frozen=True)
class Served:
    """What an invocation gets back from its container."""

    outcome: Outcome
    lines: list[Line]
    duration_ms: float


@dataclass(eq=False)
class Container:
    """An execution environment with its identity, its runtime and its history."""

    build: Build
    shop: Workshop
    virtual: bool
    initialization_type: str = ON_DEMAND
    partition: int = 0
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: str = "starting"
    stream: str = ""
    runtime: Process | Virtual | None = None
    port: int = 0
    born: float = 0.0
    starts: int = 0
    invocations: int = 0
    used_mb: int = 0
    forked: bool = False  # its process came from a warm interpreter
    idle_since: float = 0.0  # monotonic
    leaving: bool = False  # ends as soon as it is idle
    ended: bool = False
    tidied: asyncio.Future[None] | None = None  # its temporary files are being removed
    lingering: bool = False  # of an older generation, and serving all the same
    lingers_until: float | None = None  # monotonic; None: for ever

    def __post_init__(self) -> None:
        """Give it the log stream that it keeps for its whole life."""
        self.born = self.shop.clock.now()
        self.stream = logs.stream(self.build, now=self.born, container=self.id)

    @property
    def provisioned(self) -> bool:
        """Whether it belongs to provisioned concurrency."""
        return self.initialization_type == PROVISIONED

    async def prepare(self) -> Outcome | None:
        """Initialize ahead of any invocation; return what went wrong."""
        limit_s = max(PROVISIONED_INIT_LIMIT_S, self.build.timeout_s)
        init = await self._initialize("init", limit_s, request_id="")
        self._log(self._printed() + logs.init_lines(self.build, init))
        return init.failed

    async def serve(self, invocation: Invocation) -> Served:
        """Run one invocation to its end, whatever that is, and log it."""
        self.invocations += 1
        first = await self._first_init(invocation.request_id)
        before = self._printed() + (logs.init_lines(self.build, first) if first else [])
        began, began_mono = self.shop.clock.now(), time.monotonic()
        again = await self._init_again(first, invocation.request_id)
        before += self._printed() + (logs.init_lines(self.build, again) if again else [])
        init = again or first
        self.state = "busy"
        lines = logs.start_lines(self.build, invocation.request_id, at=began)
        if init is not None and init.failed is not None:
            ended = init.failed
        else:
            ended = await self._run(invocation, spent_s=time.monotonic() - began_mono)
        lines += self._printed()
        run = Run(
            request_id=invocation.request_id,
            ended=self.shop.clock.now(),
            duration_ms=(time.monotonic() - began_mono) * 1000,
            used_mb=min(self.used_mb, self.build.memory_mb),
            outcome=ended,
            init_ms=first.duration_ms if first and not again else None,
        )
        style = self.shop.knobs.report_style
        lines += logs.end_lines(self.build, run, style=style)
        if ended.status in ("failure", "timeout"):
            await self._reset()
        self._log(before + lines)
        return Served(logs.told(run, style=style), lines, run.duration_ms)

    def end(self) -> None:
        """Kill the runtime and forget the listener and the temporary files."""
        self.leaving = self.ended = True
        if self.runtime is not None:
            self.runtime.kill()
        if self.port:
            self.shop.api.forget(self.port)
            loop = asyncio.get_running_loop()  # in a thread: many may end at once
            remove = partial(shutil.rmtree, self._tmp(), ignore_errors=True)
            self.tidied = loop.run_in_executor(None, remove)

    def kill_if_too_large(self) -> None:
        """Kill a runtime that holds more memory than the function has."""
        limit = self.build.memory_mb * MEGABYTE
        if self.runtime is not None and self.runtime.resident_bytes() > limit:
            self.runtime.kill()

    def facts(self) -> dict[str, object]:
        """Describe it for inspection."""
        return {
            "id": self.id,
            "log_stream": self.stream,
            "region": self.build.region,
            "function": self.build.function_name,
            "version": self.build.version,
            "generation": self.build.generation,
            "code_sha256": self.build.code_sha256,
            "state": self.state,
            "virtual": self.virtual,
            "forked": self.forked,
            "pid": self.runtime.pid if self.runtime and self.runtime.alive else None,
            "born": self.born,
            "invocations": self.invocations,
            "initialization_type": self.initialization_type,
            "partition": self.partition,
            "lingering": self.lingering,
        }

    async def _first_init(self, request_id: str) -> Init | None:
        """Initialize a new container, which has a time limit of its own and is not billed twice."""
        if self.starts:
            return None
        return await self._initialize("init", self.shop.init_limit_s, request_id=request_id)

    async def _init_again(self, first: Init | None, request_id: str) -> Init | None:
        """Initialize inside the invocation: after a reset, or when the first try was too slow."""
        too_slow = first is not None and first.failed and first.failed.status == "timeout"
        alive = self.runtime is not None and self.runtime.alive
        if alive or (first is not None and not too_slow):
            return None
        return await self._initialize("invoke", self.build.timeout_s, request_id=request_id)

    async def _initialize(self, phase: str, limit_s: float, *, request_id: str) -> Init:
        began = time.monotonic()
        self.starts += 1
        said = await self._start(limit_s)
        failed = None
        if not isinstance(said, outcome.Ready):
            failed = outcome.of(said, request_id, timeout_s=self.build.timeout_s)
            self._measure()
            await self._reset()
        return Init(
            phase=phase,
            ended=self.shop.clock.now(),
            duration_ms=(time.monotonic() - began) * 1000,
            initialization_type=self.initialization_type,
            failed=failed,
        )

    async def _start(self, limit_s: float) -> Said:
        """Make a runtime and wait for it to be ready."""
        if self.ended:
            return KILLED
        if self.virtual:
            self.runtime = Virtual(
                self.build,
                stream=self.stream,
                initialization_type=self.initialization_type,
                cold_start_s=self.shop.knobs.cold_start_s,
                now=self._host_now,
            )
            return await self.runtime.start(limit_s)
        if environment.handler(self.build) is None:
            bootstraps = "[/var/task/bootstrap /opt/bootstrap]"
            reason = f"Couldn't find valid bootstrap(s): {bootstraps}"
            return NotStarted("Runtime.InvalidEntrypoint", reason)
        client = environment.runtime(self.build, self.shop.runtime)
        if not client:
            return NotStarted("Runtime.InvalidEntrypoint", environment.NO_NODE)
        return await self._start_process(client, limit_s)

    async def _start_process(self, client: tuple[str, ...], limit_s: float) -> Said:
        if not self.port:
            self.port = await self.shop.api.listen()
        tmp = self._tmp()
        tmp.mkdir(parents=True, exist_ok=True)
        variables = environment.variables(
            self.build,
            port=self.port,
            stream=self.stream,
            initialization_type=self.initialization_type,
            tmp=tmp,
        )
        try:
            started = await self._process(client, {**self.shop.environment, **variables})
        except OSError as error:
            return NotStarted("Runtime.InvalidWorkingDirectory", str(error.strerror))
        self.runtime = started
        self.shop.api.channels[self.port] = started.channel
        if self.ended:
            started.kill()
        return await started.start(limit_s)

    async def _process(self, client: tuple[str, ...], env: dict[str, str]) -> Process:
        """Fork a process where that is asked for and shows no difference, or else spawn one."""
        cwd = environment.working_dir(self.build)
        self.forked = self.shop.knobs.zygote and zygote.suits(env, cwd=cwd, runtime=client)
        if self.forked:
            try:
                return await process.fork(self.shop.zygote, cwd=cwd, env=env, stamp=self._stamp)
            except ConnectionError:  # the zygote was killed meanwhile
                self.forked = False
        command = environment.command(self.build, client)
        return process.spawn(command, cwd=cwd, env=env, stamp=self._stamp)

    async def _run(self, invocation: Invocation, *, spent_s: float) -> Outcome:
        assert self.runtime is not None
        timeout_s = self.build.timeout_s
        left_s = max(0.0, timeout_s - spent_s)
        said = await self.runtime.answer(
            invocation, deadline_ms=int((self._host_now() + left_s) * 1000), limit_s=left_s
        )
        if self._measure() > self.build.memory_mb:
            said = KILLED  # it held too much for a moment that no look at it had caught
        return outcome.of(said, invocation.request_id, timeout_s=timeout_s)

    async def _reset(self) -> None:
        """Kill the runtime, keep the container: its stream and its temporary files stay."""
        if self.runtime is not None:
            self.runtime.kill()
            await self.runtime.gone.wait()

    def _host_now(self) -> float:
        """Return the time that processes see: a step of the lab's clock does not reach them."""
        return self.shop.clock.now() - self.shop.clock.step_s

    def _stamp(self) -> int:
        """Return the time of a line of output, in milliseconds."""
        return int(self.shop.clock.now() * 1000)

    def _measure(self) -> int:
        """Keep the most memory that the runtime ever held, for the report."""
        self.used_mb = self.runtime.peak_mb() if self.runtime else 0
        return self.used_mb

    def _printed(self) -> list[Line]:
        return self.runtime.lines() if self.runtime else []

    def _tmp(self) -> Path:
        return self.shop.tmp / self.id

    def _log(self, lines: list[Line]) -> None:
        if lines:
            self.shop.log(self.build, self.stream, lines)
