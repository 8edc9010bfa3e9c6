"""The routes that real traffic takes are judged with those that were named."""

from __future__ import annotations

import json

import pytest

from tests.guard.account import FUNCTION, INVOKE, PATH, machine, rest_api, rule
from tests.guard.world import Finished, Team


@pytest.fixture
def discovering(team: Team) -> Team:
    """Have callers looked for, as they are by default."""
    team.environment["DEPLOYGUARD_ROUTES"] = ""
    team.lab.set(virtual=True)
    return team


def queue(team: Team, qualifier: str) -> str:
    """Bind a queue to a qualifier, and return the mapping's id."""
    sqs = team.lab.client("sqs")
    arn = sqs.get_queue_attributes(
        QueueUrl=sqs.create_queue(QueueName="jobs")["QueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    mapping = team.functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=f"{team.name}:{qualifier}"
    )
    return str(mapping["UUID"])


@pytest.fixture
def incident(discovering: Team) -> Team:
    """Have a queue bound to an alias that three updates left where it was."""
    team = discovering
    team.ship("b1")
    team.publish()
    team.point("1")
    queue(team, "live")
    for build in ("b2", "b3", "b4"):
        team.ship(build)
    return team


@pytest.mark.parametrize("asked", ["reports", "reports:$LATEST"])
def test_an_alias_that_nobody_moved_is_the_cause_and_no_container_is_blamed(
    incident: Team, asked: str
) -> None:
    finished = incident.run("verify", asked)
    assert finished.exit_code == 10, finished.err
    assert finished.rulings["live"] == "STALE"
    (finding,) = [f for f in finished.function["findings"] if f["id"] == "DG202"]
    assert "arn:aws:sqs:eu-west-1:123456789012:jobs" in finding["seen"]
    assert "version 1" in finding["seen"]
    assert {"DG201", "DG204"}.isdisjoint(finished.findings)
    assert "warm" not in (finished.out + finished.err).lower()


def test_moving_the_alias_makes_it_fresh(incident: Team) -> None:
    assert incident.run("verify", "reports").exit_code == 10
    finished = incident.check()
    assert finished.exit_code == 0, finished.out + finished.err
    assert incident.alias() == "2"
    (route,) = [r for r in finished.function["routes"] if r["qualifier"] == "live"]
    assert "arn:aws:sqs:eu-west-1:123456789012:jobs" in route["caller"]
    assert incident.run("verify", "reports").exit_code == 0


def test_a_replay_reaches_the_same_verdict(incident: Team) -> None:
    finished = incident.run("verify", "reports", "--format", "json")
    replayed = incident.run("report", "--replay", "deployguard-report/report.json")
    assert replayed.exit_code == 10
    assert "jobs" in replayed.out
    assert json.loads(finished.out)["functions"][0]["callers"]


@pytest.fixture
def two(discovering: Team) -> Team:
    """Have b1 behind the aliases `live` and `batch`, and b2 deployed."""
    discovering.ship("b1")
    discovering.publish()
    discovering.point("1")
    discovering.point("1", "batch")
    discovering.ship("b2")
    return discovering


def seen(finished: Finished, identifier: str) -> str:
    """Return what a finding says that it saw."""
    (found,) = [f for f in finished.function["findings"] if f["id"] == identifier]
    return str(found["seen"])


def test_a_route_that_ends_elsewhere_is_stale_before_the_alias_is_moved(two: Team) -> None:
    queue(two, "batch")
    finished = two.check()
    assert finished.exit_code == 10, finished.err
    assert "batch sends 100% to version 1" in seen(finished, "DG202")
    assert finished.rulings["batch"] == "STALE"
    assert two.alias() == "1"
    assert "UpdateAlias" not in two.writes()


def test_the_alias_is_moved_all_the_same_where_it_is_to_stay_so(two: Team) -> None:
    queue(two, "batch")
    finished = two.check("--on-stale", "fail")
    assert finished.exit_code == 10, finished.err
    assert two.alias() == "2"


def test_a_qualifier_that_is_to_serve_another_build_is_not_judged(two: Team) -> None:
    queue(two, "batch")
    finished = two.check("--ignore", "batch")
    assert finished.exit_code == 0, finished.out
    assert "batch" not in finished.rulings
    assert [caller["qualifier"] for caller in finished.function["callers"]] == ["batch"]


def test_nobody_is_looked_for_where_routes_are_off(two: Team) -> None:
    queue(two, "batch")
    finished = two.check("--routes", "off")
    assert finished.exit_code == 0, finished.out
    assert "lambda.ListEventSourceMappings" not in set(two.lab.calls())


def test_a_weight_left_behind_is_named_with_who_gets_there(two: Team) -> None:
    two.publish()
    two.point("2", "batch", weights={"1": 0.25})
    queue(two, "batch")
    finished = two.check()
    assert finished.exit_code == 10
    assert "25% to version 1" in seen(finished, "DG203")
    assert "jobs" in seen(finished, "DG203")


def test_a_task_pinned_to_a_version_is_named_with_its_state_machine(two: Team) -> None:
    machine(two, "nightly", {"Resource": INVOKE, "Parameters": {"FunctionName": f"{FUNCTION}:1"}})
    finished = two.check()
    assert finished.exit_code == 10
    assert "nightly (state s0)" in seen(finished, "DG206")
    assert finished.rulings["1"] == "STALE"


def test_a_rule_that_goes_around_the_alias_is_said_and_its_containers_are_probed(two: Team) -> None:
    rule(two, "hourly", FUNCTION)
    finished = two.check()
    assert finished.exit_code == 0, finished.out
    assert "hourly" in seen(finished, "DG207")
    assert finished.rulings == {"$LATEST": "FRESH", "2": "FRESH", "live": "FRESH"}
    claims = {r["qualifier"]: r["coverage"]["claim"] for r in finished.function["routes"]}
    assert claims["$LATEST"] == "exhaustive"


def test_a_stage_variable_that_names_another_alias_is_named(two: Team) -> None:
    uri = f"{PATH}/{FUNCTION}:${{stageVariables.alias}}/invocations"
    rest_api(two, uri, variables={"alias": "batch"})
    finished = two.check()
    assert finished.exit_code == 10
    assert "stageVariables.alias" in seen(finished, "DG208")
    assert "DG202" not in finished.findings


def test_a_caller_of_nothing_leaves_doubt(two: Team) -> None:
    machine(two, "nightly", {"Resource": f"{FUNCTION}:gone"}, {"Resource": f"{FUNCTION}:77"})
    finished = two.check()
    assert finished.exit_code == 11, finished.out
    assert seen(finished, "DG209").startswith("77, gone does not exist")
    assert two.alias() == "1"


def test_the_alias_that_is_about_to_be_created_is_not_missed(discovering: Team) -> None:
    discovering.ship("b1")
    machine(discovering, "nightly", {"Resource": f"{FUNCTION}:live"})
    finished = discovering.check()
    assert finished.exit_code == 0, finished.out
    assert discovering.alias() == "1"


def test_what_may_not_be_read_is_doubt_only_where_all_is_required(two: Team) -> None:
    two.lab.fault(operation="ListRules", kind="error", status=403, code="AccessDenied", times=None)
    assert two.check().exit_code == 0
    finished = two.check("--routes", "required")
    assert finished.exit_code == 11, finished.out
    assert "rules of event bus default" in seen(finished, "DG310")
    assert two.check("--routes", "required", "--sources", "mappings").exit_code == 0


def test_a_source_that_a_check_cannot_use_stands_in_for_no_other(two: Team) -> None:
    finished = two.check("--routes", "required", "--sources", "metrics")
    assert finished.exit_code == 11, finished.out
    assert "CloudWatch" in seen(finished, "DG310")


def test_a_name_made_at_run_time_is_doubt_only_where_all_is_required(two: Team) -> None:
    parameters = {"FunctionName.$": "$.function"}
    machine(two, "dynamic", {"Resource": INVOKE, "Parameters": parameters})
    assert two.check().exit_code == 0
    finished = two.check("--routes", "required")
    assert finished.exit_code == 11, finished.out
    assert "dynamic" in seen(finished, "DG310")


def test_a_source_that_hangs_does_not_keep_a_check_from_its_end(two: Team) -> None:
    two.lab.fault(operation="ListRules", kind="hang", times=None)
    finished = two.check("--timeout", "14")
    assert finished.exit_code == 0, finished.out + finished.err
    assert "EventBridge rules" in {each["what"] for each in finished.function["unread"]}
