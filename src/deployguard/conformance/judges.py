"""The judges of the rules: from the evidence to what was got, or to a doubt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from deployguard import breadcrumb
from deployguard.breadcrumb import HEX32, PLAIN, SIZE_CAP, NotABreadcrumb, Replayed
from deployguard.conformance.nouns import Evidence, Exchange, Kind
from deployguard.errors import ConfigurationError
from deployguard.stamp import parse as stamp_in

CAP_S = 10.0
SLACK_S = 0.5  # what a hold may take longer
EARLY_S = 0.02  # timers of some languages are that much early
SKEW_S = 900.0  # AWS refuses calls of clocks that are further off
LEAST_LEFT_MS, MOST_LEFT_MS = 1, 2_000  # of the timeout, after a hold that it cut short
NUMBERS = ("born", "received", "released", "uptime_s", "invocation")
TEXTS = ("function_version", "invoked_arn", "log_stream", "request_id", "initialization_type")
LONGEST_SHOWN = 120


class Wrong(Exception):
    """The rule is broken; the text says what was got."""


class Unknown(Exception):
    """The evidence does not decide; the text says why."""


class Skipped(Exception):
    """The rule was not asked about; the text says why."""


# What was said


def _exchange(evidence: Evidence, name: str) -> Exchange:
    """Return the exchange of a step that was answered."""
    found = [exchange for exchange in evidence.exchanges if exchange.step.name == name]
    if not found:
        raise _unsent(evidence)
    return _answered(found[0])


def _unsent(evidence: Evidence) -> Unknown | Skipped:
    if evidence.stopped:
        return Unknown(f"not sent: {evidence.stopped}")
    return Skipped("not sent: it would reach the handler (--reach-handler sends it)")


def _answered(exchange: Exchange) -> Exchange:
    if exchange.answer.payload is None:
        told = f"{exchange.step.name}: {exchange.answer.trouble}"
        raise Wrong(told) if exchange.answer.is_its_fault else Unknown(told)
    return exchange


def _crumb(evidence: Evidence, name: str) -> Mapping[str, Any]:
    exchange = _exchange(evidence, name)
    if exchange.crumb is None:
        raise Wrong(f"{_shown(exchange.answer.payload)} to the canary {name!r}")
    return exchange.crumb


def _crumbs(evidence: Evidence) -> Iterator[tuple[Exchange, Mapping[str, Any]]]:
    """Yield every breadcrumb; where there is none at all, nothing is known."""
    found = [
        (exchange, exchange.crumb)
        for exchange in evidence.exchanges
        if exchange.step.kind is Kind.CANARY and exchange.crumb is not None
    ]
    if not found:
        raise Unknown("no breadcrumb to look at")
    yield from found


def _shown(value: Any) -> str:
    text = value.decode(errors="replace") if isinstance(value, bytes) else json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _number(crumb: Mapping[str, Any], name: str) -> float:
    value = crumb.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e11:
        return float(value)
    raise Wrong(f"{name} is {_shown(value)}")


# The judges


def answers(evidence: Evidence) -> str:
    """Judge the answer to the first canary."""
    exchange = _exchange(evidence, "first")
    payload = exchange.answer.payload or b""
    crumb = exchange.crumb
    if crumb is None or type(crumb["breadcrumb"]) is not int or crumb["breadcrumb"] != 1:
        raise Wrong(_shown(payload))
    if len(payload) > SIZE_CAP:
        raise Wrong(f"{len(payload)} bytes")
    return ""


def nonce(evidence: Evidence) -> str:
    """Judge what the breadcrumbs echo."""
    for exchange, crumb in _crumbs(evidence):
        if crumb.get("nonce") != exchange.step.nonce:
            raise Wrong(f"{_shown(crumb.get('nonce'))} to the nonce {exchange.step.nonce}")
    return ""


def stamp(evidence: Evidence) -> str:
    """Judge the stamp, and return which build it names."""
    told = [_stamp_of(crumb) for _, crumb in _crumbs(evidence)]
    if len(set(told)) > 1:
        _surely_one_container(evidence)
        raise Wrong(f"first {told[0]}, later {next(each for each in told if each != told[0])}")
    return told[0]


def _stamp_of(crumb: Mapping[str, Any]) -> str:
    found, error = crumb.get("stamp"), crumb.get("stamp_error")
    if "stamp" not in crumb or (found is None) == (error is None):
        raise Wrong(f"stamp {_shown(found)} with stamp_error {_shown(error)}")
    if found is None:
        if not isinstance(error, str) or not error:
            raise Wrong(f"stamp_error is {_shown(error)}")
        return f"no stamp: {_shown(error)}"
    try:
        return f"build {stamp_in(json.dumps(found).encode()).build_id}"
    except ConfigurationError as problem:
        raise Wrong(problem.happened) from problem


def container(evidence: Evidence) -> str:
    """Judge who the breadcrumbs say that they are of."""
    for _, crumb in _crumbs(evidence):
        if not isinstance(crumb.get("container"), str) or not HEX32.fullmatch(crumb["container"]):
            raise Wrong(_shown(crumb.get("container")))
    _one_container(evidence)
    return ""


def _one_container(evidence: Evidence) -> None:
    """Raise Unknown where several containers answered, and Wrong where one was said to be many."""
    (_, first), *rest = _crumbs(evidence)
    for _, crumb in rest:
        same = crumb.get("container") == first.get("container")
        same_birth = crumb.get("born") == first.get("born")
        same_log = bool(crumb.get("log_stream")) and crumb["log_stream"] == first.get("log_stream")
        if same and not same_birth:
            raise Wrong("the same container was born twice")
        if not same and (same_birth or same_log or evidence.is_alone):
            raise Wrong("another id in each answer of one container")
        if not same:
            raise Unknown("several containers answered; call it when nobody else does")


def _surely_one_container(evidence: Evidence) -> None:
    """Raise Unknown where that is not sure, which is another rule's business."""
    try:
        _one_container(evidence)
    except Wrong as wrong:
        raise Unknown(f"which container answered is not sure: {wrong}") from wrong


def fields(evidence: Evidence) -> str:
    """Judge the form of every field."""
    for exchange, crumb in _crumbs(evidence):
        for name in NUMBERS:
            _number(crumb, name)
        if type(crumb["invocation"]) is not int or crumb["invocation"] < 1:
            raise Wrong(f"invocation is {_shown(crumb['invocation'])}")
        if crumb.get("remaining_ms") is not None:
            _number(crumb, "remaining_ms")
        for name in TEXTS:
            if not isinstance(crumb.get(name), str) or not PLAIN.fullmatch(crumb[name]):
                raise Wrong(f"{name} is {_shown(crumb.get(name))}")
        try:
            breadcrumb.parse(exchange.answer.payload or b"", nonce=exchange.step.nonce)
        except Replayed:
            continue  # which the rule of the nonce tells
        except NotABreadcrumb as reason:
            raise Wrong(str(reason)) from reason
    return ""


def times(evidence: Evidence) -> str:
    """Judge the times of each breadcrumb."""
    for exchange, crumb in _crumbs(evidence):
        born, received, released, uptime = (_number(crumb, name) for name in NUMBERS[:4])
        if not born <= received + EARLY_S or not received <= released + EARLY_S:
            raise Wrong(f"born {born:.3f}, received {received:.3f}, released {released:.3f}")
        if abs(exchange.at - released) > SKEW_S:
            raise Wrong(f"released {released:.0f}, when it was {exchange.at:.0f}")
        if released - received > exchange.seconds + EARLY_S:
            raise Wrong(f"{released - received:.3f} s inside a call of {exchange.seconds:.3f} s")
        if uptime > released - born + SLACK_S:
            raise Wrong(f"uptime_s {uptime:.3f}, {released - born:.3f} s after its birth")
        if uptime + EARLY_S < released - received:
            raise Wrong(f"uptime_s {uptime:.3f} after a hold of {released - received:.3f} s")
    return ""


def order(evidence: Evidence) -> str:
    """Judge the times of each breadcrumb against the one before."""
    told = [crumb for _, crumb in _crumbs(evidence)]
    _surely_one_container(evidence)
    for before, after in pairwise(told):
        if _number(after, "received") + EARLY_S < _number(before, "released"):
            raise Wrong("an answer was received before the one before it was released")
        if _number(after, "uptime_s") < _number(before, "uptime_s"):
            raise Wrong(f"uptime_s went back from {before['uptime_s']} to {after['uptime_s']}")
    return ""


def _counts(evidence: Evidence, before: str, after: str) -> str:
    first, second = _crumb(evidence, before), _crumb(evidence, after)
    names = [exchange.step.name for exchange in evidence.exchanges]
    sent = names.index(after) - names.index(before)
    grown = int(_number(second, "invocation") - _number(first, "invocation"))
    _surely_one_container(evidence)
    told = f"{grown} more after {sent} events"
    if grown > sent and not evidence.is_alone:
        raise Unknown(f"{told}: others called it, or it counts one twice")
    if grown != sent:
        raise Wrong(told)
    return told


def count(evidence: Evidence) -> str:
    """Judge the count of canaries."""
    _exchange(evidence, "again")
    first = _crumb(evidence, "first")
    if evidence.is_alone and first.get("invocation") != 1:
        raise Wrong(f"{_shown(first.get('invocation'))} at the first event")
    return _counts(evidence, "first", "again")


def counts_others(evidence: Evidence) -> str:
    """Judge the count of other events."""
    _exchange(evidence, "ordinary")
    return _counts(evidence, "again", "after ordinary")


def hold(evidence: Evidence) -> str:
    """Judge a hold that is asked for."""
    exchange, crumb = _exchange(evidence, "held"), _crumb(evidence, "held")
    wanted = exchange.step.hold_ms / 1000
    held = _number(crumb, "released") - _number(crumb, "received")
    if not wanted - EARLY_S <= held <= wanted + evidence.answer_within_s:
        raise Wrong(f"held for {held:.3f} s, not {wanted:.3f} s")
    if exchange.seconds < wanted - EARLY_S:
        raise Wrong(f"answered after {exchange.seconds:.3f} s, not {wanted:.3f} s")
    return f"{held:.3f} s"


def cap(evidence: Evidence) -> str:
    """Judge a hold without end."""
    crumb = _crumb(evidence, "held too long")
    held = _number(crumb, "released") - _number(crumb, "received")
    if held > CAP_S + SLACK_S:
        raise Wrong(f"held for {held:.3f} s")
    left = crumb.get("remaining_ms")
    if left is not None and _number(crumb, "remaining_ms") < LEAST_LEFT_MS:
        raise Wrong("nothing was left of the timeout")
    if held < CAP_S - EARLY_S and (left is None or left > MOST_LEFT_MS):
        raise Wrong(f"held for {held:.3f} s, with {_shown(left)} ms left")
    return f"{held:.3f} s"


def self_test(evidence: Evidence) -> str:
    """Judge what is told of a self-test."""
    for exchange, crumb in _crumbs(evidence):
        if "self_test" in crumb and exchange.step.name != "self-test":
            raise Wrong(f"it ran for the canary {exchange.step.name!r}")
    told = _crumb(evidence, "self-test").get("self_test")
    if told is None:
        return "there is none"
    if not isinstance(told, dict) or not isinstance(told.get("detail"), str):
        raise Wrong(_shown(told))
    if "ok" not in told or not isinstance(told["ok"], bool | None):
        raise Wrong(_shown(told))
    _number(told, "seconds")
    return f"ok is {_shown(told['ok'])}"


def quick(evidence: Evidence) -> str:
    """Judge how long canaries take."""
    (_, *later) = _crumbs(evidence)
    spent = [exchange.seconds for exchange, _ in later if not exchange.step.hold_ms]
    if not spent:
        raise Unknown("only one canary was answered")
    if max(spent) > evidence.answer_within_s:
        raise Wrong(f"{max(spent):.3f} s")
    return f"{max(spent):.3f} s at most"


def ordinary(evidence: Evidence) -> str:
    """Judge what became of an ordinary event."""
    exchange = _exchange(evidence, "ordinary")
    payload = exchange.answer.payload or b""
    if exchange.crumb is not None:
        raise Wrong("answered as a canary")
    if evidence.expected is not None:
        try:
            is_expected = json.loads(payload) == evidence.expected
        except (ValueError, RecursionError):
            is_expected = False
        if not is_expected:
            raise Wrong(f"{_shown(payload)}, not {_shown(evidence.expected)}")
    return _shown(payload)


def lookalikes(evidence: Evidence, rule: str) -> str:
    """Judge what became of the lookalikes of one rule."""
    found = [exchange for exchange in evidence.exchanges if exchange.step.rule == rule]
    if not found:
        raise _unsent(evidence)
    for exchange in found:
        if _answered(exchange).crumb is not None:
            raise Wrong(f"answered as a canary: {exchange.step.name.partition(': ')[2]}")
    return f"{len(found)} events"


def answers_still(evidence: Evidence, name: str) -> str:
    """Judge that a canary was answered."""
    _crumb(evidence, name)
    return ""


def version(evidence: Evidence) -> str:
    """Judge the version against what AWS says that it ran."""
    for exchange, crumb in _crumbs(evidence):
        served = exchange.answer.executed_version
        if served and crumb.get("function_version") != served:
            raise Wrong(f"{_shown(crumb.get('function_version'))}, and AWS says {served}")
    return "" if any(each.answer.executed_version for each in evidence.exchanges) else "none is"
