"""Where traffic really goes: every kind of caller, and what the role may not read."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.guard.account import (
    ACCOUNT,
    FUNCTION,
    INVOKE,
    PATH,
    REGION,
    allow,
    count,
    machine,
    notify,
    pipe,
    rest_api,
    routes,
    rule,
    schedule,
    subscribe,
)
from tests.guard.world import Team, eventually


def found(team: Team, source: str) -> set[tuple[str, str | None, str]]:
    """Return the kind, qualifier and use of each caller that one source shows."""
    finished, document = routes(team, "--sources", source)
    assert document, finished.err
    assert document["unread"] == []
    return {(each["kind"], each["qualifier"], each["use"]) for each in document["routes"]}


def test_a_function_that_nobody_calls_has_no_routes(reports: Team) -> None:
    finished, document = routes(reports)
    assert (finished.exit_code, document["routes"], document["unread"]) == (0, [], [])
    assert "nothing was found that calls it" in finished.out


def test_an_event_source_mapping_keeps_its_qualifier(reports: Team) -> None:
    for number, name in enumerate(("reports:live", "reports", "reports:next", "reports:1")):
        reports.functions.create_event_source_mapping(
            FunctionName=name,
            EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s{number}",
            StartingPosition="LATEST",
            Enabled=name != "reports:1",
        )
    kind = "event source mapping"
    assert found(reports, "mappings") == {
        (kind, "live", "calls"),
        (kind, "$LATEST", "calls"),
        (kind, "next", "calls"),
        (kind, "1", "off"),
    }


def test_rules_are_found_on_every_bus(reports: Team) -> None:
    reports.lab.client("events").create_event_bus(Name="orders")
    rule(reports, "hourly", f"{FUNCTION}:live")
    rule(reports, "other", f"{FUNCTION}-archive")
    rule(reports, "off", FUNCTION, bus="orders", state="DISABLED")
    rule(reports, "dangling", f"{FUNCTION}:gone", bus="orders")
    assert found(reports, "rules") == {
        ("EventBridge rule", "live", "calls"),
        ("EventBridge rule", "$LATEST", "off"),
        ("EventBridge rule", "gone", "calls"),
    }


def test_schedules_are_found_behind_universal_targets_too(reports: Team) -> None:
    universal = "arn:aws:scheduler:::aws-sdk:lambda:invoke"
    schedule(reports, "plain", {"Arn": f"{FUNCTION}:live"})
    told = {"FunctionName": "reports", "Qualifier": "next", "Payload": "{}"}
    schedule(reports, "universal", {"Arn": universal, "Input": json.dumps(told)})
    told = {"FunctionName": "invoices"}
    schedule(reports, "another", {"Arn": universal, "Input": json.dumps(told)})
    assert found(reports, "schedules") == {
        ("schedule", "live", "calls"),
        ("schedule", "next", "calls"),
    }


def test_pipes_are_found_by_target_and_by_enrichment(reports: Team) -> None:
    pipe(reports, "a", target=f"{FUNCTION}:live")
    pipe(reports, "b", target=f"{FUNCTION}-archive", enrichment=FUNCTION)
    assert found(reports, "pipes") == {("pipe", "live", "calls"), ("pipe", "$LATEST", "calls")}


def test_state_machines_are_read_task_by_task(reports: Team) -> None:
    machine(
        reports,
        "nightly",
        {"Resource": f"{FUNCTION}:live"},
        {"Resource": INVOKE, "Parameters": {"FunctionName": FUNCTION, "Qualifier": "next"}},
        {"Resource": INVOKE, "Parameters": {"FunctionName": f"{FUNCTION}-archive"}},
    )
    assert found(reports, "state-machines") == {
        ("state machine", "live", "calls"),
        ("state machine", "next", "calls"),
    }


def test_a_name_that_is_made_at_run_time_is_unknown(reports: Team) -> None:
    machine(reports, "any", {"Resource": INVOKE, "Parameters": {"FunctionName.$": "$.name"}})
    finished, document = routes(reports, "--sources", "state-machines")
    (route,) = document["routes"]
    assert (finished.exit_code, route["qualifier"], route["outcome"]) == (11, None, "unknown")


def test_versions_of_a_state_machine_are_read_as_they_were(reports: Team) -> None:
    states = reports.lab.client("stepfunctions")
    made = machine(reports, "m", {"Resource": f"{FUNCTION}:live"}, publish=True)
    states.create_state_machine_alias(
        name="prod",
        routingConfiguration=[
            {"stateMachineVersionArn": made["stateMachineVersionArn"], "weight": 100}
        ],
    )
    after = {"StartAt": "s", "States": {"s": {"Type": "Task", "Resource": FUNCTION, "End": True}}}
    states.update_state_machine(
        stateMachineArn=made["stateMachineArn"], definition=json.dumps(after), publish=True
    )
    _, document = routes(reports, "--sources", "state-machines")
    assert document["unread"] == []
    assert {(each["qualifier"], each["via"], each["use"]) for each in document["routes"]} == {
        ("$LATEST", "state s", "calls"),
        ("$LATEST", "state s, no alias", "may call"),
        ("live", "state s0, alias prod", "calls"),
    }


def test_a_stage_variable_names_the_alias(reports: Team) -> None:
    uri = f"{PATH}/{FUNCTION}:${{stageVariables.alias}}/invocations"
    rest_api(reports, uri, variables={"alias": "live"})
    finished, document = routes(reports, "--sources", "rest-apis")
    (route,) = document["routes"]
    assert (finished.exit_code, route["qualifier"], route["versions"]) == (10, "live", {"1": 1.0})
    assert route["via"] == "stage prod, GET /, by stageVariables.alias"


def test_an_edit_that_is_not_deployed_changes_no_route(reports: Team) -> None:
    rest_api(reports, f"{PATH}/{FUNCTION}:live/invocations")
    client = reports.lab.client("apigateway")
    (api,) = client.get_rest_apis()["items"]
    (root,) = client.get_resources(restApiId=api["id"])["items"]
    client.put_integration(
        restApiId=api["id"],
        resourceId=root["id"],
        httpMethod="GET",
        type="AWS_PROXY",
        integrationHttpMethod="POST",
        uri=f"{PATH}/{FUNCTION}:next/invocations",
    )
    assert found(reports, "rest-apis") == {("REST API", "live", "calls")}


def test_stages_that_share_a_deployment_are_exported_once(reports: Team) -> None:
    rest_api(reports, f"{PATH}/{FUNCTION}:live/invocations", stages=("prod", "test"))
    _, document = routes(reports, "--sources", "rest-apis")
    assert {each["via"] for each in document["routes"]} == {
        "stage prod, GET /",
        "stage test, GET /",
    }
    assert reports.lab.calls()["apigateway.GetExport"] == 1


def test_what_is_edited_stands_in_for_an_export_that_cannot_be_read(reports: Team) -> None:
    rest_api(reports, f"{PATH}/{FUNCTION}:live/invocations")
    reports.lab.fault(operation="GetExport", kind="garble", times=None)
    _, document = routes(reports, "--sources", "rest-apis")
    (route,) = document["routes"]
    assert route["qualifier"] == "live"
    assert "what is deployed could not be read" in route["via"]


def test_http_and_websocket_apis_are_found(reports: Team) -> None:
    client = reports.lab.client("apigatewayv2")
    invoke = f"{PATH}/{FUNCTION}:next/invocations"
    for protocol, uri in (("HTTP", f"{FUNCTION}:live"), ("WEBSOCKET", invoke)):
        api = client.create_api(
            Name="web", ProtocolType=protocol, RouteSelectionExpression="$request.body.action"
        )["ApiId"]
        client.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=uri)
        client.create_authorizer(
            ApiId=api,
            Name="who",
            AuthorizerType="REQUEST",
            AuthorizerPayloadFormatVersion="2.0",
            IdentitySource=["$request.header.Auth"],
            AuthorizerUri=f"{PATH}/{FUNCTION}:1/invocations",
        )
        client.create_stage(ApiId=api, StageName="prod")
    assert found(reports, "http-apis") == {
        ("HTTP API", "live", "calls"),
        ("HTTP API", "1", "calls"),
        ("WebSocket API", "next", "calls"),
        ("WebSocket API", "1", "calls"),
    }


def test_function_urls_are_found_by_alias(reports: Team) -> None:
    reports.functions.create_function_url_config(
        FunctionName="reports", Qualifier="live", AuthType="NONE"
    )
    assert found(reports, "urls") == {("function URL", "live", "calls")}


def test_destinations_of_other_functions_are_found(reports: Team) -> None:
    other = Team(reports.lab, reports.folder, name="orders")
    other.ship("b9")
    other.functions.put_function_event_invoke_config(
        FunctionName="orders",
        DestinationConfig={"OnSuccess": {"Destination": f"{FUNCTION}:live"}},
    )
    assert found(reports, "destinations") == {("destination", "live", "calls")}


def test_topics_and_buckets_are_found_by_the_policies(reports: Team) -> None:
    subscribe(reports)
    notify(reports)
    assert found(reports, "topics") == {("SNS topic", "live", "calls")}
    assert found(reports, "buckets") == {("S3 notification", "live", "calls")}
    assert found(reports, "policies") == {("resource policy", "live", "may call")}


def test_a_policy_is_all_that_shows_some_callers(reports: Team) -> None:
    allow(reports, "cognito-idp.amazonaws.com", None, "live")
    finished, _ = routes(reports, "--sources", "policies")
    assert finished.exit_code == 10
    assert found(reports, "policies") == {("resource policy", "live", "calls")}


def test_load_balancers_are_found_by_their_target_groups(reports: Team) -> None:
    client = reports.lab.client("elbv2")
    (group,) = client.create_target_group(Name="web", TargetType="lambda")["TargetGroups"]
    arn = group["TargetGroupArn"]
    client.register_targets(TargetGroupArn=arn, Targets=[{"Id": f"{FUNCTION}:live"}])
    assert found(reports, "load-balancers") == {("target group", "live", "off")}


def test_counted_invocations_show_callers_that_nothing_else_does(reports: Team) -> None:
    count(reports, 10)  # moto adds up what AWS keeps apart: in all it tells of 100
    count(reports, 60, "reports:live")
    count(reports, 30, "reports:1")
    finished, document = routes(reports, "--sources", "metrics")
    assert finished.exit_code == 10
    assert {(e["qualifier"], e["caller"], e["use"]) for e in document["routes"]} == {
        ("live", "60 invocations in 14 days", "calls"),
        ("1", "30 invocations in 14 days", "may call"),
        ("$LATEST", "about 10 unqualified invocations in 14 days", "calls"),
    }


def test_each_version_behind_a_weighted_alias_is_shown_with_its_build(reports: Team) -> None:
    reports.point("2", "next", weights={"1": 0.25})
    rule(reports, "hourly", f"{FUNCTION}:next")
    finished, document = routes(reports, "--sources", "rules")
    (route,) = document["routes"]
    assert finished.exit_code == 10
    assert [(e["version"], e["share"], e["build_id"]) for e in route["ends"]] == [
        ("2", 0.75, "b2"),
        ("1", 0.25, "b1"),
    ]
    images = " + ".join(f"{e['build_id']} {e['digest'][:19]}" for e in route["ends"])
    assert f"75% 2 + 25% 1  {images}  another image" in finished.out


def test_routes_that_all_end_at_the_expected_image_exit_with_0(reports: Team) -> None:
    rule(reports, "hourly", f"{FUNCTION}:next")
    finished, document = routes(reports)
    assert finished.exit_code == 0
    assert [each["outcome"] for each in document["routes"]] == ["expected"]


def test_another_image_can_be_the_expected_one(reports: Team) -> None:
    rule(reports, "hourly", f"{FUNCTION}:live")
    first = reports.functions.get_function(FunctionName="reports", Qualifier="1")
    uri = first["Code"]["ResolvedImageUri"]
    assert routes(reports, "--sources", "rules", "--image", uri)[0].exit_code == 0
    assert routes(reports, "--sources", "rules")[0].exit_code == 10


def test_a_qualifier_that_is_gone_ends_nowhere(reports: Team) -> None:
    rule(reports, "hourly", f"{FUNCTION}:gone")
    finished, document = routes(reports, "--sources", "rules")
    assert (finished.exit_code, document["routes"][0]["outcome"]) == (10, "nothing of that name")


def test_a_signal_ends_an_audit_and_leaves_a_document_that_says_so(reports: Team) -> None:
    reports.lab.fault(operation="ListRules", kind="delay", seconds=2)
    process = reports.start("routes", "reports")
    eventually(lambda: "events.ListRules" in reports.lab.calls())
    process.terminate()
    _, err = process.communicate(timeout=30)
    path = reports.folder / "deployguard-report" / "routes.json"
    assert process.returncode == 143, err
    assert json.loads(path.read_text())["error"]["happened"] == "interrupted by signal 15"


@pytest.mark.parametrize(
    ("form", "begins"), [("text", f"{FUNCTION}\n"), ("json", "{"), ("mermaid", "flowchart LR\n")]
)
def test_the_audit_is_printed_as_asked(reports: Team, form: str, begins: str) -> None:
    rule(reports, "hourly", f"{FUNCTION}:live")
    finished, document = routes(reports, "--format", form)
    assert finished.out.startswith(begins)
    if form == "json":
        assert json.loads(finished.out) == document


def test_a_function_that_does_not_exist_is_an_error_with_a_document(team: Team) -> None:
    finished, document = routes(team)
    assert (finished.exit_code, document["exit_code"]) == (3, 3)
    assert document["error"]["happened"] in finished.err


def test_nothing_is_written_to_aws(reports: Team) -> None:
    rule(reports, "hourly", f"{FUNCTION}:live")
    before = reports.lab.writes()
    routes(reports)
    assert reports.lab.writes() == before


@pytest.fixture
def crowded(reports: Team) -> Callable[[int], dict[str, int]]:
    """Fill the account so far, audit it, and return the calls by operation."""

    def audit(number: int) -> dict[str, int]:
        for each in range(number):
            rule(reports, f"r{number}-{each}", f"{FUNCTION}-{each}")
            machine(reports, f"m{number}-{each}", {"Resource": f"{FUNCTION}-{each}"})
        before = reports.lab.calls()
        routes(reports, "--sources", "rules,state-machines")
        after = reports.lab.calls()
        return {name: after[name] - before.get(name, 0) for name in after}

    return audit


def test_calls_grow_with_what_is_read(crowded: Callable[[int], dict[str, int]]) -> None:
    few, more = crowded(5), crowded(20)
    assert few["events.ListTargetsByRule"] == few["states.DescribeStateMachine"] == 5
    assert more["events.ListTargetsByRule"] == more["states.DescribeStateMachine"] == 25
    assert sum(more.values()) < 6 * sum(few.values())


def test_lists_are_read_in_the_largest_pages_that_aws_allows(reports: Team) -> None:
    for number in range(60):
        schedule(reports, f"s{number}", {"Arn": f"{FUNCTION}:live"})
    _, document = routes(reports, "--sources", "schedules")
    assert len(document["routes"]) == 60
    assert reports.lab.calls()["scheduler.ListSchedules"] == 1
