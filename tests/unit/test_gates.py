"""Where the runs of a fleet wait for each other: one decision, which all of them share."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable

import pytest

from deployguard.aws.session import Session
from deployguard.errors import DeployguardError, Interrupted, OutOfTime, Withheld
from deployguard.fleet.gates import Gates
from deployguard.run import Moment, Record, Run


def run_of(name: str, *, timeout_s: float = 60.0) -> Run:
    """Return a run that speaks to nobody."""
    session = Session(region="eu-west-1")
    return Run(session, Record("check", name), timeout_s=timeout_s)


def play(
    count: int,
    *,
    jobs: int = 9,
    idle: Callable[[], None] = lambda: None,
    disturb: Callable[[list[Run]], None] = lambda _: None,
) -> list[tuple[Moment, ...]]:
    """Let so many runs come to both gates; return which ones each of them passed."""
    gates = Gates(count, together=True, fail_fast=False, jobs=jobs)
    runs = [run_of(f"f{number}") for number in range(count)]
    passed: list[list[Moment]] = [[] for _ in runs]

    def tell(number: int) -> None:
        try:
            for moment in Moment:
                idle()
                gates.meet(runs[number], moment)
                passed[number].append(moment)
        except (DeployguardError, Interrupted):
            gates.ended(f"f{number}", 11)
        finally:
            gates.slots.release()

    threads = []
    for number in range(count):
        gates.slots.acquire()
        threads.append(threading.Thread(target=tell, args=(number,)))
        threads[-1].start()
    disturb(runs)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return [tuple(each) for each in passed]


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_all_pass_both_gates_however_few_work_at_once(jobs: int) -> None:
    assert set(play(5, jobs=jobs)) == {(Moment.MOVE, Moment.KEEP)}


def test_whenever_signals_come_all_keep_their_move_or_none_does() -> None:
    choice = random.Random(4)
    ends = set()

    def idle() -> None:
        threading.Event().wait(choice.random() * 0.3)

    def disturb(runs: list[Run]) -> None:
        idle()
        idle()
        for run in choice.sample(runs, choice.randint(1, len(runs))):
            run.signal(signal.SIGTERM)

    for _ in range(20):
        kept = {Moment.KEEP in passed for passed in play(6, idle=idle, disturb=disturb)}
        assert len(kept) == 1
        ends |= kept
    assert ends == {True, False}


def test_none_passes_once_one_has_failed() -> None:
    gates = Gates(2, together=True, fail_fast=False, jobs=2)
    gates.ended("f1", 10)
    with pytest.raises(Withheld, match="f1"):
        gates.meet(run_of("f2"), Moment.MOVE)


def test_one_that_fails_after_all_have_come_holds_nobody_back() -> None:
    gates = Gates(1, together=True, fail_fast=False, jobs=1)
    gates.meet(run_of("f1"), Moment.MOVE)
    gates.ended("f1", 10)
    assert gates.failed == "f1"
    gates = Gates(1, together=True, fail_fast=False, jobs=1)
    gates.slots.acquire()
    gates._come(Moment.KEEP)
    gates.ended("f2", 20)
    assert gates._may_pass(run_of("f1"), Moment.KEEP)


def test_whoever_comes_after_one_that_left_passes_no_more() -> None:
    gates = Gates(2, together=True, fail_fast=False, jobs=2)
    gone = run_of("f1")
    gates._come(Moment.KEEP)
    assert not gates._leave(gone, Moment.KEEP)
    with pytest.raises(Withheld, match="f1"):
        gates.meet(run_of("f2"), Moment.KEEP)


def test_nobody_waits_beyond_the_deadline() -> None:
    gates = Gates(2, together=True, fail_fast=False, jobs=2)
    with pytest.raises(OutOfTime):
        gates.meet(run_of("f1", timeout_s=0.3), Moment.MOVE)


def test_apart_nobody_waits_and_a_failure_stops_moves_only_where_that_is_asked() -> None:
    for fail_fast in (False, True):
        gates = Gates(2, together=False, fail_fast=fail_fast, jobs=2)
        gates.meet(run_of("f1"), Moment.MOVE)
        gates.ended("f2", 10)
        gates.meet(run_of("f1"), Moment.KEEP)
        if fail_fast:
            with pytest.raises(Withheld):
                gates.meet(run_of("f3"), Moment.MOVE)
        else:
            gates.meet(run_of("f3"), Moment.MOVE)
        assert gates.are_closed is fail_fast
