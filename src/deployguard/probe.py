"""Probe routes in overlapping bursts until the evidence decides, or time or probes run out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from deployguard import aging, breadcrumb, burst, hold, judge, plan, safe
from deployguard.aws import canaries, functions, metrics
from deployguard.breadcrumb import NotABreadcrumb, Replayed
from deployguard.model import Answer, Evidence, Probe, Round, RouteRuling
from deployguard.run import Run

SHARE = 0.5  # of the concurrency that is free; the rest is left to real traffic
FEW = 50  # probes at once that no account misses; AWS keeps 100 unreserved
ANSWER_MARGIN_S = 10.0


def until_ruled(run: Run, evidence: Evidence) -> Evidence:
    """Burst, judge, and burst again; return all evidence."""
    ceiling = free = _free(run, evidence)
    ruling = judge.ruling(evidence)
    while True:
        run.checkpoint()
        budget = evidence.policy.max_probes - evidence.spent
        if ruling.decided or budget <= 0:
            return evidence
        open_ones = [ruled for ruled in ruling.routes if not ruled.decided]
        run.wait_until(
            min(ruled.resume_at for ruled in open_ones), why="another round would add nothing yet"
        )
        if run.left <= 0:
            return evidence
        due = [ruled for ruled in open_ones if ruled.resume_at <= run.now]
        sizes = _sizes(evidence, due, ceiling=min(budget, ceiling))
        number = len(evidence.rounds) + 1
        fired = fire(run, sizes, number=number, holds=_holds(run, evidence, sizes))
        throttled = any(probe.answer is Answer.THROTTLED for probe in fired.probes)
        ceiling = max(1, sum(sizes.values()) // 2) if throttled else min(free, ceiling * 2)
        evidence = replace(evidence, rounds=(*evidence.rounds, fired))
        ruling = judge.ruling(evidence)
        run.saw(fired, evidence, ruling)


def until_old(run: Run, evidence: Evidence, *, qualifier: str) -> Evidence:
    """Probe a qualifier's containers twice, and again until they are old; return all evidence."""
    size = min(_free(run, evidence), evidence.policy.agreeing_probes)
    resume_at: float | None = 0.0
    while resume_at is not None and _can_wait(run, evidence):
        if resume_at > run.now:
            run.say(f"the containers are left alone for {resume_at - run.now:.0f} s, to age")
        run.wait_until(resume_at, why="containers are to grow older")
        run.checkpoint()
        if evidence.spent + size > evidence.policy.max_probes:
            break
        number, sizes = len(evidence.aged) + 1, {qualifier: size}
        holds = _holds(run, evidence, sizes)
        fired = fire(run, sizes, number=number, holds=holds, self_test=True)
        evidence = replace(evidence, aged=(*evidence.aged, fired))
        run.saw(fired, evidence, judge.ruling(evidence))
        resume_at = aging.resume_at(evidence)
    return evidence


def _can_wait(run: Run, evidence: Evidence) -> bool:
    """Say whether the containers will be old enough before the run has to end."""
    return max(aging.ripe_at(evidence) or 0.0, run.now) < run.timeout_s


def _sizes(evidence: Evidence, due: Sequence[RouteRuling], *, ceiling: int) -> dict[str, int]:
    sizes = {
        ruled.route.qualifier: judge.next_size(evidence, ruled.route, ceiling=ceiling)
        for ruled in due
    }
    over = sum(sizes.values()) - max(ceiling, len(sizes))
    if over > 0:
        largest = max(sizes, key=lambda qualifier: sizes[qualifier])
        sizes[largest] = max(1, sizes[largest] - over)
    return sizes


def _holds(run: Run, evidence: Evidence, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return for how many milliseconds the probes of each qualifier are to hold."""
    before = (*evidence.rounds, *evidence.aged)
    asked, longest = evidence.policy.hold_ms, plan.longest_hold_ms(run.function)
    return {
        qualifier: hold.next_ms(before, size, asked_ms=asked, longest_ms=longest)
        for qualifier, size in sizes.items()
    }


def _free(run: Run, evidence: Evidence) -> int:
    """Return how many containers probes may hold at once without crowding out real traffic.

    What is not the function's own is shared with the other runs of a fleet.
    """
    limit = run.function.reserved_concurrency
    if all(route.is_fixed for route in evidence.routes):
        few = max(1, FEW // run.neighbours)
        return few if limit is None else max(1, int(limit * SHARE))
    is_own = limit is not None
    if limit is None:
        limit = functions.unreserved_concurrency(run.session)
    if limit is None:
        return max(1, FEW // run.neighbours)
    in_use = metrics.concurrency_in_use(run.session, run.function.name)
    share = SHARE if is_own else SHARE / run.neighbours
    return max(1, int((limit - in_use) * share))


def fire(
    run: Run,
    sizes: Mapping[str, int],
    *,
    number: int = 1,
    holds: Mapping[str, int] = MappingProxyType({}),
    self_test: bool = False,
) -> Round:
    """Send so many canaries to each qualifier at once, and read what comes back.

    They hold their containers for so many milliseconds; not at all where nothing is said.
    """
    wanted = [
        (qualifier, secrets.token_hex(16), holds.get(qualifier, 0))
        for qualifier, size in sizes.items()
        for _ in range(size)
    ]
    requests = canaries.requests(run.session, run.function.name, wanted, self_test=self_test)
    started = run.now
    deadline_s = max(1.0, min(run.left, run.function.timeout_s + ANSWER_MARGIN_S))
    fired = run.lines(requests[0].url).fire(
        requests, deadline_s=deadline_s, max_body=breadcrumb.SIZE_CAP
    )
    probes = tuple(
        _probe(run, qualifier, nonce, reply, started=started)
        for (qualifier, nonce, _), reply in zip(wanted, fired.replies, strict=True)
    )
    return Round(
        number=number,
        started=started,
        connect_s=fired.connect_s,
        ramp_s=fired.ramp_s,
        peak_overlap=fired.peak_in_flight,
        probes=probes,
    )


def _probe(run: Run, qualifier: str, nonce: str, reply: burst.Reply, *, started: float) -> Probe:
    """Read one reply; whatever is not a breadcrumb says what it is instead."""
    answered = None if reply.answered is None else reply.answered - run.began
    probe = Probe(
        qualifier=qualifier,
        sent=started if reply.sent is None else reply.sent - run.began,
        answered=answered,
        answer=Answer.REFUSED if reply.sent is None else Answer.UNKNOWN,
        nonce=nonce,
        executed_version=reply.headers.get("x-amz-executed-version"),
        detail=reply.error,
    )
    if reply.status is None or reply.answered is None:
        return probe
    if reply.status != 200:
        return replace(probe, answer=_refusal(reply), detail=_error_type(reply))
    if "x-amz-function-error" in reply.headers:
        return replace(probe, answer=Answer.FUNCTION_ERROR, detail=_function_error(reply.body))
    try:
        crumb = breadcrumb.parse(reply.body, nonce=nonce)
    except NotABreadcrumb as reason:
        answer = Answer.REPLAYED if isinstance(reason, Replayed) else Answer.NO_BREADCRUMB
        return replace(probe, answer=answer, detail=reply.error or str(reason))
    return replace(probe, answer=Answer.BREADCRUMB, breadcrumb=crumb)


def _refusal(reply: burst.Reply) -> Answer:
    if reply.status == 429:
        return Answer.THROTTLED
    if reply.status in (401, 403):
        return Answer.DENIED
    return Answer.UNKNOWN if (reply.status or 0) >= 500 else Answer.REFUSED


def _error_type(reply: burst.Reply) -> str:
    code = reply.headers.get("x-amzn-errortype", "").split(":")[0]
    reason = _member(reply.body, "Reason")
    return " ".join(part for part in (f"HTTP {reply.status}", code, reason) if part)[:200]


def _function_error(body: bytes) -> str:
    """Name the error; its message only where Lambda wrote it: a handler's may hold secrets."""
    kind = _member(body, "errorType")
    is_lambdas = kind.startswith(("Runtime.", "Sandbox.", "Extension."))
    message = _member(body, "errorMessage") if is_lambdas else ""
    return ": ".join(part for part in (kind, message) if part)[:200] or "the function failed"


def _member(body: bytes, key: str) -> str:
    """Return a short text member of a foreign JSON object, or nothing."""
    try:
        document = json.loads(body[: breadcrumb.SIZE_CAP])
    except (ValueError, RecursionError):
        return ""
    value = document.get(key) if isinstance(document, dict) else None
    return safe.short(value) if isinstance(value, str) else ""
