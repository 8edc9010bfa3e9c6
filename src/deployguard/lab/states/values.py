"""What a state's fields can refer to, and the JSONPaths that refer to it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

STEP = re.compile(r"\.(?P<name>[^.\[\]*?@()]+)|\['(?P<quoted>[^']*)'\]|\[(?P<index>\d+)\]")
VARIABLE = re.compile(r"\$(?P<name>[A-Za-z_]\w*)(?P<rest>.*)")
LARGEST = 262_144  # bytes of a result
MISSING = object()


class FailureError(Exception):
    """A state failed, with an error name and a cause as Step Functions shows them."""

    def __init__(self, error: str, cause: str | None = None) -> None:
        """Name the error; a time-out has no cause, and a Fail state need not name one."""
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause

    def details(self) -> dict[str, str]:
        """Return what an event tells of it."""
        told = {"error": self.error or None, "cause": self.cause}
        return {name: value for name, value in told.items() if value is not None}

    def output(self) -> dict[str, str]:
        """Return what a Catch hands on."""
        return {"Error": self.error, "Cause": self.cause or ""}


@dataclass(frozen=True)
class Values:
    """What the fields of one state see."""

    input: Any
    context: Mapping[str, Any]
    variables: Mapping[str, Any] = field(default_factory=dict)
    result: Any = None
    error: Any = None
    where: str = ""  # the state, as an error begins

    def on(self, data: Any) -> Values:
        """Return the same with other data in the place of the input."""
        return replace(self, input=data)

    def path(self, path: str) -> Any:
        """Return what a JSONPath, a context path or a variable points at.

        Raises:
            FailureError: there is nothing.
        """
        base, rest = self.input, path
        if path.startswith("$$"):
            base, rest = self.context, path[1:]
        elif named := VARIABLE.fullmatch(path):
            base, rest = self.variables.get(named["name"], MISSING), "$" + named["rest"]
        found = MISSING if base is MISSING else find(rest, base)
        if found is MISSING:
            shown = dumps(None if base is MISSING else base)
            raise self.failure(f"The JSONPath '{path}' could not be found in the input '{shown}'")
        return found

    def has(self, path: str) -> bool:
        """Tell whether a path points at anything."""
        try:
            self.path(path)
        except FailureError:
            return False
        return True

    def failure(self, why: str, error: str = "States.Runtime") -> FailureError:
        """Return the failure of a state whose fields do not fit its input."""
        return FailureError(error, self.where + why)


def find(path: str, data: Any) -> Any:
    """Return what a JSONPath points at: a value, a list for one of many, or MISSING."""
    steps = _steps(path)
    if steps is None:
        return _many(path, data)
    for step in steps:
        if isinstance(step, int):
            if not isinstance(data, list) or step >= len(data):
                return MISSING
        elif not isinstance(data, dict) or step not in data:
            return MISSING
        data = data[step]
    return data


def put(path: str, value: Any, data: Any) -> Any:
    """Return data with a value at a reference path, as `ResultPath` says."""
    steps = _steps(path)
    if steps is None:
        raise FailureError("States.ResultPathMatchFailure", f"Invalid reference path '{path}'")
    if not steps:
        return value
    whole = copy.deepcopy(data) if isinstance(data, dict) else {}
    place = whole
    for step in steps[:-1]:
        if not isinstance(place.get(step), dict):
            place[step] = {}
        place = place[step]
    place[steps[-1]] = value
    return whole


def check_size(value: Any, *, what: str) -> None:
    """Refuse a result that is larger than Step Functions hands on.

    Raises:
        FailureError: it is.
    """
    if len(dumps(value).encode()) > LARGEST:
        why = "returned a result with a size exceeding the maximum number of bytes service limit."
        raise FailureError("States.DataLimitExceeded", f"The state/task '{what}' {why}")


def dumps(value: Any) -> str:
    """Return JSON as Step Functions writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str | int, ...] | None:
    """Return the steps of a path that points at one thing, or None for one of many."""
    at, steps = 1, []
    while at < len(path):
        step = STEP.match(path, at)
        if step is None:
            return None
        name = step["name"] if step["quoted"] is None else step["quoted"]
        steps.append(int(step["index"]) if step["index"] else name)
        at = step.end()
    return tuple(steps)


def _many(path: str, data: Any) -> list[Any]:
    return [match.value for match in _parsed(path).find(data)]


@lru_cache(maxsize=256)
def _parsed(path: str) -> Any:
    from jsonpath_ng.ext.parser import parse

    return parse(path)
