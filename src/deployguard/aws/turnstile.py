"""Lets calls through no faster than AWS allows, and none once the time for them is over."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter
from functools import cache
from urllib.parse import urlsplit

from deployguard.errors import OutOfTime

# Calls in a second, below what AWS documents for reads of each control plane; REST and HTTP APIs
# share one limit, and so do all that is asked of Lambda. A deploy may be asking meanwhile, too.
PER_SECOND = {
    "apigateway": 8.0,
    "cloudtrail": 1.8,
    "cloudwatch": 15.0,
    "ecr": 10.0,
    "elbv2": 8.0,
    "events": 15.0,
    "lambda": 12.0,
    "logs": 4.5,
    "pipes": 5.0,
    "s3": 50.0,
    "scheduler": 15.0,
    "sns": 15.0,
    "stepfunctions": 8.0,
}
SHARED = {"apigatewayv2": "apigateway"}


class Pace:
    """So many calls in a second, evenly."""

    def __init__(self, per_second: float) -> None:
        """Let the first call through at once."""
        self._apart = 1 / per_second
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Take the next place, and return how long to wait for it."""
        begin = max(now, self._next)
        self._next = begin + self._apart
        return begin - now


class Budget:
    """What all runs in one account and region may ask of each service in a second, together."""

    def __init__(self) -> None:
        """Let the first call to each service through at once."""
        self._paces = {service: Pace(rate) for service, rate in PER_SECOND.items()}
        self._lock = threading.Lock()
        self._hurried = threading.Event()

    def __call__(self, service: str, endpoint: str) -> None:
        """Wait for this call's turn."""
        self._hurried.wait(self.delay(service, endpoint))

    def delay(self, service: str, endpoint: str) -> float:
        """Take the next place among the calls to a service; return how long to wait for it."""
        pace = self._paces.get(SHARED.get(service, service))
        if pace is None or is_local(endpoint):
            return 0.0
        with self._lock:
            return pace.delay(time.monotonic())

    def hurry(self) -> None:
        """Let nobody wait any more: something is to be put back before a CI service kills us."""
        self._hurried.set()


class Turnstile:
    """Every call of a reading passes here before it is sent."""

    def __init__(self, *, within_s: float, fewer: str = "--sources") -> None:
        """Open it for so long; `fewer` is what can be asked for less."""
        self._within_s = within_s
        self._fewer = fewer
        self.until = time.monotonic() + within_s
        self._budget = Budget()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.passed: Counter[str] = Counter()

    def __call__(self, service: str, endpoint: str) -> None:
        """Wait for this call's turn; raise OutOfTime where none comes any more."""
        with self._lock:
            self.passed[service] += 1
        delay = self._budget.delay(service, endpoint)
        if time.monotonic() + delay > self.until or self._closed.wait(delay):
            raise self.out_of_time()

    def out_of_time(self) -> OutOfTime:
        """Say why no more was read."""
        return OutOfTime(
            f"not all was read within {self._within_s:.0f} s",
            cause="the account holds much, and AWS limits the calls in a second",
            fix=f"give a longer --timeout, or fewer {self._fewer}",
        )

    def close(self) -> None:
        """Let nobody through any more."""
        self._closed.set()


@cache
def is_local(endpoint: str) -> bool:
    """Say whether an endpoint is on this machine, where nobody counts calls."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
