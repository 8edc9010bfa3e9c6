"""An explanation as a JSON document, with foreign text cut and made one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from deployguard import safe
from deployguard.executions.explain import Conclusion, Explanation
from deployguard.executions.failures import Failure, duration_s
from deployguard.executions.nouns import Case, Configuration, End, Minute, State, Step
from deployguard.model import LATEST

SCHEMA = "deployguard/explanation/v1"
SHOWN_ATTEMPTS = 20  # of one failure
SHOWN_LINES = 5  # of one attempt: the last ones
SHOWN_MINUTES = 10
LONGEST = 300  # characters of a foreign text


def build(explanation: Explanation) -> dict[str, Any]:
    """Return the document of an explanation."""
    case = explanation.case
    functions = {conclusion.failure.function for conclusion in explanation.conclusions}
    ran = {(step.attempt.function, step.build.version) for step in case.steps}
    return {
        "schema": SCHEMA,
        "execution": _execution(case),
        "verdict": explanation.conclusions[0].standing if explanation.conclusions else "unknown",
        "exit_code": explanation.exit_code,
        "calls": case.calls,
        "attempts": {end.value: sum(step.attempt.end is end for step in case.steps) for end in End},
        "failures": [_failure(each) for each in explanation.conclusions],
        "more_failures": explanation.more,
        "configurations": [
            {
                "function": function,
                **_configuration(known),
                "is_of_then": version != LATEST or known.modified <= case.execution.started,
            }
            for (function, version), known in sorted(case.configurations.items())
            if function in functions and (function, version) in ran
        ],
        "metrics": [
            {"function": function, "minutes": [_minute(each) for each in _told(minutes)]}
            for function, minutes in sorted(case.metrics.items())
            if function in functions
        ],
        "unread": [asdict(each) for each in (*case.unread, *case.execution.unread)],
    }


def short(foreign: str) -> str:
    """Return foreign text as one line, cut where it is long."""
    line = safe.line(foreign[: 2 * LONGEST]).strip()
    return line if len(foreign) <= LONGEST and len(line) <= LONGEST else line[:LONGEST] + "..."


def _execution(case: Case) -> dict[str, Any]:
    execution = case.execution
    return {
        "arn": execution.arn,
        "machine": execution.machine,
        "status": execution.status,
        "started": _time(execution.started),
        "seconds": None
        if execution.stopped is None
        else round(execution.stopped - execution.started, 3),
        "error": short(execution.error),
        "redrives": execution.redrives,
        "children": execution.children,
        "children_read": execution.children_read,
    }


def _failure(conclusion: Conclusion) -> dict[str, Any]:
    failure, first = conclusion.failure, conclusion.first
    return {
        "function": failure.function,
        "error": short(failure.error),
        "message": short(failure.said.message),
        "attempts": len(failure.steps),
        "standing": conclusion.standing,
        "hypothesis": first.theory.id,
        "title": first.theory.title,
        "seen": short(first.seen),
        "decided_by": short(first.decided_by),
        "prediction": first.prediction,
        "fix": first.theory.fix,
        "next": list(conclusion.experiments),
        "notes": list(_notes(failure)),
        "separations": [
            {
                "factor": each.factor.value,
                "seen": each.seen,
                "chance": each.chance,
                "is_perfect": each.is_perfect,
                "is_proof": each.is_proof,
            }
            for each in conclusion.separations
        ],
        "hypotheses": [
            {
                "id": each.theory.id,
                "title": each.theory.title,
                "standing": each.standing.value,
                "predicts": each.theory.predicts,
                "seen": short(each.seen),
                "decided_by": short(each.decided_by),
            }
            for each in conclusion.hypotheses
        ],
        "timeline": [_attempt(failure, step) for step in failure.steps[:SHOWN_ATTEMPTS]],
        "timeline_left_out": max(0, len(failure.steps) - SHOWN_ATTEMPTS),
    }


def _notes(failure: Failure) -> Iterator[str]:
    """Say what must not be read into the numbers, and why the failure went as far as it did."""
    if failure.is_timer:
        took, limit = max(failure.durations), failure.limit_s
        yield (
            f"it took {took:.3g} s of the {limit:g} s that Lambda waits: an error that speaks of "
            "time so early comes from a timer of the application"
        )
    aborted = sum(step.attempt.end is End.ABORTED for step in failure.case.steps)
    if aborted and failure.steps:
        yield (
            f"{len(failure.steps)} failed, and {aborted} were aborted with them: that is how a "
            "race ended, and no limit lies between the two numbers"
        )
    silent = sum(step.invocation is None for step in failure.steps)
    if silent and not failure.is_refused:
        yield f"of {silent} of the {len(failure.steps)} no log line was found, which proves nothing"
    for name, state in _states(failure):
        if state.kind == "Task":
            tries = f"up to {state.most_tries} times" if _retries(state, failure.error) else "once"
            yield f"{short(name)} tries {tries} where it fails with {short(failure.error)}"
        elif (
            aborted and state.kind == "Map" and not (state.tolerated or state.tolerated_percentage)
        ):
            at_once = f"{state.max_concurrency} at once" if state.max_concurrency else "all at once"
            yield f"{short(name)} runs {at_once} and tolerates no failure, so the first ended it"


def _retries(state: State, error: str) -> bool:
    of_all = {"States.ALL"} if error.startswith("States.") else {"States.ALL", "States.TaskFailed"}
    return bool({error, *of_all} & set(state.retried))


def _states(failure: Failure) -> Iterator[tuple[str, State]]:
    """Yield the states that an attempt of a failure was in, from the inside."""
    if not failure.steps:
        return
    attempt = failure.steps[0].attempt
    names = [attempt.state, *(part.partition("[")[0] for part in (attempt.item or "").split("."))]
    for name in names:
        state = failure.case.states.get((attempt.machine, name))
        if state is not None:
            yield name, state


def _attempt(failure: Failure, step: Step) -> dict[str, Any]:
    attempt, invocation, build = step.attempt, step.invocation, step.build
    took = duration_s(step)
    return {
        "at_s": round(attempt.scheduled - failure.case.execution.started, 3),
        "state": short(attempt.state),
        "item": None if attempt.item is None else short(attempt.item),
        "number": attempt.number,
        "end": attempt.end.value,
        "seconds": None if took is None else round(took, 3),
        "version": build.version,
        "version_known": build.version_known.value,
        "digest": build.digest,
        "build_id": build.build_id,
        "is_cold": invocation and invocation.is_cold,
        "container_age_s": invocation and invocation.container_age_s,
        "ordinal": invocation and invocation.ordinal,
        "used_mb": invocation and invocation.used_mb,
        "request_id": attempt.request_id or (invocation.request_id if invocation else ""),
        "lines": [short(line.text) for line in invocation.lines[-SHOWN_LINES:]]
        if invocation
        else [],
    }


def _configuration(known: Configuration) -> dict[str, Any]:
    told = asdict(known)
    del told["environment_hash"], told["revision"]
    lists = {name: list(value) for name, value in told.items() if isinstance(value, tuple)}
    return {**told, **lists, "modified": _time(known.modified)}


def _told(minutes: tuple[Minute, ...]) -> list[Minute]:
    """Return the minutes that show a number, the worst ones where there are many."""
    known = [each for each in minutes if any(value for value in _counts(each).values())]
    worst = sorted(known, key=lambda each: ((each.errors or 0) + (each.throttles or 0), each.at))
    return sorted(worst[-SHOWN_MINUTES:], key=lambda each: each.at)


def _minute(minute: Minute) -> dict[str, Any]:
    return {"at": _time(minute.at), **_counts(minute)}


def _counts(minute: Minute) -> Mapping[str, float | None]:
    return {name: value for name, value in asdict(minute).items() if name != "at"}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
