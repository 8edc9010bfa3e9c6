"""Where the runs of a fleet wait for each other, or are held back: one decision for all."""

from __future__ import annotations

import threading
from collections import Counter

from deployguard.errors import OutOfTime, Withheld
from deployguard.run import Moment, Run

LOOK_S = 0.2  # after which a waiting run looks for a signal, and after its lease


class Gates:
    """What all runs know of each other: how many have come how far, and whether one failed."""

    def __init__(self, count: int, *, together: bool, fail_fast: bool, jobs: int) -> None:
        """Let so many runs work at once; those that wait for the others do not count."""
        self.slots = threading.Semaphore(jobs)
        self.failed = ""  # the first function that was not FRESH
        self._count = count
        self._together = together
        self._fail_fast = fail_fast
        self._came: Counter[Moment] = Counter()
        self._open: set[Moment] = set()  # that all have come to; nothing closes them again
        self._changed = threading.Condition()

    @property
    def are_closed(self) -> bool:
        """Say whether nobody is to begin any more."""
        return bool(self.failed) and (self._together or self._fail_fast)

    def ended(self, function: str, exit_code: int) -> None:
        """Note how the run of a function ended."""
        with self._changed:
            if exit_code and not self.failed:
                self.failed = function
            self._changed.notify_all()

    def meet(self, run: Run, moment: Moment) -> None:
        """Let a run pass; together only when all have come, and none where one has failed."""
        if not self._together:
            if moment is Moment.MOVE and self.are_closed:
                raise self.withheld()
            return
        run.heed()
        self.slots.release()
        self._come(moment)
        try:
            while not self._may_pass(run, moment):
                run.checkpoint()
        except BaseException:
            if not self._leave(run, moment):
                raise
        if moment is Moment.MOVE:
            self.slots.acquire()

    def _come(self, moment: Moment) -> None:
        """Count a run in; with the last one it is decided that all pass, unless one has failed."""
        with self._changed:
            self._came[moment] += 1
            if self._came[moment] == self._count and not self.failed:
                self._open.add(moment)
            self._changed.notify_all()

    def _leave(self, run: Run, moment: Moment) -> bool:
        """Let a run leave, and all others with it; say whether it was decided that all pass."""
        with self._changed:
            if moment in self._open:
                return True
            self.failed = self.failed or run.record.asked
            self._changed.notify_all()
            return False

    def _may_pass(self, run: Run, moment: Moment) -> bool:
        """Wait for a while for the others."""
        with self._changed:
            self._changed.wait_for(lambda: moment in self._open or self.failed, LOOK_S)
            if moment in self._open:
                return True
            if self.failed:
                raise self.withheld()
            if run.left <= 0:
                raise OutOfTime(
                    f"not all functions came to the same point in {run.timeout_s:.0f} s",
                    fix="give a longer --timeout, or more --jobs",
                )
            return False

    def withheld(self) -> Withheld:
        """Say because of whom a function is not deployed."""
        return Withheld(f"{self.failed} did not end as FRESH", finding="DG411")
