"""What the definition of a state machine says of its states, as far as it bears on their ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployguard.executions import names
from deployguard.executions.events import amount, members, text
from deployguard.executions.names import UNKNOWN, Callee, Place
from deployguard.executions.nouns import State
from deployguard.routes import definitions
from deployguard.routes.names import literal

TRIES = 3  # of a retrier that does not say how many


def states(definition: str) -> Mapping[str, State]:
    """Return the facts of every state, by name, those inside of others too."""
    found = definitions.states(definitions.members(definition))
    return {name: _state(state) for name, state in found}


def callees(definition: str, *, at: Place) -> Mapping[str, Callee]:
    """Return the function that each task names, where that does not depend on its input."""
    found = definitions.states(definitions.members(definition))
    named = {name: _callee(state, at=at) for name, state in found}
    return {name: callee for name, callee in named.items() if callee != UNKNOWN}


def _state(state: Mapping[str, Any]) -> State:
    retriers = list(_retriers(state))
    errors = (error for retrier in retriers for error in _texts(retrier.get("ErrorEquals")))
    processor = members(state.get("ItemProcessor"))
    mode = text(members(processor.get("ProcessorConfig")), "Mode")
    return State(
        kind=text(state, "Type"),
        timeout_s=amount(state.get("TimeoutSeconds")),
        heartbeat_s=amount(state.get("HeartbeatSeconds")),
        retried=tuple(dict.fromkeys(errors)),
        most_tries=1 + max((_tries(retrier) for retrier in retriers), default=0),
        max_concurrency=_whole(state.get("MaxConcurrency"))
        if text(state, "Type") == "Map"
        else None,
        tolerated=_whole(state.get("ToleratedFailureCount")),
        tolerated_percentage=amount(state.get("ToleratedFailurePercentage")),
        is_distributed=mode == "DISTRIBUTED",
    )


def _retriers(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    given = state.get("Retry")
    yield from (members(each) for each in given) if isinstance(given, list) else ()


def _tries(retrier: Mapping[str, Any]) -> int:
    given = _whole(retrier.get("MaxAttempts"))
    return TRIES if given is None else given


def _callee(state: Mapping[str, Any], *, at: Place) -> Callee:
    resource = text(state, "Resource")
    if not any(task in resource for task in definitions.LAMBDA_TASKS):
        is_function = ":lambda:" in resource and ":function:" in resource
        return names.callee(resource, None, at=at) if is_function else UNKNOWN
    given = members(state.get("Arguments", state.get("Parameters")))
    qualifier = text(given, "Qualifier")
    if "Qualifier.$" in given or literal(qualifier).startswith("{%"):
        return UNKNOWN
    return names.callee(literal(text(given, "FunctionName")), literal(qualifier), at=at)


def _whole(value: Any) -> int | None:
    found = amount(value)
    return None if found is None else int(found)


def _texts(value: Any) -> Iterator[str]:
    yield from (each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
