"""Function URLs: of the function itself, or of one of its aliases."""

from __future__ import annotations

from deployguard.aws.sources.asked import Asked, Found
from deployguard.traffic import Caller


def callers(asked: Asked) -> Found:
    """Yield each URL with what it calls."""
    client = asked.session.client("lambda")
    for config in asked.session.read_all(
        "list the function URLs",
        client.list_function_url_configs,
        "FunctionUrlConfigs",
        FunctionName=asked.callee.name,
    ):
        match = asked.callee.match(config.get("FunctionArn"))
        if match is not None:
            yield Caller("function URL", config.get("FunctionUrl", ""), match.qualifier)
