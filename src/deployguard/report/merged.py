"""Reports of several functions as one: the worst verdict of all, and whether all of them are there.

What is merged may be a function's own report, or that of a shard, which says which one of how many
it is, and of which plan. A missing shard is doubt; silence makes no verdict better.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from deployguard.findings import finding
from deployguard.model import Finding, Verdict
from deployguard.run import EXIT_CODES

# What a run of several functions ends with: a signal comes right after what needs a person.
WORST_FIRST = (20, 143, 130, 129, 1, 4, 3, 2, 10, 11, 12, 0)
VERDICTS = {code: verdict for verdict, code in EXIT_CODES.items()}
DOUBT = EXIT_CODES[Verdict.INCONCLUSIVE]
MOVES = 20  # of one alias that are remembered
NO_PLAN = ""
INCOMPLETE = "DG314"


def alone(plan: str, functions: int, *, shard: int = 1, of: int = 1) -> dict[str, Any]:
    """Return what a report says of the fleet that it is a part of, or all of."""
    return {
        "plans": [plan],
        "functions": functions,
        "shards": of,
        "held": [shard],
        "merged": False,
        "findings": [],
        "unread": [],
    }


def of_functions(
    documents: Iterable[Mapping[str, Any]],
    fleet: Mapping[str, Any],
    *,
    history: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Make one report of those of a fleet's functions; `history` is that of earlier runs."""
    return judged(_joined(tuple(documents), history) | {"fleet": dict(fleet)})


def of_shards(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Make one report of those of shards, in whatever order they come."""
    parts = tuple(documents)
    fleets = [part.get("fleet") or alone(NO_PLAN, len(part["functions"])) for part in parts]
    told = {_key(item): item for fleet in fleets for item in fleet["findings"]}
    unread = {_key(item): item for fleet in fleets for item in fleet["unread"]}
    whole = {
        **_counted(fleets),
        "findings": [told[key] for key in sorted(told)],
        "unread": [unread[key] for key in sorted(unread)],
    }
    return judged(_joined(parts, ()) | {"fleet": whole})


def _counted(fleets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say which shards are there; functions that were checked alone are of no plan."""
    plans = sorted({plan for fleet in fleets for plan in fleet["plans"]})
    if plans == [NO_PLAN]:
        return alone(NO_PLAN, sum(fleet["functions"] for fleet in fleets))
    return {
        "plans": plans,
        "functions": max(fleet["functions"] for fleet in fleets),
        "shards": max(fleet["shards"] for fleet in fleets),
        "held": sorted(shard for fleet in fleets for shard in fleet["held"]),
        "merged": True,
    }


def judged(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report of several functions with the verdict that those of its functions make."""
    fleet = dict(document["fleet"])
    incomplete = [asdict(each) for each in _incomplete(fleet, len(document["functions"]))]
    others = [item for item in fleet["findings"] if item["id"] != INCOMPLETE]
    fleet["findings"] = [*incomplete, *others]
    codes = [each["exit_code"] for each in document["functions"]]
    if document["error"] is not None:  # whatever it claims, it came to no verdict
        code = document["exit_code"]
        is_odd = type(code) is not int or code in (0, EXIT_CODES[Verdict.STALE])
        codes.append(DOUBT if is_odd else code)
    if incomplete:
        codes.append(DOUBT)
    exit_code = worst(codes)
    is_judged = bool(codes) and any(each["verdict"] for each in document["functions"])
    verdict = VERDICTS.get(exit_code, Verdict.ERROR).value if exit_code or is_judged else None
    return {**document, "verdict": verdict, "exit_code": exit_code, "fleet": fleet}


def worst(codes: Iterable[int]) -> int:
    """Return the gravest exit code; none at all is that of success."""
    return min(codes, key=gravity, default=0)


def gravity(code: int) -> int:
    """Return the place of an exit code among all, the gravest first."""
    return WORST_FIRST.index(code)


def _incomplete(fleet: Mapping[str, Any], functions: int) -> Iterator[Finding]:
    """Name what a merged report lacks, or holds too much of."""
    if not fleet["merged"] and len(fleet["held"]) == 1 < fleet["shards"]:
        return  # one shard, which speaks for itself
    if not functions:
        yield _doubt("they hold no function at all")
    held, every = Counter(fleet["held"]), range(1, fleet["shards"] + 1)
    if missing := [shard for shard in every if shard not in held]:
        yield _doubt(f"of {fleet['shards']} shards, these are missing: {_numbers(missing)}")
    if doubled := sorted(shard for shard, count in held.items() if count > 1):
        yield _doubt(f"these shards are there more than once: {_numbers(doubled)}")
    if len(fleet["plans"]) > 1:
        yield _doubt(f"they are of {len(fleet['plans'])} plans, which do not fit together")
    if not missing and functions != fleet["functions"]:
        yield _doubt(f"they hold {functions} functions, but the plan has {fleet['functions']}")


def _doubt(seen: str) -> Finding:
    return finding(INCOMPLETE, seen=seen)


def _numbers(shards: Sequence[int]) -> str:
    return ", ".join(map(str, shards))


def _joined(
    parts: Sequence[Mapping[str, Any]], history: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Put the functions of all parts side by side, in an order that is always the same."""
    began = min((_begun(part) for part in parts), default=0.0)
    ended = max((_begun(part) + part["seconds"] for part in parts), default=0.0)
    functions = [each for part in parts for each in part["functions"]]
    first = min(parts, key=_begun)
    # What ended a whole part; that of a function stands in the function's own entry.
    failed = [part for part in parts if part["error"] and not _is_told(part)]
    gravest = min(failed, key=lambda part: gravity(part["exit_code"]), default=None)
    return {
        "schema": first["schema"],
        "tool": first["tool"],
        "command": first["command"],
        "verdict": None,
        "exit_code": gravest["exit_code"] if gravest else 0,
        "started": first["started"],
        "seconds": round(ended - began, 3),
        "error": gravest["error"] if gravest else None,
        "functions": sorted(functions, key=_key),
        "history": _history([*history, *(move for part in parts for move in part["history"])]),
    }


def _is_told(part: Mapping[str, Any]) -> bool:
    return any(each.get("error") == part["error"] for each in part["functions"])


def _begun(part: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(part["started"]).timestamp()


def _history(moves: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the last moves of each alias, each of them once."""
    once = {_key(move): dict(move) for move in moves}
    left: Counter[tuple[str, str]] = Counter()
    kept = []
    for move in sorted(once.values(), key=lambda move: (move["at"], _key(move)), reverse=True):
        left[move["function"], move["alias"]] += 1
        if left[move["function"], move["alias"]] <= MOVES:
            kept.append(move)
    return kept[::-1]


def _key(item: Mapping[str, Any]) -> str:
    """Order what JSON holds by its text, but functions by their names first."""
    about = (str(item.get("function", "")), str(item.get("alias") or ""))
    return json.dumps([*about, item], sort_keys=True)
