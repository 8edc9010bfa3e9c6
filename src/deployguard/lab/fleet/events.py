"""Asynchronous invocations: accepted at once, tried up to three times, or lost."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployguard.lab.fleet.outcome import Invocation
from deployguard.lab.fleet.seams import Cloud
from deployguard.lab.nouns import AwsError

if TYPE_CHECKING:
    from deployguard.lab.fleet.pool import Fleet

RETRIES = 2  # of a function that failed; throttled events wait without being counted
MAX_AGE_S = 6 * 3600
REMEMBERED = 10_000


@dataclass(frozen=True)
class Event:
    """One asynchronous invocation, with the target as its caller named it."""

    region: str
    function: str
    qualifier: str | None
    function_arn: str  # qualified
    accepted_at: float
    request_id: str
    payload: bytes
    trace_id: str
    client_context: str | None


@dataclass(frozen=True)
class Dropped:
    """An event that nobody will ever see again, in the words of AWS's own record of it."""

    at: float
    function_arn: str
    request_id: str
    condition: str  # ZeroReservedConcurrency, RetriesExhausted, EventAgeExceeded, FunctionNotFound
    approximate_invoke_count: int
    payload: bytes


class Events:
    """The queue behind asynchronous invocations."""

    def __init__(self, fleet: Fleet) -> None:
        """Start with nothing queued."""
        self.fleet = fleet
        self.dropped: deque[Dropped] = deque(maxlen=REMEMBERED)
        self.waiting = 0

    def put(self, cloud: Cloud, event: Event) -> None:
        """Accept an event; it is tried as soon as the caller has its answer."""
        self.waiting += 1
        self.fleet.spawn(self._deliver(cloud, event))

    async def _deliver(self, cloud: Cloud, event: Event) -> None:
        """Try until it succeeds, is retried out, too old, or cannot run at all."""
        attempts = 0
        try:
            while True:
                condition, ran = await self._attempt(cloud, event)
                attempts += ran
                if condition == "":
                    return
                if condition == "Failed" and attempts > RETRIES:
                    condition = "RetriesExhausted"
                elif self.fleet.clock.now() - event.accepted_at > MAX_AGE_S:
                    condition = "EventAgeExceeded"
                elif condition in ("Failed", "Throttled"):
                    await asyncio.sleep(self.fleet.knobs.async_retry_s)
                    continue
                self._drop(event, condition, attempts)
                return
        finally:
            self.waiting -= 1

    async def _attempt(self, cloud: Cloud, event: Event) -> tuple[str, bool]:
        """Return what stands in the way of success, if anything, and whether code has run."""
        try:
            routed = cloud.route(event.region, event.function, event.qualifier)
            limits = cloud.throttle(event.region, routed.build.function_name)
            if limits.reserved == 0:
                return "ZeroReservedConcurrency", False
            invocation = Invocation(
                request_id=event.request_id,
                payload=event.payload,
                invoked_arn=routed.invoked_arn,
                trace_id=event.trace_id,
                client_context=event.client_context,
            )
            served = await self.fleet.run(routed.build, invocation, limits=limits)
        except AwsError as error:
            return ("FunctionNotFound" if error.status == 404 else "Throttled"), False
        return ("" if served.outcome.status == "success" else "Failed"), True

    def _drop(self, event: Event, condition: str, attempts: int) -> None:
        self.dropped.append(
            Dropped(
                at=self.fleet.clock.now(),
                function_arn=event.function_arn,
                request_id=event.request_id,
                condition=condition,
                approximate_invoke_count=attempts,
                payload=event.payload,
            )
        )
