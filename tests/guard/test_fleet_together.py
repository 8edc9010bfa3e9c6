"""All functions or none, however the run ends; and no more than asked once one has failed."""

from __future__ import annotations

import signal

import pytest

from tests.guard.crew import NAMES, Crew, entries, named, verdicts
from tests.guard.test_reports import valid
from tests.guard.world import Team, eventually

OLD, NEW = dict.fromkeys(NAMES, "1"), dict.fromkeys(NAMES, "2")


@pytest.fixture
def crew(team: Team) -> Crew:
    """Have three functions with b1 live and b2 deployed, and all of them named."""
    crew = Crew(team)
    crew.write(named(*NAMES))
    return crew


def moves(crew: Crew) -> list[str]:
    """Return the functions whose alias `live` was moved by deployguard, one by one."""
    made = [write for write in crew.team.lab.writes() if write["operation"] == "UpdateAlias"]
    lived = [write["resource"] for write in made if write["resource"].endswith(":live")]
    return [arn.split(":")[-2] for arn in lived]


def recovered(crew: Crew) -> None:
    """Let the leases run out, and put back what they tell of."""
    crew.team.lab.clear_faults()
    crew.team.lab.set(clock_step_s=120.0, propagation_s=0.0)
    finished = crew.team.run("recover", "--all")
    assert finished.exit_code == 0, finished.err
    assert crew.leases == []


def test_together_all_are_moved_when_all_are_fresh(crew: Crew) -> None:
    finished = crew.check("--together")
    assert finished.exit_code == 0, finished.err
    assert (crew.live, crew.leases) == (NEW, [])
    valid(finished.report)


def test_together_none_is_moved_unless_every_version_is_fresh(crew: Crew) -> None:
    crew.stale("prices")
    before = moves(crew)
    finished = crew.check("--together")
    assert finished.exit_code == 10, finished.err
    assert moves(crew) == before
    assert (crew.live, crew.leases) == (OLD, [])
    assert verdicts(finished) == {**dict.fromkeys(NAMES, "INCONCLUSIVE"), "prices": "STALE"}
    assert entries(finished)["orders"]["error"]["id"] == "DG411"
    valid(finished.report)


def test_together_all_are_put_back_when_one_fails_after_the_move(crew: Crew) -> None:
    crew.write(named("orders", "stock") + named("prices", also='["next"]'))
    crew.members["prices"].publish()
    crew.members["prices"].point("2", "next")
    crew.team.lab.fault(
        operation="Invoke", function="prices", qualifier="live", kind="deny", times=None
    )
    finished = crew.check("--together")
    assert finished.exit_code == 11, finished.err
    assert sorted(set(moves(crew))) == sorted(NAMES)
    assert (crew.live, crew.leases) == (OLD, [])
    assert set(verdicts(finished).values()) == {"INCONCLUSIVE"}
    assert entries(finished)["orders"]["version"]["after"] == "1"


def test_together_with_fewer_jobs_than_functions_comes_to_its_end(crew: Crew) -> None:
    assert crew.check("--together", "--jobs", "1").exit_code == 0
    assert crew.live == NEW


def test_together_one_that_cannot_be_found_keeps_all_back(crew: Crew) -> None:
    crew.write(named(*NAMES, "nothing"))
    before = moves(crew)
    assert crew.check("--together").exit_code == 3
    assert (moves(crew), crew.live) == (before, OLD)


def test_together_a_signal_puts_all_back(crew: Crew) -> None:
    crew.team.lab.set(propagation_s=600.0)
    process = crew.team.start("check", "--all", "--together", "--grace", "60")
    eventually(lambda: crew.live == NEW)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, out + err
    assert (crew.live, crew.leases) == (OLD, [])
    assert "ERROR" in out


def test_together_a_killed_run_is_undone_by_recover(crew: Crew) -> None:
    crew.team.lab.set(propagation_s=600.0)
    process = crew.team.start("check", "--all", "--together", "--grace", "60")
    eventually(lambda: crew.live == NEW)
    process.kill()
    process.communicate(timeout=30)
    assert len(crew.leases) == len(NAMES)
    recovered(crew)
    assert crew.live == OLD


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_together_a_run_that_is_killed_at_any_move_is_undone(crew: Crew, nth: int) -> None:
    crew.team.lab.fault(operation="GetFunction", kind="delay", seconds=0.5)
    process = crew.team.start("check", "--all", "--together", "--grace", "0")
    crew.team.lab.fault(
        operation="UpdateAlias", alias="live", nth=nth, phase="after", kind="kill", pid=process.pid
    )
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "2" in crew.live.values()
    recovered(crew)
    assert crew.live == OLD


def test_the_next_check_undoes_what_a_killed_one_left_and_deploys(crew: Crew) -> None:
    crew.team.lab.set(propagation_s=600.0)
    process = crew.team.start("check", "--all", "--together", "--grace", "60")
    eventually(lambda: crew.live == NEW)
    process.kill()
    process.communicate(timeout=30)
    crew.team.lab.set(clock_step_s=120.0, propagation_s=0.0)
    finished = crew.check("--together")
    assert finished.exit_code == 0, finished.err
    assert (crew.live, crew.leases) == (NEW, [])
    assert entries(finished)["stock"]["version"]["before"] == "1"


def test_apart_a_signal_puts_back_what_has_no_verdict_yet(crew: Crew) -> None:
    crew.team.lab.set(propagation_s=600.0)
    process = crew.team.start("check", "--all", "--grace", "60")
    eventually(lambda: crew.live == NEW)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, out + err
    assert (crew.live, crew.leases) == (OLD, [])


def test_a_signal_waits_for_no_call_that_hangs(crew: Crew) -> None:
    crew.team.lab.fault(operation="PublishVersion", function="prices", kind="hang", times=None)
    process = crew.team.start("check", "--all", "--grace", "0")
    eventually(lambda: any(fault["hits"] for fault in crew.team.lab.faults()))
    eventually(lambda: crew.live["stock"] == "2")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=12)
    assert process.returncode == 143, out + err
    assert "deployguard recover" in out
    recovered(crew)
    assert crew.live["prices"] == "1"


def test_fail_fast_begins_and_moves_nothing_more(crew: Crew) -> None:
    crew.stale("orders")
    before = moves(crew)
    finished = crew.check("--fail-fast", "--jobs", "1")
    assert finished.exit_code == 10, finished.err
    assert moves(crew) == before
    assert verdicts(finished) == {**dict.fromkeys(NAMES, "INCONCLUSIVE"), "orders": "STALE"}
    stock = crew.members["stock"].functions
    found = stock.list_versions_by_function(FunctionName="stock")["Versions"]
    assert [version["Version"] for version in found] == ["$LATEST", "1"]
    valid(finished.report)


def test_without_fail_fast_the_others_are_deployed(crew: Crew) -> None:
    crew.stale("orders")
    assert crew.check("--jobs", "1").exit_code == 10
    assert crew.live == {**NEW, "orders": "1"}


def test_one_deadline_holds_for_all(crew: Crew) -> None:
    crew.team.lab.set(propagation_s=600.0)
    finished = crew.check("--timeout", "6", "--grace", "60")
    assert finished.exit_code in (10, 11), finished.err
    assert finished.report is not None
    assert finished.report["seconds"] < 6 + 10
    assert (crew.live, crew.leases) == (OLD, [])


@pytest.mark.parametrize("operation", ["GetFunction", "PublishVersion", "UpdateAlias", "GetAlias"])
def test_throttles_are_waited_out(crew: Crew, operation: str) -> None:
    crew.team.lab.fault(operation=operation, kind="throttle", times=2)
    finished = crew.check("--together")
    assert finished.exit_code == 0, finished.err
    assert crew.live == NEW


def test_another_run_that_holds_one_lease_keeps_all_back_together(crew: Crew) -> None:
    text = "deployguard/1 owner=0123abcd by=somebody until=2126-01-02T18:57:49Z"
    crew.members["stock"].functions.create_alias(
        FunctionName="stock", Name="deployguard", FunctionVersion="$LATEST", Description=text
    )
    before = moves(crew)
    finished = crew.check("--together")
    assert verdicts(finished)["stock"] == "SUPERSEDED"
    assert (moves(crew), crew.leases) == (before, [text])
