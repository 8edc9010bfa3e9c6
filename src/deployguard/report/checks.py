"""What a report has tested, one by one, for what reads tests: JUnit and attestations.

A check is the verdict itself, a route, or a finding; of a fleet the verdict on each function, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from deployguard.model import Finding, Severity
from deployguard.report import reading, text, words


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"
    UNPROVEN = "unproven"  # neither passed nor failed
    OVERTAKEN = "overtaken"  # another deploy made the question pointless


OUTCOMES = {
    "FRESH": Outcome.PASSED,
    "STALE": Outcome.FAILED,
    "INCONCLUSIVE": Outcome.UNPROVEN,
    "ERROR": Outcome.UNPROVEN,
    "SUPERSEDED": Outcome.OVERTAKEN,
    None: Outcome.PASSED,  # nothing was to be judged, and nothing went wrong
}


@dataclass(frozen=True)
class Check:
    """One thing that was tested; the name is its own among those of a report."""

    name: str
    outcome: Outcome
    told: str


def of(document: Mapping[str, Any]) -> list[Check]:
    """Return a report's checks, with names that no two of them share."""
    seen: Counter[str] = Counter()
    told = []
    for check in _of(document):
        seen[check.name] += 1
        nth = seen[check.name]
        told.append(check if nth == 1 else replace(check, name=f"{check.name} ({nth})"))
    return told


def _of(document: Mapping[str, Any]) -> Iterator[Check]:
    overall = OUTCOMES[document["verdict"]]
    yield Check("verdict", overall, f"{words.verdict(document)}: {words.sentence(document)}")
    name = words.names(document)
    for function in document["functions"]:
        of = ""
        if document.get("fleet") is not None:
            of = f" on {name(function)}"
            ended = f"{words.verdict(function)} (exit code {function['exit_code']})"
            yield Check(f"verdict{of}", OUTCOMES[function["verdict"]], ended)
        for route in function["routes"]:
            yield _route(route, of=of)
    for finding, verdict in reading.ruled(document):
        yield _finding(finding, OUTCOMES[verdict])


def _route(route: Mapping[str, Any], *, of: str) -> Check:
    told = [
        f"{route['verdict']}: {route['qualifier']} serves {words.serves(route['versions'])}",
        words.coverage(route["coverage"]),
        *(f"missing: {each}" for each in route["coverage"]["shortfalls"]),
    ]
    name = f"route {route['qualifier']} of {route['caller']}{of}"
    return Check(name, OUTCOMES[route["verdict"]], "\n".join(told))


def _finding(finding: Finding, overall: Outcome) -> Check:
    """Take a finding for what it did to the verdict: a warning did nothing."""
    outcome = overall if overall is not Outcome.PASSED else Outcome.FAILED
    if finding.severity is Severity.WARNING:
        outcome = Outcome.WARNED
    told = "\n".join(text.told(asdict(finding)))
    return Check(f"{finding.id} {finding.title}", outcome, told)
