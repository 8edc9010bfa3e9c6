"""Log lines read as invocations, believing the platform's lines and none that look like them.

What a function prints can be any text, a REPORT of its own request included. It cannot print before
its START nor after its REPORT. So a line counts only where the platform can have written it, the
last REPORT of an invocation is the true one, and where two readings remain, neither is believed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from deployguard.executions import marks
from deployguard.executions.marks import Facts, Kind, Logged, Mark
from deployguard.executions.nouns import Crumb, Invocation, Line

KEPT = 100  # lines of one invocation: the last ones
NEAR = 0.95  # of the time after which it timed out, as it says
RUNTIME = "Runtime."  # how the types begin of what ends the process


def invocations(events: Iterable[Logged], *, whole: Collection[str] = ()) -> list[Invocation]:
    """Return the invocations that some events show, given in the order of each stream.

    In the streams that are `whole`, up to the last of these events, invocations can be counted.
    """
    streams: dict[str, list[Mark]] = {}
    for event in events:
        streams.setdefault(event.stream, []).append(marks.of(event))
    return [
        invocation
        for name, of_stream in streams.items()
        for invocation in _Stream(name, of_stream, is_whole=name in whole).read()
    ]


def version_of(stream: str) -> str | None:
    """Return the version that a log stream's name tells."""
    found = marks.VERSION.search(stream)
    return found["version"] if found else None


@dataclass
class _Run:
    """One invocation while its lines are read."""

    id: str
    version: str | None
    started: float | None
    ended: float | None = None
    report: Facts | None = None
    done: Facts | None = None  # what the runtime's end says, in JSON
    reason: Facts | None = None  # what the old style said last
    init: Facts | None = None
    ordinal: int | None = None
    first: float | None = None  # line of its process
    crumb: Crumb | None = None  # of its own
    birth: Crumb | None = None  # of its process
    is_doubted: bool = False
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=KEPT))

    @property
    def is_over(self) -> bool:
        return self.report is not None


class _Stream:
    """The lines of one container, in order."""

    def __init__(self, name: str, of_stream: list[Mark], *, is_whole: bool) -> None:
        self.name = name
        self.marks = of_stream
        self.is_whole = is_whole
        self.last_end = {
            mark.id: place
            for place, mark in enumerate(of_stream)
            if mark.kind in (Kind.END, Kind.REPORT)
        }
        self.has_starts = any(mark.kind is Kind.START for mark in of_stream)
        self.runs: list[_Run] = []
        self.open: _Run | None = None
        self.denied: dict[str, _Run] = {}  # what a START would have begun, and within what
        self.is_doubted = False
        self.count = 0  # of the process's invocations
        self.first = of_stream[0].at
        self.birth: Crumb | None = None
        self.waiting: list[Line] = []  # said before the next START
        self.init: Facts | None = None

    def read(self) -> Iterator[Invocation]:
        for place, mark in enumerate(self.marks):
            match mark.kind:
                case Kind.START:
                    self._start(place, mark)
                case Kind.END | Kind.REPORT:
                    self._end(mark)
                case Kind.INIT:
                    self._initialize(mark)
                case Kind.BREADCRUMB:
                    self._crumb(mark)
                case Kind.REASON | Kind.TEXT:
                    self._say(mark)
        return (self._result(run) for run in self.runs)

    def _start(self, place: int, mark: Mark) -> None:
        running = self.open
        if running and running.id == mark.id:
            self._say(mark)
            return
        if running and not running.is_over and self.last_end.get(running.id, -1) > place:
            self.denied[mark.id] = running
            self._say(mark)
            return
        if running and self._has_ended_process(running):
            self.count, self.first, self.birth = 0, mark.at, None
        self.count += 1
        self.open = _Run(mark.id, mark.version or version_of(self.name), mark.at)
        self.open.ordinal, self.open.first = self.count, self.first
        self.open.init, self.init = self.init, None
        self.open.birth = self.birth
        self.open.lines.extend(self.waiting)
        self.waiting = []
        self.runs.append(self.open)

    def _end(self, mark: Mark) -> None:
        run = self.open
        if not self.has_starts and (run is None or run.id != mark.id):
            run = self._unannounced(mark.id)
        if run is None or run.id != mark.id:
            self._doubt(mark)
            self._say(mark)
            return
        run.ended = mark.at
        run.lines.extend(self.waiting)  # after an end that it only said
        self.waiting = []
        if mark.kind is Kind.END:
            run.done = mark.facts
            return
        run.report = mark.facts

    def _has_ended_process(self, run: _Run) -> bool:
        """Say whether the next invocation meets a new process: without a report, it was killed."""
        told = self._told(run)
        was_killed = told.status == "timeout" or told.error_type.startswith(RUNTIME)
        return was_killed or not run.is_over

    def _doubt(self, mark: Mark) -> None:
        """Note an end where none can be: its invocation was over, or began inside of another."""
        within = self.denied.get(mark.id)
        for run in [run for run in self.runs if run.id == mark.id] + ([within] if within else []):
            run.is_doubted = self.is_doubted = True

    def _unannounced(self, request_id: str) -> _Run:
        """Return an invocation of a stream from which the platform's level hides each START."""
        known = next((run for run in self.runs if run.id == request_id), None)
        self.open = known or _Run(request_id, version_of(self.name), None)
        if known is None:
            self.runs.append(self.open)
        return self.open

    def _initialize(self, mark: Mark) -> None:
        if self.open is None or self.open.is_over:
            self.init = mark.facts
        elif not self.open.lines and self.open.init is None:
            self.open.init = mark.facts
        else:
            self._say(mark)

    def _crumb(self, mark: Mark) -> None:
        """Take a breadcrumb line of the invocation that runs."""
        run = self.open
        if run is None or run.is_over or mark.id != run.id:
            self._say(mark)
            return
        told = mark.crumb
        if run.crumb is not None and run.crumb != told:
            told = None  # two that differ: one of them is not the helper's
        run.crumb = run.birth = self.birth = told

    def _say(self, mark: Mark) -> None:
        if not self.has_starts and mark.id:
            self._unannounced(mark.id)
        line = Line(mark.at, mark.text.rstrip("\n"))
        if self.open is None or self.open.is_over:
            self.waiting.append(line)
            return
        self.open.lines.append(line)
        is_reason = mark.kind is Kind.REASON and mark.id == self.open.id
        self.open.reason = mark.facts if is_reason else None

    def _told(self, run: _Run) -> Facts:
        """Return how an invocation ended, by its report or by what was said in its place."""
        report, done, reason = run.report or Facts(), run.done or Facts(), run.reason or Facts()
        if report.status or done.status:
            return Facts(
                status=report.status or done.status,
                error_type=report.error_type or done.error_type,
            )
        is_late = (report.duration_ms or 0.0) >= NEAR * (reason.duration_ms or 0.0)
        return reason if reason.status != "timeout" or is_late else Facts()

    def _result(self, run: _Run) -> Invocation:
        report = Facts() if run.is_doubted or run.report is None else run.report
        told = Facts() if run.is_doubted else self._told(run)
        init = run.init or Facts()
        birth = run.birth
        since = birth.born if birth else run.first
        age = None if run.started is None or since is None else max(0.0, run.started - since)
        return Invocation(
            request_id=run.id,
            stream=self.name,
            version=run.version,
            started=run.started,
            ended=run.ended,
            duration_ms=report.duration_ms,
            init_ms=report.init_ms if report.init_ms is not None else init.init_ms,
            has_report=run.report is not None and not run.is_doubted,
            memory_mb=report.memory_mb,
            used_mb=report.used_mb,
            status=told.status,
            error_type=told.error_type,
            lines=tuple(run.lines),
            init_status=init.status,
            init_error=init.error_type,
            ordinal=self._ordinal(run),
            container_age_s=age,
            born=birth.born if birth else None,
            build_id=birth.build_id if birth else None,
        )

    def _ordinal(self, run: _Run) -> int | None:
        if run.crumb is not None:
            return run.crumb.invocation
        return run.ordinal if self.is_whole and not self.is_doubted else None
