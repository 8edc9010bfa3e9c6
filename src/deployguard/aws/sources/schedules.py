"""EventBridge Scheduler, universal targets too, which hide the function in their input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.routes import definitions
from deployguard.routes.names import Match
from deployguard.traffic import Caller, Use

UNIVERSAL = ":scheduler:::aws-sdk:lambda:invoke"


def callers(asked: Asked) -> Found:
    """Yield each schedule that calls the function."""
    client = asked.session.client("scheduler")
    for schedule in asked.session.read_all(
        "list the schedules", client.list_schedules, "Schedules", MaxResults=100
    ):
        what = f"schedule {schedule['GroupName']}/{schedule['Name']}"
        yield from or_unread(what, _of(asked, schedule), may_be_gone=True)


def _of(asked: Asked, schedule: Mapping[str, Any]) -> Found:
    match = _called(asked, schedule)
    if match is not None:
        is_off = schedule.get("State") == "DISABLED"
        yield Caller(
            kind="schedule",
            name=schedule.get("Arn", schedule["Name"]),
            qualifier=match.qualifier,
            via="disabled" if is_off else "",
            use=Use.OFF if is_off else Use.CALLS,
        )


def _called(asked: Asked, schedule: Mapping[str, Any]) -> Match | None:
    target = schedule.get("Target", {}).get("Arn", "")
    if UNIVERSAL not in target:
        return asked.callee.match(target)
    whole = asked.session.read(
        f"read schedule {schedule['Name']}",
        asked.session.client("scheduler").get_schedule,
        Name=schedule["Name"],
        GroupName=schedule["GroupName"],
    )
    return definitions.universal(whole.get("Target", {}).get("Input"), asked.callee)
