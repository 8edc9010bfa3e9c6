"""Callers in documents that others wrote, and the images that they reach."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.aws.session import Session
from deployguard.aws.turnstile import Pace, is_local
from deployguard.errors import AwsFailure
from deployguard.hazards import Grant
from deployguard.model import Expected, Link, Route
from deployguard.routes import definitions, policies, render, resolve, stages
from deployguard.routes.definitions import Integration, UnreadableError
from deployguard.routes.names import Callee, Match
from deployguard.routes.nouns import Audit, Outcome, Path, Served
from deployguard.routes.stages import Stage
from deployguard.traffic import Caller, Unread, Use

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
PATH = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions"
INVOKE = "arn:aws:states:::lambda:invoke"
CALLEE = Callee(ARN)
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
SERVED = Served(
    {
        "$LATEST": {"$LATEST": 1.0},
        "1": {"1": 1.0},
        "2": {"2": 1.0},
        "live": {"1": 1.0},
        "next": {"2": 1.0},
        "canary": {"2": 0.9, "1": 0.1},
        "ready": {"2": 1.0, "1": 0.0},
    },
    {"$LATEST": NEW, "1": OLD, "2": NEW},
    {NEW: "b2", OLD: "b1"},
)
MEMBERS = (
    *("States", "Type", "Resource", "Parameters", "Arguments", "FunctionName", "FunctionName.$"),
    *("Branches", "Iterator", "ItemProcessor", "Statement", "Effect", "Principal", "Condition"),
    *("Action", "Service", "paths", "securityDefinitions", "x-amazon-apigateway-integration"),
    *("uri", "get", "/"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=25,
)


# Names


@pytest.mark.parametrize(
    ("text", "qualifier"),
    [
        (ARN, "$LATEST"),
        (f"{ARN}:live", "live"),
        (f"{ARN}:$LATEST", "$LATEST"),
        (f"{ARN}:7", "7"),
        ("reports", "$LATEST"),
        ("reports:live", "live"),
        ("function:reports:live", "live"),
        ("123456789012:function:reports", "$LATEST"),
        (f"{PATH}/{ARN}:live/invocations", "live"),
        (f"{PATH}/{ARN}/invocations", "$LATEST"),
        ("{% 'reports:live' %}", "live"),
    ],
)
def test_every_way_to_name_the_function_is_known(text: str, qualifier: str) -> None:
    assert CALLEE.match(text) == Match(qualifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        7,
        [ARN],
        f"{ARN}-archive",
        f"{ARN}:",
        f"{ARN}:a:b",
        f"{ARN}:live\n",
        "Reports",
        "arn:aws:lambda:eu-west-2:123456789012:function:reports",
        "arn:aws:lambda:eu-west-1:210987654321:function:reports",
        f"{PATH}/{ARN}-archive/invocations",
        "arn:aws:sqs:eu-west-1:123456789012:reports",
        "https://example.com/${stageVariables.path}",
        "orders-${stageVariables.stage}",
    ],
)
def test_another_function_is_not_taken_for_this_one(text: Any) -> None:
    assert CALLEE.match(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "${stageVariables.function}",
        f"{ARN}:${{stageVariables.alias}}",
        "rep${x}",
        "{% $states.input.name %}",
        f"{PATH}/arn:aws:lambda:eu-west-1:123456789012:function:${{stageVariables.f}}/invocations",
    ],
)
def test_a_name_that_run_time_makes_may_be_this_function(text: str) -> None:
    assert CALLEE.match(text) == Match(None)


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.sampled_from(["live", "4"]))
def test_a_name_is_matched_whole_whatever_it_is(name: str, qualifier: str) -> None:
    callee = Callee(ARN.replace("reports", name))
    for known in callee.names:
        assert callee.match(f"{known}:{qualifier}") == Match(qualifier)
        assert callee.match(f"{known}x") is None
        assert callee.match(f"x{known}") is None


@given(st.text())
def test_any_text_is_a_match_or_none(text: str) -> None:
    found = CALLEE.match(text)
    assert found is None or found.qualifier is None or re.fullmatch(r"\$?[\w-]+", found.qualifier)


@pytest.mark.parametrize(
    ("qualifier", "expected"),
    [("live", "live"), ("", "$LATEST"), (None, "$LATEST"), ("${x}", None), (3, None)],
)
def test_a_qualifier_beside_the_name_counts(qualifier: Any, expected: str | None) -> None:
    assert CALLEE.match_call("reports", qualifier) == Match(expected)


# Definitions of state machines


def machine(**states: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def task(**members: Any) -> dict[str, Any]:
    return {"Type": "Task", "End": True, **members}


def told(definition: Any) -> list[tuple[str, str | None]]:
    calls = definitions.calls(json.dumps(definition), CALLEE)
    return sorted((call.where, call.match.qualifier) for call in calls)


@pytest.mark.parametrize(
    ("state", "qualifier"),
    [
        (task(Resource=f"{ARN}:live"), "live"),
        (task(Resource=INVOKE, Parameters={"FunctionName": "reports:live"}), "live"),
        (task(Resource=INVOKE, Parameters={"FunctionName": ARN, "Qualifier": "live"}), "live"),
        (
            task(Resource=f"{INVOKE}.waitForTaskToken", Parameters={"FunctionName": ARN}),
            "$LATEST",
        ),
        (
            task(
                Resource="arn:aws:states:::aws-sdk:lambda:invoke",
                Arguments={"FunctionName": f"{ARN}:live", "Payload": "{% $states.input %}"},
            ),
            "live",
        ),
        (task(Resource=INVOKE, Parameters={"FunctionName.$": "$.name"}), None),
        (task(Resource=INVOKE, Arguments={"FunctionName": "{% $name %}"}), None),
        (task(Resource=INVOKE, Arguments="{% $call %}"), None),
        (task(Resource=INVOKE), None),
        (
            task(Resource=INVOKE, Parameters={"FunctionName": ARN, "Qualifier.$": "$.alias"}),
            None,
        ),
    ],
)
def test_a_task_says_whom_it_calls(state: dict[str, Any], qualifier: str | None) -> None:
    assert told(machine(work=state)) == [("state work", qualifier)]


@pytest.mark.parametrize(
    "state",
    [
        task(Resource=INVOKE, Parameters={"FunctionName": f"{ARN}-archive"}),
        task(Resource=INVOKE, Parameters={"FunctionName": "orders", "Qualifier.$": "$.alias"}),
        task(Resource="arn:aws:states:::sqs:sendMessage", Parameters={"FunctionName": ARN}),
        {"Type": "Pass", "Resource": ARN, "End": True},
    ],
)
def test_what_calls_nobody_or_another_function_is_left_out(state: dict[str, Any]) -> None:
    assert told(machine(work=state)) == []


def test_states_inside_parallel_and_map_are_found() -> None:
    inner = machine(c={"Type": "Map", "Iterator": machine(d=task(Resource=f"{ARN}:d"))})
    outer = machine(
        a={"Type": "Parallel", "Branches": [machine(b=task(Resource=f"{ARN}:b")), inner]},
        e={"Type": "Map", "ItemProcessor": machine(f=task(Resource=f"{ARN}:f"))},
    )
    assert told(outer) == [("state b", "b"), ("state d", "d"), ("state f", "f")]


def test_a_definition_that_goes_in_circles_is_read_once() -> None:
    choice = {"Type": "Choice", "Choices": [], "Default": "a"}
    looping = machine(a={"Type": "Task", "Resource": ARN, "Next": "b"}, b=choice)
    assert told(looping) == [("state a", "$LATEST")]


def test_a_definition_of_a_mebibyte_is_read() -> None:
    states = {f"s{number}": task(Resource=f"{ARN}:live") for number in range(9000)}
    assert len(told(machine(**states))) == 9000


def test_a_definition_that_is_nested_a_thousand_deep_is_read_or_said_to_be_unreadable() -> None:
    opening, closing = '{"States": {"s": {"Type": "Map", "Iterator": ', "}}}"
    for depth in (100, 1000, 20_000):
        text = opening * depth + json.dumps(machine(t=task(Resource=ARN))) + closing * depth
        with suppress(UnreadableError):
            assert len(list(definitions.calls(text, CALLEE))) == 1


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"States": []}', "[" * 100_000, 5])
def test_what_is_no_definition_is_said_to_be_unreadable(text: Any) -> None:
    with pytest.raises(UnreadableError):
        list(definitions.calls(text, CALLEE))


@given(JSON)
def test_no_document_ends_in_a_traceback(document: Any) -> None:
    text = json.dumps(document)
    for read in (
        lambda: list(definitions.calls(text, CALLEE)),
        lambda: list(definitions.calls(json.dumps(machine(a=document)), CALLEE)),
        lambda: definitions.universal(text, CALLEE),
        lambda: list(definitions.integrations(text)),
        lambda: list(policies.grants(text, qualifier="live")),
        lambda: list(policies.grants(json.dumps({"Statement": document}), qualifier="live")),
    ):
        with suppress(UnreadableError):
            read()


# APIs


def test_a_stage_calls_what_its_own_variables_say() -> None:
    uri = f"{PATH}/{ARN}:${{stageVariables.alias}}/invocations"
    stage = Stage(
        "REST API",
        "web",
        "prod",
        (Integration("GET /", uri),),
        {"alias": "live"},
        {"alias": "next"},
    )
    assert [(each.qualifier, each.via) for each in stages.callers(stage, CALLEE)] == [
        ("live", "stage prod, GET /, by stageVariables.alias"),
        ("next", "canary of stage prod, GET /, by stageVariables.alias"),
    ]


def test_a_variable_that_a_stage_lacks_leaves_the_qualifier_unknown() -> None:
    uri = f"{PATH}/{ARN}:${{stageVariables.alias}}/invocations"
    stage = Stage("REST API", "web", "prod", (Integration("GET /", uri),), {})
    assert [each.qualifier for each in stages.callers(stage, CALLEE)] == [None]


def test_many_methods_of_a_stage_are_one_caller() -> None:
    methods = tuple(Integration(f"GET /{n}", f"{PATH}/{ARN}:live/invocations") for n in range(9))
    (caller,) = stages.callers(Stage("REST API", "web", "prod", methods, {}), CALLEE)
    assert caller.via == "stage prod, GET /0, GET /1, GET /2 and 6 more"


def test_an_export_tells_of_methods_and_authorizers() -> None:
    integration = {"x-amazon-apigateway-integration": {"uri": "u", "type": "aws_proxy"}}
    export = {
        "paths": {"/a": {"get": integration, "x-amazon-apigateway-any-method": integration}},
        "securityDefinitions": {
            "who": {"x-amazon-apigateway-authorizer": {"authorizerUri": "v"}},
            "key": {"type": "apiKey"},
        },
    }
    assert list(definitions.integrations(json.dumps(export))) == [
        ("GET /a", "u"),
        ("ANY /a", "u"),
        ("authorizer who", "v"),
    ]


def test_an_export_without_integrations_is_not_taken_for_an_api_without_any() -> None:
    with pytest.raises(UnreadableError):
        list(definitions.integrations(json.dumps({"paths": {"/": {"get": {}}}})))


# Policies


def statement(principal: Any, **members: Any) -> str:
    return json.dumps({"Statement": [{"Effect": "Allow", "Principal": principal, **members}]})


def test_services_whose_callers_are_read_elsewhere_only_may_call() -> None:
    def use(principal: Any, **members: Any) -> Use:
        (grant,) = policies.grants(statement(principal, **members), qualifier="live")
        return policies.caller(grant).use

    assert use({"Service": "s3.amazonaws.com"}) is Use.MAY
    assert use("*", Action="lambda:InvokeFunctionUrl") is Use.MAY
    assert use({"Service": "cognito-idp.amazonaws.com"}) is Use.CALLS
    assert use({"AWS": "arn:aws:iam::210987654321:root"}) is Use.CALLS


def test_the_sources_of_a_service_are_named_once_and_a_pattern_is_anything() -> None:
    grants = [
        Grant("s3.amazonaws.com", "live", "arn:aws:s3:::a or arn:aws:s3:::b"),
        Grant("s3.amazonaws.com", "next", "arn:aws:s3:::a"),
        Grant("s3.amazonaws.com", "next", "arn:aws:s3:::c*"),
        Grant("sns.amazonaws.com", "next", "arn:aws:sns:::t"),
    ]
    assert policies.sources(grants, "s3") == ["arn:aws:s3:::a", "arn:aws:s3:::b", ""]


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "[]",
        "{",
        '{"Statement": [1]}',
        '{"Statement": [{"Effect": "Allow", "Condition": {"StringLike": "x"}}]}',
        '{"Statement": [{"Effect": "Allow", "Principal": {"Service": [{}]}}]}',
    ],
)
def test_a_policy_that_cannot_be_read_is_not_taken_for_none(policy: str) -> None:
    with pytest.raises(UnreadableError):
        list(policies.grants(policy, qualifier="live"))


# Where it ends


@pytest.mark.parametrize(
    ("qualifier", "outcome"),
    [
        ("live", Outcome.OTHER),
        ("next", Outcome.EXPECTED),
        ("canary", Outcome.OTHER),
        ("ready", Outcome.EXPECTED),
        ("$LATEST", Outcome.EXPECTED),
        ("gone", Outcome.NOWHERE),
        (None, Outcome.UNKNOWN),
    ],
)
def test_a_caller_is_followed_to_its_image(qualifier: str | None, outcome: Outcome) -> None:
    (path,) = resolve.paths([Caller("rule", "r", qualifier)], SERVED, digest=NEW)
    assert path.outcome is outcome


def audit(*callers: Caller, unread: tuple[Unread, ...] = ()) -> Audit:
    expected = Expected(NEW, "b2", Link.VERIFIED)
    return Audit(ARN, expected, resolve.paths(callers, SERVED, digest=NEW), unread)


@pytest.mark.parametrize(
    ("callers", "exit_code"),
    [
        ([], 0),
        ([Caller("rule", "r", "next")], 0),
        ([Caller("rule", "r", "next"), Caller("rule", "s", "live")], 10),
        ([Caller("rule", "s", "gone")], 10),
        ([Caller("rule", "s", None)], 11),
        ([Caller("rule", "s", None), Caller("rule", "s", "live")], 10),
        ([Caller("rule", "s", "live", use=Use.OFF), Caller("x", "y", "1", use=Use.MAY)], 0),
    ],
)
def test_the_exit_code_is_that_of_the_worst_route(callers: list[Caller], exit_code: int) -> None:
    assert audit(*callers).exit_code == exit_code


UNREAD = Unread("rules", "the role lacks events:ListRules on *", "add it")


def test_what_is_unread_makes_an_audit_unknown_but_not_less_stale() -> None:
    assert audit(unread=(UNREAD,)).exit_code == 11
    assert audit(Caller("rule", "r", "live"), unread=(UNREAD,)).exit_code == 10


def test_traffic_makes_one_route_for_each_qualifier() -> None:
    callers = [
        Caller("rule", "b", "live"),
        Caller("rule", "a", "live"),
        Caller("rule", "c", "gone"),
        Caller("rule", "d", None),
        Caller("rule", "e", "next", use=Use.OFF),
        Caller("rule", "f", "canary"),
    ]
    assert resolve.routes(callers, SERVED) == (
        Route("rule f", "canary", {"2": 0.9, "1": 0.1}),
        Route("rule a, rule b", "live", {"1": 1.0}),
    )


# What is shown


def test_a_graph_holds_nothing_that_a_name_could_smuggle_in() -> None:
    shown = render.mermaid(audit(Caller("REST API", 'a"]; click x "javascript:1"\nB-->C', "live")))
    lines = shown.splitlines()
    assert lines[0] == "flowchart LR"
    edge = re.compile(
        r'  n\d+\["[^"\]\[;]*(#\d+;[^"\]\[;]*)*"\] (-->|-\.->|-- "\d+%" -->) n\d+\["[^"]*"\]'
    )
    assert all(edge.fullmatch(line) for line in lines[1:])


@given(st.text(), st.text(), st.none() | st.text())
def test_every_caller_is_one_line_of_the_table(name: str, via: str, qualifier: str | None) -> None:
    shown = render.text(audit(Caller("rule", name, qualifier, via)))
    assert len(shown.splitlines()) == 6
    assert len(render.mermaid(audit(Caller("rule", name, qualifier, via))).splitlines()) >= 2


def test_the_table_names_what_could_not_be_read() -> None:
    shown = render.text(audit(unread=(UNREAD,)))
    assert "- rules: the role lacks events:ListRules on *" in shown


def test_the_worst_route_comes_first() -> None:
    paths = audit(
        Caller("rule", "a", "next"), Caller("rule", "b", None), Caller("rule", "c", "live")
    ).paths
    assert [each.caller.name for each in paths] == ["c", "b", "a"]
    assert isinstance(paths[0], Path)


# Pages


def read_all(*pages: dict[str, Any]) -> list[int]:
    """Read pages as they would come from AWS, one for each call."""
    left = iter(pages)
    return list(Session().read_all("list them", lambda **_: next(left), "Items"))


@pytest.mark.parametrize("token", ["NextMarker", "NextToken", "nextToken", "position"])
def test_pages_are_read_to_the_last_by_whatever_names_the_next(token: str) -> None:
    assert read_all({"Items": [1], token: "a"}, {"Items": [2], token: "b"}, {"Items": [3]}) == [
        1,
        2,
        3,
    ]


def test_a_page_that_lacks_its_list_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(AwsFailure, match="the answer holds no Items"):
        read_all({"Items": [1], "NextToken": "a"}, {})


def test_pages_that_go_round_in_a_circle_are_left() -> None:
    page = {"Items": [1], "NextToken": "a"}
    with pytest.raises(AwsFailure, match="its pages go round in a circle"):
        read_all(page, page, page)


# Pace


def test_calls_are_spread_evenly() -> None:
    pace = Pace(10)
    assert [round(pace.delay(5.0), 3) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]
    assert pace.delay(9.0) == 0.0


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://127.0.0.1:4566", True),
        ("https://[::1]:4566", True),
        ("http://localhost:4566", True),
        ("https://lambda.eu-west-1.amazonaws.com", False),
        ("https://127.0.0.1.example.com", False),
    ],
)
def test_only_what_is_on_this_machine_is_asked_without_pauses(
    endpoint: str, expected: bool
) -> None:
    assert is_local(endpoint) is expected
