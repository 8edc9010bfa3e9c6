"""The past of a function as text for people, and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from deployguard import safe
from deployguard.executions.nouns import Move
from deployguard.history.served import Counted, History, Route, Served

SCHEMA = "deployguard/history/v1"
HEAD = ("build", "version", "share", "count", "containers", "first seen", "last seen")
UNKNOWN = "unknown"
OF = {
    Counted.INVOCATIONS: "of the invocations that logged a line",
    Counted.CONTAINERS: "of the containers that logged a line",
}


def text(history: History) -> str:
    """Return a table for each route, when it was moved, and what is unknown."""
    return "\n".join(_lines(history)) + "\n"


def document(history: History) -> dict[str, Any]:
    """Return the history as a document."""
    span = history.span
    return {
        "schema": SCHEMA,
        "function": history.function,
        "since": moment(span.since),
        "until": moment(span.until),
        "slot_s": span.slot_s,
        "counted": history.counted.value,
        "routes": [_route(route) for route in history.routes],
        "moves": [_move(move) for move in history.moves],
        "canaries": history.canaries,
        "calls": history.calls,
        "unread": [vars(unread) for unread in history.unread],
    }


def moment(at: float) -> str:
    """Return a time as people and programs read it, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def moved(move: Move) -> str:
    """Say what a change made of a qualifier."""
    if move.is_configuration:
        return f"{safe.line(move.qualifier)} was configured anew"
    shares = "".join(f" and {share:.0%} to {safe.line(v)}" for v, share in move.weights.items())
    to = move.version or move.digest or UNKNOWN
    return f"{safe.line(move.qualifier)} was moved to {safe.line(to)}{shares}"


def _lines(history: History) -> Iterator[str]:
    yield safe.line(history.function)
    yield f"  from {moment(history.span.since)} to {moment(history.span.until)}"
    for route in history.routes:
        yield ""
        yield f"{safe.line(route.qualifier)}: {route.count} {OF[history.counted]}"
        yield from _table(route)
    if not history.routes:
        yield ""
        yield "no breadcrumb line was found, which does not show that nothing ran"
    if history.moves:
        yield ""
        yield "changes that CloudTrail shows:"
        yield from (f"  {moment(move.at)}  {moved(move)}" for move in history.moves)
    yield from _unknown(history)
    yield ""
    probes = f", {history.canaries} lines of probes left out" if history.canaries else ""
    yield f"{history.calls} calls to AWS{probes}"


def _table(route: Route) -> Iterator[str]:
    rows = [HEAD, *(_row(route, served) for served in route.served)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield ("  " + "  ".join(cells)).rstrip()


def _row(route: Route, served: Served) -> tuple[str, ...]:
    return (
        served.build_id or UNKNOWN,
        served.version,
        f"{route.share(served):.1%}",
        str(served.count),
        str(served.containers),
        moment(served.first),
        moment(served.last),
    )


def _unknown(history: History) -> Iterator[str]:
    notes = [safe.line(f"{each.what}: {each.why}; {each.fix}") for each in history.unread]
    if history.routes and history.counted is Counted.CONTAINERS:
        notes.append(
            "how many invocations each build served: not every container tells them; "
            "set DEPLOYGUARD_LOG=invocation in the function"
        )
    if notes:
        yield ""
        yield "unknown:"
        yield from (f"- {note}" for note in notes)


def _route(route: Route) -> dict[str, Any]:
    return {
        "qualifier": route.qualifier,
        "count": route.count,
        "served": [
            {
                "version": served.version,
                "build_id": served.build_id,
                "share": round(route.share(served), 6),
                "count": served.count,
                "containers": served.containers,
                "first": moment(served.first),
                "last": moment(served.last),
                "slots": {str(n): count for n, count in enumerate(served.slots) if count},
            }
            for served in route.served
        ],
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "at": moment(move.at),
        "qualifier": move.qualifier,
        "version": move.version or None,
        "weights": dict(move.weights),
        "digest": move.digest or None,
        "is_configuration": move.is_configuration,
    }
