"""What several runs ask in the same words is asked once, and nobody suffers from another's end."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployguard.aws.common import Common
from deployguard.errors import AccessDenied, AwsFailure, Interrupted

SOON_S = 30.0


class Asked:
    """Somebody who answers when told to, and counts."""

    def __init__(self, *failures: BaseException) -> None:
        self.times = 0
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self._failures = list(failures)

    def __call__(self) -> str:
        self.times += 1
        self.has_begun.set()
        assert self.may_end.wait(SOON_S)
        if self._failures:
            raise self._failures.pop(0)
        return "answer"


def until() -> float:
    return time.monotonic() + SOON_S


def test_those_who_ask_at_once_hear_one_answer() -> None:
    common, asked = Common(), Asked()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(common.answer, "who?", asked, until=until())
        assert asked.has_begun.wait(SOON_S)
        others = [pool.submit(common.answer, "who?", asked, until=until()) for _ in range(7)]
        asked.may_end.set()
        assert {each.result() for each in [first, *others]} == {"answer"}
    assert asked.times == 1


def test_other_questions_have_answers_of_their_own() -> None:
    common = Common()
    assert common.answer("who?", lambda: 1, until=until()) == 1
    assert common.answer("whose?", lambda: 2, until=until()) == 2


@pytest.mark.parametrize("failure", [AwsFailure("throttled"), Interrupted(15)])
def test_a_failure_is_that_of_whoever_asked(failure: BaseException) -> None:
    common, asked = Common(), Asked(failure)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(common.answer, "who?", asked, until=until())
        assert asked.has_begun.wait(SOON_S)
        second = pool.submit(common.answer, "who?", asked, until=until())
        asked.may_end.set()
        assert first.exception() is failure
        assert second.result() == "answer"
    assert asked.times == 2


def test_a_denial_is_that_of_all_since_they_have_the_same_rights() -> None:
    common, asked = Common(), Asked(AccessDenied("no"))
    asked.may_end.set()
    for _ in range(2):
        with pytest.raises(AccessDenied):
            common.answer("who?", asked, until=until())
    assert asked.times == 1


def test_who_may_not_wait_asks_for_itself() -> None:
    common, asked = Common(), Asked()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(common.answer, "who?", asked, until=until())
        assert asked.has_begun.wait(SOON_S)
        assert common.answer("who?", lambda: "own", until=0.0) == "own"
        asked.may_end.set()
        assert first.result() == "answer"
