"""What several runs ask AWS in the same words: asked once, and heard by all of them.

Only for what the runs themselves do not change: who calls functions in an account that they all
work in, and images. Nobody may change an answer that others hear.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, TypeVar

from deployguard.errors import AccessDenied

T = TypeVar("T")
AGE_S = 300.0  # after which an answer is asked for again


class Common:
    """Answers by question, as long as they are young; only the first who asks asks AWS."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, Future[Any]]] = {}

    def answer(self, question: str, ask: Callable[[], T], *, until: float) -> T:
        """Return what was answered, or ask.

        A failure is that of whoever asked, and those who waited ask for themselves; but all have
        the same rights. Whoever may not wait beyond the monotonic moment `until` asks for itself.
        """
        future, is_mine = self._place(question)
        if is_mine:
            return self._asked(question, ask, future)
        try:
            failure = future.exception(min(until - time.monotonic(), threading.TIMEOUT_MAX))
        except NotYet:
            return ask()
        if isinstance(failure, AccessDenied):
            raise failure
        if failure is not None:  # all who waited try at once, not one after the other
            return ask()
        answer: T = future.result()
        return answer

    def _place(self, question: str) -> tuple[Future[Any], bool]:
        """Return where the answer is or will be, and whether the caller has to ask for it."""
        now = time.monotonic()
        with self._lock:
            asked, future = self._answers.get(question, (0.0, None))
            if future is not None and now < asked + AGE_S:
                return future, False
            future = Future()
            self._answers[question] = now, future
            return future, True

    def _asked(self, question: str, ask: Callable[[], T], future: Future[Any]) -> T:
        try:
            answer = ask()
        except BaseException as failure:
            if not isinstance(failure, AccessDenied):
                with self._lock:
                    self._answers.pop(question, None)
            future.set_exception(failure)
            raise
        future.set_result(answer)
        return answer
