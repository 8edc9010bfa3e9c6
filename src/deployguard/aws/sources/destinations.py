"""Destinations: functions whose asynchronous invocations call this one when they end."""

from __future__ import annotations

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.traffic import Caller


def callers(asked: Asked) -> Found:
    """Yield each function, by its qualifier, that has this one as a destination."""
    client = asked.session.client("lambda")
    for function in asked.session.read_all(
        "list the functions", client.list_functions, "Functions"
    ):
        name = function["FunctionName"]
        yield from or_unread(f"the destinations of {name}", _of(asked, name), may_be_gone=True)


def _of(asked: Asked, name: str) -> Found:
    client = asked.session.client("lambda")
    for config in asked.session.read_all(
        f"list the destinations of {name}",
        client.list_function_event_invoke_configs,
        "FunctionEventInvokeConfigs",
        FunctionName=name,
    ):
        destinations = config.get("DestinationConfig", {})
        for moment, via in (("OnSuccess", "on success"), ("OnFailure", "on failure")):
            match = asked.callee.match(destinations.get(moment, {}).get("Destination"))
            if match is not None:
                yield Caller("destination", config["FunctionArn"], match.qualifier, via)
