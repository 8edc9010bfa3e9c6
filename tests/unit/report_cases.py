"""Reports of every kind, as runs leave them: made of evidence, judged, and read back from JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from deployguard import judge
from deployguard.errors import AwsFailure, DeployguardError, Interrupted, OutOfTime, Superseded
from deployguard.model import (
    LATEST,
    Answer,
    Breadcrumb,
    Change,
    Evidence,
    Expected,
    Link,
    Mode,
    Policy,
    Probe,
    Remedy,
    Replacement,
    Round,
    Route,
    SelfTest,
    Stamp,
)
from deployguard.report import document, merged, renderers
from deployguard.report.html.page import Beside
from deployguard.resources import Alias
from deployguard.run import Record
from deployguard.traffic import Caller, Unread, Use
from tests.values import ARN, FUNCTION

NEW, OLD = "sha256:" + "b" * 64, "sha256:" + "a" * 64
STARTED = datetime(2026, 1, 2, 18, 57, 49, tzinfo=UTC)
UNIX = STARTED.timestamp()
LIVE = Route("callers of live", "live", {"2": 1.0})
BARE = Route("callers of $LATEST", LATEST, {LATEST: 1.0})
EVIDENCE = Evidence(
    expected=Expected(NEW, "b2", Link.VERIFIED),
    policy=Policy(grace_s=0.0),
    mode=Mode(),
    routes=(LIVE,),
    digests={"1": OLD, "2": NEW, LATEST: NEW},
    alias="live",
)


def probe(
    sent: float,
    container: int = 1,
    *,
    route: Route = LIVE,
    build: str | None = "b2",
    born: float = -3600.0,
    answer: Answer = Answer.BREADCRUMB,
    number: int = 0,
    **more: Any,
) -> Probe:
    """Make a probe that a container answered half a second later, or that something else did."""
    (version,) = route.versions
    nonce = f"{sent} {container} {number} {route.qualifier}"
    received = UNIX + max(sent, born) + 0.01
    crumb = Breadcrumb(
        nonce=nonce,
        stamp=None if build is None else Stamp(build),
        stamp_error=None,
        container=f"{container:032x}",
        born=UNIX + born,
        received=received,
        released=received + 0.5,
        invocation=1,
        function_version=version,
        log_stream=f"2026/01/02/[{version}]{container:032x}",
        request_id="r",
        initialization_type="on-demand",
        uptime_s=max(sent, born) + 0.51 - born,
        remaining_ms=None,
        invoked_arn=f"{ARN}:{route.qualifier}",
    )
    return Probe(
        qualifier=route.qualifier,
        sent=sent,
        answered=max(sent, born) + 0.52,
        answer=answer,
        nonce=nonce,
        executed_version=version,
        breadcrumb=replace(crumb, **more) if answer is Answer.BREADCRUMB else None,
    )


def rounds(*bursts: Iterable[Probe]) -> tuple[Round, ...]:
    """Make rounds of probes."""
    found = [tuple(burst) for burst in bursts]
    return tuple(
        Round(number, min(p.sent for p in probes), 0.01, 0.01, len(probes), probes)
        for number, probes in enumerate(found, 1)
    )


def report(
    evidence: Evidence | None = EVIDENCE,
    *,
    command: str = "check",
    error: DeployguardError | Interrupted | None = None,
    is_known: bool = True,
    changes: Iterable[Change] = (),
) -> dict[str, Any]:
    """Return a report as it is read back from its file."""
    record = Record(command, started=STARTED, error=error, changes=list(changes))
    if is_known:
        record.function, record.alias = FUNCTION, evidence.alias if evidence else "live"
        record.before = Alias("live", f"{ARN}:live", "1", {}, "")
        record.published, record.after = "2", "2"
    if evidence is not None:
        record.expected, record.evidence = evidence.expected, evidence
        record.ruling = judge.ruling(evidence)
    built = document.build(record, seconds=6.0, tool="0.1.0", history=())
    return dict(json.loads(json.dumps(built)))


def change(call: str, at: float, **after: Any) -> Change:
    """Make a change at some second of the run."""
    moment = datetime.fromtimestamp(UNIX + at, UTC).isoformat(timespec="milliseconds")
    return Change(moment, call, {"version": "1"} if "version" in after else {}, after)


CHANGES = (change("PublishVersion", 0.4, digest=NEW), change("UpdateAlias", 1.0, version="2"))
AGREEING = rounds(
    [probe(1.5, n, born=1.2 + n / 10, number=n) for n in range(1, 6)],
    [probe(4.5, n, born=1.2 + n / 10, number=n) for n in (1, 2)],
)


def _fresh() -> dict[str, Any]:
    return report(replace(EVIDENCE, rounds=AGREEING), changes=CHANGES)


def stale_evidence(count: int = 10, fresh: int = 5, *, build: str = "b1") -> Evidence:
    """Have old containers of $LATEST beside new ones of the alias."""
    old = [probe(1.5, n, route=BARE, build=build, born=-60.0 * n) for n in range(1, count + 1)]
    new = [probe(1.5, 10_000 + n, born=1.6) for n in range(fresh)]
    again = [probe(4.0, n, route=BARE, build=build, born=-60.0 * n) for n in range(1, count + 1)]
    return replace(EVIDENCE, routes=(LIVE, BARE), rounds=rounds([*old, *new], again))


def _stale() -> dict[str, Any]:
    undone = change("UpdateAlias", 5.8, version="1")
    return report(stale_evidence(), changes=(*CHANGES, undone))


def _another_digest() -> dict[str, Any]:
    behind = replace(LIVE, versions={"1": 0.9, "2": 0.1})
    return report(replace(EVIDENCE, routes=(behind,)), command="verify")


def _silent() -> dict[str, Any]:
    kinds = (Answer.THROTTLED, Answer.NO_BREADCRUMB, Answer.DENIED, Answer.UNKNOWN)
    bursts = [
        [probe(at, answer=answer, number=n) for n, answer in enumerate(kinds)] for at in (1.0, 3.0)
    ]
    return report(replace(EVIDENCE, rounds=rounds(*bursts)))


def _superseded() -> dict[str, Any]:
    return report(replace(EVIDENCE, rounds=AGREEING, superseded="alias live was moved to 9"))


def _refreshed() -> dict[str, Any]:
    old = tuple(f"{n:032x}" for n in range(1, 4))
    replacement = Replacement(Remedy.CONFIGURE, UNIX + 0.5, old)
    told = replace(stale_evidence(3, build="b2"), replacement=replacement)
    return report(told, command="refresh")


def _aged() -> dict[str, Any]:
    policy = replace(EVIDENCE.policy, aged_s=4.0)
    later = [
        [probe(at, n, self_test=SelfTest(True), number=99) for n in (1, 2)] for at in (5.0, 6.0)
    ]
    return report(replace(EVIDENCE, policy=policy, rounds=AGREEING, aged=rounds(*later)))


def _called() -> dict[str, Any]:
    callers = (
        Caller("rule", "nightly", "live"),
        Caller("API", "orders", LATEST, via="GET /orders"),
        Caller("policy", "someone", "gone", use=Use.MAY),
        Caller("state machine", "flow", None),
    )
    unread = (Unread("pipes", "the role may not read them", "grant pipes:ListPipes"),)
    told = replace(stale_evidence(), callers=callers, unread=unread, missing=("gone",))
    return report(told)


def _unstamped() -> dict[str, Any]:
    return report(replace(EVIDENCE, rounds=rounds([probe(1.0, build=None)])))


def _odd() -> dict[str, Any]:
    """Have containers say what no container can know, or nothing."""
    answers = [
        probe(1.0, 1, born=1.0 - UNIX),  # born in 1970
        probe(1.0, 2, born=5.0),  # after it answered
        probe(1.0, 3, uptime_s=9e10),
        probe(1.0, 4, received=0.0, released=9e10),
        probe(1.0, 5, log_stream="", function_version=""),
        replace(probe(1.0, 6), answered=None, executed_version=None),
        replace(probe(1.0, 7, answer=Answer.UNKNOWN), answered=None),
    ]
    return report(replace(EVIDENCE, rounds=rounds(answers)))


CASES: Mapping[str, Callable[[], dict[str, Any]]] = {
    "fresh": _fresh,
    "stale": _stale,
    "another-digest": _another_digest,
    "silent": _silent,
    "superseded": _superseded,
    "refreshed": _refreshed,
    "aged": _aged,
    "called": _called,
    "unstamped": _unstamped,
    "odd": _odd,
    "nothing-asked": lambda: report(EVIDENCE),
    "no-function": lambda: report(
        None, error=AwsFailure("could not read it", cause="it is not there"), is_known=False
    ),
    "no-evidence": lambda: report(None, error=DeployguardError("a bug"), changes=CHANGES),
    "out-of-time": lambda: report(
        replace(EVIDENCE, rounds=AGREEING), error=OutOfTime("the time is over")
    ),
    "interrupted": lambda: report(stale_evidence(), error=Interrupted(15), changes=CHANGES),
    "lost-lease": lambda: report(stale_evidence(), error=Superseded("somebody took the lease")),
    "rollback": lambda: report(
        replace(EVIDENCE, rounds=AGREEING), command="rollback", changes=CHANGES
    ),
    "fleet": lambda: several(_fresh(), _stale(), report(None, error=DeployguardError("a bug"))),
    "fresh-fleet": lambda: several(_fresh(), _fresh()),
}


def several(*reports: dict[str, Any]) -> dict[str, Any]:
    """Make one report of those of several functions."""
    for number, each in enumerate(reports):
        each["functions"][0]["function"] += f"-{number}"
    return merged.of_shards(reports)


# What the code itself chooses; all else in a report comes from elsewhere.
OURS = {
    "schema", "command", "verdict", "claim", "state", "answer", "link", "remedy", "use", "started",
    "at", "severity", "discovery", "result", "points_to",
}  # fmt: skip


def page(report: dict[str, Any], told: Beside | None = None) -> str:
    """Return the page of a report."""
    return renderers.render(report, "html", beside=told or Beside())


def spoiled(report: dict[str, Any], payload: str) -> dict[str, Any]:
    """Put a text everywhere where a report holds one that is not ours."""
    found: dict[str, Any] = _spoiled(report, payload)
    if found["error"]:
        found["error"]["id"] = ""  # only what is among the findings is read back
    return found


def _spoiled(value: Any, payload: str, *, key: str = "") -> Any:
    if isinstance(value, dict):
        named = key in ("versions", "digests", "builds")
        return {
            (f"{payload}{name}" if named else name): _spoiled(each, payload, key=name)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [_spoiled(each, payload, key=key) for each in value]
    return payload if isinstance(value, str) and key not in OURS else value
