"""A command on a function: whatever happens, a report is written."""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from deployguard import console
from deployguard.commands import begin, end
from deployguard.errors import DeployguardError, Interrupted
from deployguard.option import FLEETS

if TYPE_CHECKING:
    from deployguard.fleet.story import Story


def run(parsed: argparse.Namespace, module: str, name: str) -> int:
    """Run a story on the function that is named, or on every one of the fleet."""
    from deployguard import handover, pins
    from deployguard.aws import functions
    from deployguard.run import Record
    from deployguard.target import target_of

    settings = begin.load(parsed)
    if settings.all and parsed.command in FLEETS:
        from deployguard.commands import fleet

        return fleet.run(parsed, _story(module, name))
    target = target_of(settings.function)
    if not settings.dry_run:
        handover.prepare(Path(settings.report_dir), parsed.command, forms=settings.reports)
    record = Record(parsed.command)
    run = begin.run_of(settings, record, target)
    try:
        with run.resources, begin.signals(run):
            pins.refuse_elsewhere(run.session, settings, target)
            functions.begin(run.session, target.name)  # and import the story meanwhile
            steps = _story(module, name)(run, settings, target)
    except (DeployguardError, Interrupted) as error:
        record.error, steps = error, None
    except Exception as bug:
        record.error = DeployguardError(f"a bug in deployguard: {type(bug).__name__}: {bug}")
        end.finish(record, settings, seconds=run.now)
        raise
    if steps is not None:
        console.say("\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1)) + "\n")
        outputs = {"verdict": "", "exit-code": "0"}
        folder = Path(settings.report_dir)
        handover.outputs_to_ci(os.environ, outputs=outputs, folder=folder, complain=console.warn)
        return 0
    return end.finish(record, settings, seconds=run.now)


def _story(module: str, name: str) -> Story:
    story: Story = getattr(import_module(f"deployguard.{module}"), name)
    return story
