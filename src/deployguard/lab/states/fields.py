"""What goes into a state and what comes out of it, in JSONPath and in JSONata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.lab.states import jsonata, templates
from deployguard.lab.states.values import Values, put

State = Mapping[str, Any]


def speaks_jsonata(program: State, state: State) -> bool:
    """Tell which of the two query languages a state uses."""
    return bool(state.get("QueryLanguage", program.get("QueryLanguage")) == "JSONata")


class Fields:
    """The fields of one state, read in its language."""

    def __init__(self, state: State, *, is_jsonata: bool) -> None:
        """Take a state."""
        self.state = state
        self.is_jsonata = is_jsonata

    def data(self, values: Values) -> Any:
        """Return the part of the input that the state works on."""
        return values.input if self.is_jsonata else _part(self.state, "InputPath", values)

    def arguments(self, values: Values, name: str = "Parameters") -> Any:
        """Return what the state hands to its work."""
        if self.is_jsonata:
            given = self.state.get("Arguments", values)
            return values.input if given is values else jsonata.fill(given, values)
        data = values.on(self.data(values))
        return templates.fill(self.state[name], data) if name in self.state else data.input

    def output(self, values: Values) -> Any:
        """Return the state's output, given its result."""
        if self.is_jsonata:
            given = self.state.get("Output", values)
            return values.result if given is values else jsonata.fill(given, values)
        result = values.result
        if "ResultSelector" in self.state:
            result = templates.fill(self.state["ResultSelector"], values.on(result))
        placed = self.placed(self.state, values.input, result)
        return _part(self.state, "OutputPath", values.on(placed))

    def passed(self, values: Values) -> Any:
        """Return the output of a state that has no result of its own."""
        if self.is_jsonata:
            given = self.state.get("Output", values)
            return values.input if given is values else jsonata.fill(given, values)
        return _part(self.state, "OutputPath", values.on(self.data(values)))

    def placed(self, where: State, data: Any, result: Any) -> Any:
        """Return data with a result where `ResultPath` says."""
        path = where.get("ResultPath", "$")
        return data if path is None else put(path, result, data)

    def fill(self, template: Any, values: Values) -> Any:
        """Return a template of the state's, filled in."""
        if self.is_jsonata:
            return jsonata.fill(template, values)
        return templates.fill(template, values)

    def number(self, name: str, values: Values, default: Any = None) -> Any:
        """Return a number that is given as such, by a path or by an expression."""
        path = self.state.get(f"{name}Path")
        if path is not None:
            return values.path(path)
        return self.fill(self.state.get(name, default), values)


def _part(state: State, name: str, values: Values) -> Any:
    path = state.get(name, "$")
    return {} if path is None else values.path(path)
