"""What every hook does: its work within the time that Lambda leaves, and its voice, the log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any, NamedTuple

from deployguard import __version__, safe
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.errors import DeployguardError, OutOfTime
from deployguard.progress import Event, Said
from deployguard.report import document
from deployguard.report.history import moves_of
from deployguard.run import Record, Run

ANSWER_S = 10.0  # kept for the answer, so that it can be sent again
SHARE = 0.8  # of the rest, after which the run itself ends, and puts back what it changed
LONGEST_LINE = 200_000  # CloudWatch Logs takes 256 KB
Work = Callable[[Record], None]


def left_s(context: Any) -> float:
    """Return the seconds until Lambda ends the invocation."""
    return float(context.get_remaining_time_in_millis()) / 1000


class Ended(NamedTuple):
    """What came of some work: its report, and whether it is over or hangs."""

    report: dict[str, Any]
    is_over: bool


def ended(record: Record, work: Work, *, within_s: float) -> Ended:
    """Do the work that a record is of, and report it, also where it does not end in time.

    In a thread, because no time-out of ours ends every call that hangs.
    """
    reports: list[dict[str, Any]] = []
    worker = Thread(target=lambda: reports.append(_done(record, work)), daemon=True)
    if within_s > 0:
        worker.start()
        worker.join(within_s)
    is_over = not worker.is_alive()
    if reports:
        return Ended(reports[0], is_over=True)
    late = replace(record, error=_late(within_s, record))
    if within_s > 0 and is_over:
        late.error = DeployguardError("the judge broke down: its traceback is in the log")
    return Ended(document_of(late, seconds=max(within_s, 0.0)), is_over)


def _done(record: Record, work: Work) -> dict[str, Any]:
    began = time.monotonic()
    try:
        work(record)
    except DeployguardError as error:
        record.error = error
    except Exception as bug:
        record.error = DeployguardError(f"a bug in deployguard: {type(bug).__name__}: {bug}")
    return document_of(record, seconds=time.monotonic() - began)


def document_of(record: Record, *, seconds: float) -> dict[str, Any]:
    """Return the report of a record."""
    moves = moves_of(record) if record.function else ()
    return document.build(record, seconds=seconds, tool=__version__, history=moves)


def _late(seconds: float, record: Record) -> OutOfTime:
    return OutOfTime(
        f"there was no verdict in the {max(seconds, 0):.0f} s that Lambda left for it",
        cause=f"the time-out of this function is short ({ANSWER_S:.0f} s of it are kept for the "
        "answer), or calls to AWS hang",
        fix="give this function a time-out of 300 s, and see what the log says",
        command=f"deployguard recover {record.asked}" if record.changes else "",
    )


def here(settings: Settings) -> Settings:
    """Return settings as they hold in Lambda: the stamp that lies here is of this function."""
    return settings.model_copy(update={"stamp": None})


@contextmanager
def begun(
    session: Session, record: Record, settings: Settings, *, within_s: float
) -> Iterator[Run]:
    """Hand out a run that ends so early that what it changed is put back in time."""
    run = Run(session, record, timeout_s=min(settings.timeout, within_s * SHARE))
    run.tell = _tell
    with run.resources:
        yield run


def one_line(report: Mapping[str, Any]) -> str:
    """Return a report in one line of a log; where it is too long for one, without its evidence."""
    line = _compact(report)
    if len(line) <= LONGEST_LINE:
        return line
    functions = [{**function, "evidence": []} for function in report["functions"]]
    return _compact({**report, "functions": functions})


def _compact(report: Mapping[str, Any]) -> str:
    return "".join(line.strip() for line in safe.json(report).splitlines())


def _tell(event: Event) -> None:
    if isinstance(event, Said):
        say(event.text)


def say(text: str) -> None:
    """Write a line to the log."""
    write(safe.line(text))


def write(line: str) -> None:
    """Write to the log what is safe for it already."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
