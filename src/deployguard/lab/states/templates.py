"""Fields that are filled in: JSONPath templates with their intrinsic functions."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import uuid
from collections.abc import Callable
from typing import Any

from deployguard.lab.states.values import FailureError, Values, dumps

CALL = re.compile(r"States\.(\w+)\(")
WORD = re.compile(r"'(?P<text>(?:\\.|[^'\\])*)'|(?P<plain>[^,()']+)")
ESCAPED = re.compile(r"\\(.)")


def fill(template: Any, values: Values) -> Any:
    """Return a template with every field whose name ends in `.$` replaced by what it refers to."""
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    if not isinstance(template, dict):
        return template
    filled = {}
    for name, value in template.items():
        if name.endswith(".$"):
            filled[name[:-2]] = referred(value, values)
        else:
            filled[name] = fill(value, values)
    return filled


def referred(text: str, values: Values) -> Any:
    """Return what a path or an intrinsic function yields."""
    if not text.startswith("States."):
        return values.path(text)
    try:
        found, end = _call(text, 0, values)
    except (IndexError, KeyError, TypeError, ValueError) as problem:
        why = f"The function '{text}' had the following error: {problem}"
        raise values.failure(why, "States.IntrinsicFailure") from None
    if end != len(text):
        raise FailureError("States.IntrinsicFailure", f"Invalid intrinsic function: {text}")
    return found


def _call(text: str, at: int, values: Values) -> tuple[Any, int]:
    head = CALL.match(text, at)
    if head is None:
        raise ValueError(f"not an intrinsic function: {text[at:]}")
    at, given = head.end(), []
    while text[at] != ")":
        if text[at] in ", ":
            at += 1
            continue
        value, at = _argument(text, at, values)
        given.append(value)
    return INTRINSICS[head[1]](*given), at + 1


def _argument(text: str, at: int, values: Values) -> tuple[Any, int]:
    if CALL.match(text, at):
        return _call(text, at, values)
    word = WORD.match(text, at)
    if word is None:
        raise ValueError(f"not an argument: {text[at:]}")
    if word["text"] is not None:
        return ESCAPED.sub(r"\1", word["text"]), word.end()
    plain = word["plain"].strip()
    return values.path(plain) if plain.startswith("$") else json.loads(plain), word.end()


def _format(text: str, *given: Any) -> str:
    parts = text.split("{}")
    shown = [each if isinstance(each, str) else dumps(each) for each in given]
    return parts[0] + "".join(value + rest for value, rest in zip(shown, parts[1:], strict=True))


def _range(first: int, last: int, step: int) -> list[int]:
    return list(range(first, last + (1 if step > 0 else -1), step))


def _unique(given: list[Any]) -> list[Any]:
    return list({dumps(each): each for each in given}.values())


INTRINSICS: dict[str, Callable[..., Any]] = {
    "Array": lambda *given: list(given),
    "ArrayContains": lambda given, value: value in given,
    "ArrayGetItem": lambda given, index: given[index],
    "ArrayLength": len,
    "ArrayPartition": lambda given, size: [
        given[at : at + size] for at in range(0, len(given), size)
    ],
    "ArrayRange": _range,
    "ArrayUnique": _unique,
    "Base64Decode": lambda text: base64.b64decode(text).decode(),
    "Base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "Format": _format,
    "Hash": lambda text, how: hashlib.new(
        how.replace("-", ""), (text if isinstance(text, str) else dumps(text)).encode()
    ).hexdigest(),
    "JsonMerge": lambda first, second, _deep: first | second,
    "JsonToString": dumps,
    "MathAdd": lambda first, second: first + second,
    "MathRandom": lambda first, last, seed=None: random.Random(seed).randrange(first, last),
    "StringSplit": lambda text, by: [each for each in re.split(f"[{re.escape(by)}]", text) if each],
    "StringToJson": json.loads,
    "UUID": lambda: str(uuid.uuid4()),
}
