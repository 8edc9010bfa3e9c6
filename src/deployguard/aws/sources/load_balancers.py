"""Load balancers whose target groups hold the function."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.traffic import Caller, Use


def callers(asked: Asked) -> Found:
    """Yield each target group that the function is in."""
    client = asked.session.client("elbv2")
    for group in asked.session.read_all(
        "list the target groups", client.describe_target_groups, "TargetGroups", PageSize=400
    ):
        if group.get("TargetType") == "lambda":
            what = f"the targets of {group['TargetGroupArn']}"
            yield from or_unread(what, _of(asked, group), may_be_gone=True)


def _of(asked: Asked, group: Mapping[str, Any]) -> Found:
    answer = asked.session.read(
        f"list the targets of {group['TargetGroupArn']}",
        asked.session.client("elbv2").describe_target_health,
        TargetGroupArn=group["TargetGroupArn"],
    )
    balancers = group.get("LoadBalancerArns", ())
    for health in answer.get("TargetHealthDescriptions", ()):
        match = asked.callee.match(health.get("Target", {}).get("Id"))
        if match is not None:
            yield Caller(
                kind="target group",
                name=group["TargetGroupArn"],
                qualifier=match.qualifier,
                via=", ".join(balancers) or "no load balancer",
                use=Use.CALLS if balancers else Use.OFF,
            )
