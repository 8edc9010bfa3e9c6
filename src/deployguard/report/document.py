"""The report as a JSON document, and back: the evidence in it replays to the same verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from deployguard import aging, coverage, judge
from deployguard.errors import ConfigurationError, DeployguardError, Interrupted, parts_of
from deployguard.findings import KINDS, filled
from deployguard.model import (
    LATEST,
    Claim,
    Coverage,
    Evidence,
    Expected,
    Finding,
    Probe,
    Round,
    RouteRuling,
    Ruling,
    Severity,
    State,
    Verdict,
)
from deployguard.report import contradiction, merged, words
from deployguard.report.history import Kept
from deployguard.run import EXIT_CODES, Record
from deployguard.shape import Shape, ShapeKind

SCHEMA = "deployguard/report/v1"
STRENGTH = (Claim.NONE, Claim.SAMPLED, Claim.EXHAUSTIVE, Claim.BY_CONSTRUCTION)
EVIDENCE = TypeAdapter(Evidence)
UNJUDGED = ("ERROR", "INCONCLUSIVE", "SUPERSEDED")  # what a run can end with and have no evidence


def build(record: Record, *, seconds: float, tool: str, history: Iterable[Kept]) -> dict[str, Any]:
    """Return the document of a run, however it ended."""
    is_known = record.function is not None or record.asked
    functions = [_function(record, seconds=seconds)] if is_known else []
    return {
        "schema": SCHEMA,
        "tool": {"name": "deployguard", "version": tool},
        "command": record.command,
        "verdict": record.verdict and record.verdict.value,
        "exit_code": record.exit_code,
        "started": record.started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "error": functions[0]["error"] if functions else _error(record.error, {}),
        "functions": functions,
        "history": [asdict(move) for move in history],
        "fleet": None,
    }


def kept(document: Mapping[str, Any]) -> Evidence | None:
    """Return the evidence of a run's document as it stands; raise ValueError where it is none."""
    found = [item for function in document["functions"] for item in function["evidence"]]
    return EVIDENCE.validate_python(found[0]) if found else None


def foremost(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a fleet's report as that of the function that ended worst; any other as it is."""
    if document.get("fleet") is None or not document["functions"]:
        return document
    worst = min(document["functions"], key=lambda each: merged.gravity(each["exit_code"]))
    parts = ("verdict", "exit_code", "started", "seconds", "error")
    return {**document, **{part: worst[part] for part in parts}, "functions": [worst]}


def evidence_of(function: Mapping[str, Any]) -> Evidence | None:
    """Read back what a function's verdict rests on; None where nothing was judged."""
    try:
        found = [EVIDENCE.validate_python(item) for item in function["evidence"]]
    except (ValidationError, KeyError, TypeError) as error:
        raise _not_replayable(type(error).__name__) from error
    contradictions = [text for evidence in found for text in contradiction.all_in(evidence)]
    for each in found:
        contradictions += contradiction.of_another(
            each, function=function.get("function"), alias=function.get("alias")
        )
    if len(found) > 1:
        contradictions.append("it holds more than one run")
    if contradictions:
        raise _not_replayable(contradictions[0])
    return found[0] if found else None


def _not_replayable(why: str) -> ConfigurationError:
    return ConfigurationError(
        "the report holds no evidence that can be replayed",
        cause=f"{why}: it was edited, or written by another version",
        fix="give the report.json of a check, verify or rollback",
    )


def _error(
    error: DeployguardError | Interrupted | None, known: Mapping[str, str | None]
) -> dict[str, str] | None:
    if error is None:
        return None
    return {**parts_of(error), "command": filled(error.command, known)}


def _blanks(function: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what a finding's command leaves open, from the entry of the function."""
    arn = str(function["function"])
    return {
        "FUNCTION": arn,
        "NAME": arn.rpartition(":")[2],
        "ALIAS": function["alias"],
        "DIGEST": function["expected"]["digest"],
    }


def _function(record: Record, *, seconds: float) -> dict[str, Any]:
    about = {
        "function": record.function.arn if record.function else record.asked,
        "alias": record.alias,
        "verdict": record.verdict and record.verdict.value,
        "exit_code": record.exit_code,
        "started": record.started.isoformat(timespec="milliseconds"),
        "seconds": round(seconds, 3),
        "expected": _expected(record.expected),
        "version": {
            "before": record.before.version if record.before else None,
            "published": record.published,
            "after": record.after,
            "deduplicated": record.deduplicated,
        },
        "changes": [asdict(change) for change in record.changes],
    }
    blanks = _blanks(about)
    ruling = None if isinstance(record.error, Interrupted) else record.ruling
    judged = _judged(record.evidence, ruling, known=blanks)
    return about | {"error": _error(record.error, blanks)} | judged


def _expected(expected: Expected | None) -> dict[str, str | None]:
    if expected is None:
        return {"digest": None, "build_id": None, "link": "none"}
    return {
        "digest": expected.digest,
        "build_id": expected.build_id,
        "link": expected.link.value,
    }


def _judged(
    evidence: Evidence | None, ruling: Ruling | None, *, known: Mapping[str, str | None]
) -> dict[str, Any]:
    """Return the members that follow from the evidence, and from what it is about."""
    if evidence is None:
        nothing: dict[str, Any] = {"routes": [], "coverage": _coverage([]), "containers": []}
        nothing |= {"callers": [], "unread": [], "replacement": None, "aged": None}
        return {**nothing, "findings": [], "rounds": [], "evidence": []}
    rulings = ruling.routes if ruling else ()
    answered = containers(evidence)
    # What answered on two routes is one, and each route has had some of the rounds only.
    counted = {"containers": len(answered), "rounds": len(evidence.rounds)} if rulings else {}
    return {
        "routes": [_route(ruled, evidence) for ruled in rulings],
        "coverage": _coverage([ruled.coverage for ruled in rulings]) | counted,
        "containers": answered,
        "callers": [caller.members() for caller in evidence.callers],
        "unread": [asdict(unread) for unread in evidence.unread],
        "replacement": _replacement(evidence, ruling),
        "findings": [_told(finding, known) for finding in ruling.findings] if ruling else [],
        "aged": aging.summary(evidence),
        "rounds": [_round(evidence, each) for each in evidence.rounds],
        "evidence": [EVIDENCE.dump_python(evidence, mode="json")],
    }


def _told(finding: Finding, known: Mapping[str, str | None]) -> dict[str, Any]:
    return asdict(replace(finding, command=filled(finding.command, known)))


def _route(ruled: RouteRuling, evidence: Evidence) -> dict[str, Any]:
    main = max(ruled.route.versions, key=lambda version: ruled.route.versions[version])
    return {
        "caller": ruled.route.caller,
        "qualifier": ruled.route.qualifier,
        "versions": dict(ruled.route.versions),
        "digest": evidence.digests.get(main),
        "verdict": ruled.verdict.value,
        "coverage": _coverage([ruled.coverage]),
        "shape": _shape(judge.shape_of(evidence, ruled.route)),
    }


def _shape(found: Shape) -> dict[str, str] | None:
    return None if found.kind is ShapeKind.NONE else asdict(found)


def _coverage(coverages: Iterable[Coverage]) -> dict[str, Any]:
    """Sum up several routes: the weakest claim, and every assumption."""
    found = list(coverages)
    claims = [each.claim for each in found]
    bounds = [each.stale_upper_bound for each in found]
    return {
        "claim": min(claims, key=STRENGTH.index, default=Claim.NONE).value,
        "containers": sum(each.containers for each in found),
        "cold_starts": sum(each.cold_starts for each in found),
        "rounds": max((each.rounds for each in found), default=0),
        "probes": sum(each.probes for each in found),
        "stale_upper_bound": None
        if not bounds or None in bounds
        else max(bound for bound in bounds if bound is not None),
        "assumptions": list(dict.fromkeys(a for each in found for a in each.assumptions)),
        "shortfalls": list(dict.fromkeys(s for each in found for s in each.shortfalls)),
    }


def containers(evidence: Evidence) -> list[dict[str, Any]]:
    """List every container that answered, with what it is known to run."""
    answered = [p for r in evidence.rounds for p in r.probes if p.breadcrumb is not None]
    crumbs = [probe.breadcrumb for probe in answered if probe.breadcrumb is not None]
    by_container: dict[str, list[Probe]] = {}
    for probe, identity in zip(answered, coverage.identities(crumbs), strict=True):
        by_container.setdefault(identity, []).append(probe)
    return [_container(evidence, identity, probes) for identity, probes in by_container.items()]


def _container(evidence: Evidence, identity: str, probes: list[Probe]) -> dict[str, Any]:
    last = probes[-1]
    crumb = last.breadcrumb
    assert crumb is not None
    states = [judge.state(evidence, probe) for probe in probes]
    version = last.executed_version or ""
    found = next((s for s in (State.STALE, State.UNKNOWN) if s in states), State.FRESH)
    return {
        "container": identity,
        "build_id": crumb.stamp.build_id if crumb.stamp else None,
        "digest": _digest(evidence, version, found),
        "born": datetime.fromtimestamp(crumb.born, UTC).isoformat(timespec="milliseconds"),
        "version": version,
        "log_stream": crumb.log_stream,
        "probes": len(probes),
        "state": found.value,
    }


def _replacement(evidence: Evidence, ruling: Ruling | None) -> dict[str, Any] | None:
    """Say what became of the containers that answered before a remedy.

    One that was not seen again is gone only where the verdict speaks for every container.
    """
    replacement = evidence.replacement
    if replacement is None:
        return None
    crumbs = (probe.breadcrumb for each in evidence.rounds for probe in each.probes)
    after = {crumb.container for crumb in crumbs if crumb is not None}
    unseen = [each for each in replacement.containers if each not in after]
    is_proven = ruling is not None and ruling.verdict is Verdict.FRESH
    return {
        "remedy": replacement.remedy.value,
        "at": datetime.fromtimestamp(replacement.at, UTC).isoformat(timespec="milliseconds"),
        "before": len(replacement.containers),
        "stayed": [each for each in replacement.containers if each in after],
        "gone": unseen if is_proven else [],
        "unseen": [] if is_proven else unseen,
    }


def _digest(evidence: Evidence, version: str, found: State) -> str | None:
    """Return a container's digest where it is known: a stale one of $LATEST could be of any."""
    if version == LATEST and found is not State.FRESH:
        return None
    return evidence.digests.get(version)


def _round(evidence: Evidence, each: Round) -> dict[str, Any]:
    states = [judge.state(evidence, probe).value for probe in each.probes]
    return {
        "number": each.number,
        "started": each.started,
        "connect_s": each.connect_s,
        "ramp_s": each.ramp_s,
        "peak_overlap": each.peak_overlap,
        "probes": len(each.probes),
        "states": {state: states.count(state) for state in sorted(set(states))},
        "qualifiers": list(dict.fromkeys(probe.qualifier for probe in each.probes)),
    }


def findings(document: Mapping[str, Any]) -> list[Finding]:
    """Return all findings in a document, and first what ended it or the run of a function."""
    return [found for found, _ in ruled(document)]


def ruled(document: Mapping[str, Any]) -> list[tuple[Finding, str | None]]:
    """Return all findings, each with the verdict of the run that it belongs to."""
    whole, error = document["verdict"], document["error"]
    entries = document["functions"]
    ended = [(_ended(error, whole), whole)] if error else []
    fleet = document.get("fleet")
    if fleet is None:
        return ended + [(_finding(item), whole) for each in entries for item in each["findings"]]
    told = [(_finding(item), whole) for item in fleet["findings"]]
    name = words.names(document)
    for each in entries:
        verdict, own = each["verdict"], [_finding(item) for item in each["findings"]]
        if each["error"]:
            ended.append((_of(name(each), _ended(each["error"], verdict)), verdict))
        told += [(_of(name(each), found), verdict) for found in own]
    return ended + told


def _of(name: str, found: Finding) -> Finding:
    """Say which of several functions a finding is about."""
    return replace(found, seen=f"{name}: {found.seen}")


def _ended(error: Mapping[str, str], verdict: str) -> Finding:
    kind = KINDS.get(error["id"])
    return Finding(
        id=error["id"] or "deployguard",
        title=kind.title if kind else verdict,
        seen=error["happened"],
        expected="",
        cause=error["cause"],
        fix=error["fix"],
        help=error["help"],
        command=error["command"],
    )


def _finding(item: Mapping[str, Any]) -> Finding:
    """Read one back; reports were once written without the severity."""
    return Finding(**{**item, "severity": Severity(item.get("severity", "error"))})


def outputs(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the few values that later steps of a pipeline use; none holds an account id.

    Of several functions it is what they have in common.
    """
    expected = [each["expected"] for each in document["functions"]]
    versions = [each["version"] for each in document["functions"]]
    return {
        "verdict": document["verdict"] or "",
        "exit-code": str(document["exit_code"]),
        "image-digest": words.common(each.get("digest") for each in expected) or "",
        "build-id": words.common(each.get("build_id") for each in expected) or "",
        "version": words.common(each.get("after") or each.get("before") for each in versions) or "",
    }


def replay(document: Mapping[str, Any]) -> dict[str, Any]:
    """Judge a document's evidence again; the verdict may differ from the one that it claims."""
    return {**judged_again(document), "command": "report"}


def judged_again(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the verdict that its evidence supports."""
    functions = [_judged_again(each, document) for each in _entries(document)]
    if document.get("fleet") is not None:
        return _summed({**document, "functions": functions})
    if len(functions) > 1:
        raise _not_replayable("it holds more than one run")
    if not functions:
        return {**document, **_unjudged(document)}
    ended = {part: functions[0][part] for part in ("verdict", "exit_code")}
    return {**document, **ended, "functions": functions}


def _entries(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = document.get("functions")
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise _not_replayable("it lists no functions")
    return entries


def _judged_again(function: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Judge one function again; how it ended was once told for all of the document only."""
    if document.get("fleet") is None:
        ended = {part: document.get(part) for part in ("error", "exit_code", "verdict")}
        function = {**function, **ended}
    evidence, error = evidence_of(function), function.get("error")
    ruling = None if evidence is None else judge.ruling(evidence)
    if ruling is None or error is not None:
        about = {**function, **_unjudged(function)}
    else:
        code = EXIT_CODES.get(ruling.verdict, 1)
        about = {**function, "verdict": ruling.verdict.value, "exit_code": code}
    if isinstance(error, Mapping) and error.get("kind") == Interrupted.__name__:
        ruling = None
    if evidence is not None:
        about["expected"] = _expected(evidence.expected)
    return about | _judged(evidence, ruling, known=_blanks(about))


def _unjudged(ended: Mapping[str, Any]) -> dict[str, Any]:
    """Believe that something ended as it can end without a judgement, and nothing better."""
    verdict, code = ended.get("verdict"), ended.get("exit_code")
    if verdict not in UNJUDGED or type(code) is not int or not 0 < code < 256:
        raise _not_replayable("it claims a verdict that nothing supports")
    codes = {known.value: number for known, number in EXIT_CODES.items()}
    if code != codes[verdict] if verdict in codes else code in codes.values():
        raise _not_replayable("it claims an exit code that its verdict does not have")
    return {"verdict": verdict, "exit_code": code}


def _summed(document: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return merged.judged(document)
    except (KeyError, TypeError, ValueError) as error:
        raise _not_replayable(type(error).__name__) from error
