"""Many calls at once, no faster than AWS allows; what cannot be read is noted, not fatal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from deployguard.aws.sources.asked import UNREAD, unread
from deployguard.aws.turnstile import Turnstile
from deployguard.errors import Refusal
from deployguard.traffic import Unread

if TYPE_CHECKING:
    from deployguard.run import Run

S = TypeVar("S")
T = TypeVar("T")
AT_ONCE = 8
CHECKPOINT_S = 0.2  # after which a signal is noticed at the latest
PROGRESS_S = 3.0


class Asking:
    """A reading of what happened: its calls, and what it could not read."""

    def __init__(self, run: Run, *, fewer: str = "--children") -> None:
        """Begin with the time that the run has left; `fewer` is what can be asked for less."""
        self.run = run
        self._turnstile = Turnstile(within_s=run.left, fewer=fewer)
        self.session = run.session.beside(self._turnstile, until=self._turnstile.until)
        self._unread: dict[Unread, None] = {}

    @property
    def calls(self) -> int:
        """Return how many calls were made so far."""
        return self._turnstile.passed.total()

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Return what could not be read, each once."""
        return tuple(self._unread)

    def note(self, missing: Unread) -> None:
        """Note what is unknown."""
        self._unread[missing] = None

    def attempt(self, what: str, do: Callable[[], T]) -> T | None:
        """Read something; where that cannot be, note it and return None."""
        try:
            return do()
        except (*UNREAD, Refusal) as failure:
            self.note(unread(what, failure))
            return None

    def all(self, doing: str, do: Callable[[S], T], items: Iterable[S]) -> list[T]:
        """Do something with each item, several at once, and return the results in their order.

        The threads are daemons: a call that hangs must not keep a run from its end.
        """
        wanted = list(items)
        crew = _Crew(do, wanted)
        told = time.monotonic()
        while not crew.wait(CHECKPOINT_S):
            self.run.checkpoint()
            if time.monotonic() > told + PROGRESS_S:
                told = time.monotonic()
                self.run.say(f"{doing}: {crew.done} of {len(wanted)}, {self.calls} calls so far")
        return crew.results()


class _Crew(Generic[S, T]):
    """Threads that share the items of one job."""

    def __init__(self, do: Callable[[S], T], items: list[S]) -> None:
        self._do = do
        self._lock = threading.Lock()
        self._left = iter(enumerate(items))
        self._results: dict[int, T] = {}
        self._failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._work, daemon=True)
            for _ in range(min(AT_ONCE, len(items)))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def done(self) -> int:
        """Return how many items are done."""
        return len(self._results)

    def wait(self, seconds: float) -> bool:
        """Wait for the end, but not longer; say whether it has come."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def results(self) -> list[T]:
        """Return the results, or raise what ended the job early."""
        if self._failure is not None:
            raise self._failure
        return [self._results[number] for number in range(len(self._results))]

    def _work(self) -> None:
        while self._failure is None:
            with self._lock:
                number, item = next(self._left, (-1, None))
            if item is None:
                return
            try:
                self._results[number] = self._do(item)
            except BaseException as failure:
                self._failure = failure
