"""Event source mappings: what Lambda itself reads for the function."""

from __future__ import annotations

from deployguard.aws.sources.asked import Asked, Found
from deployguard.traffic import Caller, Use

OFF = ("Disabled", "Disabling")


def callers(asked: Asked) -> Found:
    """Yield each mapping to any qualifier; asked by name, AWS leaves qualified ones out."""
    client = asked.session.client("lambda")
    for mapping in asked.session.read_all(
        "list the event source mappings", client.list_event_source_mappings, "EventSourceMappings"
    ):
        match = asked.callee.match(mapping.get("FunctionArn"))
        if match is not None:
            state = mapping.get("State", "")
            yield Caller(
                kind="event source mapping",
                name=mapping.get("EventSourceArn") or mapping.get("UUID", ""),
                qualifier=match.qualifier,
                via=state if state in OFF else "",
                use=Use.OFF if state in OFF else Use.CALLS,
            )
