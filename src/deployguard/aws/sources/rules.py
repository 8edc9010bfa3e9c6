"""EventBridge rules, on all buses of the account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.traffic import Caller, Use


def callers(asked: Asked) -> Found:
    """Yield each rule with a target that is the function.

    All targets are read: to ask AWS for the rules of a target, one has to know its qualifier, and
    the one that was deleted meanwhile is known to nobody.
    """
    events = asked.session.client("events")
    for bus in asked.session.read_all(
        "list the event buses", events.list_event_buses, "EventBuses", Limit=100
    ):
        name = bus["Name"]
        yield from or_unread(f"the rules of event bus {name}", _of_bus(asked, name))


def _of_bus(asked: Asked, bus: str) -> Found:
    events = asked.session.client("events")
    for rule in asked.session.read_all(
        f"list the rules of event bus {bus}",
        events.list_rules,
        "Rules",
        EventBusName=bus,
        Limit=100,
    ):
        what = f"the targets of rule {rule['Name']} on event bus {bus}"
        yield from or_unread(what, _of_rule(asked, rule, bus=bus), may_be_gone=True)


def _of_rule(asked: Asked, rule: Mapping[str, Any], *, bus: str) -> Found:
    events = asked.session.client("events")
    for target in asked.session.read_all(
        f"list the targets of rule {rule['Name']}",
        events.list_targets_by_rule,
        "Targets",
        Rule=rule["Name"],
        EventBusName=bus,
    ):
        match = asked.callee.match(target.get("Arn"))
        if match is not None:
            is_off = rule.get("State") == "DISABLED"
            yield Caller(
                kind="EventBridge rule",
                name=rule.get("Arn", rule["Name"]),
                qualifier=match.qualifier,
                via="disabled" if is_off else "",
                use=Use.OFF if is_off else Use.CALLS,
            )
