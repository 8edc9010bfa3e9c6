"""Everything that AWS shows of who calls a function: one file a service, all read at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from typing import TYPE_CHECKING

from deployguard.aws import policies
from deployguard.aws.aside import begun
from deployguard.aws.sources import (
    buckets,
    destinations,
    http_apis,
    load_balancers,
    mappings,
    metrics,
    pipes,
    rest_apis,
    rules,
    schedules,
    state_machines,
    topics,
    urls,
)
from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.aws.turnstile import Turnstile
from deployguard.hazards import Grant
from deployguard.resources import Function
from deployguard.routes.names import Callee
from deployguard.routes.nouns import Served
from deployguard.routes.policies import caller
from deployguard.traffic import SOURCES, Caller, Unread

if TYPE_CHECKING:
    from deployguard.run import Run

PROGRESS_S = 5.0
CHECKPOINT_S = 0.5  # after which a signal is noticed at the latest


def _policies(asked: Asked) -> Found:
    """Yield who may call by the resource policies."""
    yield from map(caller, asked.grants())


READ: dict[str, Callable[[Asked], Found]] = {
    "mappings": mappings.callers,
    "policies": _policies,
    "urls": urls.callers,
    "destinations": destinations.callers,
    "rules": rules.callers,
    "schedules": schedules.callers,
    "pipes": pipes.callers,
    "state-machines": state_machines.callers,
    "rest-apis": rest_apis.callers,
    "http-apis": http_apis.callers,
    "buckets": buckets.callers,
    "topics": topics.callers,
    "load-balancers": load_balancers.callers,
    "metrics": metrics.callers,
}
BY_POLICY = {"policies", "buckets", "topics"}


class Reading:
    """The callers of a function, read from all sources at once, beside whatever else is done.

    Its threads are daemons: a call that hangs must not keep a run from its end.
    """

    def __init__(
        self,
        run: Run,
        function: Function,
        *,
        served: Served,
        names: Iterable[str],
        within_s: float,
    ) -> None:
        """Begin to read the named sources."""
        self._run = run
        self._turnstile = Turnstile(within_s=within_s)
        session = run.session.beside(self._turnstile, until=self._turnstile.until)
        session.common = run.common
        wanted = [name for name in SOURCES if name in set(names)]

        def granted() -> list[Grant]:
            if not BY_POLICY & set(wanted):
                return []
            return list(policies.grants(session, function.name, served.qualifiers))

        grants = begun(granted, "policies of all qualifiers")
        asked = Asked(session, Callee(function.arn), served, grants.result)
        self._found: dict[str, list[Caller | Unread]] = {name: [] for name in wanted}
        self._begun = {begun(partial(self._read, name, asked), name): name for name in wanted}

    def callers(self, tell: Callable[[str], None]) -> tuple[tuple[Caller, ...], tuple[Unread, ...]]:
        """Wait for all that is read in time, and tell how it goes.

        What the role may not read, or could not be read in time, is returned beside the callers.
        """
        for name in self._wait(tell):
            late = self._turnstile.out_of_time()
            self._found[name].append(Unread(SOURCES[name], late.happened, late.fix))
        found = [item for items in self._found.values() for item in items]
        return (
            tuple(dict.fromkeys(item for item in found if isinstance(item, Caller))),
            tuple(dict.fromkeys(item for item in found if isinstance(item, Unread))),
        )

    def close(self) -> None:
        """Send no call any more."""
        self._turnstile.close()

    def _read(self, name: str, asked: Asked) -> None:
        for item in or_unread(SOURCES[name], READ[name](asked)):
            self._found[name].append(item)

    def _wait(self, tell: Callable[[str], None]) -> list[str]:
        """Wait until all is read or the time is over; return the sources that were too slow."""
        left = set(self._begun)
        told = time.monotonic()
        while left and time.monotonic() < self._turnstile.until:
            done, left = wait(left, timeout=CHECKPOINT_S, return_when=FIRST_COMPLETED)
            self._run.checkpoint()
            for future in sorted(done, key=lambda each: self._begun[each]):
                future.result()
                tell(self._count(self._begun[future]))
            if left and time.monotonic() > told + PROGRESS_S:
                told = time.monotonic()
                names = ", ".join(sorted(SOURCES[self._begun[future]] for future in left))
                tell(f"still reading, {self._turnstile.passed.total()} calls so far: {names}")
        self.close()
        return [self._begun[future] for future in left]

    def _count(self, name: str) -> str:
        unread = sum(isinstance(item, Unread) for item in self._found[name])
        unknown = f", {unread} not read" if unread else ""
        return f"{SOURCES[name]}: {len(self._found[name]) - unread} found{unknown}"
