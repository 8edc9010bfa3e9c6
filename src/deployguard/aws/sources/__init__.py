"""Everything that AWS shows of who calls a function: one file a service, all read at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from deployguard.aws import policies
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
from deployguard.aws.sources.turnstile import Turnstile
from deployguard.hazards import Grant
from deployguard.model import Function
from deployguard.routes.names import Callee
from deployguard.routes.nouns import SOURCES, Served
from deployguard.routes.policies import caller
from deployguard.traffic import Caller, Unread

if TYPE_CHECKING:
    from deployguard.run import Run

PROGRESS_S = 5.0


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


def callers(
    run: Run, function: Function, *, served: Served, names: Iterable[str] = ()
) -> tuple[tuple[Caller, ...], tuple[Unread, ...]]:
    """Read who calls a function, from the named sources or all of them.

    What the role may not read, or could not be read in time, is returned beside the callers.
    """
    wanted = [name for name in SOURCES if name in names] or list(SOURCES)
    turnstile = run.session.before_each = Turnstile(run)
    try:
        with ThreadPoolExecutor(len(wanted) + 1) as pool:
            asked = _question(run, function, served, pool=pool, wanted=wanted)
            begun = {pool.submit(_read, name, asked): SOURCES[name] for name in wanted}
            try:
                _follow(run, begun, turnstile=turnstile)
            finally:
                turnstile.close()
    finally:
        run.session.before_each = None
    found = [item for future in begun for item in future.result()]
    return (
        tuple(dict.fromkeys(item for item in found if isinstance(item, Caller))),
        tuple(dict.fromkeys(item for item in found if isinstance(item, Unread))),
    )


def _question(
    run: Run, function: Function, served: Served, *, pool: ThreadPoolExecutor, wanted: list[str]
) -> Asked:
    def read() -> list[Grant]:
        if not BY_POLICY & set(wanted):
            return []
        return list(policies.grants(run.session, function.name, served.qualifiers))

    return Asked(run.session, Callee(function.arn), served, pool.submit(read).result)


def _read(name: str, asked: Asked) -> list[Caller | Unread]:
    return list(or_unread(SOURCES[name], READ[name](asked)))


def _follow(
    run: Run, begun: dict[Future[list[Caller | Unread]], str], *, turnstile: Turnstile
) -> None:
    """Say what was read, and from time to time what still is being read."""
    left = set(begun)
    while left:
        done, left = wait(left, timeout=PROGRESS_S, return_when=FIRST_COMPLETED)
        run.checkpoint()
        for future in sorted(done, key=lambda each: begun[each]):
            found = future.result()
            unread = sum(isinstance(item, Unread) for item in found)
            unknown = f", {unread} not read" if unread else ""
            run.say(f"{begun[future]}: {len(found) - unread} found{unknown}")
        if left and not done:
            names = ", ".join(sorted(begun[future] for future in left))
            run.say(f"still reading, {turnstile.passed.total()} calls so far: {names}")
