"""Documents of reports: one of every ending, and one whose every text is of a test's choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deployguard.errors import Attention, DeployguardError, Interrupted, OutOfTime, Superseded
from deployguard.judge import ruling
from deployguard.model import LATEST, Change, Evidence
from deployguard.report import document, merged
from deployguard.resources import Alias
from deployguard.run import Record
from tests.unit.test_judge import BARE, EXHAUSTING, LIVE, agreeing, burst, evidence, probe, rounds
from tests.values import ARN, FUNCTION

STARTED = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
MOVE = Change(STARTED.isoformat(), "UpdateAlias", {"version": "1"}, {"version": "2"})
BACK = Change(STARTED.isoformat(), "UpdateAlias", {"version": "2"}, {"version": "1"})
# Members whose words are the format's own.
OWN = {"schema", "verdict", "started", "at", "born", "state", "severity", "use", "kind", "evidence"}
OWN |= {"history", "claim", "link"}


def alias(version: str) -> Alias:
    """Make the alias as it was before."""
    return Alias("live", f"{ARN}:live", version, {}, "r1")


def record(found: Evidence | None, **known: Any) -> Record:
    """Make the record of a check that moved the alias."""
    about: dict[str, Any] = {
        "function": FUNCTION,
        "alias": "live",
        "expected": found and found.expected,
        "before": alias("1"),
        "published": "2",
        "after": "2",
        "evidence": found,
        "ruling": found and ruling(found),
        "changes": [MOVE],
    }
    return Record(known.pop("command", "check"), started=STARTED, **(about | known))


def built(of: Record) -> dict[str, Any]:
    """Make the document of a record."""
    return document.build(of, seconds=12.5, tool="0.1.0", history=())


STALE = replace(
    evidence([probe(20.0, qualifier=LATEST, version=LATEST, build="b1")], routes=[BARE]),
    alias="live",
)
FRESH = replace(evidence(agreeing()), alias="live")
REPORTS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "fresh": lambda: built(record(FRESH)),
    "fresh and created": lambda: built(record(FRESH, before=None)),
    "fresh and idle": lambda: built(record(FRESH, before=alias("2"), changes=[])),
    "fresh with a warning": lambda: built(record(replace(FRESH, no_way_back="its image is gone"))),
    "exhausted": lambda: built(record(evidence(*EXHAUSTING, routes=[BARE]))),
    "stale": lambda: built(record(STALE)),
    "stale and put back": lambda: built(record(STALE, after="1", changes=[MOVE, BACK])),
    "rolled back": lambda: built(
        record(FRESH, command="rollback", before=alias("3"), published=None)
    ),
    "inconclusive": lambda: built(record(evidence())),
    "superseded": lambda: built(record(replace(FRESH, superseded="alias live was moved"))),
    "overtaken": lambda: built(record(FRESH, error=Superseded("moved", finding="DG401"))),
    "out of time": lambda: built(record(None, error=OutOfTime("AWS was not ready"))),
    "not put back": lambda: built(record(STALE, error=Attention("stuck", finding="DG402"))),
    "interrupted": lambda: built(record(STALE, error=Interrupted(15))),
    "error": lambda: built(
        Record("check", started=STARTED, error=DeployguardError("no such function"))
    ),
    "several": lambda: several("fresh", "stale", "out of time", "error"),
    "several and fresh": lambda: several("fresh", "fresh with a warning"),
}


def several(*endings: str) -> dict[str, Any]:
    """Make the report of functions that are named by how they ended."""
    return merged.of_shards(named(ending) for ending in endings)


def named(ending: str) -> dict[str, Any]:
    """Make the report of one of several functions."""
    found = REPORTS[ending]()
    name = ending.replace(" ", "-")
    if not found["functions"]:
        asked = Record("check", name, started=STARTED, error=DeployguardError("no such function"))
        return built(asked)
    renamed: dict[str, Any] = json.loads(json.dumps(found).replace(ARN, named_as(name)))
    return renamed


def named_as(name: str) -> str:
    """Return the ARN of a function of another name."""
    return f"{ARN.rpartition(':')[0]}:{name}"


def saying(text: str) -> dict[str, Any]:
    """Make a report in which all that is not the format's own says this text."""
    said = _said(ENDED, text)
    assert isinstance(said, dict)
    return said


def attesting(text: str) -> dict[str, Any]:
    """Make a report whose evidence says this text, too, and reaches its verdict again."""
    found = replace(
        FRESH,
        expected=replace(FRESH.expected, build_id=text),
        routes=(replace(LIVE, caller=text),),
        rounds=rounds(agreeing(build=text)),
        no_way_back=text,
    )
    return built(record(found))


def _ended() -> dict[str, Any]:
    """Make a report that has every member, for `saying` to fill."""
    error = DeployguardError("happened", cause="cause", fix="fix", command="command")
    report = built(record(replace(STALE, no_way_back="gone"), error=error))
    (function,) = report["functions"]
    function["callers"] = [{"kind": "", "caller": "", "via": "", "use": "calls", "qualifier": ""}]
    function["unread"] = [{"what": "", "why": "", "fix": ""}]
    return report


ENDED = _ended()


def _said(value: Any, text: str, *, member: str = "") -> Any:
    if member in OWN:
        return value
    if isinstance(value, dict) and member == "versions":
        return dict.fromkeys([text], 1.0)
    if isinstance(value, dict):
        return {key: _said(inner, text, member=key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_said(inner, text, member=member) for inner in value]
    return text if isinstance(value, str) else value


def crowd(containers: int) -> dict[str, Any]:
    """Make the report of many containers, half of them stale."""
    found: Sequence[Any] = burst(30.0, warm=range(containers), cold=())
    odd = [
        replace(each, breadcrumb=replace(each.breadcrumb, stamp=None)) if n % 2 else each
        for n, each in enumerate(found)
    ]
    return built(record(evidence(odd, routes=[BARE])))
