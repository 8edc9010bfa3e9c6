"""How a setting is declared: which commands take it, and in which group of `--help` it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import Field

JUDGING = ("check", "verify", "refresh", "rollback")
CHANGING = ("check", "refresh", "rollback", "prune")
WRITING = (*CHANGING, "recover")
RUNNING = (*JUDGING, "recover", "prune")
CONFORMING = ("canary-test",)
FLEETS = ("check", "verify", "recover")
# The commands that speak to AWS about a function, and those that do about executions.
ASKING = (*RUNNING, "doctor", "routes", "history")
INVESTIGATING = ("compare", "explain")
SPEAKING = (*ASKING, *INVESTIGATING, *CONFORMING)

# The groups in which `--help` shows the options, in their order.
GROUPS = (
    "what to judge",
    "how much evidence",
    "what may be changed",
    "where it may run",
    "what the stamp says",
    "output",
)


def _option(
    default: Any,
    help_text: str,
    *commands: str,
    group: str,
    flag: str = "",
    switches: Mapping[str, str] | None = None,
    unshown: bool = False,
    **limits: Any,
) -> Any:
    """Declare one setting: its default, its help, the commands that take it, and its flag.

    With `switches` each value has a flag of its own, instead of one that takes a value. No error
    repeats the value of an `unshown` one.
    """
    extra: dict[str, Any] = {
        "commands": list(commands),
        "group": group,
        "flag": flag,
        "switches": dict(switches or {}),
        "unshown": unshown,
    }
    return Field(default=default, description=help_text, json_schema_extra=extra, **limits)


judged, evidence, safety, place, stamped, shown = (
    partial(_option, group=title) for title in GROUPS
)
