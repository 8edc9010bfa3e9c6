"""One run: its clock, its deadline, its voice, and the record that becomes the report."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from deployguard.aws.common import Common
from deployguard.errors import (
    AwsFailure,
    ConfigurationError,
    DeployguardError,
    Interrupted,
    OutOfTime,
    Refusal,
    Superseded,
    Withheld,
)
from deployguard.model import Change, Evidence, Expected, Round, Ruling, Verdict
from deployguard.progress import Detail, Said, Saw, Step, Tell
from deployguard.resources import Alias, Function

if TYPE_CHECKING:
    from deployguard.aws.session import Session
    from deployguard.burst import Connections
    from deployguard.journal import Journal
    from deployguard.lease import Intent

T = TypeVar("T")
SIGNALLED_S = 6.0  # GitHub kills 7.5 s after its first signal
OVERTIME_S = 9.0  # for putting back what the run's own time did not suffice for
EXIT_CODES = {
    Verdict.FRESH: 0,
    Verdict.STALE: 10,
    Verdict.INCONCLUSIVE: 11,
    Verdict.SUPERSEDED: 12,
}


class Moment(Enum):
    """Where the runs of a fleet may have to wait for each other."""

    MOVE = "before the alias is moved"
    KEEP = "before the move is kept"


REPAIRS = ("recover", "prune")  # the commands that judge nothing: they end well, or with an error


@dataclass
class Record:
    """What is known so far; it becomes the report however the run ends."""

    command: str
    asked: str = ""  # the function as it was asked for, where others are asked for as well
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    function: Function | None = None
    alias: str | None = None
    expected: Expected | None = None
    before: Alias | None = None
    published: str | None = None
    deduplicated: bool = False
    after: str | None = None
    evidence: Evidence | None = None
    ruling: Ruling | None = None
    changes: list[Change] = field(default_factory=list)
    kept: list[Intent] = field(default_factory=list)  # what this run changed for good
    recovered: list[str] = field(default_factory=list)  # aliases that a dead run no longer holds
    error: DeployguardError | Interrupted | None = None

    @property
    def verdict(self) -> Verdict | None:
        """Return the verdict of the run; an error outranks what was judged before it.

        None is the verdict of a command that judges nothing and did what it is for.
        """
        if self.error is None and self.command in REPAIRS:
            return None
        if isinstance(self.error, Superseded):
            return Verdict.SUPERSEDED
        if isinstance(self.error, (OutOfTime, Withheld)):
            return Verdict.INCONCLUSIVE
        if self.error is not None or self.ruling is None:
            return Verdict.ERROR
        return self.ruling.verdict

    @property
    def exit_code(self) -> int:
        """Return the contract's exit code."""
        if self.error is None:
            return 0 if self.verdict is None else EXIT_CODES.get(self.verdict, 1)
        refused = self.error.exit_code in (ConfigurationError.exit_code, Refusal.exit_code)
        has_changed = any(change.result != "failed" for change in self.changes)
        return AwsFailure.exit_code if refused and has_changed else self.error.exit_code


class Run:
    """The resources of one run; times are monotonic seconds since it began."""

    def __init__(self, session: Session, record: Record, *, timeout_s: float) -> None:
        """Start the clock; nobody listens yet."""
        self.session = session
        self.record = record
        self.tell: Tell = lambda _: None
        self.journal: Journal | None = None  # while the lease is held
        self.resources = ExitStack()
        self._lines: Connections | None = None
        self.began = time.monotonic()
        self.timeout_s = timeout_s
        session.hurry(timeout_s + OVERTIME_S)
        session.explain = self.explain
        self._signal: int | None = None
        self._signalled_at = 0.0
        self._woken = threading.Event()
        self._is_finishing = False
        self.neighbours = 1  # runs that probe in the same account and region meanwhile
        self.common = Common()  # what they all need to read
        self.meet: Callable[[Moment], None] = lambda _: None  # may wait, or raise

    @property
    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Return the seconds that are left before the deadline."""
        return self.timeout_s - self.now

    def step(self, title: str) -> None:
        """Begin the next step of the story."""
        self.tell(Step(title))

    def say(self, text: str) -> None:
        """Tell something that everybody may want to know."""
        self.tell(Said(text))

    def explain(self, text: str) -> None:
        """Tell something that only matters to who asks why."""
        self.tell(Detail(text))

    def saw(self, last: Round, evidence: Evidence, ruling: Ruling) -> None:
        """Tell what a round of probes brought."""
        self.tell(Saw(last, evidence, ruling))

    def interrupt(self, number: int) -> None:
        """Note the first signal, and raise Interrupted from wherever the run is."""
        self._signal, self._signalled_at = number, self.now
        raise Interrupted(number)

    def signal(self, number: int) -> None:
        """Note the first signal for a run in another thread: what it does next raises.

        NOTE: its own thread must not wake itself, since it may hold the event's lock.
        """
        self._signal, self._signalled_at = number, self.now
        self._woken.set()

    def heed(self) -> None:
        """Raise Interrupted if a signal came, unless something is being put back."""
        if self._signal is not None and not self._is_finishing:
            raise Interrupted(self._signal)

    @property
    def is_interrupted(self) -> bool:
        """Say whether a signal came already."""
        return self._signal is not None

    def checkpoint(self) -> None:
        """Raise Interrupted if a signal came, and Superseded if the lease was lost.

        NOTE: the first signal raised it already, but Python drops what a signal handler raises
        while an object is being finalised.
        """
        if self._signal is not None:
            raise Interrupted(self._signal)
        if self.journal is not None:
            self.journal.ensure()

    def finish(self, put_back: Callable[[], None]) -> None:
        """Put something back; a first signal that arrives meanwhile must not cut it short."""
        was_interrupted = self.is_interrupted
        try:
            self._in_time(put_back)
        except Interrupted:
            if was_interrupted:
                raise
            self._in_time(put_back)
            raise

    def _in_time(self, put_back: Callable[[], None]) -> None:
        """Put something back before the CI service kills the run, or soon after its own time."""
        overtime = max(self.left, 0.0) + OVERTIME_S
        since_signal = self.now - self._signalled_at
        self.session.hurry(
            max(1.0, SIGNALLED_S - since_signal) if self.is_interrupted else overtime
        )
        self._is_finishing = True
        try:
            put_back()
        except DeployguardError as problem:
            if self._signal is not None:
                raise Interrupted(self._signal, left=problem) from problem
            raise
        finally:
            self._is_finishing = False

    def wait_until(self, moment: float, *, why: str) -> None:
        """Sleep until a moment of the run, but not past its deadline."""
        seconds = max(0.0, min(moment, self.timeout_s) - self.now)
        if seconds:
            self.explain(f"waiting {seconds:.1f} s: {why}")
        self._woken.wait(seconds)
        self.heed()

    @property
    def function(self) -> Function:
        """Return the function under test, once it was read."""
        if self.record.function is None:
            raise AssertionError("no function was read yet")
        return self.record.function

    @property
    def expected(self) -> Expected:
        """Return the build that was shipped, once it was resolved."""
        if self.record.expected is None:
            raise AssertionError("no image was resolved yet")
        return self.record.expected

    @property
    def ruling(self) -> Ruling:
        """Return what the evidence so far says, once it was judged."""
        if self.record.ruling is None:
            raise AssertionError("nothing was judged yet")
        return self.record.ruling

    def lines(self, url: str) -> Connections:
        """Return the connections that probes travel on, opened for the first and kept after."""
        if self._lines is None:
            from deployguard.burst import Connections, proxy_for, tls_context

            context = tls_context(self.session.ca_bundle) if url.startswith("https:") else None
            proxy = proxy_for(url, os.environ)
            lines = Connections(url, tls=context, proxy=proxy)
            self._lines = self.resources.enter_context(lines)
        return self._lines

    def change(
        self, call: str, do: Callable[[], T], *, before: dict[str, Any], after: dict[str, Any]
    ) -> T:
        """Do one write, under the lease, and record how it ended: ok, failed, or unknown."""
        if self.journal is not None:
            self.journal.ensure()
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            result = do()
        except BaseException as failure:
            has_failed = isinstance(failure, AwsFailure) and not failure.maybe_applied
            ended = "failed" if has_failed else "unknown"
            self.record.changes.append(Change(at, call, before, after, ended))
            raise
        self.record.changes.append(Change(at, call, before, after))
        return result

    def note(self, intent: Intent) -> None:
        """Record an intent in the lease, if there is one, before its effect."""
        if self.journal is not None:
            self.journal.note(intent)

    def settle(self, intent: Intent, *, kept: bool = False) -> None:
        """Say that nothing is left to do about an intent."""
        if kept:
            self.record.kept.append(intent)
        if self.journal is not None:
            self.journal.settle(intent, kept=kept)

    def was_applied(self) -> None:
        """Note that the last write took effect after all: its answer was lost."""
        self.record.changes[-1] = replace(self.record.changes[-1], result="ok")
