"""A history that was kept as a document, read back; what cannot be one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from deployguard.history.render import SCHEMA
from deployguard.history.served import SLOTS, History

HISTORY = TypeAdapter(History)


def parse(document: Mapping[str, Any]) -> History:
    """Read a document; raise LookupError, TypeError or ValueError where it is none."""
    if document["schema"] != SCHEMA:
        raise ValueError(f"got schema {document['schema']!r}, expected {SCHEMA!r}")
    function = document["function"]
    told = HISTORY.validate_python(
        {
            **{
                name: document[name]
                for name in ("function", "counted", "canaries", "calls", "unread")
            },
            "span": {"since": _unix(document["since"]), "until": _unix(document["until"])},
            "routes": [_route(route) for route in document["routes"]],
            "moves": [_move(move, function) for move in document["moves"]],
        }
    )
    _ensure_whole(told)
    return told


def _route(route: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "qualifier": route["qualifier"],
        "served": [
            {
                **{name: each[name] for name in ("version", "build_id", "count", "containers")},
                "first": _unix(each["first"]),
                "last": _unix(each["last"]),
                "slots": [each["slots"].get(str(number), 0) for number in range(SLOTS)],
            }
            for each in route["served"]
        ],
    }


def _move(move: Mapping[str, Any], function: str) -> dict[str, Any]:
    return {
        **{name: move[name] for name in ("qualifier", "weights", "is_configuration")},
        "at": _unix(move["at"]),
        "function": function,
        "version": move["version"] or "",
        "digest": move["digest"] or "",
    }


def _unix(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()


def _ensure_whole(told: History) -> None:
    """Refuse what no counting can have led to."""
    if not told.span.since < told.span.until:
        raise ValueError("it ends before it begins")
    for served in (each for route in told.routes for each in route.served):
        if served.count < 1 or min(served.slots) < 0 or sum(served.slots) != served.count:
            raise ValueError(f"the counts of version {served.version} do not add up")
    if not all(route.served for route in told.routes):
        raise ValueError("a route was served by nothing")
