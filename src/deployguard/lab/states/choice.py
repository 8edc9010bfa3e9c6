"""The rules of Choice states."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from deployguard.lab.states.values import Values

COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
RULE = re.compile(r"(String|Numeric|Boolean|Timestamp)(\w+?)(Path)?")
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def holds(rule: Mapping[str, Any], values: Values) -> bool:
    """Tell whether a rule of a JSONPath Choice state holds."""
    if "And" in rule:
        return all(holds(each, values) for each in rule["And"])
    if "Or" in rule:
        return any(holds(each, values) for each in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], values)
    path = rule["Variable"]
    name, wanted = next(
        (name, wanted)
        for name, wanted in rule.items()
        if name not in ("Variable", "Next", "Comment", "Assign", "Output")
    )
    if name == "IsPresent":
        return values.has(path) is wanted
    found = values.path(path)
    if name.startswith("Is"):
        return _is(name, found) is wanted
    return _compares(name, found, wanted, values)


def _compares(name: str, found: Any, wanted: Any, values: Values) -> bool:
    if name == "StringMatches":
        pattern = wanted.replace("[", "[[]").replace("?", "[?]")
        return isinstance(found, str) and fnmatchcase(found, pattern)
    rule = RULE.fullmatch(name)
    if rule is None or rule[2] not in COMPARED:
        raise values.failure(f"The lab's Choice states know no '{name}'")
    if rule[3]:
        wanted = values.path(wanted)
    kind = rule[1]
    if not (_of_kind(kind, found) and _of_kind(kind, wanted)):
        return False
    if kind == "Timestamp":
        found, wanted = datetime.fromisoformat(found), datetime.fromisoformat(wanted)
    return COMPARED[rule[2]](found, wanted)


def _of_kind(kind: str, value: Any) -> bool:
    if kind == "Boolean":
        return isinstance(value, bool)
    if kind == "Numeric":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "Timestamp":
        return isinstance(value, str) and ISO.fullmatch(value) is not None
    return isinstance(value, str)


def _is(name: str, found: Any) -> bool:
    if name == "IsNull":
        return found is None
    return _of_kind(name.removeprefix("Is"), found)
