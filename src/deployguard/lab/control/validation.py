"""Checks of a request against botocore's model, in the words of the API's own validation."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

from botocore.model import Shape
from botocore.validate import ParamValidator

from deployguard.lab.control import errors
from deployguard.lab.nouns import AwsError

_TYPES: dict[str, Any] = {
    "structure": dict,
    "map": dict,
    "list": list,
    "string": str,
    "integer": int,
    "long": int,
    "double": (int, float),
    "float": (int, float),
}


def check(params: dict[str, Any], shape: Shape) -> None:
    """Refuse values out of bounds, then values of the wrong type.

    Raises: `ValidationException` with every complaint, or `SerializationException`.
    """
    complaints = list(_complaints(params, shape, path=""))
    if complaints:
        raise errors.validation(*complaints)
    report = ParamValidator().validate(params, shape)
    if report.has_errors():
        raise AwsError(400, "SerializationException", report.generate_report())


# botocore's stubs know one kind of shape only, so shapes are `Any` where their kind matters.


def _complaints(value: Any, shape: Any, *, path: str) -> Iterator[str]:
    """Yield one sentence for each constraint that a value or its parts break."""
    if not isinstance(value, _TYPES.get(shape.type_name, object)):
        return
    if shape.type_name == "structure":
        yield from _structure(value, shape, path=path)
    elif shape.type_name == "map":
        yield from _map(value, shape, path=path)
    elif shape.type_name == "list":
        yield from _broken(value, shape, path=path)
        for number, item in enumerate(value, 1):
            yield from _complaints(item, shape.member, path=f"{path}.{number}.member")
    else:
        yield from _broken(value, shape, path=path)


def _structure(value: Any, shape: Any, *, path: str) -> Iterator[str]:
    """Check that required members are there, and each member that is."""
    for name, member in shape.members.items():
        inner = f"{path}.{_camel(name)}" if path else _camel(name)
        if name in value:
            yield from _complaints(value[name], member, path=inner)
        elif name in shape.required_members:
            yield _sentence("null", inner, "Member must not be null")


def _map(value: Any, shape: Any, *, path: str) -> Iterator[str]:
    """Check keys and values; one that breaks any constraint is answered with all of them."""
    for key, item in value.items():
        pair = f"'{{{key}={float(item) if isinstance(item, int) else item}}}'"
        if any(_broken(key, shape.key, path=path)):
            rules = ", ".join(_rules(shape.key))
            yield _sentence(pair, path, f"Map keys must satisfy constraint: [{rules}]")
        if any(_complaints(item, shape.value, path=path)):
            rules = ", ".join([*_rules(shape.value), "Member must not be null"])
            yield _sentence(pair, path, f"Map value must satisfy constraint: [{rules}]")


def _broken(value: Any, shape: Shape, *, path: str) -> Iterator[str]:
    """Yield a sentence for each constraint that one value breaks."""
    shown = f"'[{', '.join(map(str, value))}]'" if isinstance(value, list) else f"'{value}'"
    size = value if isinstance(value, int | float) else len(value)
    limits = shape.metadata
    for text in _rules(shape):
        low = "greater" in text and size < limits["min"]
        high = "less" in text and size > limits["max"]
        unlike = "pattern" in text and not _matches(limits["pattern"], value)
        unknown = "enum" in text and value not in limits["enum"]
        if low or high or unlike or unknown:
            yield _sentence(shown, path, text)


def _rules(shape: Shape) -> list[str]:
    """Return the constraints of a shape, worded and ordered as the service does."""
    what = "length" if shape.type_name in {"string", "list"} else "value"
    limits = shape.metadata
    rules = []
    if "max" in limits:
        rules.append(f"Member must have {what} less than or equal to {limits['max']}")
    if "min" in limits:
        rules.append(f"Member must have {what} greater than or equal to {limits['min']}")
    if "pattern" in limits and _compiled(limits["pattern"]):
        rules.append(f"Member must satisfy regular expression pattern: {limits['pattern']}")
    if limits.get("enum"):
        rules.append(f"Member must satisfy enum value set: [{', '.join(limits['enum'])}]")
    return rules


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    r"""Compile a pattern; None for the few in a dialect that Python lacks (`\p{L}`)."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _matches(pattern: str, value: str) -> bool:
    """Tell whether a whole value matches a pattern."""
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def _camel(name: str) -> str:
    """Return a member's name as validation messages write it."""
    return name[:1].lower() + name[1:]


def _sentence(shown: str, path: str, rule: str) -> str:
    """Return one complaint."""
    return f"Value {shown} at '{path}' failed to satisfy constraint: {rule}"
