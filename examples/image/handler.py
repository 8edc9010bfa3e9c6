"""A function that greets, and says which build it runs when deployguard asks."""

from __future__ import annotations

from typing import Any

from deployguard_canary import canary


@canary
def handler(event: dict[str, Any], context: object) -> dict[str, str]:
    """Greet whoever the event names."""
    return {"greeting": f"Hello, {event.get('name', 'world')}!"}
