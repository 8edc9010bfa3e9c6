"""What earlier reports in a folder tell of the aliases: which moves were kept, the latest last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployguard import lease
from deployguard.errors import ConfigurationError, Refusal
from deployguard.lease import Intent, What
from deployguard.report import files
from deployguard.resources import Alias
from deployguard.run import Record

LIMIT = 20  # moves of one alias


@dataclass(frozen=True)
class Kept:
    """A move of an alias that was kept: what it served since, and what before."""

    function: str  # ARN
    alias: str
    at: str  # when the run began; ISO 8601, UTC
    command: str
    version: str
    before: str | None


MOVES = TypeAdapter(tuple[Kept, ...])


def read(folder: Path) -> tuple[Kept, ...]:
    """Return what the last report in a folder carries; nothing where there is none to be read."""
    try:
        return _moves(files.read(folder / files.NAME))
    except ConfigurationError:
        return ()


def after(folder: Path, record: Record) -> tuple[Kept, ...]:
    """Return what the report of a run is to carry: what the last one does, and its own moves."""
    newest_first: list[Kept] = []
    seen: Counter[tuple[str, str]] = Counter()
    for move in reversed((*read(folder), *moves_of(record))):
        seen[move.function, move.alias] += 1
        if seen[move.function, move.alias] <= LIMIT:
            newest_first.append(move)
    return tuple(reversed(newest_first))


def moves_of(record: Record) -> tuple[Kept, ...]:
    """Return the moves that a run kept."""
    return tuple(_own(record, intent) for intent in record.kept if intent.what is What.ALIAS)


def version_before(folder: Path, alias: Alias) -> str:
    """Return the version that an alias served before its last move; refuse to guess."""
    path = folder / files.NAME
    try:
        document = files.read(path)
        own = [move for move in _moves(document) if f"{move.function}:{move.alias}" == alias.arn]
        if not own:
            raise _refusal(alias, f"{path} tells of no move of it")
        doubt = _doubt(own[-1], alias) or _ended_badly(document, own[-1])
    except (ConfigurationError, KeyError, TypeError) as error:
        raise _refusal(alias, f"{path} is no report of it") from error
    if doubt:
        raise _refusal(alias, doubt)
    return str(own[-1].before)


def _doubt(last: Kept, alias: Alias) -> str:
    """Say why the last move that is known does not tell what to go back to."""
    if last.version != alias.version:
        return f"its last move in a report went to version {last.version}, so it was moved since"
    if last.command == "rollback":
        return "its last move was a rollback, and a second one would go further back"
    if last.before is None:
        return "it did not exist"
    return "" if last.before.isdigit() else f"it served {last.before}, which has changed since"


def _ended_badly(document: Mapping[str, Any], last: Kept) -> str:
    """Say whether a check came after the last move, and left alone or put back what that made live.

    A pipeline may well roll back when its check fails; that must not go one further.
    """
    entries = document["functions"]
    of = [
        each for each in entries if (each["function"], each["alias"]) == (last.function, last.alias)
    ]
    if document["command"] != "check" or (entries and not of):
        return ""
    ended = {**document, **of[0]} if of else document  # once told for all of the document only
    if ended["exit_code"] == 0 or ended["started"] == last.at:
        return ""
    return "the last check kept no move, so what was live before that check still is"


def _own(record: Record, intent: Intent) -> Kept:
    assert record.function is not None
    before = lease.alias_from(intent.before, name=intent.name)
    return Kept(
        function=record.function.arn,
        alias=intent.name,
        at=record.started.isoformat(timespec="milliseconds"),
        command=record.command,
        version=intent.after[-1],
        before=before.version if before else None,
    )


def _moves(document: Mapping[str, Any]) -> tuple[Kept, ...]:
    try:
        return MOVES.validate_python(document.get("history", ()))
    except ValidationError as error:
        raise ConfigurationError("the report's history is none: it was edited") from error


def _refusal(alias: Alias, cause: str) -> Refusal:
    return Refusal(
        f"nothing says what alias {alias.name} should go back to from version {alias.version}",
        cause=cause,
        fix="name the version with --to",
    )
