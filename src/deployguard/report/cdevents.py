"""The report as CDEvents 0.5.1: what became of the service, and how the test of it ended.

The ids follow from the report, so that whoever hears of an event twice knows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from deployguard import safe
from deployguard.report import words

SPECIFICATION = "0.5.1"
OUTCOMES = {
    "FRESH": "success",
    "STALE": "failure",
    "SUPERSEDED": "cancel",
    "INCONCLUSIVE": "error",
    "ERROR": "error",
    None: "success",
}
ALIAS_CALLS = ("CreateAlias", "UpdateAlias", "DeleteAlias")


def render(document: Mapping[str, Any]) -> str:
    """Return the events as a JSON array, in the order in which they happened."""
    return safe.json(list(_events(document)))


def _events(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for function in document["functions"]:
        change, digest = _became(document, function)
        if change and digest:
            content: dict[str, Any] = {
                "environment": _environment(function["function"]),
                "artifactId": _purl(function["function"], digest),
            }
            named = f"{function['function']}:{function['alias']}"
            kind = f"service.{change}"
            yield _event(document, kind, of=function, subject=named, content=content)
    # Of functions in several places, the first stands for what has none of its own.
    first = next(iter(document["functions"]), None)
    content = {
        "environment": _environment(first["function"] if first else ""),
        "testSuite": {
            "id": f"deployguard {document['command']}",
            "version": document["tool"]["version"],
        },
        "outcome": OUTCOMES[document["verdict"]],
        "reason": f"{words.verdict(document)}: {words.sentence(document)}",
    }
    subject = _digest(document, "run")[:32]
    yield _event(document, "testsuiterun.finished", of=first, subject=subject, content=content)


def _became(document: Mapping[str, Any], function: Mapping[str, Any]) -> tuple[str, str | None]:
    """Say what became of the service, and which image serves it since; nothing where it stayed."""
    before, after = function["version"]["before"], function["version"]["after"]
    moves = [each for each in function["changes"] if each["call"] in ALIAS_CALLS]
    if after is None or not any(each["result"] == "ok" for each in moves):
        return "", None
    digest = _digest_of(function, after)
    if document["command"] == "rollback" or after == before:
        return "rolledback", digest
    return ("upgraded" if before else "deployed"), digest


def _digest_of(function: Mapping[str, Any], version: str) -> str | None:
    known = {k: v for each in function["evidence"] for k, v in each["digests"].items()}
    found: str | None = known.get(version)
    return found


def _event(
    document: Mapping[str, Any],
    kind: str,
    *,
    of: Mapping[str, Any] | None,
    subject: str,
    content: Mapping[str, Any],
) -> dict[str, Any]:
    ended = datetime.fromisoformat(document["started"]) + timedelta(seconds=document["seconds"])
    return {
        "context": {
            "specversion": SPECIFICATION,
            "id": _digest(document, f"{kind} {subject}")[:32],
            "source": f"/deployguard/{safe.url(of['function'] if of else '')}",
            "type": f"dev.cdevents.{kind}.0.3.0",
            "timestamp": ended.isoformat(timespec="milliseconds"),
        },
        "subject": {"id": subject, "content": content},
    }


def _environment(arn: str) -> dict[str, str]:
    """Name where the function is: its account and region."""
    parts = arn.split(":")
    return {"id": f"{parts[4]}/{parts[3]}" if len(parts) > 4 else "unknown"}


def _purl(arn: str, digest: str) -> str:
    """Name an image; a report knows its digest, and of its repository nothing."""
    name = arn.rpartition(":")[2].lower()
    return f"pkg:oci/{safe.url(name)}@{safe.url(digest)}"


def _digest(document: Mapping[str, Any], part: str) -> str:
    """Derive an id from the report, and from nothing that judging it again would change."""
    about = [part, document["started"], document["command"]]
    about += [each["function"] for each in document["functions"]]
    return hashlib.sha256("\0".join(about).encode(errors="backslashreplace")).hexdigest()
