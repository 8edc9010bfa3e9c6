"""A canary may ask for the user's own self-test, which can hang or raise and break nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployguard import canary as helper
from deployguard.canary import breadcrumb, canary
from tests.unit.test_canary import Context, ask


def asked_of(self_test: Callable[[], object], *, left_ms: int = 30_000) -> dict[str, Any]:
    """Return what a canary that asks for the self-test is told of it."""
    answer = breadcrumb(ask(self_test=True), Context(remaining_ms=left_ms), self_test=self_test)
    assert answer is not None
    json.dumps(answer, allow_nan=False)
    result = answer["deployguard"]["self_test"]
    assert set(result) == {"ok", "detail", "seconds"}
    return dict(result)


def raising(error: BaseException) -> Callable[[], object]:
    def check() -> object:
        raise error

    return check


async def coroutine() -> bool:
    return True


@pytest.mark.parametrize(
    ("result", "ok", "detail"),
    [
        (True, True, ""),
        (None, True, ""),
        (False, False, ""),
        ("12 fonts", True, "12 fonts"),
        ("x" * 2_000, True, "x" * 1_000),
        ({"left_s": 12}, True, '{"left_s": 12}'),
        ({"ok": True, "left_s": 12}, True, '{"ok": true, "left_s": 12}'),
        ({"ok": False, "left_s": -1}, False, '{"ok": false, "left_s": -1}'),
        ({"ok": None}, False, '{"ok": null}'),
        ({"x": "y" * 2_000}, True, "too long"),
        ({"x": object()}, True, "not JSON"),
        ({"x": float("nan")}, True, "not JSON"),
        (7, None, "returned a int"),
        ([], None, "returned a list"),
    ],
)
def test_what_a_self_test_returns_is_told_in_bounds(
    result: object, ok: object, detail: str
) -> None:
    found = asked_of(lambda: result)

    assert (found["ok"], found["detail"]) == (ok, detail)
    assert 0 <= found["seconds"] < 5


@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit(3), KeyboardInterrupt()])
def test_of_an_exception_only_the_name_is_told(error: BaseException) -> None:
    found = asked_of(raising(error))

    assert (found["ok"], found["detail"]) == (False, type(error).__name__)


@pytest.fixture
def hanging() -> Iterator[Callable[[], object]]:
    """Hand out a self-test that hangs until the test is over."""
    end = threading.Event()
    yield end.wait
    end.set()
    assert helper._testing is not None
    helper._testing.join(5)


@pytest.mark.parametrize(("left_ms", "most_s"), [(600, 3.0), (400, 2.0), (-5, 2.0)])
def test_one_that_hangs_is_left_in_time_and_none_is_started_beside_it(
    hanging: Callable[[], object], left_ms: int, most_s: float
) -> None:
    found = asked_of(hanging, left_ms=left_ms)
    assert (found["ok"], found["detail"]) == (None, "timed out")
    assert found["seconds"] < most_s

    threads = threading.active_count()
    again = asked_of(hanging)
    assert (again["ok"], again["detail"]) == (None, "an earlier self-test has not ended")
    assert threading.active_count() == threads
    assert helper._testing is not None
    assert helper._testing.daemon


def test_no_thread_is_left_of_one_that_ends() -> None:
    threads = threading.active_count()
    asked_of(lambda: True)
    assert helper._testing is not None
    helper._testing.join(5)

    assert threading.active_count() == threads


@pytest.mark.parametrize("asked", [{}, {"self_test": False}, {"self_test": 1}, {"self_test": "on"}])
def test_it_is_called_only_by_a_canary_that_asks_for_it(asked: dict[str, Any]) -> None:
    called: list[None] = []

    @canary(self_test=lambda: called.append(None))
    def handler(event: Any, context: Any) -> Any:
        return event

    assert handler({"order": 7}, Context()) == {"order": 7}
    assert "self_test" not in handler(ask(**asked), Context())["deployguard"]
    assert called == []
    assert handler(ask(self_test=True), Context())["deployguard"]["self_test"]["ok"] is True
    assert called == [None]


def test_a_handler_without_a_self_test_says_nothing_of_one() -> None:
    answer = breadcrumb(ask(self_test=True), Context())
    assert answer is not None
    assert "self_test" not in answer["deployguard"]


def test_the_decorator_takes_a_self_test_in_either_form() -> None:
    def handler(event: Any, context: Any) -> Any:
        return event

    for guarded in (canary(handler, self_test=lambda: False), canary(self_test=bool)(handler)):
        assert guarded.__name__ == "handler"
        assert guarded(ask(self_test=True), None)["deployguard"]["self_test"]["ok"] is False


def test_the_hold_comes_after_the_self_test_and_leaves_the_margin() -> None:
    answer = breadcrumb(ask(self_test=True, hold_ms=40), Context(), self_test=lambda: True)
    assert answer is not None
    fields = answer["deployguard"]

    assert fields["released"] - fields["received"] >= 0.04
    assert fields["self_test"]["seconds"] < 0.04 + fields["released"] - fields["received"]
