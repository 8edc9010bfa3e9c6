"""What other services call while they deploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lambda_handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Do one task of a state machine that checks functions inside AWS; see docs/inside-aws.md."""
    from deployguard.hooks import machine  # not before it is needed: a hook of CodeDeploy is small

    return machine.handle(event, context)
