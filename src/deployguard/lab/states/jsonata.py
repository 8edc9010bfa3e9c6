"""JSONata as state machines write it: templates, what expressions see, and how they fail."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from deployguard.lab.states.templates import INTRINSICS
from deployguard.lab.states.values import Values

TEMPLATE = re.compile(r"\{%(.*)%\}", re.DOTALL)
MOST_MS = 2000  # for one expression, which holds up the whole lab
DEEPEST = 500  # evaluations in each other
FUNCTIONS: dict[str, Callable[..., Any]] = {  # what Step Functions adds to the language
    "hash": INTRINSICS["Hash"],
    "parse": INTRINSICS["StringToJson"],
    "partition": INTRINSICS["ArrayPartition"],
    "random": lambda seed=None: random.Random(seed).random(),
    "range": INTRINSICS["ArrayRange"],
    "uuid": INTRINSICS["UUID"],
}


def fill(template: Any, values: Values) -> Any:
    """Return a template with every `{% expression %}` replaced by what it yields.

    Raises:
        FailureError: an expression yields nothing, or cannot be evaluated.
    """
    if isinstance(template, list):
        return [fill(each, values) for each in template]
    if isinstance(template, dict):
        return {name: fill(value, values) for name, value in template.items()}
    found = TEMPLATE.fullmatch(template.strip()) if isinstance(template, str) else None
    return template if found is None else _evaluate(found[1].strip(), values)


def _evaluate(text: str, values: Values) -> Any:
    try:
        found = _found(text, values)
    except Exception as problem:  # the library lets Python's own errors through
        why = f"The JSONata expression '{text}' could not be evaluated: {problem}"
        raise values.failure(why, "States.QueryEvaluationError") from None
    if found is None:
        why = f"The JSONata expression '{text}' returned nothing (undefined)."
        raise values.failure(why, "States.QueryEvaluationError")
    return json.loads(found)


def _found(text: str, values: Values) -> str | None:
    """Return what an expression yields, as JSON; None for nothing."""
    from jsonata import Jsonata, Utils

    # Made anew each time: its clock and its time limit begin when it is made.
    expression = Jsonata(text, timeout=MOST_MS, stack=DEEPEST)
    expression.set_output_convert_nulls(False)  # to tell null from nothing
    expression.assign("eval", None)  # AWS has none
    for name, function in FUNCTIONS.items():
        expression.register_lambda(name, function)
    states = {"input": values.input, "context": values.context}
    states |= {"result": values.result, "errorOutput": values.error}
    for name, value in {**values.variables, "states": states}.items():
        expression.assign(name, Utils.NULL_VALUE if value is None else value)
    found = expression.evaluate(None)
    return None if found is None else json.dumps(Utils.convert_nulls(found), allow_nan=False)
