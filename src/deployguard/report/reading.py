"""What is read from the document of a report, of one function or of several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deployguard.findings import KINDS
from deployguard.model import Evidence, Finding, Severity
from deployguard.report import merged, words
from deployguard.report.following import EVIDENCE


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
