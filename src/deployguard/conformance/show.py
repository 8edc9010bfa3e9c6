"""The cases of a conformance test, as a table for people and as a document for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from deployguard.conformance.nouns import Case, Result
from deployguard.conformance.rules import exit_code

SCHEMA = "deployguard/canary-test/v1"
DOUBTS = (Result.FAIL, Result.UNDECIDED)


def shown(name: str, cases: tuple[Case, ...], *, form: str, brief: bool = False) -> str:
    """Return the cases in the form that was asked for; in brief only those that make doubt."""
    return document(name, cases) if form == "json" else text(name, cases, brief=brief)


def text(name: str, cases: tuple[Case, ...], *, brief: bool = False) -> str:
    """Return a table of the cases, with what to do below each that did not pass."""
    told = [case for case in cases if not brief or case.result in DOUBTS]
    width = max((len(case.name) for case in told), default=0)
    rows = "\n".join(line for case in told for line in _rows(case, width))
    return "\n\n".join(filter(None, (name, rows, _summary(cases)))) + "\n"


def _rows(case: Case, width: int) -> Iterable[str]:
    is_fine = case.result is Result.PASS
    aside = f" ({case.got})" if is_fine and case.got else ""
    yield f"  {case.result:<9}  {case.name:<{width}}  {case.expected}{aside}"
    for label, told in () if is_fine else (("got", case.got), ("fix", case.fix)):
        yield f"  {'':<9}  {'':<{width}}  {label}: {told}"


def _summary(cases: tuple[Case, ...]) -> str:
    counts = {result: sum(case.result is result for case in cases) for result in Result}
    told = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    return f"{told} (exit code {exit_code(cases)})"


def document(name: str, cases: tuple[Case, ...]) -> str:
    """Return the cases as JSON."""
    shown = {
        "schema": SCHEMA,
        "implementation": name,
        "exit_code": exit_code(cases),
        "cases": [asdict(case) for case in cases],
    }
    return json.dumps(shown, indent=2) + "\n"
