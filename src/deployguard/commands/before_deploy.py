"""Before a deploy: what goes into the image, and what would stand in the way."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from deployguard import console
from deployguard.commands import begin


def canary(parsed: argparse.Namespace) -> int:
    """Print the file with which a handler answers canaries."""
    helpers = {"python": "canary.py", "node": "canary.cjs"}
    helper = Path(__file__).parents[1].joinpath(helpers[begin.load(parsed).language])
    console.say(helper.read_text(encoding="utf-8"))
    return 0


def stamp(parsed: argparse.Namespace) -> int:
    """Write the stamp and print what the build needs of it."""
    from datetime import UTC, datetime

    from deployguard import stamp

    settings = begin.load(parsed)
    # NOTE: not from the environment, where an earlier build of this job may have left its own:
    # two builds of one id cannot be told apart.
    fields = {
        "build_id": settings.build_id if "build_id" in parsed else None,
        "revision": settings.revision,
        "version": settings.version,
        "created": settings.created,
        "source": settings.source,
    }
    made = stamp.collect(
        environ=os.environ,
        folder=Path.cwd(),
        now=datetime.now(UTC),
        overrides={key: value for key, value in fields.items() if value is not None},
    )
    stamp.write(made, Path(settings.output))
    console.say(stamp.render(made, settings.stamp_format) + "\n")
    return 0


def doctor(parsed: argparse.Namespace) -> int:
    """Look at what would stand in a command's way, or print the policies that it needs."""
    from deployguard.doctor import arguments, checks, examine, show
    from deployguard.target import target_of

    settings = begin.load(parsed)
    printed = arguments.document(parsed, settings)
    if printed:
        console.say(printed)
        return 0
    target = target_of(settings.function)
    with begin.asking(settings, target, command=parsed.command) as run:
        facts = examine.examine(run, settings, target, commands=parsed.commands)
    found = checks.all_of(facts)
    shape = show.document if settings.format == "json" else show.text
    console.say(shape(settings.function, found))
    return checks.exit_code(found)


def canary_test(parsed: argparse.Namespace) -> int:
    """Hold an implementation of the canary against the protocol."""
    from deployguard.conformance import rules, show, story, subject
    from deployguard.target import Target

    settings = begin.load(parsed)
    named = settings.implementation or settings.function
    tested = subject.subject_of(named)
    target = tested if isinstance(tested, Target) else None
    with begin.asking(settings, target, command=parsed.command) as run:
        cases = story.examine(run, settings, tested)
    is_brief = settings.verbosity == "quiet"
    console.say(show.shown(named, cases, form=settings.format, brief=is_brief))
    return rules.exit_code(cases)


def plan(parsed: argparse.Namespace) -> int:
    """Print who belongs to the fleet, or how a CI service is to share them out."""
    from deployguard.fleet import whole
    from deployguard.fleet.places import Places
    from deployguard.loading import load_fleet

    settings, entries = load_fleet(begin.typed(parsed), folder=Path.cwd(), command="check")
    console.say(whole.shown([entry for entry, _ in entries], Places(), settings))
    return 0
