"""Every way a check can end: the exit code, the alias afterwards, and what the report says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployguard.lab import images
from tests.guard.world import Finished, Team, eventually

RAISING = b"def handler(event, context):\n    raise ValueError('no')\n"
SLEEPING = b"import time\ndef handler(event, context):\n    time.sleep(60)\n"
UNAWARE = b"def handler(event, context):\n    return {'ok': True}\n"


def ended(finished: Finished, exit_code: int, verdict: str) -> None:
    """Assert the exit code, in the process and in the report, with the verdict."""
    assert finished.exit_code == exit_code, finished.out + finished.err
    assert finished.report is not None
    assert finished.report["exit_code"] == exit_code
    assert finished.report["verdict"] == verdict


def shape_of(finished: Finished, qualifier: str) -> tuple[str, str]:
    """Return the shape of a route's answers, and what it points to."""
    (route,) = [each for each in finished.function["routes"] if each["qualifier"] == qualifier]
    return route["shape"]["kind"], route["shape"]["points_to"]


def test_first_deploy_creates_the_alias(team: Team) -> None:
    uri = team.ship("b1")
    finished = team.check()
    ended(finished, 0, "FRESH")
    assert team.alias() == "1"
    function = finished.function
    assert function["version"] == {
        "before": None,
        "published": "1",
        "after": "1",
        "deduplicated": False,
    }
    assert function["expected"]["digest"] == uri.split("@")[1]
    assert function["expected"]["link"] == "verified"
    assert function["coverage"]["claim"] == "by-construction"
    assert {container["build_id"] for container in function["containers"]} == {"b1"}
    assert team.writes()[-2:] == ["PublishVersion", "CreateAlias"]
    answer = team.functions.invoke(
        FunctionName=team.name, Qualifier="live", Payload=b'{"any": "event"}'
    )
    assert json.loads(answer["Payload"].read()) == {"ok": True}


def test_next_deploy_moves_the_alias(live: Team) -> None:
    live.ship("b2")
    finished = live.check()
    ended(finished, 0, "FRESH")
    assert live.alias() == "2"
    assert finished.function["version"]["before"] == "1"
    assert finished.rulings == {"2": "FRESH", "live": "FRESH"}


def test_same_again_changes_nothing(live: Team) -> None:
    before = live.writes()
    finished = live.check()
    ended(finished, 0, "FRESH")
    assert live.writes() == before
    assert finished.function["changes"] == []


def test_a_version_that_was_published_before_is_used(live: Team) -> None:
    live.ship("b2")
    live.publish()
    finished = live.check()
    ended(finished, 0, "FRESH")
    assert finished.function["version"]["deduplicated"]
    assert finished.function["version"]["published"] == "2"
    assert live.alias() == "2"


def test_old_containers_of_latest_fail_the_deploy(live: Team) -> None:
    live.warm(2)
    live.lab.set(linger=[{"function": live.name, "count": None, "seconds": None}])
    live.ship("b2")
    finished = live.check("--also", "$LATEST", "--grace", "3")
    ended(finished, 10, "STALE")
    assert live.alias() == "1"
    assert finished.findings == ["DG201"]
    assert shape_of(finished, "$LATEST") == ("by-age", "draining")
    assert finished.rulings["$LATEST"] == "STALE"
    stale = [c for c in finished.function["containers"] if c["state"] == "stale"]
    assert {container["build_id"] for container in stale} == {"b1"}
    assert "build b1 (version 1" in finished.out


def test_the_alias_stays_when_asked_to_only_fail(live: Team) -> None:
    live.warm(1)
    live.lab.set(linger=[{"function": live.name, "count": None, "seconds": None}])
    live.ship("b2")
    ended(live.check("--also", "$LATEST", "--on-stale", "fail"), 10, "STALE")
    assert live.alias() == "2"


def test_latest_without_old_containers_is_fresh(live: Team) -> None:
    live.warm(3)
    live.ship("b2")
    finished = live.check("--also", "$LATEST")
    ended(finished, 0, "FRESH")
    latest = next(r for r in finished.function["routes"] if r["qualifier"] == "$LATEST")
    assert latest["coverage"]["claim"] == "exhaustive"
    assert latest["coverage"]["cold_starts"] >= 5
    assert latest["coverage"]["rounds"] >= 2


def test_another_qualifier_left_behind_fails_the_deploy(live: Team) -> None:
    live.point("1", alias="jobs")
    live.ship("b2")
    finished = live.check("--also", "jobs")
    ended(finished, 10, "STALE")
    assert finished.findings == ["DG202"]
    assert live.alias() == "1"


def test_weights_left_behind_are_stale_to_verify_and_cleared_by_check(live: Team) -> None:
    live.ship("b2")
    live.publish()
    live.point("2", weights={"1": 0.3})
    verified = live.run("verify", live.name)
    ended(verified, 10, "STALE")
    assert verified.findings == ["DG203"]
    ended(live.check(), 0, "FRESH")
    assert live.alias() == "2"


def test_an_alias_that_answers_old_for_a_while_is_waited_for(live: Team) -> None:
    live.lab.set(propagation_s=3.0)
    live.ship("b2")
    finished = live.run("check", live.name, "--grace", "30")
    ended(finished, 0, "FRESH")
    assert live.alias() == "2"
    assert "stale" in finished.err
    assert shape_of(finished, "live") == ("shrinking", "propagation")


def test_an_alias_that_keeps_answering_old_is_stale(live: Team) -> None:
    live.lab.set(propagation_s=600)
    live.ship("b2")
    finished = live.check("--grace", "3")
    ended(finished, 10, "STALE")
    assert finished.findings == ["DG204"]
    assert live.alias() == "1"
    assert shape_of(finished, "live") == ("constant", "routing")
    assert "are old, from version 1; live serves version 2" in finished.out
    (found,) = finished.function["findings"]
    assert found["cause"].startswith("every answer comes from a version that the route does not")


def test_old_containers_without_a_stamp_leave_it_open(team: Team) -> None:
    team.ship("b1", handler=UNAWARE, stamp=None, label=None)
    team.warm(2)
    team.lab.set(linger=[{"function": team.name, "count": None, "seconds": None}])
    team.ship("b2")
    finished = team.run("verify", f"{team.name}:$LATEST", "--grace", "0")
    ended(finished, 11, "INCONCLUSIVE")
    assert "DG301" in finished.findings


def test_an_image_without_a_build_id_proves_nothing(live: Team) -> None:
    live.ship("b2", label=None)
    before = live.writes()
    finished = live.check()
    ended(finished, 11, "INCONCLUSIVE")
    assert finished.findings == ["DG102"]
    assert live.writes() == before


def test_the_pipelines_stamp_stands_in_for_missing_labels(live: Team) -> None:
    live.ship("b2", label=None)
    (live.folder / "stamp.json").write_text(
        json.dumps({"schema": "deployguard/stamp/v1", "build_id": "b2"})
    )
    finished = live.check("--stamp", "stamp.json")
    ended(finished, 0, "FRESH")
    assert finished.function["expected"]["link"] == "pipeline"


def test_a_stamp_file_that_disagrees_with_the_labels_is_refused(live: Team) -> None:
    live.ship("b2")
    (live.folder / "stamp.json").write_text(
        json.dumps({"schema": "deployguard/stamp/v1", "build_id": "b3"})
    )
    before = live.writes()
    finished = live.check("--stamp", "stamp.json")
    ended(finished, 3, "ERROR")
    assert "b3" in finished.err + finished.out
    assert live.writes() == before


def test_an_image_that_is_old_inside_never_gets_traffic(live: Team) -> None:
    live.ship("b2", stamp="b1")
    finished = live.check()
    ended(finished, 10, "STALE")
    assert finished.findings == ["DG104"]
    assert live.alias() == "1"
    assert "UpdateAlias" not in [change["call"] for change in finished.function["changes"]]


def test_an_image_that_was_not_deployed_is_stale(live: Team) -> None:
    uri = live.push(live.build("b2"))
    before = live.writes()
    finished = live.check("--image", uri)
    ended(finished, 10, "STALE")
    assert finished.findings == ["DG101"]
    assert live.writes() == before


def test_an_index_is_refused(live: Team) -> None:
    index = images.index([live.build("b2"), live.build("b2", architecture="arm64")])
    live.push(index, tag="multi")
    finished = live.check("--image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/reports:multi")
    ended(finished, 3, "ERROR")
    assert "--provenance=false" in finished.out
    assert live.alias() == "1"


def test_an_image_for_another_processor_is_refused(team: Team) -> None:
    team.ship("b1", architecture="arm64")
    finished = team.check()
    ended(finished, 3, "ERROR")
    assert "arm64" in finished.out


def test_a_failed_update_is_refused(live: Team) -> None:
    live.lab.set(update_fails="ImageAccessDenied")
    live.deploy(live.push(live.build("b2")), wait=False)
    finished = live.check()
    ended(finished, 3, "ERROR")
    assert "ImageAccessDenied" in finished.out
    assert live.alias() == "1"


def test_an_update_in_progress_is_waited_for(live: Team) -> None:
    live.lab.set(update_s=6)
    live.deploy(live.push(live.build("b2")), wait=False)
    finished = live.check()
    ended(finished, 0, "FRESH")
    assert "InProgress" in finished.err
    assert live.alias() == "2"


def test_an_update_that_does_not_end_in_time_leaves_it_open(live: Team) -> None:
    live.lab.set(update_s=600)
    live.deploy(live.push(live.build("b2")), wait=False)
    finished = live.check("--timeout", "1")
    ended(finished, 11, "INCONCLUSIVE")
    assert live.alias() == "1"


@pytest.mark.parametrize(
    ("handler", "finding"), [(RAISING, "DG302"), (UNAWARE, "DG301"), (SLEEPING, "DG302")]
)
def test_a_version_that_gives_no_breadcrumb_never_gets_traffic(
    live: Team, handler: bytes, finding: str
) -> None:
    live.functions.update_function_configuration(FunctionName=live.name, Timeout=1)
    live.ship("b2", handler=handler)
    finished = live.check()
    ended(finished, 11, "INCONCLUSIVE")
    assert finished.findings == [finding]
    assert live.alias() == "1"


def test_throttled_probes_leave_it_open(live: Team) -> None:
    live.ship("b2")
    live.functions.put_function_concurrency(FunctionName=live.name, ReservedConcurrentExecutions=0)
    finished = live.check()
    ended(finished, 11, "INCONCLUSIVE")
    assert finished.findings == ["DG303"]
    assert "ReservedFunctionConcurrentInvocationLimitExceeded" in finished.out
    assert live.alias() == "1"


def test_another_deploy_is_left_alone(live: Team) -> None:
    live.ship("b2")
    process = live.start("check", live.name)
    eventually(lambda: live.alias() == "2")
    live.ship("b3")
    live.functions.update_alias(FunctionName=live.name, Name="live", FunctionVersion=live.publish())
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, out + err
    assert live.alias() == "3"


@pytest.mark.parametrize(
    ("operation", "exit_code"),
    [("GetFunction", 3), ("GetAlias", 3), ("PublishVersion", 3), ("UpdateAlias", 4)],
)
def test_a_missing_permission_is_named(live: Team, operation: str, exit_code: int) -> None:
    live.ship("b2")
    live.lab.fault(operation=operation, phase="before", kind="deny", times=None)
    finished = live.check()
    ended(finished, exit_code, "ERROR")
    assert operation in finished.out
    assert "not authorized" in finished.out
    live.lab.clear_faults()
    assert live.alias() == "1"


def test_without_access_to_the_registry_the_pipelines_stamp_serves(live: Team) -> None:
    live.ship("b2")
    (live.folder / "stamp.json").write_text(
        json.dumps({"schema": "deployguard/stamp/v1", "build_id": "b2"})
    )
    live.lab.fault(operation="BatchGetImage", phase="before", kind="deny", times=None)
    finished = live.check("--stamp", "stamp.json")
    ended(finished, 0, "FRESH")
    assert finished.function["expected"]["link"] == "pipeline"


def test_a_missing_function_is_said(team: Team) -> None:
    finished = team.run("check", "nothing")
    ended(finished, 3, "ERROR")
    assert "Function not found" in finished.out


def test_a_missing_image_is_said(live: Team) -> None:
    finished = live.check("--image", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/reports:gone")
    ended(finished, 3, "ERROR")
    assert "reports:gone" in finished.out


def test_verify_says_that_an_alias_is_missing(team: Team) -> None:
    team.ship("b1")
    finished = team.run("verify", team.name)
    ended(finished, 3, "ERROR")
    assert "$LATEST" in finished.out


def test_verify_answers_a_team_without_aliases(team: Team) -> None:
    team.ship("b1")
    team.warm(2)
    before = team.writes()
    finished = team.run("verify", f"{team.name}:$LATEST", "--grace", "0")
    ended(finished, 0, "FRESH")
    assert finished.function["coverage"]["claim"] == "exhaustive"
    assert team.writes() == before


def test_an_unknown_account_limit_is_taken_for_a_small_one(team: Team) -> None:
    team.lab.set(virtual=True)
    team.ship("b1")
    team.warm(40)
    team.lab.fault(operation="GetAccountSettings", phase="before", kind="deny", times=None)
    finished = team.run("verify", f"{team.name}:$LATEST", "--grace", "0")
    ended(finished, 11, "INCONCLUSIVE")
    assert finished.findings == ["DG304"]
    assert max(each["probes"] for each in finished.function["rounds"]) == 50


def test_verify_finds_the_alias_that_nobody_moved(live: Team) -> None:
    live.ship("b2")
    finished = live.run("verify", live.name)
    ended(finished, 10, "STALE")
    assert finished.findings == ["DG202"]


def test_rollback_restores_what_the_last_check_replaced(live: Team) -> None:
    live.ship("b2")
    ended(live.check(), 0, "FRESH")
    finished = live.run("rollback", live.name, "--grace", "0")
    ended(finished, 0, "FRESH")
    assert live.alias() == "1"
    assert finished.function["expected"]["build_id"] == "b1"


def test_rollback_refuses_to_guess(live: Team) -> None:
    live.ship("b2")
    live.publish()
    live.point("2")
    finished = live.run("rollback", live.name)
    ended(finished, 3, "ERROR")
    assert "--to" in finished.out
    assert live.alias() == "2"


def test_dry_run_prints_the_plan_and_writes_nothing(live: Team) -> None:
    live.ship("b2")
    before = live.writes()
    finished = live.check("--dry-run")
    assert finished.exit_code == 0
    assert "move alias live from 1" in finished.out
    assert live.writes() == before
    assert finished.report is None


MANAGED = {
    "LambdaManagedInstancesCapacityProviderConfig": {
        "CapacityProviderArn": "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:some"
    }
}


@pytest.mark.parametrize(
    ("mode", "finding"),
    [
        ({"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}, "DG307"),
        ({"CapacityProviderConfig": MANAGED}, "DG308"),
    ],
)
def test_modes_limit_what_can_be_claimed(team: Team, mode: dict[str, Any], finding: str) -> None:
    uri = team.push(team.build("b1"))
    team.functions.create_function(
        FunctionName=team.name,
        PackageType="Image",
        Code={"ImageUri": uri},
        Role="arn:aws:iam::123456789012:role/reports",
        **mode,
    )
    finished = team.check()
    ended(finished, 11, "INCONCLUSIVE")
    assert finding in finished.findings
    assert team.alias() is None
