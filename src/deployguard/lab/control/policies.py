"""Resource policies: who may call, one policy per qualifier, each with its own revision."""

from __future__ import annotations

import json
from typing import Any

from deployguard.lab.control import errors, names
from deployguard.lab.control.records import Function, Policy, new_id
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import LATEST

Params = dict[str, Any]

# Which member of AddPermission becomes which condition, in the order of the statement.
CONDITIONS = (
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
)


def add(cloud: Cloud, region: str, params: Params) -> Params:
    """Add a statement to the policy of one qualifier."""
    reference = names.parse(region, params["FunctionName"], params.get("Qualifier"))
    function = cloud.function(region, reference.name)
    if reference.qualifier == LATEST:
        raise errors.invalid("We currently do not support adding policies for $LATEST.")
    qualifier = _existing(function, reference.qualifier)
    policy = function.policies.get(qualifier)
    _require_revision(policy, params)
    statement_id = params["StatementId"]
    if policy and any(one["Sid"] == statement_id for one in policy.statements):
        raise errors.conflict(
            f"The statement id ({statement_id}) provided already exists. Please provide a new "
            "statement id, or remove the existing statement."
        )
    arn = names.function_arn(region, function.name, qualifier)
    statement = _statement(arn, params)
    before = _document(policy) if policy else None
    policy = function.policies.setdefault(qualifier, Policy())
    policy.statements.append(statement)
    policy.revision = new_id()
    cloud.writes("AddPermission", arn, before=before, after=_document(policy))
    return {"Statement": json.dumps(statement)}


def remove(cloud: Cloud, region: str, params: Params) -> Params:
    """Remove a statement; the policy goes with its last one."""
    reference = names.parse(region, params["FunctionName"], params.get("Qualifier"))
    function = cloud.find(region, reference.name)
    if function is None:
        arn = names.function_arn(region, reference.name)
        raise errors.not_found(f"No policy found for: {arn}")
    qualifier = _existing(function, reference.qualifier)
    policy = function.policies.get(qualifier)
    if policy is None:
        raise errors.not_found("No policy is associated with the given resource.")
    _require_revision(policy, params)
    statement_id = params["StatementId"]
    kept = [one for one in policy.statements if one["Sid"] != statement_id]
    if len(kept) == len(policy.statements):
        raise errors.not_found(f"Statement {statement_id} is not found in resource policy.")
    before = _document(policy)
    policy.statements = kept
    policy.revision = new_id()
    if not kept:
        del function.policies[qualifier]
    cloud.writes(
        "RemovePermission",
        names.function_arn(region, function.name, qualifier),
        before=before,
        after=_document(policy) if kept else None,
    )
    return {}


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show the policy of exactly one qualifier."""
    return _shown(cloud, region, params["FunctionName"], params.get("Qualifier"))


def get_resource(cloud: Cloud, region: str, params: Params) -> Params:
    """Show the policy of the function, version or alias that an ARN names."""
    return _shown(cloud, region, params["ResourceArn"], None)


def _shown(cloud: Cloud, region: str, name: str, qualifier: str | None) -> Params:
    """Return a policy as JSON text with its revision."""
    reference = names.parse(region, name, qualifier)
    function = cloud.find(region, reference.name)
    policy = function.policies.get(reference.qualifier or "") if function else None
    if policy is None:
        raise errors.not_found(errors.NO_RESOURCE)
    return {"Policy": json.dumps(_document(policy)), "RevisionId": policy.revision}


def _existing(function: Function, qualifier: str | None) -> str:
    """Return the key of a policy whose qualifier exists."""
    if qualifier is None:
        return ""
    if qualifier in function.aliases or qualifier in function.versions:
        return qualifier
    arn = f"{function.arn}:{qualifier}"
    if names.is_alias(qualifier):
        raise errors.not_found(f"Cannot find alias arn: {arn}")
    raise errors.no_function(arn)


def _require_revision(policy: Policy | None, params: Params) -> None:
    """Refuse a change decided on an older revision of this policy."""
    current = policy.revision if policy else None
    if params.get("RevisionId", current) != current:
        raise errors.stale_revision("GetPolicy")


def _statement(arn: str, params: Params) -> Params:
    """Return the policy statement that a permission becomes."""
    statement: Params = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(params["Principal"]),
        "Action": params["Action"],
        "Resource": arn,
    }
    conditions: dict[str, dict[str, str]] = {}
    for member, operator, key in CONDITIONS:
        if member in params:
            value = params[member]
            text = str(value).lower() if isinstance(value, bool) else value
            conditions.setdefault(operator, {})[key] = text
    return statement | ({"Condition": conditions} if conditions else {})


def _principal(principal: str) -> Any:
    """Return a principal as policies write it."""
    if principal == "*":
        return "*"
    if principal.startswith("arn:"):
        return {"AWS": principal}
    if principal.isdigit() and len(principal) == 12:
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if "." in principal:
        return {"Service": principal}
    raise errors.invalid(
        "The provided principal was invalid. Please check the principal and try again."
    )


def _document(policy: Policy) -> Params:
    """Return the policy document."""
    return {"Version": "2012-10-17", "Id": "default", "Statement": list(policy.statements)}
