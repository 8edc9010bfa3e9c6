"""Parallel and inline Map states: several scopes at once, of which one failure ends all."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deployguard.lab.states.execution import Scope
from deployguard.lab.states.history import Trail
from deployguard.lab.states.values import FailureError

if TYPE_CHECKING:
    from deployguard.lab.states.walker import Step, Walker

AT_ONCE = 40  # iterations; what AWS runs of an inline Map without a MaxConcurrency


async def branches(walker: Walker, step: Step) -> list[Any]:
    """Run the branches of a Parallel state, or go on with those that have not come to an end."""
    scope = step.scope
    if scope.children is None:
        data = step.fields.arguments(step.values)
        start = walker.history.add(scope.trail, "ParallelStateStarted")
        scope.children = [
            Scope(inherit(scope, program), data, Trail(start), scope.context, {**scope.variables})
            for program in step.state["Branches"]
        ]
    children = scope.children
    try:
        await together([walker.walk(child) for child in children])
    finally:
        scope.trail.last = max([scope.trail.last, *(child.trail.last for child in children)])
    walker.history.add(scope.trail, "ParallelStateSucceeded", advance=False)
    return [child.output for child in children]


async def each(walker: Walker, step: Step) -> list[Any]:
    """Run the iterations of an inline Map state, or go on with those that are not done."""
    scope = step.scope
    if scope.children is None:
        given = items(step)
        start = walker.history.add(scope.trail, "MapStateStarted", {"length": len(given)})
        program = inherit(scope, processor(step.state))
        scope.children = [
            Scope(program, data, Trail(start), context, {**scope.variables})
            for context, data in given
        ]
    children, start = scope.children, scope.trail.last
    most = step.fields.number("MaxConcurrency", step.values, 0) or AT_ONCE
    waiting = iter([number for number, child in enumerate(children) if not child.done])
    trails = [Trail(start) for _ in range(min(most, AT_ONCE, len(children)))]
    try:
        await together([_iterate(walker, step, waiting, trail) for trail in trails])
    finally:
        scope.trail.last = max([start, *(trail.last for trail in trails)])
    walker.history.add(scope.trail, "MapStateSucceeded", advance=False)
    return [child.output for child in children]


async def together(works: list[Coroutine[Any, Any, Any]]) -> None:
    """Do several things at once; the first failure cancels the others and is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in tasks if task.done() and task.exception() is not None]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in failed:
        task.result()


def items(step: Step) -> list[tuple[dict[str, Any], Any]]:
    """Return, for each item of a Map state, the context and the input of its iteration."""
    values = step.values.on(step.fields.data(step.values))
    if step.fields.is_jsonata:
        found = step.fields.fill(step.state["Items"], values) if "Items" in step.state else None
        found = values.input if found is None else found
    else:
        found = values.path(step.state.get("ItemsPath", "$"))
    if not isinstance(found, list):
        kind = type(found).__name__
        raise values.failure(f"Map state input must be an array but was: {kind}")
    return [selected(step, number, item) for number, item in enumerate(found)]


def selected(step: Step, number: int, item: Any) -> tuple[dict[str, Any], Any]:
    """Return the context and the input of one item's iteration."""
    context = {**step.scope.context, "Map": {"Item": {"Index": number, "Value": item}}}
    template = step.state.get("ItemSelector", step.state.get("Parameters"))
    if template is None:
        return context, item
    data = step.fields.data(step.values)
    seen = replace(step.values, input=data, context={**step.values.context, **context})
    return context, step.fields.fill(template, seen)


def processor(state: Any) -> Any:
    """Return the states that a Map state runs for each item."""
    return state.get("ItemProcessor") or state["Iterator"]


def inherit(scope: Scope, program: Any) -> Any:
    """Return an inner program, in the query language of the outer one unless it names another."""
    language = scope.program.get("QueryLanguage")
    return program if language is None else {"QueryLanguage": language, **program}


async def _iterate(walker: Walker, step: Step, waiting: Iterator[int], trail: Trail) -> None:
    """Run one iteration after another, as long as there are any."""
    children, end = step.scope.children or [], 0
    for number in waiting:
        child, about = children[number], {"name": step.name, "index": number}
        if not child.started:
            child.started, child.trail.last = True, trail.last
            walker.history.add(child.trail, "MapIterationStarted", about)
        try:
            await walker.walk(child)
        except FailureError:
            walker.history.add(child.trail, "MapIterationFailed", about, advance=False)
            raise
        except asyncio.CancelledError:
            if not walker.execution.quiet:
                walker.history.add(child.trail, "MapIterationAborted", about, advance=False)
            raise
        finally:
            trail.last = child.trail.last
        end = walker.history.add(child.trail, "MapIterationSucceeded", about, advance=False)
    trail.last = max(trail.last, end)
