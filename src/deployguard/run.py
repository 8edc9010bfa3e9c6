"""One run: its clock, its deadline, its voice, and the record that becomes the report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from deployguard.errors import (
    AwsFailure,
    ConfigurationError,
    DeployguardError,
    Interrupted,
    OutOfTime,
    Refusal,
    Superseded,
)
from deployguard.model import (
    Alias,
    Change,
    Evidence,
    Expected,
    Function,
    Ruling,
    Verdict,
)

if TYPE_CHECKING:
    from deployguard.aws.session import Session
    from deployguard.burst import Connections

EXIT_CODES = {
    Verdict.FRESH: 0,
    Verdict.STALE: 10,
    Verdict.INCONCLUSIVE: 11,
    Verdict.SUPERSEDED: 12,
}


@dataclass
class Record:
    """What is known so far; it becomes the report however the run ends."""

    command: str
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
    error: DeployguardError | Interrupted | None = None

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of the run; an error outranks what was judged before it."""
        if isinstance(self.error, Superseded):
            return Verdict.SUPERSEDED
        if isinstance(self.error, OutOfTime):
            return Verdict.INCONCLUSIVE
        if self.error is not None or self.ruling is None:
            return Verdict.ERROR
        return self.ruling.verdict

    @property
    def exit_code(self) -> int:
        """Return the contract's exit code."""
        if self.error is None:
            return EXIT_CODES.get(self.verdict, 1)
        refused = self.error.exit_code in (ConfigurationError.exit_code, Refusal.exit_code)
        has_changed = any(change.result != "failed" for change in self.changes)
        return AwsFailure.exit_code if refused and has_changed else self.error.exit_code


class Run:
    """The resources of one run; times are monotonic seconds since it began."""

    def __init__(
        self, session: Session, record: Record, *, timeout_s: float, say: Callable[[str], None]
    ) -> None:
        """Start the clock."""
        self.session = session
        self.record = record
        self.say = say
        self.resources = ExitStack()
        self._lines: Connections | None = None
        self.began = time.monotonic()
        self.timeout_s = timeout_s
        session.deadline = self.began + timeout_s
        self._signal: int | None = None

    @property
    def now(self) -> float:
        """Return the seconds since the run began."""
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        """Return the seconds that are left before the deadline."""
        return self.timeout_s - self.now

    def interrupt(self, number: int) -> None:
        """Note the first signal, and raise Interrupted from wherever the run is."""
        self._signal = number
        raise Interrupted(number)

    @property
    def is_interrupted(self) -> bool:
        """Say whether a signal came already."""
        return self._signal is not None

    def checkpoint(self, *, left: DeployguardError | None = None) -> None:
        """Raise Interrupted if a signal came; `left` is what could not be put back after it.

        NOTE: the first one raised it already, but Python drops what a signal handler raises while
        an object is being finalised.
        """
        if self._signal is not None:
            raise Interrupted(self._signal, left=left)

    def wait_until(self, moment: float) -> None:
        """Sleep until a moment of the run, but not past its deadline."""
        time.sleep(max(0.0, min(moment, self.timeout_s) - self.now))

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
        self, call: str, do: Callable[[], Any], *, before: dict[str, Any], after: dict[str, Any]
    ) -> Any:
        """Do one write and record how it ended: ok, failed, or unknown."""
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

    def was_applied(self) -> None:
        """Note that the last write took effect after all: its answer was lost."""
        self.record.changes[-1] = replace(self.record.changes[-1], result="ok")
