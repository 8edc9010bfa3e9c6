"""Containers are replaced by a chosen remedy, and probing shows that they went."""

from __future__ import annotations

import json
import signal

import pytest

from tests.guard.world import FOR_EVER, Finished, Team, eventually

NOT_AT_ONCE = ("--grace", "0")
VARIABLE = "REFRESHED_BY_DEPLOYGUARD"


def refresh(team: Team, *arguments: str, qualifier: str = "") -> Finished:
    """Run refresh without waiting long for old answers to end."""
    return team.run("refresh", f"{team.name}{qualifier}", *NOT_AT_ONCE, *arguments)


def variables(team: Team) -> dict[str, str]:
    """Return the environment of $LATEST."""
    found = team.functions.get_function_configuration(FunctionName=team.name)
    return dict(found.get("Environment", {}).get("Variables", {}))


def reserved(team: Team) -> int | None:
    """Return the reserved concurrency, None where there is none."""
    found = team.functions.get_function_concurrency(FunctionName=team.name)
    number: int | None = found.get("ReservedConcurrentExecutions")
    return number


def born(team: Team) -> set[str]:
    """Name the containers that there are."""
    return {container["id"] for container in team.lab.containers()}


def test_publish_gives_callers_a_new_version_of_the_same_image(live: Team) -> None:
    live.warm(3, "live")
    finished = refresh(live)
    assert finished.exit_code == 0, finished.out
    assert live.alias() == "2"
    assert finished.function["version"]["published"] == "2"
    replacement = finished.function["replacement"]
    assert (replacement["remedy"], replacement["stayed"]) == ("publish", [])
    assert replacement["before"] >= 1
    assert live.lease() is None


def test_publish_twice_marks_the_description_once(live: Team) -> None:
    live.functions.update_function_configuration(FunctionName=live.name, Description="Reports.")
    live.point(live.publish())
    assert refresh(live).exit_code == 0
    assert refresh(live).exit_code == 0
    shown = live.functions.get_function_configuration(FunctionName=live.name)["Description"]
    assert shown.startswith("Reports. (refreshed by deployguard 2")
    assert shown.count("(") == 1


def test_publish_refuses_where_latest_is_another_image(moving: Team) -> None:
    before = moving.writes()
    finished = refresh(moving)
    assert finished.exit_code == 3, finished.out
    assert "would deploy another image" in finished.out
    assert moving.writes() == before


def test_configure_replaces_the_containers_of_latest(live: Team) -> None:
    live.functions.update_function_configuration(
        FunctionName=live.name, Environment={"Variables": {"SECRET": "hunter2"}}
    )
    live.warm(3)
    old = born(live)
    finished = refresh(live, "--remedy", "configure")
    assert finished.exit_code == 0, finished.out
    assert not old & born(live)
    assert len(finished.function["replacement"]["gone"]) >= 3
    assert variables(live).keys() == {"SECRET", VARIABLE}
    assert "hunter2" not in finished.out + finished.err + json.dumps(finished.report)


def test_configure_takes_its_variable_away_when_asked(live: Team) -> None:
    assert refresh(live, "--remedy", "configure", "--remove-variable").exit_code == 0
    assert VARIABLE not in variables(live)


def test_configure_is_refused_where_it_reaches_no_container(live: Team) -> None:
    finished = refresh(live, "--remedy", "configure", qualifier=":live")
    assert finished.exit_code == 3
    assert "--remedy publish" in finished.out


def test_configure_keeps_an_environment_out_of_what_aws_says_of_it(live: Team) -> None:
    live.functions.update_function_configuration(
        FunctionName=live.name, Environment={"Variables": {"SECRET": "hunter2"}}
    )
    live.lab.fault(
        operation="UpdateFunctionConfiguration",
        kind="error",
        status=400,
        code="InvalidParameterValueException",
        message='exceeded the 4KB limit. String measured: {"SECRET":"hunter2"}',
    )
    finished = refresh(live, "--remedy", "configure")
    assert finished.exit_code == 4, finished.out
    assert "InvalidParameterValueException" in finished.out
    assert "hunter2" not in finished.out + finished.err + json.dumps(finished.report)


def test_a_container_that_survives_the_remedy_is_stale(live: Team) -> None:
    live.warm(2)
    live.lab.set(linger=[{"function": live.name, "count": 1, "seconds": None}])
    finished = refresh(live, "--remedy", "configure")
    assert (finished.exit_code, finished.findings) == (10, ["DG205"]), finished.out
    assert len(finished.function["replacement"]["stayed"]) == 1


@pytest.mark.parametrize("before", [None, 50])
def test_drain_restores_the_reservation_as_it_was(live: Team, before: int | None) -> None:
    live.lab.set(zero_destroys=True)
    if before is not None:
        live.functions.put_function_concurrency(
            FunctionName=live.name, ReservedConcurrentExecutions=before
        )
    live.warm(2, "live")
    old = born(live)
    finished = refresh(live, "--remedy", "drain", "--drain-for", "1")
    assert finished.exit_code == 0, finished.out
    assert reserved(live) == before
    assert not old & born(live)


def test_a_drain_that_replaces_nothing_is_not_believed(live: Team) -> None:
    live.warm(2, "live")
    finished = refresh(live, "--remedy", "drain", "--drain-for", "1")
    assert (finished.exit_code, finished.findings) == (10, ["DG205"]), finished.out
    assert reserved(live) is None


def test_a_function_that_is_switched_off_is_not_drained(live: Team) -> None:
    live.functions.put_function_concurrency(FunctionName=live.name, ReservedConcurrentExecutions=0)
    finished = refresh(live, "--remedy", "drain")
    assert finished.exit_code == 3, finished.out
    assert reserved(live) == 0


def test_a_drain_that_would_lose_events_is_refused_unless_that_is_accepted(live: Team) -> None:
    live.lab.set(zero_destroys=True)
    live.functions.add_permission(
        FunctionName=live.name,
        Qualifier="live",
        StatementId="uploads",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
        SourceArn="arn:aws:s3:::uploads",
    )
    before = live.writes()
    refused = refresh(live, "--remedy", "drain")
    assert refused.exit_code == 3, refused.out
    assert "s3.amazonaws.com for arn:aws:s3:::uploads" in refused.out
    assert live.writes() == before
    accepted = refresh(live, "--remedy", "drain", "--drain-for", "1", "--accept-loss")
    assert accepted.exit_code == 0, accepted.out
    assert "every caller that waits for an answer gets status 429" in accepted.err


def drained(team: Team, number: int) -> tuple[int, str]:
    """Signal a refresh in the middle of its drain; return how it ended."""
    team.functions.put_function_concurrency(FunctionName=team.name, ReservedConcurrentExecutions=50)
    process = team.start("refresh", team.name, "--remedy", "drain", "--drain-for", "600")
    eventually(lambda: reserved(team) == 0)
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    return process.returncode, out + err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_drain(live: Team, number: int, code: int) -> None:
    ended, said = drained(live, number)
    assert ended == code, said
    assert (reserved(live), live.lease()) == (50, None)


def test_recover_ends_the_drain_of_a_run_that_was_killed(live: Team) -> None:
    drained(live, signal.SIGKILL)
    assert (reserved(live), "concurrency:50>0" in (live.lease() or "")) == (0, True)
    live.lab.set(clock_step_s=120.0)
    assert live.run("recover", live.name).exit_code == 0
    assert (reserved(live), live.lease()) == (50, None)


def test_slots_that_another_function_took_need_a_person(live: Team) -> None:
    drained(live, signal.SIGKILL)
    live.functions.create_function(
        FunctionName="other",
        PackageType="Image",
        Code={"ImageUri": live.push(live.build("b9"))},
        Role="arn:aws:iam::123456789012:role/other",
    )
    live.functions.put_function_concurrency(FunctionName="other", ReservedConcurrentExecutions=880)
    live.lab.set(clock_step_s=120.0)
    finished = live.run("recover", live.name)
    assert finished.exit_code == 20, finished.out
    assert "aws lambda put-function-concurrency" in finished.out
    assert "--reserved-concurrent-executions 50" in finished.out
    assert reserved(live) == 20  # what is left, so that callers are not turned away altogether
    live.functions.delete_function_concurrency(FunctionName="other")
    live.lab.set(clock_step_s=240.0)
    assert live.run("recover", live.name).exit_code == 0
    assert (reserved(live), live.lease()) == (50, None)


def test_recover_takes_our_variable_away_that_a_killed_run_set(live: Team) -> None:
    process = live.start("refresh", live.name, "--remedy", "configure")
    live.lab.fault(
        operation="UpdateFunctionConfiguration", phase="after", kind="kill", pid=process.pid
    )
    process.communicate(timeout=60)
    assert VARIABLE in variables(live)
    live.lab.set(clock_step_s=120.0)
    assert live.run("recover", live.name).exit_code == 0
    assert VARIABLE not in variables(live)
    assert live.lease() is None


def test_waiting_ends_when_the_containers_are_gone(live: Team) -> None:
    live.warm(2)
    process = live.start("refresh", f"{live.name}:$LATEST", "--remedy", "wait")
    assert process.stderr is not None
    said = iter(process.stderr.readline, "")
    assert any("before the remedy wait" in line for line in said)
    live.lab.kill_containers(live.name)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err


def test_waiting_for_nothing_ends_at_the_deadline(live: Team) -> None:
    live.lab.set(virtual=True)  # so that the first look leaves time to wait on a busy machine
    live.warm(2)
    finished = refresh(live, "--remedy", "wait", "--timeout", "15", qualifier=":$LATEST")
    assert (finished.exit_code, finished.findings) == (10, ["DG205"]), finished.out


def test_check_replaces_stale_containers_where_asked(live: Team) -> None:
    live.warm(1)
    live.lab.set(linger=[{"function": live.name, **FOR_EVER, "updates": 1}])
    live.ship("b2")
    finished = live.check("--also", "$LATEST", "--on-stale", "refresh")
    assert finished.exit_code == 0, finished.out + finished.err
    assert finished.function["replacement"]["remedy"] == "configure"
    assert live.alias() == "2"
    assert live.lease() is None


def test_check_puts_back_what_no_remedy_helped(failing: Team) -> None:
    finished = failing.check("--also", "$LATEST", "--on-stale", "refresh")
    assert finished.exit_code == 10, finished.out + finished.err
    assert (failing.alias(), failing.lease()) == ("1", None)


def test_check_publishes_anew_where_the_alias_still_answers_with_the_old_version(
    moving: Team,
) -> None:
    moving.lab.set(propagation_s=600)
    finished = moving.check("--on-stale", "refresh")
    assert finished.exit_code == 11, finished.out + finished.err
    assert finished.function["replacement"]["remedy"] == "publish"
    assert moving.alias() == "1"


@pytest.mark.parametrize("remedy", ["publish", "drain", "wait"])
def test_a_dry_run_says_what_would_be_done(live: Team, remedy: str) -> None:
    before = live.lab.writes()
    finished = refresh(live, "--remedy", remedy, "--dry-run")
    assert finished.exit_code == 0, finished.err
    assert finished.out.startswith("1. probe the containers behind live")
    assert live.lab.writes() == before


def test_a_read_that_misses_the_drain_does_not_leave_the_function_off(live: Team) -> None:
    live.functions.put_function_concurrency(FunctionName=live.name, ReservedConcurrentExecutions=50)
    live.lab.fault(operation="GetFunctionConcurrency", nth=3, times=None, kind="stale")
    refresh(live, "--remedy", "drain", "--drain-for", "1")
    live.lab.clear_faults()
    assert reserved(live) == 50
