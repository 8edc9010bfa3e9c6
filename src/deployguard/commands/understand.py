"""Understand: who calls what, what ran when, why it failed, and what a report says."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from deployguard import console
from deployguard.commands import begin, end
from deployguard.errors import ConfigurationError, DeployguardError, Interrupted

if TYPE_CHECKING:
    from deployguard.config import Settings


def routes(parsed: argparse.Namespace) -> int:
    """Show where traffic goes; the document is written even where nothing could be shown."""
    from deployguard import pins
    from deployguard.report import files
    from deployguard.routes import audit, document, show
    from deployguard.run import Record
    from deployguard.target import target_of

    settings = begin.load(parsed)
    target = target_of(settings.function)
    folder = Path(settings.report_dir)
    files.prepare(folder, name=files.name_of("routes"))
    run = begin.run_of(settings, Record("routes"), target)
    try:
        with run.resources, begin.signals(run):
            pins.refuse_elsewhere(run.session, settings, target)
            found = audit.audit(run, settings, target)
    except (DeployguardError, Interrupted) as error:
        files.write(document.build(run, error), folder)
        raise
    written = document.build(run, found)
    files.write(written, folder)
    console.say(show.shown(found, written, form=settings.routes_format))
    return found.exit_code


def history(parsed: argparse.Namespace) -> int:
    """Show which builds served a function, as far as its log tells; and keep that."""
    from deployguard.history import read, render, show
    from deployguard.report import files
    from deployguard.target import target_of

    settings = begin.load(parsed)
    target = target_of(settings.function)
    folder, name = Path(settings.report_dir), files.name_of(parsed.command)
    files.prepare(folder, name=name)
    with begin.asking(settings, target, command=parsed.command) as run:
        found = read.read(run, settings, target)
    files.keep(files.dump(render.document(found)), folder, name=name)
    console.say(show.shown(found, form=settings.history_format))
    return 0


def compare(parsed: argparse.Namespace) -> int:
    """Compare two executions."""
    return _investigate(parsed)


def explain(parsed: argparse.Namespace) -> int:
    """Explain one execution."""
    return _investigate(parsed)


def _investigate(parsed: argparse.Namespace) -> int:
    """Find out what happened in executions, and print it."""
    from deployguard.executions import stories
    from deployguard.report import files

    settings = begin.load(parsed)
    target = stories.target(settings, parsed.command)
    with begin.asking(settings, target, command=parsed.command) as run:
        told = stories.STORIES[parsed.command](run, settings)
    console.say(files.dump(told.document) if settings.format == "json" else told.text)
    return told.exit_code


def report(parsed: argparse.Namespace) -> int:
    """Reach a saved report's verdict again from its evidence; show it, or render its forms."""
    from deployguard.report import files, saved, text

    settings = begin.load(parsed)
    if parsed.replay is not None:
        replayed = saved.replay(Path(parsed.replay))
        if settings.format == "json":
            console.say(files.dump(replayed))
        else:
            console.write(text.render(replayed, console.page(sys.stdout, os.environ)))
        return int(replayed["exit_code"])
    if parsed.file == "merge":
        return _merge(parsed, settings)
    if parsed.files:
        raise ConfigurationError(
            "several reports are named", fix="put `merge` before them, or name one"
        )
    if parsed.send is not None:
        saved.send(Path(parsed.file), parsed.send, environ=os.environ)
        if not parsed.forms:
            return 0
    rendered = saved.render(Path(parsed.file), parsed.forms, complain=console.warn)
    if parsed.into is None:
        console.write(saved.only(rendered))
        return 0
    for path in saved.keep(rendered, Path(parsed.into)):
        console.say(f"{path}\n")
    return 0


def _merge(parsed: argparse.Namespace, settings: Settings) -> int:
    """Make one report of several, and hand it on as a run does with its own."""
    from deployguard import handover
    from deployguard.report import saved

    if parsed.send is not None:
        saved.refuse_doubtful(parsed.send)
        settings = settings.model_copy(update={"webhook": parsed.send})
    folder = None if parsed.into is None else Path(parsed.into)
    if folder is not None:
        handover.prepare(folder, parsed.command, forms=parsed.forms)
    report = saved.merge([Path(each) for each in parsed.files])
    return end.hand_over(report, settings, folder=folder, forms=parsed.forms)
