"""What a knob or a member of a rule may be, and the refusal of anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "dict[str, Any]": (dict,),
    "list[dict[str, Any]]": (list,),
}


class BadKnobError(ValueError):
    """A setting or fault rule that the lab does not understand."""


def of_kind(name: str, value: Any, *, kind: str) -> None:
    """Refuse a value that is not of the annotated kind."""
    if value is None and kind.endswith("| None"):
        return
    types = TYPES[kind.removesuffix(" | None")]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise BadKnobError(f"{name!r} takes {kind}, got {value!r}")


def one_of(name: str, value: str, *, choices: Sequence[str]) -> None:
    """Refuse a value that is none of the choices."""
    if value not in choices:
        raise BadKnobError(f"{name!r} takes one of {', '.join(choices)}, got {value!r}")
