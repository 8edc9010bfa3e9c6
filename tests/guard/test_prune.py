"""Deleting old versions: the ones that nothing uses, and never what a rollback may need."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import prune
from deployguard.aws import versions
from deployguard.aws.session import Session
from tests.guard.world import Finished, Team, eventually

HELD = "deployguard/1 owner=0123abcd by=somebody until={until}"
LONG_AGO, FAR_AWAY = "2026-01-02T18:57:49Z", "2126-01-02T18:57:49Z"
SCHEMA = json.loads(resources.files("deployguard.report").joinpath("schema.json").read_text())


def published(team: Team) -> list[int]:
    """Return the numbers of the versions that there are."""
    found = team.functions.list_versions_by_function(FunctionName=team.name)["Versions"]
    return sorted(int(each["Version"]) for each in found if each["Version"] != "$LATEST")


def publish(team: Team, count: int) -> None:
    """Publish so many versions more."""
    for _ in range(count):
        number = len(team.lab.writes())
        team.functions.update_function_configuration(
            FunctionName=team.name, Description=f"number {number}"
        )
        team.publish()


def pruned(team: Team, *arguments: str, exit_code: int = 0) -> Finished:
    """Run prune, and assert how it ends."""
    finished = team.run("prune", team.name, *arguments)
    assert finished.exit_code == exit_code, finished.out + finished.err
    return finished


@pytest.fixture
def many(live: Team) -> Team:
    """Have the versions 1 to 8, and the alias on 5."""
    publish(live, 7)
    live.point("5")
    return live


def test_what_serves_and_served_before_and_the_newest_are_kept(many: Team) -> None:
    finished = pruned(many, "--keep", "2")
    assert published(many) == [4, 5, 7, 8]
    assert "keep version 5: alias live serves it" in finished.err
    assert "keep version 4: it is the one before version 5" in finished.err
    assert "change      DeleteFunction version 1: ok" in finished.out
    assert many.lease() is None


def test_five_are_kept_unless_told_otherwise(many: Team) -> None:
    many.point("8")
    pruned(many)
    assert published(many) == [4, 5, 6, 7, 8]


def test_both_versions_behind_an_alias_are_kept_with_what_was_before_each(many: Team) -> None:
    many.point("5", weights={"3": 0.1})
    pruned(many, "--keep", "1")
    assert published(many) == [2, 3, 4, 5, 8]


def test_pruning_again_writes_nothing(many: Team) -> None:
    pruned(many, "--keep", "2")
    before = many.lab.writes()
    pruned(many, "--keep", "2")
    assert many.lab.writes() == before


def test_a_dry_run_says_what_would_go_and_writes_nothing(many: Team) -> None:
    before = many.lab.writes()
    finished = pruned(many, "--keep", "2", "--dry-run")
    assert "keep version 5: alias live serves it" in finished.out
    assert "delete version 6" in finished.out
    assert many.lab.writes() == before


def test_the_report_stands_beside_the_last_verdicts(many: Team) -> None:
    many.run("verify", many.name, "--grace", "0")
    finished = pruned(many, "--keep", "1")
    assert finished.report is not None
    assert finished.report["command"] == "verify"
    report = json.loads((many.folder / "deployguard-report" / "prune.json").read_text())
    jsonschema.validate(report, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert (report["verdict"], report["exit_code"]) == (None, 0)
    changes = report["functions"][0]["changes"]
    assert [change["before"]["version"] for change in changes] == ["1", "2", "3", "6", "7"]


# Who uses a version


def provision(team: Team) -> None:
    team.functions.put_provisioned_concurrency_config(
        FunctionName=team.name, Qualifier="2", ProvisionedConcurrentExecutions=1
    )


def grant(team: Team) -> None:
    team.functions.add_permission(
        FunctionName=team.name,
        Qualifier="2",
        StatementId="events",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
    )


def set_retries(team: Team) -> None:
    team.functions.put_function_event_invoke_config(
        FunctionName=team.name, Qualifier="2", MaximumRetryAttempts=0
    )


def invoke(team: Team) -> None:
    """Let CloudWatch count an invocation an hour and a half after the version was published."""
    team.lab.set(clock_step_s=7200.0)
    count(team, after=timedelta(minutes=90))


def count(team: Team, *, after: timedelta) -> None:
    dimensions = {"FunctionName": team.name, "Resource": f"{team.name}:2"}
    team.lab.client("cloudwatch").put_metric_data(
        Namespace="AWS/Lambda",
        MetricData=[
            {
                "MetricName": "Invocations",
                "Dimensions": [{"Name": n, "Value": value} for n, value in dimensions.items()],
                "Timestamp": datetime.now(UTC) + after,
                "Value": 1.0,
            }
        ],
    )


@pytest.mark.parametrize("use", [provision, grant, set_retries, invoke])
def test_a_version_that_is_used_by_its_number_is_kept(
    many: Team, use: Callable[[Team], None]
) -> None:
    use(many)
    pruned(many, "--keep", "1")
    assert published(many) == [2, 4, 5, 8]


def test_a_version_that_a_mapping_calls_is_kept_with_the_one_before(many: Team) -> None:
    many.functions.create_event_source_mapping(
        FunctionName=f"{many.name}:3",
        EventSourceArn="arn:aws:sqs:eu-west-1:123456789012:jobs",
    )
    pruned(many, "--keep", "1")
    assert published(many) == [2, 3, 4, 5, 8]


def test_our_own_probe_of_a_new_version_is_no_use_of_it(many: Team) -> None:
    many.lab.set(clock_step_s=7200.0)
    count(many, after=timedelta())
    pruned(many, "--keep", "1")
    assert published(many) == [4, 5, 8]


def test_what_a_report_says_was_live_is_kept_for_a_rollback(live: Team) -> None:
    live.ship("b2")
    assert live.check().exit_code == 0
    publish(live, 2)
    live.ship("b3")
    assert live.check().exit_code == 0
    pruned(live, "--keep", "1")
    assert published(live) == [1, 2, 4, 5]
    assert live.run("rollback", live.name, "--grace", "0").exit_code == 0
    assert live.alias() == "2"


def test_what_a_killed_runs_lease_names_is_kept(many: Team) -> None:
    many.functions.create_alias(
        FunctionName=many.name,
        Name="deployguard",
        FunctionVersion="$LATEST",
        Description=HELD.format(until=LONG_AGO) + " alias=jobs:2>3",
    )
    pruned(many, "--keep", "1", "--no-lock")
    assert published(many) == [2, 3, 4, 5, 8]


# What may not be read


SOURCES = (
    "GetPolicy",
    "ListEventSourceMappings",
    "ListFunctionEventInvokeConfigs",
    "ListProvisionedConcurrencyConfigs",
)


@pytest.mark.parametrize("operation", ["ListAliases", "ListVersionsByFunction", *SOURCES])
def test_nothing_goes_while_a_user_of_it_may_not_be_read(many: Team, operation: str) -> None:
    many.lab.fault(operation=operation, kind="deny", times=None)
    finished = pruned(many, "--keep", "1", exit_code=3)
    assert operation in finished.out
    many.lab.clear_faults()
    assert published(many) == list(range(1, 9))


def test_what_could_change_nothing_need_not_be_read(many: Team) -> None:
    for operation in SOURCES:
        many.lab.fault(operation=operation, kind="deny", times=None)
    pruned(many, "--keep", "8")


def test_without_the_metrics_nothing_is_kept_for_them_and_that_is_said(many: Team) -> None:
    invoke(many)
    many.lab.fault(operation="GetMetricStatistics", kind="deny", times=None)
    finished = pruned(many, "--keep", "1")
    assert "no version is kept for having been invoked of late" in finished.err
    assert published(many) == [4, 5, 8]


# Deleting


def test_another_runs_lease_is_respected(many: Team) -> None:
    many.functions.create_alias(
        FunctionName=many.name,
        Name="deployguard",
        FunctionVersion="$LATEST",
        Description=HELD.format(until=FAR_AWAY),
    )
    pruned(many, "--keep", "1", exit_code=12)
    assert published(many) == list(range(1, 9))


def test_what_changed_before_the_lease_was_taken_counts(many: Team) -> None:
    many.lab.fault(operation="CreateAlias", kind="hold")
    process = many.start("prune", many.name, "--keep", "1")
    eventually(lambda: any(fault["hits"] for fault in many.lab.faults()))
    many.functions.update_alias(FunctionName=many.name, Name="live", FunctionVersion="2")
    many.lab.release()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert published(many) == [1, 2, 8]


def test_a_version_that_an_alias_gets_meanwhile_is_left(many: Team) -> None:
    many.lab.fault(operation="DeleteFunction", kind="hold")
    process = many.start("prune", many.name, "--keep", "1")
    eventually(lambda: any(fault["hits"] for fault in many.lab.faults()))
    many.point("1", alias="jobs")
    many.lab.release()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "version 1 is left" in err
    assert "aliases reference it: [jobs]" in err
    assert published(many) == [1, 4, 5, 8]


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_answer_loses_nothing(many: Team, phase: str, times: int) -> None:
    many.lab.fault(operation="DeleteFunction", phase=phase, kind="lose", times=times)
    pruned(many, "--keep", "1")
    assert published(many) == [4, 5, 8]


def test_a_role_that_may_not_delete_is_told(many: Team) -> None:
    many.lab.fault(operation="DeleteFunction", kind="deny", times=None)
    assert "DeleteFunction" in pruned(many, exit_code=3).out
    many.lab.clear_faults()
    assert published(many) == list(range(1, 9))


def test_it_ends_with_its_time(many: Team) -> None:
    pruned(many, "--timeout", "0.001", exit_code=11)
    assert published(many) == list(range(1, 9))


@pytest.mark.parametrize("version", ["", "$LATEST", "live", "0", "-1", "1\n", "٣", "*"])
def test_nothing_but_a_version_can_be_deleted(
    live: Team, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    for name, value in live.lab.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AssertionError, match="not the number of a published version"):
        versions.delete(Session(), live.name, version)
    assert "DeleteFunction" not in live.writes()


def test_a_function_that_is_not_there_is_said(team: Team) -> None:
    assert "Function not found" in pruned(team, exit_code=3).out


# The decision

NUMBERS = st.integers(1, 40).map(str)
USES = st.dictionaries(NUMBERS, st.just("used"), max_size=6)
CASES: dict[str, Any] = {
    "numbers": st.sets(NUMBERS, max_size=25),
    "routes": USES,
    "others": USES,
    "keep": st.integers(1, 10),
}


@given(**CASES)
def test_the_decision_spares_what_is_used_and_its_way_back(
    numbers: set[str], routes: dict[str, str], others: dict[str, str], keep: int
) -> None:
    found = prune.decide(numbers, routes=routes, others=others, keep=keep)
    doomed = set(found.doomed)
    assert doomed | found.kept.keys() == numbers
    assert not doomed & (routes.keys() | others.keys() | found.kept.keys())
    for route in routes:
        older = [int(number) for number in numbers if int(number) < int(route)]
        assert not older or str(max(older)) not in doomed
    newest = sorted(numbers, key=int)[-keep:]
    assert not doomed & set(newest)


@given(**CASES)
def test_the_decision_spares_no_more_than_it_has_to(
    numbers: set[str], routes: dict[str, str], others: dict[str, str], keep: int
) -> None:
    found = prune.decide(numbers, routes=routes, others=others, keep=keep)
    assert len(found.kept) <= keep + 2 * len(routes) + len(others)


@given(**CASES)
def test_the_decision_is_the_same_again_once_it_is_carried_out(
    numbers: set[str], routes: dict[str, str], others: dict[str, str], keep: int
) -> None:
    found = prune.decide(numbers, routes=routes, others=others, keep=keep)
    again = prune.decide(found.kept, routes=routes, others=others, keep=keep)
    assert again.doomed == ()
    assert again.kept.keys() == found.kept.keys()
