"""A container without a process: it answers canaries inside the lab, as a real one would."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

from deployguard.lab.fleet.environment import stamp_path
from deployguard.lab.fleet.outcome import Exited, Invocation, Ready, Replied, Said, TimedOut
from deployguard.lab.nouns import Build

MAX_HOLD_MS = 10_000
MAX_STAMP = 16 * 1024
OTHER = b'{"statusCode": 200, "body": "virtual"}'
USED_MB = 32


class Virtual:
    """What stands in for one runtime process."""

    pid: int | None = None

    def __init__(
        self,
        build: Build,
        *,
        stream: str,
        initialization_type: str,
        cold_start_s: float,
        now: Callable[[], float],
    ) -> None:
        """Read the stamp, as a process does when it imports its handler."""
        self.loop = asyncio.get_running_loop()
        self.build = build
        self.cold_start_s = cold_start_s
        self.now = now
        self.invocations = 0
        self.alive = True
        self.gone = asyncio.Event()
        self.killed: asyncio.Future[Said] = self.loop.create_future()
        self.stamp, self.stamp_error = _read_stamp(build)
        self.born = now()
        self.born_at = self.loop.time()
        self.facts = {
            "container": uuid.uuid4().hex,
            "born": self.born,
            "function_version": build.version,
            "log_stream": stream,
            "initialization_type": initialization_type,
        }

    async def start(self, limit_s: float) -> Said:
        """Initialize, for as long as the lab is told that this takes."""
        if not self.cold_start_s:
            return Ready()
        ended = await self._wait(min(limit_s, self.cold_start_s))
        return ended or (TimedOut() if self.cold_start_s > limit_s else Ready())

    async def answer(self, invocation: Invocation, *, deadline_ms: int, limit_s: float) -> Said:
        """Answer a canary as the helper in an image does, and anything else with a fixed body."""
        self.invocations += 1
        canary = _canary(invocation.payload)
        if canary is None:
            return Replied(OTHER)
        received = self.now()
        invocation_number = self.invocations
        hold_s = _hold_ms(canary) / 1000
        if hold_s > 0 and (ended := await self._wait(min(hold_s, limit_s))):
            return ended
        if hold_s > limit_s:
            return TimedOut()
        breadcrumb: dict[str, Any] = {
            "breadcrumb": 1,
            "nonce": canary.get("nonce"),
            "stamp": self.stamp,
            **self.facts,
            "received": received,
            "released": self.now(),
            "invocation": invocation_number,
            "invoked_arn": invocation.invoked_arn,
            "request_id": invocation.request_id,
            "uptime_s": self.loop.time() - self.born_at,
            "remaining_ms": max(0, deadline_ms - int(self.now() * 1000)),
        }
        if self.stamp_error:
            breadcrumb["stamp_error"] = self.stamp_error
        return Replied(json.dumps({"deployguard": breadcrumb}).encode())

    def kill(self) -> None:
        """End it at once."""
        self.alive = False
        self.gone.set()
        if not self.killed.done():
            self.killed.set_result(Exited(-9))

    def lines(self) -> list[tuple[int, str]]:
        """Return no output: it prints nothing."""
        return []

    def resident_bytes(self) -> int:
        """Return no memory: it holds none of its own."""
        return 0

    def peak_mb(self) -> int:
        """Return what a small handler uses."""
        return min(USED_MB, self.build.memory_mb)

    async def _wait(self, seconds: float) -> Said | None:
        """Sleep, unless killed meanwhile."""
        done, _ = await asyncio.wait([self.killed], timeout=seconds)
        return self.killed.result() if done else None


def _canary(payload: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(payload)
    except ValueError:
        return None
    asked = event.get("deployguard") if isinstance(event, dict) else None
    return asked if isinstance(asked, dict) and asked.get("canary") == 1 else None


def _hold_ms(canary: dict[str, Any]) -> float:
    hold = canary.get("hold_ms", 0)
    return max(0.0, min(float(hold), MAX_HOLD_MS)) if isinstance(hold, int | float) else 0.0


def _read_stamp(build: Build) -> tuple[Any, str]:
    path = stamp_path(build)
    try:
        if path.stat().st_size > MAX_STAMP:
            return None, f"{path.name} is larger than {MAX_STAMP} bytes"
        return json.loads(path.read_text()), ""
    except (OSError, ValueError) as error:
        return None, f"{type(error).__name__}: {error}"
