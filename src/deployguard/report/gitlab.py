"""The links that GitLab shows beside a job: its files, the function, the findings' help."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from deployguard import safe
from deployguard.findings import HELP
from deployguard.report import reading

FUNCTION = re.compile(r"arn:(aws[a-z-]*):lambda:([a-z0-9-]+):\d{12}:function:([A-Za-z0-9_-]+)")
CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


def render(document: Mapping[str, Any], *, job_url: str) -> str:
    """Return the links as an annotations report."""
    links = {url: label for label, url in _links(document, job_url)}
    shown = [{"external_link": {"label": label, "url": url}} for url, label in links.items()]
    return safe.json({"deployguard": shown})


def _links(document: Mapping[str, Any], job_url: str) -> Iterator[tuple[str, str]]:
    if re.match(r"https?://", job_url):
        yield "Report files", f"{job_url}/artifacts/browse"
    for function in document["functions"]:
        yield from _consoles(function["function"])
    for finding in reading.findings(document):
        if finding.help.startswith(f"{HELP}#"):
            yield safe.line(f"{finding.id} {finding.title}"), finding.help


def _consoles(arn: str) -> Iterator[tuple[str, str]]:
    named = FUNCTION.fullmatch(arn)
    if named is None or named[1] not in CONSOLES:
        return
    _, region, name = named.groups()
    console = f"https://{region}.{CONSOLES[named[1]]}"
    yield f"Function {name}", f"{console}/lambda/home?region={region}#/functions/{name}"
    # The console writes a slash as `$252F`: percent-encoded twice, with `$` for the percent sign.
    group = f"/aws/lambda/{name}".replace("/", "$252F")
    logs = f"{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}"
    yield f"Log of {name}", logs
