"""Settings, fault rules and the write log, without a server."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from deployguard.lab import knobs
from deployguard.lab.calls import Call
from deployguard.lab.checks import BadKnobError
from deployguard.lab.knobs import Knobs


def call(operation: str, **members: str) -> Call:
    unsaid = {each.name: "" for each in fields(Call) if each.name not in ("headers", "body")}
    about = unsaid | {"service": "lambda", "operation": operation} | members
    return Call(headers={}, body=b"", **about)


def strikes(rule: dict[str, Any], *, calls: int) -> list[int]:
    state = Knobs()
    state.add_fault({"operation": "UpdateAlias", "kind": "error"} | rule)
    return [
        n for n in range(1, calls + 1) if state.due(call("UpdateAlias", resource="f", alias="live"))
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, [1]),
        ({"nth": 3}, [3]),
        ({"nth": 2, "times": 2}, [2, 3]),
        ({"nth": 4, "times": None}, [4, 5]),
        ({"nth": None}, [1, 2, 3, 4, 5]),
        ({"nth": None, "times": 2}, [1, 2]),
        ({"service": "ecr"}, []),
        ({"operation": "*", "service": "lambda"}, [1]),
        ({"alias": "live"}, [1]),
        ({"alias": "deployguard"}, []),
        ({"qualifier": "live"}, []),
        ({"access_key": "OTHER"}, []),
    ],
)
def test_a_fault_strikes_the_calls_it_names(rule: dict[str, Any], expected: list[int]) -> None:
    assert strikes(rule, calls=5) == expected


def test_a_fault_counts_only_calls_on_its_function() -> None:
    state = Knobs()
    fault = state.add_fault({"operation": "Invoke", "kind": "throttle", "nth": 2, "function": "a"})
    answers = [bool(state.due(call("Invoke", resource=name))) for name in "abbaa"]
    assert answers == [False, False, False, True, False]
    assert fault.calls == 3


def test_the_log_numbers_each_call_and_waits_for_its_status() -> None:
    state = Knobs()
    state.received(call("GetAlias", alias="live", access_key="A"))["status"] = 200
    state.received(call("Invoke", qualifier="7", access_key="B"))
    shown = [
        [entry[name] for name in ("seq", "operation", "alias", "qualifier", "access_key", "status")]
        for entry in state.log
    ]
    assert shown == [
        [1, "GetAlias", "live", "", "A", 200],
        [2, "Invoke", "", "7", "B", None],
    ]
    assert state.calls == {"lambda.GetAlias": 1, "lambda.Invoke": 1}


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"kind": "error"}, "needs 'operation'"),
        ({"operation": "Invoke"}, "needs 'kind'"),
        ({"operation": "Invoke", "kind": "melt"}, "'kind' takes one of"),
        ({"operation": "Invoke", "kind": "error", "phase": "during"}, "'phase' takes one of"),
        ({"operation": "Invoke", "kind": "error", "phase": "reply"}, "after the reply"),
        ({"operation": "Invoke", "kind": "kill"}, "needs the 'pid'"),
        ({"operation": "Invoke", "kind": "stale"}, "takes one of GetAlias"),
        ({"operation": "Invoke", "kind": "error", "when": 3}, "unknown member 'when'"),
        ({"operation": "Invoke", "kind": "error", "hits": 3}, "unknown member 'hits'"),
        ({"operation": "Invoke", "kind": "error", "nth": "2"}, "'nth' takes int | None"),
        ({"operation": "Invoke", "kind": "delay", "seconds": True}, "'seconds' takes float"),
    ],
)
def test_a_fault_that_could_never_strike_is_refused(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadKnobError, match=complaint.replace("|", r"\|")):
        Knobs().add_fault(rule)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rooting": "mru"}, "unknown knob 'rooting'"),
        ({"routing": "fifo"}, "'routing' takes one of mru, lru, random, partitioned"),
        ({"partitions": 1.5}, "'partitions' takes int"),
        ({"virtual": 1}, "'virtual' takes bool"),
        ({"update_s": None}, "'update_s' takes float"),
        ({"linger": [{"count": 1}]}, "needs the name of a 'function'"),
        ({"linger": [{"function": "f", "until": 1}]}, "unknown member 'until'"),
        ({"linger": [{"function": "f", "count": "all"}]}, "'count' takes int"),
        ({"linger": [{"function": "f", "updates": 1.5}]}, "'updates' takes int"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_and_changes_nothing(
    changes: dict[str, Any], complaint: str
) -> None:
    state = Knobs()
    before = state.settings()
    with pytest.raises(BadKnobError, match=complaint):
        state.set(**({"account_concurrency": 7} | changes))
    assert state.settings() == before


def test_settings_are_set_shown_and_reset() -> None:
    state = Knobs()
    neutral = state.settings()
    state.set(idle_s=3, linger=[{"function": "f", "count": None, "seconds": 1.5}], clock_step_s=60)
    assert state.idle_s == 3
    assert state.clock.step_s == 60
    state.add_fault({"operation": "Invoke", "kind": "error"})
    state.received(call("Invoke"))
    state.record("PutFunctionConcurrency", "arn", None, 0)
    state.reset()
    assert state.settings() == neutral
    assert (state.faults, state.writes, state.calls, state.clock.step_s) == ([], [], {}, 0)
    assert not state.log


def test_the_write_log_numbers_each_change_and_names_its_caller() -> None:
    state = Knobs()
    state.record("UpdateAlias", "arn:1", {"FunctionVersion": "1"}, {"FunctionVersion": "2"})
    token = knobs.caller.set(knobs.Caller("lambda", "KEY", "request"))
    state.record("DeleteAlias", "arn:1", {"FunctionVersion": "2"}, None)
    knobs.caller.reset(token)
    assert [(write["seq"], write["operation"]) for write in state.writes] == [
        (1, "UpdateAlias"),
        (2, "DeleteAlias"),
    ]
    last = state.writes[-1]
    assert (last["service"], last["access_key"], last["request_id"]) == ("lambda", "KEY", "request")
    assert last["at"] >= state.writes[0]["at"]
