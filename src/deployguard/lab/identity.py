"""Who calls, and what the policy of the lab lets them do: the two questions put to STS and IAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from deployguard.lab import policy
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.nouns import ACCOUNT

HEADERS = (("content-type", "text/xml"),)


def serve(call: Call, document: Mapping[str, Any] | None) -> Answer | None:
    """Answer a call that is about the caller, and no other."""
    match call.service, call.operation:
        case "sts", "GetCallerIdentity":
            inside = f"<Arn>{policy.USER}</Arn><UserId>LAB</UserId><Account>{ACCOUNT}</Account>"
        case "iam", "SimulatePrincipalPolicy":
            inside = _simulated(call, document)
        case _:
            return None
    name = call.operation
    text = (
        f"<{name}Response><{name}Result>{inside}</{name}Result><ResponseMetadata>"
        f"<RequestId>{call.request_id}</RequestId></ResponseMetadata></{name}Response>"
    )
    return Answer(200, text.encode(), HEADERS)


def principal(call: Call) -> str:
    """Return whose policies a simulation is about."""
    return dict(parse_qsl(call.body.decode())).get("PolicySourceArn", "")


def _simulated(call: Call, document: Mapping[str, Any] | None) -> str:
    form = dict(parse_qsl(call.body.decode()))
    actions, resources = (
        [value for key, value in form.items() if key.startswith(f"{member}.")]
        for member in ("ActionNames", "ResourceArns")
    )
    members = (
        f"<member><EvalActionName>{escape(action)}</EvalActionName>"
        f"<EvalResourceName>{escape(resource)}</EvalResourceName>"
        f"<EvalDecision>{policy.decision(document, action, resource)}</EvalDecision></member>"
        for action in actions
        for resource in resources or ["*"]
    )
    results = "".join(members)
    return f"<IsTruncated>false</IsTruncated><EvaluationResults>{results}</EvaluationResults>"
