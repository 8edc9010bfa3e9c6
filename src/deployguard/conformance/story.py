"""The story of a conformance test: ask what is in the script, and judge what comes back."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import repeat
from typing import Any

from deployguard.aws import canaries
from deployguard.burst import Connections, Reply, Request, tls_context
from deployguard.config import Settings
from deployguard.conformance import rules, script
from deployguard.conformance.nouns import Answer, Case, Evidence, Exchange, Step
from deployguard.conformance.program import LONGEST, Program
from deployguard.conformance.subject import Command, Url
from deployguard.errors import AwsFailure, ConfigurationError, Trouble
from deployguard.run import Run
from deployguard.target import Target

Ask = Callable[[bytes], Answer]
PASSING = {Trouble.THROTTLED, Trouble.TRANSIENT, Trouble.LOST}
WAIT_S = 20.0  # for one answer, the longest hold included


def examine(run: Run, settings: Settings, subject: Target | Url | Command) -> tuple[Case, ...]:
    """Send the script to an implementation, and judge it by each rule."""
    reaches_handler = settings.reach_handler or not isinstance(subject, Target)
    event, expected = _json(settings.event, "--event"), _json(settings.expect, "--expect")
    nonces = (secrets.token_hex(16) for _ in repeat(None))
    steps = script.steps(
        nonces, event={"order": 7} if event is None else event, reaches_handler=reaches_handler
    )
    with _door(run, subject) as ask:
        exchanges, stopped = _asked(run, ask, steps)
    evidence = Evidence(
        exchanges,
        answer_within_s=settings.answer_within,
        expected=expected,
        is_alone=isinstance(subject, Command),
        stopped=stopped,
    )
    return rules.judged(evidence)


def _json(text: str | None, flag: str) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{flag} is not JSON: {error}", fix="quote it") from error


def _asked(run: Run, ask: Ask, steps: tuple[Step, ...]) -> tuple[tuple[Exchange, ...], str]:
    """Go through the script; return what was exchanged, and why not all of it was sent."""
    exchanges: list[Exchange] = []
    for step in steps:
        run.checkpoint()
        if run.left < WAIT_S:
            return tuple(exchanges), "too little time was left (--timeout)"
        exchange = _exchanged(run, ask, step)
        exchanges.append(exchange)
        if exchange.answer.is_over:
            return tuple(exchanges), f"{step.name}: {exchange.answer.trouble}"
        if len(exchanges) == 1 and exchange.crumb is None:
            return tuple(exchanges), "the first canary was not answered by a breadcrumb"
    return tuple(exchanges), ""


def _exchanged(run: Run, ask: Ask, step: Step) -> Exchange:
    began = time.monotonic()
    answer = ask(step.event.encode())
    run.say(f"{step.kind} {step.name}: {'no answer' if answer.payload is None else 'answered'}")
    return Exchange(step, answer, at=time.time(), seconds=time.monotonic() - began)


@contextmanager
def _door(run: Run, subject: Target | Url | Command) -> Iterator[Ask]:
    match subject:
        case Command(words):
            with Program(words) as program:
                yield partial(program.ask, limit_s=WAIT_S)
        case Url(url):
            tls = tls_context(None) if url.lower().startswith("https:") else None
            with Connections(url, tls=tls) as lines:
                yield partial(_posted, lines, url)
        case Target():
            yield partial(_invoked, run, subject)


def _invoked(run: Run, target: Target, event: bytes) -> Answer:
    """Invoke a function once; trouble that passes by itself says nothing of it."""
    try:
        payload, version = canaries.invoke(run.session, target, event)
    except AwsFailure as failure:
        if failure.trouble not in PASSING:
            raise
        return Answer(None, failure.happened, is_its_fault=False)
    return Answer(payload, executed_version=version)


def _posted(lines: Connections, url: str, event: bytes) -> Answer:
    """Send an event once; a redirect is an answer that is none."""
    request = Request("POST", url, (("Content-Type", "application/json"),), event)
    (reply,) = lines.fire([request], deadline_s=WAIT_S, max_body=LONGEST).replies
    if reply.sent is None:
        raise ConfigurationError(
            f"{url} cannot be reached: {reply.error}",
            cause="nothing listens there",
            fix="start the container with the emulator, and name its port",
        )
    trouble = _trouble(reply)
    return Answer(None, trouble) if trouble else Answer(reply.body)


def _trouble(reply: Reply) -> str:
    if reply.error or reply.answered is None:
        return reply.error or "no answer"
    return "" if reply.status == 200 else f"HTTP {reply.status}"
