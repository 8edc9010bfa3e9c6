"""EventBridge Pipes, which call a function as their target or to enrich events."""

from __future__ import annotations

from deployguard.aws.sources.asked import Asked, Found
from deployguard.traffic import Caller, Use


def callers(asked: Asked) -> Found:
    """Yield each pipe that calls the function."""
    client = asked.session.client("pipes")
    for pipe in asked.session.read_all("list the pipes", client.list_pipes, "Pipes", Limit=100):
        is_off = pipe.get("DesiredState") == "STOPPED"
        for part in ("Target", "Enrichment"):
            match = asked.callee.match(pipe.get(part))
            if match is not None:
                yield Caller(
                    kind="pipe",
                    name=pipe.get("Arn", pipe.get("Name", "")),
                    qualifier=match.qualifier,
                    via=part.lower() + (", stopped" if is_off else ""),
                    use=Use.OFF if is_off else Use.CALLS,
                )
