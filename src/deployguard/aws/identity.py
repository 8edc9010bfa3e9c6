"""Who calls, where the calls go, and what IAM says that the caller may do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from deployguard.aws.session import Session
from deployguard.doctor.facts import Place
from deployguard.errors import AwsFailure

ASSUMED = re.compile(
    r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/"
)


def place(session: Session, *, account: str | None = None) -> Place:
    """Say where calls go, and by whom; who it is is not asked where the account is known."""
    who = {"Account": account, "Arn": ""} if account is not None else _caller(session)
    endpoints = [session.endpoint(service) for service in ("lambda", "sts")]
    endpoint, is_aws = next((each for each in endpoints if not each[1]), endpoints[0])
    return Place(who["Account"] or "", who["Arn"] or "", session.region, endpoint, is_aws)


def _caller(session: Session) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = session.read(
        "ask AWS whose credentials these are", session.client("sts").get_caller_identity
    )
    return answer


def principal(session: Session, caller: str) -> str:
    """Return whose policies apply: a session's are its role's.

    NOTE: the name of a session does not hold its role's path, and IAM knows no role without it.
    """
    found = ASSUMED.match(caller)
    if found is None:
        return caller
    client = session.client("iam")
    try:
        role = session.read("read the role", client.get_role, RoleName=found["role"])["Role"]
    except AwsFailure:
        return f"arn:{found['partition']}:iam::{found['account']}:role/{found['role']}"
    return str(role["Arn"])


def simulated(session: Session, whose: str, resource: str, actions: Iterable[str]) -> set[str]:
    """Return which of the actions a principal may not do on a resource, as IAM says.

    Raises: AwsFailure where IAM is not to be asked, or does not know the principal by this name.
    """
    client = session.client("iam")
    denied: set[str] = set()
    named: dict[str, Any] = {
        "PolicySourceArn": whose,
        "ActionNames": sorted(actions),
        "ResourceArns": [resource],
    }
    while True:
        page = session.read(
            "ask IAM what the role may do", client.simulate_principal_policy, **named
        )
        results = page["EvaluationResults"]
        denied |= {each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed"}
        if not page.get("IsTruncated"):
            return denied
        named["Marker"] = page["Marker"]
