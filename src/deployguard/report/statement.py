"""The verdict as an in-toto statement on the image: an unsigned test result, for others to sign.

It is made only of evidence that reaches the verdict again, and PASSED is said of FRESH alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from deployguard import safe
from deployguard.errors import ConfigurationError
from deployguard.report import checks, replaying, words
from deployguard.report.checks import Outcome

STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def render(document: Mapping[str, Any]) -> str:
    """Return the statement; raise ConfigurationError where there is nothing to be attested."""
    judged = replaying.judged_again(document)
    if len(judged["functions"]) > 1:
        raise ConfigurationError(
            "there is no statement to make on several functions",
            cause="a statement is on one image, and what holds of one function is not of another",
            fix="make a statement of the report of each: check it alone, or in a shard of its own",
        )
    evidence = [item for function in judged["functions"] for item in function["evidence"]]
    ends = [judged["error"], *(each.get("error") for each in judged["functions"])]
    if any(ends) or len(evidence) != 1:
        raise ConfigurationError(
            "there is no statement to make on an image",
            cause="the run ended before the verdict, so there is none that evidence supports",
            fix="make the statement of a report with a verdict",
        )
    (function,) = judged["functions"]
    kind, _, digest = function["expected"]["digest"].partition(":")
    return safe.json(
        {
            "_type": STATEMENT,
            "subject": [{"name": words.name_of(function), "digest": {kind: digest}}],
            "predicateType": PREDICATE,
            "predicate": _predicate(judged, evidence[0]),
        }
    )


def _predicate(judged: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, Any]:
    found = checks.of(judged)
    named = {each: [c.name for c in found if c.outcome is each] for each in Outcome}
    passed, warned = named.pop(Outcome.PASSED), named.pop(Outcome.WARNED)
    others = [name for names in named.values() for name in names]
    return {
        "result": "PASSED" if judged["verdict"] == "FRESH" and not others else "FAILED",
        "configuration": [
            {"name": "deployguard", "uri": f"pkg:pypi/deployguard@{judged['tool']['version']}"},
            _descriptor("policy", evidence["policy"], content=True),
            _descriptor("evidence", evidence, content=False),
        ],
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": others,
    }


def _descriptor(name: str, value: Any, *, content: bool) -> dict[str, Any]:
    """Describe a part of the report by the hash of its canonical JSON, or hold it, too."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    described: dict[str, Any] = {
        "name": name,
        "mediaType": "application/json",
        "digest": {"sha256": hashlib.sha256(canonical).hexdigest()},
    }
    return described | ({"content": base64.b64encode(canonical).decode()} if content else {})
