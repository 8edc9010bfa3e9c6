"""Paths, intrinsic functions, choices and JSONata, on plain values; and a machine in JSONata."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployguard.lab.client import Client
from deployguard.lab.states import choice, jsonata, retries, templates
from deployguard.lab.states.values import FailureError, Values, put
from tests.lab.state_machines import ARN, INVOKE, ROLE, Stage, details

DATA = {"a": {"b": [1, 2, {"c": "x"}]}, "text": "hallo", "when": "2026-01-02T03:04:05Z", "n": 5}
VALUES = Values(DATA, {"State": {"Name": "S"}}, {"kept": {"v": 7}}, result=[3], where="In S. ")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DATA),
        ("$.a.b[2].c", "x"),
        ("$['a']['b'][0]", 1),
        ("$.a.b[*]", [1, 2, {"c": "x"}]),
        ("$..c", ["x"]),
        ("$$.State.Name", "S"),
        ("$kept.v", 7),
        ("States.Format('{} is {}', $.text, $.n)", "hallo is 5"),
        ("States.Format('it\\'s {}', States.MathAdd($.n, -1))", "it's 4"),
        ("States.Array(1, 'two', $.n)", [1, "two", 5]),
        ("States.ArrayPartition($.a.b, 2)", [[1, 2], [{"c": "x"}]]),
        ("States.ArrayRange(1, 7, 3)", [1, 4, 7]),
        ("States.ArrayUnique(States.Array(1, 1, 2))", [1, 2]),
        ("States.ArrayGetItem($.a.b, 1)", 2),
        ("States.StringToJson('{\"x\": 1}')", {"x": 1}),
        ("States.JsonToString($.a)", '{"b":[1,2,{"c":"x"}]}'),
        ("States.Base64Decode(States.Base64Encode('ab'))", "ab"),
        ("States.Hash('a', 'SHA-1')", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
        ("States.StringSplit('a,b;c', ',;')", ["a", "b", "c"]),
        ("States.JsonMerge($.a, States.StringToJson('{\"z\":1}'), false)", DATA["a"] | {"z": 1}),  # type: ignore[operator]
    ],
)
def test_a_field_is_filled_from_a_path_or_function(path: str, value: Any) -> None:
    template = {"x.$": path, "plain": "$.a", "deep": [{"y.$": path}]}
    wanted = {"x": value, "plain": "$.a", "deep": [{"y": value}]}
    assert templates.fill(template, VALUES) == wanted


def test_a_path_to_nothing_is_told_with_the_input() -> None:
    with pytest.raises(FailureError) as raised:
        templates.fill({"x.$": "$.a.z"}, VALUES.on({"a": {}}))
    assert raised.value.error == "States.Runtime"
    wanted = "In S. The JSONPath '$.a.z' could not be found in the input '{\"a\":{}}'"
    assert raised.value.cause == wanted


@pytest.mark.parametrize("text", ["States.Nothing()", "States.Format('{}')", "States.Array("])
def test_a_function_that_cannot_be_called_fails_the_state(text: str) -> None:
    with pytest.raises(FailureError, match=r"States\.IntrinsicFailure"):
        templates.fill({"x.$": text}, VALUES)


def test_a_result_is_put_where_its_path_says_and_the_input_stays_as_it_was() -> None:
    before = {"a": {"b": 1}}
    assert put("$.a.c.d", 2, before) == {"a": {"b": 1, "c": {"d": 2}}}
    assert put("$", 2, before) == 2
    assert before == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ({"Variable": "$.n", "NumericGreaterThan": 4}, True),
        ({"Variable": "$.n", "NumericEqualsPath": "$.a.b[0]"}, False),
        ({"Variable": "$.text", "StringMatches": "h*o"}, True),
        ({"Variable": "$.text", "NumericEquals": 5}, False),
        ({"Variable": "$.when", "TimestampLessThanEquals": "2026-01-02T03:04:05Z"}, True),
        ({"Variable": "$.gone", "IsPresent": False}, True),
        ({"Variable": "$.text", "IsString": True}, True),
        ({"Variable": "$.text", "IsNull": True}, False),
        ({"Not": {"Variable": "$.text", "StringEquals": "x"}}, True),
        (
            {"And": [{"Variable": "$.n", "NumericEquals": 5}, {"Variable": "$.n", "IsNull": True}]},
            False,
        ),
        (
            {"Or": [{"Variable": "$.n", "NumericEquals": 5}, {"Variable": "$.n", "IsNull": True}]},
            True,
        ),
    ],
)
def test_a_choice_rule_holds(rule: Any, held: bool) -> None:
    assert choice.holds(rule, VALUES) is held


@pytest.mark.parametrize(
    ("names", "error", "taken"),
    [
        (["States.ALL"], "Lambda.Unknown", True),
        (["States.ALL"], "States.Runtime", False),
        (["States.TaskFailed"], "ValueError", True),
        (["States.TaskFailed"], "States.Timeout", False),
        (["ValueError"], "KeyError", False),
    ],
)
def test_an_error_is_taken(names: list[str], error: str, taken: bool) -> None:
    assert retries.takes(names, error) is taken


def test_pauses_grow_to_their_limit_and_end() -> None:
    retrier = {"ErrorEquals": ["E"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 7}
    patience = retries.Patience([retrier | {"MaxAttempts": 3}])
    assert [patience.pause("E") for _ in range(4)] == [2, 6, 7, None]
    assert patience.pause("F") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$states.input.a.b[2].c", "x"),
        ("$states.input.a.b[-3]", 1),
        ("$states.input.text & '!' & $string($kept.v)", "hallo!7"),
        ("$states.input.n * 2 + 1 > 10 and $not(false)", True),
        ("$states.input.n = 5 ? 'five' : 'other'", "five"),
        ("$states.result[0] in [1, 3]", True),
        ("{'n': $states.input.n, 'gone': $states.input.gone}", {"n": 5}),
        ("[{'v': 1}, {'v': 2}].v", [1, 2]),
        ("$string($sum([1, 2, 3]) / $count([1, 2]))", "3"),
        ("$exists($states.input.gone)", False),
        ("$uppercase($states.context.State.Name)", "S"),
        ("[{'v': 1}, {'v': 2}][v = 2].v", 2),
        ("$merge([{'a': 1}, {'b': 2}])", {"a": 1, "b": 2}),
    ],
)
def test_an_expression_yields(text: str, value: Any) -> None:
    assert jsonata.fill({"x": "{% " + text + " %}", "y": "plain"}, VALUES) == {
        "x": value,
        "y": "plain",
    }


@pytest.mark.parametrize("text", ["$states.input.gone", "$fromMillis(1)", "1 +", "a ~> b"])
def test_what_is_not_known_of_jsonata_fails_the_state_by_name(text: str) -> None:
    with pytest.raises(FailureError) as raised:
        jsonata.fill("{% " + text + " %}", VALUES)
    assert raised.value.error == "States.QueryEvaluationError"
    assert text.strip() in (raised.value.cause or "")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "INVALID_JSON_DESCRIPTION"),
        ('{"States": {}}', "'States' is required at /"),
        ('{"StartAt": "x", "States": {"s": {"Type": "Succeed"}}}', "'StartAt' target"),
        ('{"StartAt": "s", "States": {"s": {"Type": "Sleep"}}}', "one of .* at /States/s/Type"),
        ('{"StartAt": "s", "States": {"s": {"Type": "Pass", "Next": "x"}}}', "'Next' target"),
        ('{"StartAt": "s", "States": {"s": {"Type": "Pass"}}}', "'Next' or 'End' is required"),
        ('{"StartAt": "s", "States": {"s": {"Type": "Map", "End": true}}}', "s/ItemProcessor/"),
    ],
)
def test_a_definition_that_leads_nowhere_is_refused(lab: Client, text: str, why: str) -> None:
    states = lab.client("stepfunctions")
    with pytest.raises(states.exceptions.InvalidDefinition, match=why):
        states.create_state_machine(name="m", definition=text, roleArn=ROLE)


def test_a_machine_in_jsonata(stage: Stage) -> None:
    stage.function("return {'doubled': event['n'] * 2}")
    arguments = {"FunctionName": ARN, "Payload": {"n": "{% $states.input.n %}"}}
    states = {
        "T": {
            "Type": "Task",
            "Resource": INVOKE,
            "Arguments": arguments,
            "Assign": {"kept": "{% $states.result.Payload.doubled %}"},
            "Output": {"was": "{% $states.input.n %}"},
            "Next": "C",
        },
        "C": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $kept > 5 %}", "Next": "P"}],
            "Default": "F",
        },
        "P": {"Type": "Pass", "Output": "{% $kept + $states.input.was %}", "End": True},
        "F": {"Type": "Fail"},
    }
    execution = stage.run(states, {"n": 3}, QueryLanguage="JSONata")
    assert json.loads(stage.ended(execution)["output"]) == 9
    scheduled = json.loads(details(stage.events(execution)[2])["parameters"])
    assert scheduled == {"FunctionName": ARN, "Payload": {"n": 3}}
    raw = json.loads(details(stage.events(execution)[4])["output"])
    assert raw["ExecutedVersion"] == "$LATEST"


def test_a_machine_in_jsonata_catches(stage: Stage) -> None:
    stage.function("raise ValueError")
    arguments = {"FunctionName": ARN}
    caught = {
        "ErrorEquals": ["ValueError"],
        "Output": {"why": "{% $states.errorOutput.Error %}"},
        "Next": "S",
    }
    task = {"Type": "Task", "Resource": INVOKE, "Arguments": arguments, "Catch": [caught]}
    states = {"T": {**task, "End": True}, "S": {"Type": "Succeed"}}
    execution = stage.run(states, QueryLanguage="JSONata")
    assert json.loads(stage.ended(execution)["output"]) == {"why": "ValueError"}
