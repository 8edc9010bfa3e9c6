"""What is wrong with a definition, as far as it would leave an execution stuck."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from deployguard.lab.nouns import AwsError

KINDS = ("Choice", "Fail", "Map", "Parallel", "Pass", "Succeed", "Task", "Wait")
LAST = ("Choice", "Fail", "Succeed")  # what needs neither Next nor End


def check(text: str) -> None:
    """Refuse a definition that is no JSON, or whose states lead nowhere.

    Raises:
        AwsError: it is one.
    """
    try:
        program = json.loads(text)
    except ValueError as problem:
        raise _invalid(f"INVALID_JSON_DESCRIPTION: {problem}") from None
    wrong = next(_wrong(program, "/"), None)
    if wrong is not None:
        raise _invalid(f"SCHEMA_VALIDATION_FAILED: {wrong}")


def _wrong(program: Any, where: str) -> Iterator[str]:
    states = program.get("States") if isinstance(program, dict) else None
    if not isinstance(states, dict) or not states:
        yield f"The field 'States' is required at {where}"
        return
    if program.get("StartAt") not in states:
        yield f"MISSING_TRANSITION_TARGET: Missing 'StartAt' target at {where}StartAt"
    for name, state in states.items():
        at = f"{where}States/{name}/"
        if state.get("Type") not in KINDS:
            yield f"The value of 'Type' should be one of {list(KINDS)} at {at}Type"
            continue
        targets = [each.get("Next") for each in state.get("Catch", [])]
        targets += [each.get("Next") for each in state.get("Choices", [])]
        targets += [state[member] for member in ("Next", "Default") if member in state]
        if not set(targets) <= states.keys():
            yield f"MISSING_TRANSITION_TARGET: Missing 'Next' target at {at}"
        if state["Type"] not in LAST and not ("Next" in state or state.get("End")):
            yield f"The field 'Next' or 'End' is required at {at}"
        yield from _inside(state, at)


def _inside(state: dict[str, Any], at: str) -> Iterator[str]:
    if state["Type"] == "Map":
        yield from _wrong(
            state.get("ItemProcessor") or state.get("Iterator"), f"{at}ItemProcessor/"
        )
    for number, branch in enumerate(state.get("Branches", ())):
        yield from _wrong(branch, f"{at}Branches/{number}/")


def _invalid(why: str) -> AwsError:
    return AwsError(400, "InvalidDefinition", f"Invalid State Machine Definition: '{why}'")
