"""Findings before anything is done: where the run works, and what the function is set to."""

from __future__ import annotations

from deployguard.findings.kind import Kind
from deployguard.model import Severity

KINDS = {
    "DG501": Kind(
        "The run is in another place than expected",
        "the credentials, the region or the endpoint are not those that are pinned",
        "work in the place that is expected, or change what is pinned",
        "aws sts get-caller-identity",
        expected="the account, region and endpoint that are pinned",
        severity=Severity.REFUSED,
    ),
    "DG503": Kind(
        "A probe cannot hold its container so long",
        "the function's timeout would cut it short, and then it answers nothing",
        "hold for less, or give the function more time",
        "deployguard check FUNCTION --hold-ms NUMBER",
        expected="a timeout that is longer than --hold-ms",
        severity=Severity.REFUSED,
    ),
    "DG508": Kind(
        "The alias does not exist",
        "it was never created, or its name is misspelt",
        "let `check` create it, after which there is no way back; or name one that exists",
        "deployguard check FUNCTION --alias ALIAS",
        expected="an alias that callers use",
        severity=Severity.NOTE,
    ),
}
