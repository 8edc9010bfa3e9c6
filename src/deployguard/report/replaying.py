"""A report's verdict reached again, from the evidence that is in it and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from deployguard import judge
from deployguard.errors import ConfigurationError, Interrupted
from deployguard.model import Evidence
from deployguard.report import contradiction, following, merged
from deployguard.report.following import EVIDENCE
from deployguard.run import EXIT_CODES

UNJUDGED = ("ERROR", "INCONCLUSIVE", "SUPERSEDED")  # what a run can end with and have no evidence


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
    evidence, error = _evidence(function), function.get("error")
    ruling = None if evidence is None else judge.ruling(evidence)
    if ruling is None or error is not None:
        about = {**function, **_unjudged(function)}
    else:
        code = EXIT_CODES.get(ruling.verdict, 1)
        about = {**function, "verdict": ruling.verdict.value, "exit_code": code}
    if isinstance(error, Mapping) and error.get("kind") == Interrupted.__name__:
        ruling = None
    if evidence is not None:
        about["expected"] = following.expected(evidence.expected)
    return about | following.members(evidence, ruling, known=following.blanks(about))


def _evidence(function: Mapping[str, Any]) -> Evidence | None:
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


def _not_replayable(why: str) -> ConfigurationError:
    return ConfigurationError(
        "the report holds no evidence that can be replayed",
        cause=f"{why}: it was edited, or written by another version",
        fix="give the report.json of a check, verify or rollback",
    )
