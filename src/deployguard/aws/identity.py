"""Who calls, where the calls go, and what IAM says that the caller may do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from deployguard.aws.session import Session
from deployguard.doctor.facts import Place

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


def simulated(session: Session, caller: str, resource: str, actions: Iterable[str]) -> set[str]:
    """Return which of the actions the caller may not do on a resource, as IAM says.

    Raises: AwsFailure where IAM is not to be asked, or does not know the caller by this name.
    """
    client = session.client("iam")
    denied: set[str] = set()
    named: dict[str, Any] = {
        "PolicySourceArn": _principal(caller),
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


def _principal(caller: str) -> str:
    """Return whose policies apply: a session's are its role's.

    NOTE: the path of a role is not in its session's name; IAM then knows no role of that name.
    """
    found = ASSUMED.match(caller)
    return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else caller
