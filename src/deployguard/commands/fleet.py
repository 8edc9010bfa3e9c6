"""A command on every function of the fleet, and one report of all."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path

from deployguard import console, handover
from deployguard.commands import begin, end
from deployguard.errors import ConfigurationError
from deployguard.fleet import whole
from deployguard.fleet.places import Places
from deployguard.fleet.story import Fleet, Story
from deployguard.loading import load_fleet
from deployguard.report import files


def run(parsed: argparse.Namespace, story: Story) -> int:
    """Run a story on every function of the fleet, and make one report."""
    settings, entries = load_fleet(begin.typed(parsed), folder=Path.cwd(), command=parsed.command)
    own = [each for _, each in entries]
    settings = begin.debugged(settings)
    whole.refuse_contradictions(settings, own)
    folder = Path(settings.report_dir)
    if not settings.dry_run:
        handover.prepare(folder, parsed.command, forms=settings.reports)
    places = Places()
    plan = whole.planned([entry for entry, _ in entries], places, settings)
    fleet = Fleet(plan, places, settings, command=parsed.command, own=own)
    with begin.watched(settings, doing=parsed.command) as fleet.tell, begin.signals(fleet):
        interrupted = fleet.run(story)
    if settings.dry_run and interrupted is None:
        told, exit_code = whole.steps(fleet)
        console.say(told)
        return exit_code
    report = whole.report(fleet, plan, settings, end=interrupted)
    if interrupted is None:
        with suppress(ConfigurationError):  # which is told where the whole report is written
            files.write(report, folder)  # already now: what follows may take a while
        report = whole.with_forgotten(report, fleet, plan, places)
    exit_code = end.hand_over(report, settings, folder=folder, forms=settings.reports)
    if fleet.is_stuck:  # its threads would keep the process until AWS answers
        sys.stdout.flush()
        os._exit(exit_code)
    return exit_code
