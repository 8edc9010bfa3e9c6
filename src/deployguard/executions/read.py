"""The story of a reading: the execution, its functions, their logs, and which builds ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from deployguard.aws import metrics, trail
from deployguard.executions import builds, join, logbook, tree
from deployguard.executions.asking import Asking
from deployguard.executions.builds import Evidence
from deployguard.executions.facts import Facts
from deployguard.executions.join import Found
from deployguard.executions.names import short
from deployguard.executions.nouns import (
    Attempt,
    Case,
    End,
    Execution,
    Invocation,
    Known,
    Minute,
    Move,
    Step,
)
from deployguard.model import LATEST
from deployguard.traffic import Unread

if TYPE_CHECKING:
    from deployguard.run import Run

AROUND_S = 300.0  # of metrics, before and after an execution
WEAK = (Known.INFERRED, Known.NOT)


def read(run: Run, arn: str, *, children: int) -> Case:
    """Read everything that can be found out about an execution."""
    asking, facts = Asking(run), Facts()
    grown = tree.read(asking, arn, most_children=children)
    execution = grown.execution
    attempts, names = execution.attempts, _functions(execution)
    run.say(f"{len(attempts)} attempts of {len(names)} functions; reading their logs")
    facts.learn(asking, attempts)
    invocations = _invocations(asking, execution, facts)
    found = join.joined(attempts, invocations)
    facts.learn_versions(
        asking,
        {(attempt.function, told.version) for attempt, told in _pairs(attempts, found)},
    )
    moves = _moves(asking, execution, found, facts)
    facts.learn_versions(asking, {(move.function, move.version) for move in moves or ()})
    evidence = Evidence(facts.served(), moves)
    ran = [builds.build(attempt, told, evidence) for attempt, told in _pairs(attempts, found)]
    evidence = Evidence(facts.served(), moves, facts.images(asking, attempts, ran))
    steps = (
        Step(attempt, builds.build(attempt, told, evidence), told.invocation, told.is_by_time)
        for attempt, told in _pairs(attempts, found)
    )
    return Case(
        execution=execution,
        steps=tuple(steps),
        configurations={key: told.configuration for key, told in facts.versions.items()},
        metrics=_metrics(asking, execution, names),
        states=grown.states,
        moves=tuple(moves or ()),
        serves=facts.aliases,
        others=_others(invocations, found),
        calls=asking.calls,
        unread=asking.unread,
    )


def _pairs(attempts: Sequence[Attempt], found: Sequence[Found]) -> Iterable[tuple[Attempt, Found]]:
    return zip(attempts, found, strict=True)


def _functions(execution: Execution) -> list[str]:
    return sorted({attempt.function for attempt in execution.attempts} - {""})


def _invocations(
    asking: Asking, execution: Execution, facts: Facts
) -> Mapping[str, list[Invocation]]:
    """Read the logs of each function, in every log group that one of its versions writes."""

    def of(function: str) -> list[Invocation]:
        ran = [
            attempt
            for attempt in execution.attempts
            if attempt.function == function and attempt.end is not End.REFUSED
        ]
        groups = {told.log_group for (name, _), told in facts.versions.items() if name == function}
        return logbook.read(
            asking, function, ran, groups=sorted(groups) or [f"/aws/lambda/{short(function)}"]
        )

    names = _functions(execution)
    return dict(zip(names, asking.all("reading logs", of, names), strict=True))


def _others(
    invocations: Mapping[str, Sequence[Invocation]], found: Sequence[Found]
) -> Mapping[str, tuple[Invocation, ...]]:
    joined = {id(told.invocation) for told in found}
    return {
        function: tuple(each for each in of_function if id(each) not in joined)
        for function, of_function in invocations.items()
    }


def _moves(
    asking: Asking, execution: Execution, found: Sequence[Found], facts: Facts
) -> list[Move] | None:
    """Ask CloudTrail where nothing stronger tells what ran; None where it does not tell."""
    evidence = Evidence(facts.served(), None)
    wanted = set()
    for attempt, told in _pairs(execution.attempts, found):
        build = builds.build(attempt, told, evidence)
        if not attempt.function or attempt.end is End.REFUSED:
            continue
        if build.version_known in WEAK:
            wanted.add((attempt.function, attempt.qualifier or LATEST))
        if build.version == LATEST and not build.build_id:
            wanted.add((attempt.function, LATEST))
    if not wanted:
        return None
    asking.run.say("asking CloudTrail what served at that time")
    what = "when aliases were moved and code was changed"
    started = execution.attempts[0].scheduled
    until = asking.session.now() + 1.0  # of a clock that tells whole seconds
    moves, is_whole = asking.attempt(
        what, lambda: trail.moves(asking.session, wanted, started=started, until=until)
    ) or (None, True)
    if not is_whole:
        why = f"CloudTrail has over {trail.MOST} such events"
        asking.note(Unread(what, why, "look for them in the trail's own bucket"))
    return moves if is_whole else None


def _metrics(
    asking: Asking, execution: Execution, names: Sequence[str]
) -> Mapping[str, tuple[Minute, ...]]:
    since = execution.started - AROUND_S
    until = (execution.stopped or asking.session.now()) + AROUND_S

    def of(function: str) -> tuple[Minute, ...]:
        what = f"the metrics of {short(function)}"
        read = partial(metrics.minutes, asking.session, function, since=since, until=until)
        return asking.attempt(what, read) or ()

    return dict(zip(names, asking.all("reading metrics", of, names), strict=True))
