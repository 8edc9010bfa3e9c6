"""How a command begins: its settings, a run that is watched, and what a signal does to it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from deployguard import console, loading
from deployguard.config import Settings

if TYPE_CHECKING:
    from deployguard.fleet.story import Fleet
    from deployguard.progress import Tell
    from deployguard.run import Record, Run
    from deployguard.target import Target


def load(parsed: argparse.Namespace) -> Settings:
    """Return the settings of a command."""
    return debugged(loading.load(typed(parsed), folder=Path.cwd()))


def typed(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given on the command line."""
    return {key: value for key, value in vars(parsed).items() if key in Settings.model_fields}


def debugged(settings: Settings) -> Settings:
    """Say everything where the CI service is asked to."""
    if console.is_debugged(os.environ):
        return settings.model_copy(update={"verbosity": "verbose"})
    return settings


@contextmanager
def asking(settings: Settings, target: Target | None, *, command: str) -> Iterator[Run]:
    """Hand out a run that changes nothing, and is in the place where it is meant to be."""
    from deployguard import pins
    from deployguard.run import Record

    run = run_of(settings, Record(command), target)
    with run.resources, signals(run):
        if target:
            pins.refuse_elsewhere(run.session, settings, target)
        yield run


def run_of(settings: Settings, record: Record, target: Target | None) -> Run:
    """Return a run that is watched until its resources are released."""
    from deployguard.aws.session import Session
    from deployguard.run import Run

    run = Run(Session(region=target and target.region), record, timeout_s=settings.timeout)
    run.tell = run.resources.enter_context(watched(settings, doing=record.command))
    return run


def watched(settings: Settings, *, doing: str) -> AbstractContextManager[Tell]:
    """Tell on stderr how a command gets on, for as long as it lasts."""
    from deployguard import watch

    return watch.opened(
        sys.stderr,
        os.environ,
        verbosity=settings.verbosity,
        doing=doing,
        timeout_s=settings.timeout,
    )


@contextmanager
def signals(run: Run | Fleet) -> Iterator[None]:
    """Turn the first signal into Interrupted, so that everything is put back; obey the second."""

    def handle(number: int, _frame: FrameType | None) -> None:
        if run.is_interrupted:
            os._exit(128 + number)
        run.interrupt(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
