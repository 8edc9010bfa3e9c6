"""One run at a time on a function, and nothing half done after a run that was killed."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.guard.world import Finished, Team, eventually

HELD = "deployguard/1 owner=0123abcd by=somebody until={until}"
LONG_AGO, FAR_AWAY = "2026-01-02T18:57:49Z", "2126-01-02T18:57:49Z"


def leave(team: Team, text: str) -> None:
    """Put a text where the lease is."""
    team.functions.create_alias(
        FunctionName=team.name, Name="deployguard", FunctionVersion="$LATEST", Description=text
    )


def killed(team: Team, *, operation: str, nth: int = 1, phase: str = "after") -> None:
    """Run a check that is killed by SIGKILL at one of its calls."""
    team.lab.fault(operation="GetFunction", kind="delay", seconds=0.5)
    process = team.start("check", team.name, "--grace", "0")
    team.lab.fault(operation=operation, nth=nth, phase=phase, kind="kill", pid=process.pid)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL


def looks_at_the_lease(team: Team) -> int:
    """Count how often the lease was read."""
    calls = [(call["operation"], call["alias"]) for call in team.lab.log()]
    return calls.count(("GetAlias", "deployguard"))


def later(team: Team) -> None:
    """Let a lease that is not renewed run out."""
    team.lab.set(clock_step_s=120.0)


def recover(team: Team, *arguments: str) -> Finished:
    """Run recover."""
    return team.run("recover", team.name, *arguments)


def test_a_check_leaves_no_lease_behind(moving: Team) -> None:
    assert moving.check().exit_code == 0
    assert moving.lease() is None


def test_what_is_deployed_already_takes_no_lease_and_writes_nothing(moving: Team) -> None:
    assert moving.check().exit_code == 0
    writes = moving.lab.writes()
    assert moving.check().exit_code == 0
    assert moving.lab.writes() == writes


def test_the_intent_is_written_down_before_the_alias_moves(moving: Team) -> None:
    assert moving.check().exit_code == 0
    aliases = [w for w in moving.lab.writes() if w["operation"].endswith("Alias")][-4:]
    assert [write["resource"].split(":")[-1] for write in aliases] == [
        "deployguard",
        "deployguard",
        "live",
        "deployguard",
    ]
    assert "alias=live:1>2" in aliases[1]["after"]["Description"]


def test_a_second_run_says_who_holds_the_lease_and_leaves_all_as_it_is(moving: Team) -> None:
    leave(moving, HELD.format(until=FAR_AWAY))
    before = moving.lab.writes()
    finished = moving.check()
    assert finished.exit_code == 12, finished.out
    assert f"somebody holds the lease on reports until {FAR_AWAY}" in finished.out
    assert moving.lab.writes() == before


def test_a_run_that_has_nothing_to_write_respects_the_lease_too(live: Team) -> None:
    leave(live, HELD.format(until=FAR_AWAY))
    assert live.check().exit_code == 12


def test_waiting_for_the_lease_goes_on_once_it_is_given_back(moving: Team) -> None:
    leave(moving, HELD.format(until=FAR_AWAY))
    process = moving.start("check", moving.name, "--grace", "0", "--wait-lock", "60")
    eventually(lambda: looks_at_the_lease(moving) > 1)
    moving.functions.delete_alias(FunctionName=moving.name, Name="deployguard")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert "waiting for somebody" in err
    assert moving.alias() == "2"


def test_a_lease_that_ran_out_is_taken_over(moving: Team) -> None:
    leave(moving, HELD.format(until=LONG_AGO))
    finished = moving.check()
    assert finished.exit_code == 0, finished.out
    assert moving.lease() is None


@pytest.mark.parametrize(
    "text",
    [
        "our own alias, thank you",
        "deployguard/1 owner=0123abcd",
        HELD.format(until="2026-13-45T18:57:49Z"),
        HELD.format(until=LONG_AGO) + " alias=live:1>2 and more",
        HELD.format(until=LONG_AGO) + " alias=live:one>2",
        "",
    ],
)
def test_what_is_no_lease_is_left_alone(moving: Team, text: str) -> None:
    leave(moving, text)
    for finished in (moving.check(), recover(moving)):
        assert finished.exit_code == 3, finished.out
    assert moving.lease() == text
    assert moving.alias() == "1"


def test_a_lease_of_a_newer_version_is_left_alone(moving: Team) -> None:
    leave(moving, "deployguard/2 something new")
    finished = moving.check()
    assert finished.exit_code == 3
    assert "another version" in finished.out


def test_a_role_that_may_create_no_alias_is_told_of_no_lock(moving: Team) -> None:
    moving.lab.fault(operation="CreateAlias", kind="deny", times=None)
    denied = moving.check()
    assert denied.exit_code == 3
    assert "--no-lock" in denied.out
    finished = moving.check("--no-lock")
    assert finished.exit_code == 0
    assert "`deployguard recover` cannot put it back" in finished.err


def test_recover_finds_nothing_where_nothing_was_left(moving: Team) -> None:
    before = moving.lab.writes()
    finished = recover(moving)
    assert finished.exit_code == 0
    assert "no run has left anything behind" in finished.err
    assert moving.lab.writes() == before


@pytest.mark.parametrize("phase", ["before", "after", "reply"])
def test_recover_puts_back_what_a_killed_check_moved(moving: Team, phase: str) -> None:
    killed(moving, operation="UpdateAlias", nth=2, phase=phase)
    assert "alias=live:1>2" in (moving.lease() or "")
    later(moving)
    assert recover(moving).exit_code == 0
    assert (moving.alias(), moving.lease()) == ("1", None)
    writes = moving.lab.writes()
    assert recover(moving).exit_code == 0
    assert moving.lab.writes() == writes


def test_recover_leaves_a_run_alone_that_may_be_alive(moving: Team) -> None:
    killed(moving, operation="UpdateAlias", nth=2)
    assert recover(moving).exit_code == 12
    assert moving.alias() == "2"


def test_recover_leaves_alone_what_somebody_set_since(moving: Team) -> None:
    killed(moving, operation="UpdateAlias", nth=2)
    moving.ship("b3")
    moving.point(moving.publish())
    later(moving)
    finished = recover(moving)
    assert finished.exit_code == 0, finished.out
    assert "left alone" in finished.err
    assert (moving.alias(), moving.lease()) == ("3", None)


def test_recover_removes_an_alias_that_did_not_exist_before(team: Team) -> None:
    team.ship("b1")
    killed(team, operation="CreateAlias", nth=2)
    assert team.alias() == "1"
    later(team)
    assert recover(team).exit_code == 0
    assert team.alias() is None


def test_the_next_check_puts_back_first_and_then_does_its_own(moving: Team) -> None:
    killed(moving, operation="UpdateAlias", nth=2)
    later(moving)
    finished = moving.check()
    assert finished.exit_code == 0, finished.out
    assert finished.function["version"] == {
        "before": "1",
        "published": "2",
        "after": "2",
        "deduplicated": True,
    }
    assert (moving.alias(), moving.lease()) == ("2", None)


def test_a_rollback_that_was_killed_is_finished(moving: Team) -> None:
    assert moving.check().exit_code == 0
    moving.lab.fault(operation="GetFunction", kind="delay", seconds=0.5)
    process = moving.start("rollback", moving.name)
    moving.lab.fault(operation="UpdateAlias", nth=2, phase="before", kind="kill", pid=process.pid)
    process.communicate(timeout=60)
    assert (process.returncode, moving.alias()) == (-signal.SIGKILL, "2")
    later(moving)
    assert recover(moving).exit_code == 0
    assert moving.alias() == "1"


def test_a_rollback_that_cannot_be_written_down_moves_nothing(moving: Team) -> None:
    assert moving.check().exit_code == 0
    moving.lab.fault(operation="UpdateAlias", alias="deployguard", times=None, kind="deny")
    finished = moving.run("rollback", moving.name)
    assert finished.exit_code == 3, finished.out
    assert moving.alias() == "2"


def test_what_recover_cannot_put_back_needs_a_person_and_stays_written_down(moving: Team) -> None:
    killed(moving, operation="UpdateAlias", nth=2)
    later(moving)
    moving.lab.fault(operation="UpdateAlias", nth=2, times=None, kind="deny")
    finished = recover(moving)
    assert finished.exit_code == 20, finished.out
    assert "aws lambda update-alias" in finished.out
    assert "alias=live:1>2" in (moving.lease() or "")


def test_a_kept_deploy_whose_lease_stays_needs_a_person(moving: Team) -> None:
    moving.lab.fault(operation="DeleteAlias", times=None, kind="deny")
    finished = moving.check()
    assert finished.exit_code == 20, finished.out
    assert "aws lambda delete-alias" in finished.out
    assert moving.alias() == "2"


def test_a_lease_that_was_taken_meanwhile_ends_the_run_without_another_write(moving: Team) -> None:
    moving.lab.fault(operation="PublishVersion", kind="delay", seconds=1.5)
    process = moving.start("check", moving.name, "--grace", "0")
    eventually(lambda: moving.lease() is not None)
    moving.functions.update_alias(
        FunctionName=moving.name, Name="deployguard", Description=HELD.format(until=FAR_AWAY)
    )
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, out + err
    assert moving.alias() == "1"
    assert moving.lease() == HELD.format(until=FAR_AWAY)


def test_a_lease_is_renewed_while_its_run_is_alive(moving: Team) -> None:
    moving.lab.fault(operation="PublishVersion", kind="hold")
    process = moving.start("check", moving.name, "--grace", "0")
    eventually(lambda: moving.lease() is not None)
    first = moving.lease()
    eventually(lambda: moving.lease() != first, within_s=40)
    moving.lab.release()
    assert finish(process) == 0
    assert moving.lease() is None


def test_two_runs_at_once_do_not_mix(moving: Team) -> None:
    processes = [moving.start("check", moving.name, "--grace", "0") for _ in range(2)]
    ended = sorted(finish(process) for process in processes)
    assert ended in ([0, 0], [0, 12])
    assert (moving.alias(), moving.lease()) == ("2", None)


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a run, and return its exit code."""
    process.communicate(timeout=60)
    return process.returncode
