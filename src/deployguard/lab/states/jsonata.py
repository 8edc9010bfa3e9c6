"""The part of JSONata that state machines mostly use; what else there is, is refused by name."""

from __future__ import annotations

import json
import operator
import re
import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from deployguard.lab.states.values import Values, dumps

EXPRESSION = re.compile(r"\{%(.*)%\}", re.DOTALL)
WORD = re.compile(
    r"\s*(?:(?P<text>\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')|(?P<number>\d+(?:\.\d+)?)"
    r"|(?P<name>\$\$?\w*|[A-Za-z_]\w*|`[^`]+`)|(?P<sign>!=|<=|>=|[-+*/%=<>&?:.,()\[\]{}]))"
)
BINDS = {
    "?": 1, "or": 2, "and": 3, "=": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "in": 4,
    "&": 5, "+": 6, "-": 6, "*": 7, "/": 7, "%": 7, ".": 9, "[": 9,
}  # fmt: skip
CONSTANTS = {"true": True, "false": False, "null": None}
Bindings = Mapping[str, Any]
Node = Callable[[Any, Bindings], Any]  # an expression, given the item at hand and what has names


class _Missing:
    """What an expression yields that finds nothing."""

    def __bool__(self) -> bool:
        return False


NOTHING = _Missing()


def fill(template: Any, values: Values) -> Any:
    """Return a template with every `{% expression %}` replaced by what it yields.

    Raises:
        FailureError: an expression yields nothing, or cannot be evaluated.
    """
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    if isinstance(template, dict):
        return {name: fill(value, values) for name, value in template.items()}
    found = EXPRESSION.fullmatch(template.strip()) if isinstance(template, str) else None
    return template if found is None else evaluate(found[1], values)


def evaluate(text: str, values: Values) -> Any:
    """Evaluate an expression with the `$states` and the variables of a state."""
    states = {"input": values.input, "context": values.context}
    states |= {"result": values.result, "errorOutput": values.error}
    names = {**{f"${name}": value for name, value in values.variables.items()}, "$states": states}
    try:
        found = _compiled(text)(NOTHING, names)
    except (ArithmeticError, LookupError, SyntaxError, TypeError, ValueError) as problem:
        why = f"The JSONata expression '{text.strip()}' could not be evaluated: {problem}"
        raise values.failure(why, "States.QueryEvaluationError") from None
    if found is NOTHING:
        why = f"The JSONata expression '{text.strip()}' returned nothing (undefined)."
        raise values.failure(why, "States.QueryEvaluationError")
    return found


@lru_cache(maxsize=256)
def _compiled(text: str) -> Node:
    return _Parser(text).whole()


class _Parser:
    """A parser by precedence, of which each rule yields a function."""

    def __init__(self, text: str) -> None:
        self.words: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            word = WORD.match(text, at)
            if word is None:
                raise SyntaxError(f"the lab's JSONata does not know '{text[at:].strip()}'")
            self.words.append((str(word.lastgroup), word[0].strip()))
            at = word.end()
        self.at = 0

    def whole(self) -> Node:
        node = self.expression(0)
        if self.at < len(self.words):
            raise SyntaxError(f"unexpected '{self.peek()}'")
        return node

    def peek(self) -> str:
        return self.words[self.at][1] if self.at < len(self.words) else ""

    def take(self, wanted: str = "") -> tuple[str, str]:
        if self.at >= len(self.words) or wanted not in ("", self.peek()):
            raise SyntaxError(f"expected '{wanted}', got '{self.peek()}'")
        self.at += 1
        return self.words[self.at - 1]

    def expression(self, least: int) -> Node:
        left = self.operand()
        while BINDS.get(self.peek(), 0) > least:
            sign = self.take()[1]
            left = self.joined(left, sign)
        return left

    def joined(self, left: Node, sign: str) -> Node:
        if sign == ".":
            step = self.operand()
            return lambda item, names: _mapped(left(item, names), step, names)
        if sign == "[":
            inner = self.expression(0)
            self.take("]")
            return lambda item, names: _picked(left(item, names), inner, names)
        if sign == "?":
            chosen, other = self.expression(0), self.otherwise()
            return lambda item, names: (chosen if left(item, names) else other)(item, names)
        right = self.expression(BINDS[sign])
        return lambda item, names: _apply(sign, left(item, names), lambda: right(item, names))

    def otherwise(self) -> Node:
        if self.peek() != ":":
            return _constant(NOTHING)
        self.take(":")
        return self.expression(0)

    def operand(self) -> Node:
        kind, word = self.take()
        match kind, word:
            case "text", _:
                return _constant(json.loads(word if word[0] == '"' else json.dumps(word[1:-1])))
            case "number", _:
                return _constant(json.loads(word))
            case "name", _:
                return self.named(word)
        return self.bracketed(word)

    def bracketed(self, word: str) -> Node:
        if word == "-":
            inner = self.expression(8)
            return lambda item, names: -inner(item, names)
        if word == "(":
            inner = self.expression(0)
            self.take(")")
            return inner
        if word == "[":
            parts = self.list("]")
            return lambda item, names: [part(item, names) for part in parts]
        if word == "{":
            return self.object()
        raise SyntaxError(f"unexpected '{word}'")

    def named(self, word: str) -> Node:
        if word in CONSTANTS:
            return _constant(CONSTANTS[word])
        if not word.startswith("$"):
            key = word.strip("`")
            return lambda item, _names: _member(item, key)
        if self.peek() != "(":
            return lambda item, names: item if word == "$" else names.get(word, NOTHING)
        self.take("(")
        given = self.list(")")
        if word not in FUNCTIONS:
            raise SyntaxError(f"the lab's JSONata knows no {word}")
        return lambda item, names: FUNCTIONS[word](*(each(item, names) for each in given))

    def list(self, end: str) -> list[Node]:
        found: list[Node] = []
        while self.peek() != end:
            found.append(self.expression(0))
            if self.peek() == ",":
                self.take()
        self.take(end)
        return found

    def object(self) -> Node:
        pairs: list[tuple[Node, Node]] = []
        while self.peek() != "}":
            key = self.expression(1)
            self.take(":")
            pairs.append((key, self.expression(0)))
            if self.peek() == ",":
                self.take()
        self.take("}")
        return lambda item, names: {
            key(item, names): found
            for key, value in pairs
            if (found := value(item, names)) is not NOTHING
        }


def _constant(value: Any) -> Node:
    return lambda _item, _names: value


def _member(item: Any, key: str) -> Any:
    if isinstance(item, list):
        return _flat([_member(each, key) for each in item])
    return item.get(key, NOTHING) if isinstance(item, Mapping) else NOTHING


def _mapped(base: Any, step: Node, names: Bindings) -> Any:
    if isinstance(base, list):
        return _flat([step(each, names) for each in base])
    return NOTHING if base is NOTHING else step(base, names)


def _picked(base: Any, inner: Node, names: Bindings) -> Any:
    """Return the item of an index, or the items for which a condition holds."""
    items = base if isinstance(base, list) else [] if base is NOTHING else [base]
    kept = []
    for index, item in enumerate(items):
        which = inner(item, names)
        if isinstance(which, bool) or not isinstance(which, int | float):
            hit = bool(which)
        else:
            hit = index == (which + len(items) if which < 0 else which)
        if hit:
            kept.append(item)
    return _flat(kept)


def _flat(found: list[Any]) -> Any:
    """Return a sequence as JSONata does: nothing, one thing, or a flat list."""
    flat: list[Any] = []
    for each in found:
        if each is not NOTHING:
            flat.extend(each if isinstance(each, list) else [each])
    return flat if len(flat) > 1 else flat[0] if flat else NOTHING


def _apply(sign: str, left: Any, right: Callable[[], Any]) -> Any:
    if sign == "and":
        return bool(left) and bool(right())
    if sign == "or":
        return bool(left) or bool(right())
    if sign == "&":
        return _text(left) + _text(right())
    if sign == "in":
        return left in right()
    found = SIGNS[sign](left, right())
    return int(found) if isinstance(found, float) and found.is_integer() else found


def _text(value: Any) -> str:
    if value is NOTHING:
        return ""
    return value if isinstance(value, str) else dumps(value)


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is NOTHING else [value]


SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge, "+": operator.add, "-": operator.sub,
    "*": operator.mul, "/": operator.truediv, "%": operator.mod,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "$append": lambda first, second: _many(first) + _many(second),
    "$count": lambda given: len(_many(given)),
    "$exists": lambda given: given is not NOTHING,
    "$join": lambda given, by="": by.join(given),
    "$keys": list,
    "$length": len,
    "$lowercase": lambda given: given.lower(),
    "$merge": lambda given: {key: value for each in given for key, value in each.items()},
    "$not": operator.not_,
    "$number": json.loads,
    "$parse": json.loads,
    "$partition": lambda given, size: [given[at : at + size] for at in range(0, len(given), size)],
    "$range": lambda first, last, step: list(range(first, last + 1, step)),
    "$split": lambda given, by: given.split(by),
    "$string": _text,
    "$sum": lambda given: sum(_many(given)),
    "$uppercase": lambda given: given.upper(),
    "$uuid": lambda: str(uuid.uuid4()),
}
