"""The IAM policy that the lab holds every call against, if the knob has one."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qsl, unquote

from deployguard.lab.calls import Call
from deployguard.lab.checks import BadKnobError
from deployguard.lab.nouns import ACCOUNT, AwsError

USER = f"arn:aws:iam::{ACCOUNT}:user/lab"
ACTIONS = {  # where the permission has another name than the operation
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "Invoke": "InvokeFunction",
}
PREFIXES = {"monitoring": "cloudwatch"}
FREE = ("sts:GetCallerIdentity",)  # what needs no permission
MEMBERS = {"Sid", "Effect", "Action", "Resource"}
EXPLICIT = "explicitDeny"
IMPLICIT = "implicitDeny"
ALLOWED = "allowed"


def check(document: Mapping[str, Any] | None) -> None:
    """Refuse a policy that the lab could not evaluate as AWS would."""
    for statement in [] if document is None else _statements(document):
        strange = statement.keys() - MEMBERS
        if strange:
            raise BadKnobError(f"the lab evaluates no {min(strange)!r} in a policy's statement")
        if statement.get("Effect") not in ("Allow", "Deny"):
            raise BadKnobError(f"a statement's Effect is Allow or Deny, got {statement!r}")
        for member in ("Action", "Resource"):
            if not _texts(statement.get(member)):
                raise BadKnobError(f"a statement names texts as its {member}, got {statement!r}")


def decision(document: Mapping[str, Any] | None, action: str, resource: str) -> str:
    """Evaluate a policy: an explicit deny outweighs all, and what nothing allows is denied."""
    if document is None or action in FREE:
        return ALLOWED
    effects = {
        statement["Effect"]
        for statement in _statements(document)
        if any(_is_like(action.lower(), each.lower()) for each in _texts(statement["Action"]))
        and any(_is_like(resource, each) for each in _texts(statement["Resource"]))
    }
    if "Deny" in effects:
        return EXPLICIT
    return ALLOWED if effects else IMPLICIT


def enforce(document: Mapping[str, Any] | None, call: Call) -> None:
    """Raise AWS's error for a call that the policy does not allow."""
    resource = asked_on(call)
    found = decision(document, action(call), resource)
    if found != ALLOWED:
        raise denial(call, resource, explicit=found == EXPLICIT)


def asked_on(call: Call) -> str:
    """Return the ARN that AWS authorises a call on: reads and writes of an alias on the function.

    A function that is asked for by a qualifier is authorised with it.
    """
    if call.service == "sqs":
        queue = str(call.json().get("QueueUrl", "")).rpartition("/")[2]
        return f"arn:aws:sqs:{call.region}:{ACCOUNT}:{queue}"
    if call.operation in ("GetObject", "PutObject"):
        return f"arn:aws:s3:::{unquote(call.path).lstrip('/')}"
    if call.service == "logs":
        group = str(call.json().get("logGroupName", ""))
        return f"arn:aws:logs:{call.region}:{ACCOUNT}:log-group:{group}:log-stream:"
    if (call.service, call.operation) == ("sts", "AssumeRole"):
        return dict(parse_qsl(call.body.decode())).get("RoleArn", "")
    return f"{call.arn}:{call.qualifier}" if call.qualifier else call.arn


def action(call: Call) -> str:
    """Return the permission that a call needs; API Gateway names its own by the method."""
    prefix = PREFIXES.get(call.service, call.service)
    named = call.method if call.service == "apigateway" else call.operation
    return f"{prefix}:{ACTIONS.get(named, named)}"


def denial(call: Call, resource: str, *, explicit: bool = False) -> AwsError:
    """Return the error of a call that is denied, in AWS's words."""
    needed = action(call)
    why = (
        "with an explicit deny in an identity-based policy"
        if explicit
        else f"because no identity-based policy allows the {needed} action"
    )
    text = f"User: {USER} is not authorized to perform: {needed} on resource: {resource} {why}"
    if "form-urlencoded" in call.headers.get("content-type", ""):
        return AwsError(403, "AccessDenied", text)
    return AwsError(403 if call.service == "lambda" else 400, "AccessDeniedException", text)


def _statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = document.get("Statement")
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list) or not all(isinstance(one, dict) for one in statements):
        raise BadKnobError(f"a policy has a 'Statement', got {dict(document)!r}")
    return statements


def _texts(value: object) -> list[str]:
    many = [value] if isinstance(value, str) else value
    if not isinstance(many, list) or not all(isinstance(one, str) for one in many):
        return []
    return many


def _is_like(text: str, pattern: str) -> bool:
    """Match as IAM does: stars and question marks, and no other magic."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))
