"""CloudTrail: when aliases were moved and code was changed, as far as it remembers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from deployguard.aws.session import Session
from deployguard.executions.events import amount, members, parsed, text
from deployguard.executions.nouns import Move
from deployguard.model import LATEST

DAY_S = 86_400
KEPT_S = 90 * DAY_S
MOST = 1000  # events of one name: twenty calls, of which AWS lets two through in a second
ALIASES = ("UpdateAlias20150331", "CreateAlias20150331")
CODE = ("UpdateFunctionCode20150331v2", "CreateFunction20150331")
CONFIGURATION = ("UpdateFunctionConfiguration20150331v2",)


def moves(
    session: Session, wanted: Collection[tuple[str, str]], *, started: float, until: float
) -> tuple[list[Move], bool]:
    """Return how functions and qualifiers were moved, oldest first, and whether none can lack.

    Of each event, as many are read as tell what served when something `started`.
    """
    has_latest = any(qualifier == LATEST for _, qualifier in wanted)
    has_alias = any(qualifier != LATEST for _, qualifier in wanted)
    names = (ALIASES if has_alias else ()) + (CODE if has_latest else ())
    since = dict.fromkeys(names, until - KEPT_S)
    if has_latest:
        since |= dict.fromkeys(CONFIGURATION, started - DAY_S)
    found: list[Move] = []
    served: dict[tuple[str, str], float] = {}  # since when, by what is found already
    for name, earliest in since.items():
        events = _told(session, name, since=earliest, until=until)
        for count, event in enumerate(events):
            if count == MOST:
                return sorted(found, key=lambda move: move.at), False
            move = _move(event)
            if move is None or (move.function, move.qualifier) not in wanted:
                continue
            found.append(move)
            if move.at < started and not move.is_configuration:
                served.setdefault((move.function, move.qualifier), move.at)
            if all(served.get(each, -1.0) >= move.at for each in wanted):
                break
    return sorted(found, key=lambda move: move.at), True


def between(
    session: Session, function: str, *, since: float, until: float
) -> tuple[list[Move], bool]:
    """Return what was changed of a function meanwhile, oldest first, and whether none can lack.

    Times are whole seconds, so events of one second stay in the order in which they came.
    """
    found: list[Move] = []
    is_whole = True
    for name in (*reversed(ALIASES), *reversed(CODE), *CONFIGURATION):  # what creates, then updates
        events = list(islice(_told(session, name, since=since, until=until), MOST + 1))
        is_whole = is_whole and len(events) <= MOST
        moves = (_move(event) for event in reversed(events))
        found += (move for move in moves if move is not None and move.function == function)
    return sorted(found, key=lambda move: move.at), is_whole


def _told(session: Session, name: str, *, since: float, until: float) -> Iterator[Any]:
    yield from session.read_all(
        f"look up {name} in CloudTrail",
        session.client("cloudtrail").lookup_events,
        "Events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
        StartTime=datetime.fromtimestamp(since, UTC),
        EndTime=datetime.fromtimestamp(until, UTC),
    )


def _move(event: Mapping[str, Any]) -> Move | None:
    """Understand one event; None for a call that was refused, or changed nothing that counts."""
    record = members(parsed(event.get("CloudTrailEvent")))
    asked = members(record.get("requestParameters"))
    answer = members(record.get("responseElements"))
    if record.get("errorCode") or asked.get("dryRun") is True:
        return None
    at = event["EventTime"].timestamp()
    if event.get("EventName") in ALIASES:
        function, _, alias = text(answer, "aliasArn").rpartition(":")
        weights = members(members(answer.get("routingConfig")).get("additionalVersionWeights"))
        shares = {version: amount(share) or 0.0 for version, share in weights.items()}
        return Move(at, function, alias, text(answer, "functionVersion"), shares)
    function = ":".join(text(answer, "functionArn").split(":")[:7])
    if event.get("EventName") in CONFIGURATION:
        return Move(at, function, LATEST, is_configuration=True)
    digest = text(answer, "codeSha256").lower()
    return Move(at, function, LATEST, digest=f"sha256:{digest}" if digest else "")
