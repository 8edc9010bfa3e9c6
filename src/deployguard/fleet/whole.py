"""From the settings file to the plan of a fleet, and from its runs to one report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from deployguard import __version__
from deployguard.config import Settings
from deployguard.errors import ConfigurationError, Interrupted
from deployguard.fleet import forgotten, matrix, plan
from deployguard.fleet.file import Entry
from deployguard.fleet.places import LISTING_S, Places
from deployguard.fleet.plan import Member, Plan
from deployguard.fleet.story import Fleet
from deployguard.option import JUDGING
from deployguard.report import document, files, history, merged
from deployguard.run import Record


def refuse_contradictions(settings: Settings, own: Iterable[Settings]) -> None:
    """Refuse what cannot hold of one function and of all, or of all together."""
    if settings.function:
        raise ConfigurationError(
            f"--all and {settings.function}", fix="leave the function out, or --all"
        )
    if settings.together and settings.shard:
        raise ConfigurationError(
            "--together and --shard",
            cause="shards are processes of their own, which do not wait for each other",
            fix="move all aliases together in one run, or check in shards",
        )
    if settings.together and any(each.on_stale == "fail" for each in own):
        raise ConfigurationError(
            "--together and on-stale fail",
            cause="an alias would stay where it was moved to although another one is put back",
            fix="let on-stale be rollback or refresh",
        )


def planned(entries: Sequence[Entry], places: Places, settings: Settings) -> Plan:
    """Find out who belongs to the fleet, and which of them this run checks."""
    number, shards = plan.shard_of(settings.shard or "1/1")
    every, known = _members(entries, places, settings)
    return Plan(_split(every, settings, shards=shards), known, number)


def shown(entries: Sequence[Entry], places: Places, settings: Settings) -> str:
    """Show the plan in the form that is asked for; a function that is not found ends that."""
    every, known = _found(entries, places, settings)
    # More shards than functions would be jobs that have nothing to do.
    shards = max(1, min(settings.shards, len(every)))
    made = Plan(_split(every, settings, shards=shards), known)
    match settings.matrix:
        case "github":
            return matrix.github(made)
        case "gitlab":
            return matrix.gitlab(made, base=settings.base, durations=settings.durations)
        case _:
            return matrix.text(made)


def apart(entries: Sequence[Entry], places: Places, settings: Settings) -> Plan:
    """Plan a shard for each function; one that is not found ends that."""
    every, known = _found(entries, places, settings)
    return Plan(_split(every, settings, shards=len(every)), known)


def _found(
    entries: Sequence[Entry], places: Places, settings: Settings
) -> tuple[tuple[Member, ...], frozenset[tuple[str, str, str]]]:
    every, known = _members(entries, places, settings)
    if lost := next((member.error for member in every if member.error), None):
        raise lost
    return every, known


def _members(
    entries: Sequence[Entry], places: Places, settings: Settings
) -> tuple[tuple[Member, ...], frozenset[tuple[str, str, str]]]:
    if not entries:
        raise ConfigurationError(
            "no functions are named",
            cause="deployguard.toml has no [[functions]]",
            fix="add a table for each function, pattern or repository; see docs/fleet.md",
        )
    until = time.monotonic() + min(settings.timeout, LISTING_S)
    region = places.region(entries)
    listings = places.listings(entries, region=region, until=until)
    every, known = plan.members(entries, listings, region=region)
    if not every:
        raise ConfigurationError(
            "no function is left to check",
            cause="every [[functions]] of deployguard.toml that finds one says skip",
            fix="name one that is to be checked, or leave out --all",
        )
    return every, known


def _split(
    every: Sequence[Member], settings: Settings, *, shards: int
) -> tuple[tuple[Member, ...], ...]:
    return plan.split(every, shards=shards, durations=_durations(settings))


def _durations(settings: Settings) -> dict[str, float]:
    return (
        plan.past(files.read(Path(settings.durations))["functions"]) if settings.durations else {}
    )


def report(
    fleet: Fleet, made: Plan, settings: Settings, *, end: Interrupted | None
) -> dict[str, Any]:
    """Make one report of all runs."""
    about = merged.alone(made.digest, made.size, shard=made.shard, of=len(made.shards))
    moves = (asdict(move) for move in history.read(Path(settings.report_dir)))
    own = Record(fleet.command, started=fleet.started, error=end)
    whole = document.build(own, seconds=fleet.now, tool=__version__, history=())
    return merged.of_functions([whole, *fleet.documents(tool=__version__)], about, history=moves)


def with_forgotten(
    report: Mapping[str, Any], fleet: Fleet, made: Plan, places: Places
) -> dict[str, Any]:
    """Look who runs the same images and is not in the plan, if there is time for that."""
    if fleet.left <= 0 or fleet.command not in JUDGING:
        return dict(report)
    until = time.monotonic() + min(fleet.left, LISTING_S)
    findings, unread = forgotten.look(fleet.images(), places, known=made.known, until=until)
    told = {"findings": list(map(asdict, findings)), "unread": list(map(asdict, unread))}
    return {**report, "fleet": {**report["fleet"], **told}}


def steps(fleet: Fleet) -> tuple[str, int]:
    """Say what is planned for each function, or why nothing is; return the exit code, too."""
    told, codes = [], [0]
    for part in fleet.parts:
        told.append(f"{part.member.function}\n")
        if part.steps is None:
            told.append(f"  {part.record.error}\n")
            codes.append(part.record.exit_code)
        told += [f"  {number}. {step}\n" for number, step in enumerate(part.steps or (), 1)]
    return "".join(told), merged.worst(codes)
