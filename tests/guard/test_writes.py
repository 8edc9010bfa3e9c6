"""Writes on a hostile network, beside other pipelines, under signals: the alias ends whole."""

from __future__ import annotations

import signal

import pytest

from tests.guard.world import Team, eventually


@pytest.mark.parametrize("operation", ["PublishVersion", "UpdateAlias"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_lost_answer_loses_nothing(moving: Team, operation: str, phase: str) -> None:
    moving.lab.fault(operation=operation, phase=phase, kind="lose", times=1)
    finished = moving.check()
    assert finished.exit_code == 0, finished.err + finished.out
    assert moving.alias() == "2"


@pytest.mark.parametrize("operation", ["PublishVersion", "UpdateAlias"])
@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_write_whose_answers_are_all_lost_leaves_the_alias_whole(
    moving: Team, operation: str, phase: str
) -> None:
    moving.lab.fault(operation=operation, phase=phase, kind="lose", times=4)
    finished = moving.check()
    assert finished.exit_code in (0, 4), finished.err + finished.out
    assert moving.alias() == ("2" if finished.exit_code == 0 else "1")
    assert finished.function["version"]["after"] in (moving.alias(), None)


@pytest.mark.parametrize("kind", ["throttle", "error"])
@pytest.mark.parametrize(
    "operation", ["GetFunction", "GetAlias", "BatchGetImage", "PublishVersion", "UpdateAlias"]
)
def test_passing_trouble_is_waited_out(moving: Team, operation: str, kind: str) -> None:
    moving.lab.fault(operation=operation, phase="before", kind=kind, times=2)
    finished = moving.check()
    assert finished.exit_code == 0, finished.err + finished.out
    assert moving.alias() == "2"


def test_an_update_that_begins_while_publishing_is_waited_out(moving: Team) -> None:
    moving.lab.fault(operation="PublishVersion", phase="before", kind="conflict", times=1)
    assert moving.check().exit_code == 0
    assert moving.alias() == "2"


def test_other_code_that_arrives_while_publishing_is_left_alone(moving: Team) -> None:
    moving.lab.fault(operation="PublishVersion", phase="before", kind="delay", seconds=1.5)
    process = moving.start("check", moving.name, "--grace", "0")
    eventually(lambda: any(fault["hits"] for fault in moving.lab.faults()))
    moving.ship("b3")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, out + err
    assert moving.alias() == "1"


def test_an_alias_that_somebody_moves_first_is_left_alone(moving: Team) -> None:
    moving.publish()
    moving.ship("b3")
    moving.lab.fault(operation="UpdateAlias", phase="before", kind="delay", seconds=1.5)
    process = moving.start("check", moving.name, "--grace", "0")
    eventually(lambda: any(fault["hits"] for fault in moving.lab.faults()))
    moving.point("2")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, out + err
    assert moving.alias() == "2"


def test_an_alias_that_somebody_moves_to_the_same_version_first_is_theirs(failing: Team) -> None:
    """Were it taken for ours, whose answer was lost, a verdict of STALE would undo their move."""
    failing.lab.fault(operation="UpdateAlias", alias="live", phase="before", kind="hold")
    process = failing.start("check", failing.name, "--grace", "0", "--also", "$LATEST")
    eventually(lambda: any(fault["hits"] for fault in failing.lab.faults()))
    failing.point("2")
    failing.lab.release()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, out + err
    assert failing.alias() == "2"


def test_what_cannot_be_put_back_needs_a_person(failing: Team) -> None:
    failing.lab.fault(operation="UpdateAlias", nth=3, times=None, phase="before", kind="deny")
    finished = failing.check("--also", "$LATEST")
    assert finished.exit_code == 20, finished.err
    command = (
        "aws lambda update-alias "
        "--function-name arn:aws:lambda:eu-west-1:123456789012:function:reports --name live "
        "--function-version 1 "
        "--routing-config 'AdditionalVersionWeights={}'"
    )
    assert command in finished.out
    assert finished.function["changes"][-1]["result"] == "failed"


def test_putting_back_survives_a_lost_answer(failing: Team) -> None:
    failing.lab.fault(operation="UpdateAlias", nth=3, times=1, phase="after", kind="lose")
    finished = failing.check("--also", "$LATEST")
    assert finished.exit_code == 10, finished.err
    assert failing.alias() == "1"


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_puts_the_alias_back(moving: Team, number: int, exit_code: int) -> None:
    moving.lab.set(propagation_s=600)
    process = moving.start("check", moving.name, "--grace", "60")
    eventually(lambda: moving.alias() == "2")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == exit_code, out + err
    assert moving.alias() == "1"
    assert (moving.folder / "deployguard-report" / "report.json").exists()


def test_the_deadline_ends_a_run_that_waits_for_old_answers(moving: Team) -> None:
    moving.lab.set(propagation_s=600)
    finished = moving.run("check", moving.name, "--grace", "60", "--timeout", "4")
    assert finished.exit_code == 10
    assert moving.alias() == "1"
    assert finished.report is not None
    assert finished.report["seconds"] < 4 + 10


def test_no_invocation_is_ever_sent_twice(moving: Team) -> None:
    moving.lab.fault(operation="Invoke", phase="after", kind="lose", times=1, nth=3)
    before = moving.lab.calls().get("lambda.Invoke", 0)
    finished = moving.check()
    assert finished.exit_code == 0, finished.out
    sent = sum(each["probes"] for each in finished.function["rounds"])
    assert moving.lab.calls()["lambda.Invoke"] - before == sent


def test_a_read_that_misses_the_move_does_not_leave_the_old_build_live(failing: Team) -> None:
    failing.lab.fault(operation="GetAlias", alias="live", nth=4, times=None, kind="stale")
    finished = failing.check("--also", "$LATEST")
    assert finished.exit_code == 10, finished.out
    failing.lab.clear_faults()
    assert failing.alias() == "1"


def test_a_read_that_misses_the_new_alias_does_not_leave_it_behind(team: Team) -> None:
    team.ship("b1")
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, "count": None, "seconds": None}])
    team.ship("b2")
    team.lab.fault(operation="GetAlias", alias="live", nth=2, times=None, kind="stale")
    assert team.check("--also", "$LATEST").exit_code != 0
    team.lab.clear_faults()
    assert team.alias() is None
