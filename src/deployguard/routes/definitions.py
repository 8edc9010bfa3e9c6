"""Calls of a function in documents that others wrote: state machines, API exports, payloads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deployguard.routes.names import Callee, Match

LAMBDA_TASKS = (":states:::lambda:invoke", ":states:::aws-sdk:lambda:invoke")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
EVERY_METHOD = "x-amazon-apigateway-any-method"


class UnreadableError(ValueError):
    """A document that cannot be taken for what it should be."""


class Call(NamedTuple):
    """One call in a document: where it stands, and how it names the function."""

    where: str
    match: Match


class Integration(NamedTuple):
    """Where a deployed method sends its requests, or an authorizer its questions."""

    where: str
    uri: str


def members(text: Any) -> dict[str, Any]:
    """Return the JSON object that a text holds."""
    try:
        document = json.loads(text)
    except (RecursionError, TypeError, ValueError) as error:
        raise UnreadableError(f"it is no JSON ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise UnreadableError("it is no JSON object")
    return document


def calls(definition: Any, callee: Callee) -> Iterator[Call]:
    """Yield each task of a state machine's definition that calls the function, or may."""
    document = members(definition)
    if not isinstance(document.get("States"), dict):
        raise UnreadableError("it has no States")
    for name, state in states(document):
        match = _task(state, callee)
        if match is not None:
            yield Call(f"state {name}", match)


def states(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all states, those inside Parallel and Map too; a stack, for depth is not bounded."""
    machines: list[Any] = [document]
    while machines:
        machine = machines.pop()
        states = machine.get("States") if isinstance(machine, dict) else None
        for name, state in states.items() if isinstance(states, dict) else ():
            if isinstance(state, dict):
                yield name, state
                branches = state.get("Branches")
                machines += branches if isinstance(branches, list) else []
                machines += [state.get("Iterator"), state.get("ItemProcessor")]


def _task(state: Mapping[str, Any], callee: Callee) -> Match | None:
    resource = state.get("Resource")
    if state.get("Type") != "Task" or not isinstance(resource, str):
        return None
    if not any(task in resource for task in LAMBDA_TASKS):
        return callee.match(resource)
    given = state.get("Arguments", state.get("Parameters"))
    if not isinstance(given, dict):  # an expression makes them, or they are the state's input
        return Match(None)
    name, qualifier = (_static(given, member) for member in ("FunctionName", "Qualifier"))
    return callee.match_call(name, qualifier)


def _static(given: Mapping[str, Any], member: str) -> Any:
    """Return a member as it is written; one that a path or function makes is a placeholder."""
    return "${" if f"{member}.$" in given else given.get(member)


def universal(payload: Any, callee: Callee) -> Match | None:
    """Say how the input of a universal target, which calls Lambda's API, names the function."""
    given = members(payload)
    return callee.match_call(given.get("FunctionName"), given.get("Qualifier"))


def integrations(export: Any) -> Iterator[Integration]:
    """Yield the integrations and authorizers of an exported REST API.

    Each deployed method has one, so an export without any is not what was asked for.
    """
    document = members(export)
    found = [*_methods(document), *_authorizers(document)]
    if not found and document.get("paths"):
        raise UnreadableError("it names no integrations")
    yield from found


def _methods(document: Mapping[str, Any]) -> Iterator[Integration]:
    for path, methods in _items(document.get("paths")):
        for method, operation in _items(methods):
            if method in METHODS or method == EVERY_METHOD:
                told = dict(_items(operation)).get("x-amazon-apigateway-integration")
                uri = dict(_items(told)).get("uri")
                if told is not None:
                    verb = "ANY" if method == EVERY_METHOD else method.upper()
                    yield Integration(f"{verb} {path}", str(uri or ""))


def _authorizers(document: Mapping[str, Any]) -> Iterator[Integration]:
    for name, scheme in _items(document.get("securityDefinitions")):
        authorizer = dict(_items(scheme)).get("x-amazon-apigateway-authorizer")
        uri = dict(_items(authorizer)).get("authorizerUri")
        if isinstance(uri, str):
            yield Integration(f"authorizer {name}", uri)


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    yield from value.items() if isinstance(value, dict) else ()
