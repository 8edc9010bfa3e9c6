"""Doing something beside what is done anyway, in a thread that keeps no run from its end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def begun(do: Callable[[], T], name: str) -> Future[T]:
    """Begin to do something, in a daemon thread: a call to AWS may hang."""
    future: Future[T] = Future()

    def settle() -> None:
        try:
            future.set_result(do())
        except BaseException as failure:
            future.set_exception(failure)

    Thread(target=settle, name=name, daemon=True).start()
    return future
