"""One execution with all that it started, read: nested workflows and the children of Maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import NamedTuple

from deployguard.aws import executions
from deployguard.aws.executions import Description
from deployguard.errors import AwsFailure, NotFound
from deployguard.executions import definition, express, history, names
from deployguard.executions.asking import Asking
from deployguard.executions.history import Child, History
from deployguard.executions.nouns import Attempt, Execution, State
from deployguard.traffic import Unread

LISTED = 10_000  # children of one Map, ten calls
SUCCEEDED = "SUCCEEDED"


class Tree(NamedTuple):
    """An execution, and what the definitions say of the states in it."""

    execution: Execution
    states: Mapping[tuple[str, str], State]


@dataclass
class _Growing:
    """What is read of a tree so far."""

    histories: list[History] = field(default_factory=list)
    states: dict[tuple[str, str], State] = field(default_factory=dict)
    callees: dict[tuple[str, str], names.Callee] = field(default_factory=dict)
    machines: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    children: int = 0
    children_read: int = 0
    is_partial: bool = False


def read(asking: Asking, arn: str, *, most_children: int) -> Tree:
    """Read an execution; what it started is read as far as that is allowed and not too much."""
    place = names.execution(arn)
    described = None if place.is_express else _described(asking, arn)
    growing = _Growing(seen={arn})
    level = [Child(arn, None, "")]
    while level:
        asking.run.say(f"reading {len(level)} {'history' if len(level) == 1 else 'histories'}")
        found = asking.all("reading histories", partial(_history, asking), level)
        growing.histories += found
        for child in level:
            _define(asking, growing, child.arn)
        level = list(_below(asking, growing, found, most_children=most_children))
    return Tree(_execution(asking, growing, arn, described), growing.states)


def _described(asking: Asking, arn: str) -> Description:
    """Describe the execution that was asked for; without that, there is nothing to read."""
    try:
        return executions.describe(asking.session, arn)
    except NotFound as failure:
        failure.cause = executions.GONE
        failure.fix = "check the ARN, the account and the region"
        raise


def _history(asking: Asking, child: Child) -> History:
    """Read one history; only without that of the root, there is nothing to say."""
    reading = express.read if names.execution(child.arn).is_express else _standard
    if not child.state:
        return reading(asking, child)
    what = f"the history of {names.short(child.arn)}"
    return asking.attempt(what, partial(reading, asking, child)) or History(is_partial=True)


def _standard(asking: Asking, child: Child) -> History:
    """Read a history, without the data where they are encrypted with a key that is not ours."""

    def told(*, with_data: bool) -> History:
        events = executions.history(asking.session, child.arn, with_data=with_data)
        return history.read(events, execution=child.arn, item=child.item)

    try:
        return told(with_data=True)
    except AwsFailure as failure:
        if not executions.is_encrypted(failure):
            raise
        return told(with_data=False)


def _define(asking: Asking, growing: _Growing, arn: str) -> None:
    """Read the definition of an execution's state machine, once for each."""
    place = names.execution(arn)
    if place.machine in growing.machines or place.is_express:
        return
    growing.machines.add(place.machine)
    what = f"the definition of {names.short(place.machine)}"
    text = asking.attempt(what, lambda: executions.definition(asking.session, arn)) or "{}"
    known = asking.attempt(what, lambda: definition.states(text)) or {}
    callees = definition.callees(text, at=place) if known else {}
    growing.states |= {(place.machine, name): state for name, state in known.items()}
    growing.callees |= {(place.machine, name): callee for name, callee in callees.items()}


def _below(
    asking: Asking, growing: _Growing, found: list[History], *, most_children: int
) -> Iterator[Child]:
    """Yield what some executions started, and note what of that is left out."""
    nested = [child for told in found for child in told.executions if child.arn not in growing.seen]
    yield from _chosen(asking, growing, nested, most=most_children, of="nested workflows")
    for told in found:
        for run in told.map_runs:
            children = asking.attempt(
                f"the children of {names.short(run.arn)}",
                lambda run=run: _children(asking, growing, run),  # type: ignore[misc]
            )
            growing.is_partial |= children is None
            yield from _chosen(
                asking, growing, children or [], most=most_children, of=f"children of {run.state}"
            )


def _children(asking: Asking, growing: _Growing, run: Child) -> list[Child]:
    """List the executions of a distributed Map: those that did not succeed first."""
    described = executions.map_run(asking.session, run.arn)
    listed = list(islice(executions.children(asking.session, run.arn), LISTED))
    growing.children += max(0, described.children - len(listed))
    machine = names.execution(listed[0].arn).machine if listed else ""
    state = growing.states.get((machine, run.state))
    if state is not None:  # what the definition leaves to run time is known now
        growing.states[machine, run.state] = replace(
            state,
            max_concurrency=described.max_concurrency,
            tolerated=described.tolerated,
            tolerated_percentage=described.tolerated_percentage,
        )
    numbered = enumerate(sorted(listed, key=lambda each: each.started))
    order = sorted(numbered, key=lambda each: (each[1].status == SUCCEEDED, each[0]))
    return [Child(each.arn, f"{run.item}[{number}]", run.state) for number, each in order]


def _chosen(
    asking: Asking, growing: _Growing, children: list[Child], *, most: int, of: str
) -> list[Child]:
    """Return as many of some children as are to be read, from all over the list."""
    chosen = children
    if len(children) > most:
        chosen = children[: most // 2]
        rest = children[most // 2 :]
        chosen += [
            rest[place * len(rest) // (most - most // 2)] for place in range(most - most // 2)
        ]
        asking.note(
            Unread(
                f"{len(children) - most} of {len(children)} {of}",
                f"no more than {most} are read",
                f"give --children {len(children)} to read them all",
            )
        )
    growing.seen |= {child.arn for child in chosen}
    growing.children += len(children)
    growing.children_read += len(chosen)
    return chosen


def _execution(
    asking: Asking, growing: _Growing, arn: str, described: Description | None
) -> Execution:
    """Put together what the description and the histories tell."""
    root = growing.histories[0]
    if described is None:
        described = express.described(arn, root)
    if any(told.hides for told in growing.histories):
        asking.note(
            Unread(
                f"what went into some tasks of {names.short(arn)}",
                "the history hides execution data, or they are encrypted with a key of others",
                "grant kms:Decrypt on the state machine's key, or log execution data",
            )
        )
    attempts = (attempt for told in growing.histories for attempt in told.attempts)
    return Execution(
        arn=arn,
        machine=described.machine,
        alias=described.alias,
        is_express=names.execution(arn).is_express,
        status=described.status,
        started=described.started,
        stopped=described.stopped,
        error=described.error,
        cause=described.cause,
        redrives=described.redrives,
        attempts=tuple(
            sorted((_named(growing, each) for each in attempts), key=lambda each: each.scheduled)
        ),
        input_size=root.input_size,
        input_hash=root.input_hash,
        children_read=growing.children_read,
        children=growing.children,
        is_partial=growing.is_partial or any(told.is_partial for told in growing.histories),
    )


def _named(growing: _Growing, attempt: Attempt) -> Attempt:
    """Name the function of an attempt by the definition, where the history hides it."""
    callee = growing.callees.get((attempt.machine, attempt.state))
    if attempt.function or callee is None:
        return attempt
    return replace(attempt, function=callee.function, qualifier=callee.qualifier)
