"""Pages of a list, with an opaque marker to go on."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from deployguard.lab.control import errors


def page(
    member: str, items: Sequence[Any], params: dict[str, Any], *, most: int = 50
) -> dict[str, Any]:
    """Return the page that the request's marker and size ask for."""
    start = _start(params.get("Marker"))
    end = start + min(params.get("MaxItems", most), most)
    answer: dict[str, Any] = {member: list(items[start:end])}
    if end < len(items):
        answer["NextMarker"] = base64.b64encode(str(end).encode()).decode()
    return answer


def _start(marker: str | None) -> int:
    """Return where the page starts."""
    if not marker:
        return 0
    try:
        return int(base64.b64decode(marker, validate=True))
    except (binascii.Error, ValueError):
        raise errors.invalid("The marker is not valid.") from None
