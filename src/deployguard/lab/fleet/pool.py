"""The fleet: every container of the lab, which one serves, and which ones have to go."""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import tempfile
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from deployguard.lab.fleet.concurrency import Concurrency
from deployguard.lab.fleet.container import (
    INIT_LIMIT_S,
    ON_DEMAND,
    PROVISIONED,
    Container,
    Served,
    Workshop,
)
from deployguard.lab.fleet.environment import default_runtime
from deployguard.lab.fleet.events import Events
from deployguard.lab.fleet.outcome import Invocation
from deployguard.lab.fleet.runtime_api import RuntimeApi
from deployguard.lab.fleet.seams import Knobs, Limits, Log
from deployguard.lab.fleet.zygote import Zygote
from deployguard.lab.meter import Meter
from deployguard.lab.nouns import AwsError, Build, Clock

TEND_S = 0.05  # how often memory, age and provisioned counts are looked at
LOOKS = 50  # how many busy processes are measured at once: each look costs a little
INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"

Result = TypeVar("Result")


@dataclass(eq=False)
class Pool:
    """The containers of one version of one function."""

    generation: int = 0
    idle: list[Container] = field(default_factory=list)  # longest idle first; each may serve
    warm: list[Container] = field(default_factory=list)  # the same, of provisioned concurrency
    members: set[Container] = field(default_factory=set)


@dataclass
class Provision:
    """A promise to keep containers warm."""

    build: Build
    count: int
    due: float  # monotonic
    failed: str | None = None


class Fleet:
    """Holds all containers, and the processes and listeners that they are made of."""

    def __init__(
        self,
        *,
        clock: Clock,
        knobs: Knobs,
        log: Log,
        meter: Meter | None = None,
        environment: Mapping[str, str] | None = None,
        runtime: tuple[str, ...] | None = None,
        init_limit_s: float = INIT_LIMIT_S,
        zygote: Zygote | None = None,
    ) -> None:
        """Prepare; `environment` is what every process gets, such as the lab's own address.

        `runtime` is the command of another runtime client than the one that fits this machine,
        and `zygote` what an earlier fleet has forked from.
        """
        self.clock = clock
        self.knobs = knobs
        self.log = log
        self.meter = meter or Meter(clock)
        self.environment = dict(environment or {})
        self.runtime = runtime or default_runtime()
        self.init_limit_s = init_limit_s
        self.random = random.Random(knobs.seed)
        self.concurrency = Concurrency()
        self.events = Events(self)
        self.pools: dict[tuple[str, str], Pool] = {}
        self.provisions: dict[tuple[str, str], Provision] = {}
        self.tasks: set[asyncio.Task[Any]] = set()
        self.dying: set[Container] = set()
        self.api = RuntimeApi()
        self.zygote = zygote or Zygote()

    async def start(self) -> None:
        """Begin to look after containers; a fleet that was stopped begins anew."""
        self.pools.clear()
        self.provisions.clear()
        self.concurrency = Concurrency()
        self.events = Events(self)
        self.tmp = Path(tempfile.mkdtemp(prefix="deployguard-lab-"))
        self.shop = Workshop(
            clock=self.clock,
            knobs=self.knobs,
            log=self.log,
            api=self.api,
            tmp=self.tmp,
            runtime=self.runtime,
            environment=self.environment,
            zygote=self.zygote,
            init_limit_s=self.init_limit_s,
        )
        self.spawn(self._tend())

    async def stop(self) -> None:
        """Kill all containers and wait until nothing of them is left."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pool in self.pools.values():
            for container in list(pool.members):
                self._remove(container)
        self.provisions.clear()
        runtimes = [container.runtime for container in self.dying if container.runtime]
        await asyncio.gather(*(runtime.gone.wait() for runtime in runtimes))
        await asyncio.gather(*(container.tidied for container in self.dying if container.tidied))
        self.dying.clear()
        if self.zygote.requests:  # a fork on its way that nobody waits for any more
            self.zygote.close()
        await self.api.close()
        await asyncio.to_thread(shutil.rmtree, self.tmp, ignore_errors=True)

    def close(self) -> None:
        """End what the next fleet would need again."""
        self.zygote.close()

    def spawn(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run something of the fleet's own, which ends with the fleet."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    def run(self, build: Build, invocation: Invocation, *, limits: Limits) -> asyncio.Task[Served]:
        """Admit an invocation and give it a container, both at once; the task is its serving.

        The task goes on when the caller is gone: AWS does not stop a function for that either.
        """
        waiting = bool(self._pool(build).warm)
        try:
            ticket = self.concurrency.admit(build, limits, provisioned=waiting)
        except AwsError:
            self.meter.refused(invocation.invoked_arn)
            raise
        began = self.meter.began(invocation.invoked_arn)
        container = self._take(build)
        if container.starts:
            container.state = "busy"

        async def serve() -> Served:
            served = None
            try:
                served = await container.serve(invocation)
                return served
            finally:
                self.meter.ended(
                    invocation.invoked_arn,
                    began,
                    duration_ms=served.duration_ms if served else 0.0,
                    failed=served is None or served.outcome.status != "success",
                )
                self.concurrency.release(ticket)
                self._rest(container)

        return self.spawn(serve())

    def updated(self, build: Build) -> None:
        """Take note of a new generation of `$LATEST`: older containers go, or linger."""
        pool = self._pool(build)
        if build.generation <= pool.generation:
            return
        pool.generation = build.generation
        stale = [container for container in pool.members if not container.leaving]
        stale.sort(key=lambda container: container.idle_since, reverse=True)
        for container in self._lingering(build.function_name, stale):
            container.lingering = True
            stale.remove(container)
        for container in stale:
            self._leave(container)

    def retired(self, function_arn: str, version: str | None) -> None:
        """Let the containers of a deleted version, or of a whole function, go."""
        for key in [key for key in self.pools if key[0] == function_arn]:
            if version in (None, key[1]):
                self.provisions.pop(key, None)
                for container in list(self.pools[key].members):
                    self._leave(container)
                self.pools[key].generation = 0

    def emptied(self, function_arn: str) -> None:
        """Let every idle container of a function go."""
        for key in [key for key in self.pools if key[0] == function_arn]:
            for container in list(self.pools[key].idle):
                self._remove(container)

    def provision(self, build: Build, count: int) -> None:
        """Keep `count` containers of a version warm; none takes the promise back."""
        key = (build.function_arn, build.version)
        if count == 0:
            self.provisions.pop(key, None)
        else:
            due = time.monotonic() + self.knobs.provisioning_s
            self.provisions[key] = Provision(build, count, due)
        kept = [container for container in self._pool(build).members if container.provisioned]
        for container in kept[count:]:
            self._leave(container)

    def provisioned(self, function_arn: str, version: str) -> tuple[int, str | None]:
        """Say how many promised containers are warm, and why there will be no more."""
        key = (function_arn, version)
        pool = self.pools.get(key, Pool())
        warm = [one for one in pool.members if one.provisioned and one.state != "starting"]
        promise = self.provisions.get(key)
        return len(warm), promise.failed if promise else None

    def kill(self, function: str | None = None) -> int:
        """Let containers go, those of one function or all; running invocations finish."""
        found = [
            container
            for pool in self.pools.values()
            for container in pool.members
            if function in (None, container.build.function_name)
        ]
        for container in found:
            self._leave(container)
        return len(found)

    def containers(self) -> list[dict[str, object]]:
        """Describe every container, oldest first."""
        found = [container for pool in self.pools.values() for container in pool.members]
        found.sort(key=lambda container: container.born)
        return [container.facts() for container in found]

    def _pool(self, build: Build) -> Pool:
        return self.pools.setdefault((build.function_arn, build.version), Pool())

    def _take(self, build: Build) -> Container:
        """Choose the container that serves: a warm provisioned one, an idle one, or a new one."""
        pool = self._pool(build)
        if pool.warm:
            return pool.warm.pop()
        idle = pool.idle
        if self.knobs.routing == "partitioned":
            partition = self.random.randrange(max(1, self.knobs.partitions))
            latest = reversed(range(len(idle)))
            number = next((n for n in latest if idle[n].partition == partition), None)
            return self._new(build, partition=partition) if number is None else idle.pop(number)
        if not idle:
            return self._new(build)
        match self.knobs.routing:
            case "lru":
                return idle.pop(0)
            case "random":
                return idle.pop(self.random.randrange(len(idle)))
        return idle.pop()

    def _new(
        self, build: Build, *, initialization_type: str = ON_DEMAND, partition: int = 0
    ) -> Container:
        container = Container(
            build=build,
            shop=self.shop,
            virtual=build.virtual or self.knobs.virtual,
            initialization_type=initialization_type,
            partition=partition,
        )
        self._pool(build).members.add(container)
        return container

    def _rest(self, container: Container) -> None:
        """Take a container back after its work."""
        container.idle_since = time.monotonic()
        container.state = "idle"
        if container.leaving:
            self._remove(container)
            return
        pool = self._pool(container.build)
        (pool.warm if container.provisioned else pool.idle).append(container)

    def _leave(self, container: Container) -> None:
        """Let a container go: now when it is idle, otherwise after its work."""
        container.leaving = True
        if container.state == "idle":
            self._remove(container)

    def _remove(self, container: Container) -> None:
        pool = self._pool(container.build)
        pool.members.discard(container)
        for resting in (pool.idle, pool.warm):
            if container in resting:
                resting.remove(container)
        container.end()
        self.dying.add(container)

    def _lingering(self, function: str, stale: list[Container]) -> list[Container]:
        """Return those of the stale containers, newest use first, that keep on serving."""
        mine = [rule for rule in self.knobs.linger if rule["function"] == function]
        rule = next((rule for rule in mine if rule.get("updates") != 0), None)
        if rule is None:
            return []
        if rule.get("updates") is not None:
            rule["updates"] -= 1
        seconds = rule.get("seconds")
        kept = stale[: rule.get("count")]
        for container in kept:
            container.lingers_until = None if seconds is None else time.monotonic() + seconds
        return kept

    async def _tend(self) -> None:
        """Do what time brings: reap, kill what holds too much memory, keep promises."""
        for tick in itertools.count():
            await asyncio.sleep(TEND_S)
            now = time.monotonic()
            everyone = [one for pool in self.pools.values() for one in pool.members]
            for container in everyone:
                self._reap(container, now)
            busy = [one for one in everyone if one.state != "idle" and one.runtime]
            turns = 1 + len(busy) // LOOKS
            for container in busy[tick % turns :: turns]:
                container.kill_if_too_large()
            for promise in self.provisions.values():
                if now >= promise.due and promise.failed is None:
                    self._keep(promise)
            self.dying = {one for one in self.dying if one.runtime and one.runtime.alive}

    def _reap(self, container: Container, now: float) -> None:
        if container.lingers_until is not None and now >= container.lingers_until:
            self._leave(container)
        elif container.state == "idle" and not container.provisioned:
            idle_s = self.knobs.idle_s
            if idle_s is not None and now - container.idle_since >= idle_s:
                self._remove(container)

    def _keep(self, promise: Provision) -> None:
        """Start what is missing of the promised containers."""
        members = self._pool(promise.build).members
        kept = sum(one.provisioned and not one.leaving for one in members)
        for _ in range(promise.count - kept):
            container = self._new(promise.build, initialization_type=PROVISIONED)
            self.spawn(self._prepare(container, promise))

    async def _prepare(self, container: Container, promise: Provision) -> None:
        failed = await container.prepare()
        if failed is not None:
            promise.failed = INIT_FAILURE
            container.leaving = True
        self._rest(container)
