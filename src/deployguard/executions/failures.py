"""Which failures an execution has: attempts that failed alike, and what they are compared with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from deployguard.executions.nouns import Case, Configuration, End, Invocation, Step
from deployguard.executions.said import Said, said

SOON_S = 60.0  # after the end: what was begun beside the failures may only be reported then
FAILED = {End.FAILED, End.TIMED_OUT, End.REFUSED}


@dataclass(frozen=True)
class Trial:
    """One invocation that is known to have failed so, or to have succeeded."""

    has_failed: bool
    invocation: Invocation | None
    version: str  # that ran, or nothing
    digest: str
    item: str  # equal for equal inputs; nothing where that is hidden
    number: int  # of the tries of its state
    at: float
    is_own: bool = True  # an attempt of the execution
    is_meanwhile: bool = True  # it ran while the execution did


@dataclass(frozen=True)
class Failure:
    """Attempts of one function that failed with one error; none where no attempt failed."""

    case: Case
    function: str
    error: str
    steps: tuple[Step, ...]

    @cached_property
    def said(self) -> Said:
        """Return what the first of them said."""
        if not self.steps:
            return said(self.error, self.case.execution.cause)
        return said(self.error, self.steps[0].attempt.cause)

    @property
    def is_refused(self) -> bool:
        """Say whether the function never ran: Lambda did not take the calls."""
        return {step.attempt.end for step in self.steps} == {End.REFUSED}

    @property
    def is_cut_off(self) -> bool:
        """Say whether Step Functions stopped waiting."""
        return {step.attempt.end for step in self.steps} == {End.TIMED_OUT}

    @cached_property
    def invocations(self) -> tuple[Invocation, ...]:
        """Return what the logs tell of them."""
        return tuple(step.invocation for step in self.steps if step.invocation is not None)

    @cached_property
    def durations(self) -> tuple[float, ...]:
        """Return how long each took: by its report, or else by the history."""
        return tuple(took for step in self.steps if (took := duration_s(step)) is not None)

    @cached_property
    def configuration(self) -> Configuration | None:
        """Return what the version that ran is configured with, where that is known."""
        versions = {step.build.version for step in self.steps}
        found = [
            configuration
            for (function, version), configuration in self.case.configurations.items()
            if function == self.function and (version in versions or versions == {None})
        ]
        return found[0] if len(found) == 1 else None

    @property
    def limit_s(self) -> float | None:
        """Return the function's time limit."""
        return self.configuration.timeout_s if self.configuration else None

    @property
    def is_timer(self) -> bool:
        """Say whether it calls itself a timeout long before Lambda's limit: a timer of its own."""
        limit = self.limit_s
        if self.is_refused or self.is_cut_off or limit is None or not self.durations:
            return False
        return self.said.speaks_of_time and max(self.durations) < limit / 2

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """Return the outcomes that it is compared with: its own, and the function's successes."""
        return tuple(_trials(self))


def duration_s(step: Step) -> float | None:
    """Return how long an attempt took."""
    if step.invocation is not None and step.invocation.duration_ms is not None:
        return step.invocation.duration_ms / 1000
    attempt = step.attempt
    if attempt.started is None or attempt.ended is None:
        return None
    return attempt.ended - attempt.started


def of(case: Case) -> tuple[Failure, ...]:
    """Return the failures of an execution, the one that ended it first."""
    groups: dict[tuple[str, str], list[Step]] = defaultdict(list)
    for step in case.steps:
        if step.attempt.end in FAILED:
            groups[step.attempt.function, step.attempt.error].append(step)
    if not groups and case.execution.status not in ("SUCCEEDED", "RUNNING"):
        return (Failure(case, "", case.execution.error, ()),)

    def last(failure: Failure) -> tuple[bool, float]:
        ends = [step.attempt.ended or step.attempt.scheduled for step in failure.steps]
        return failure.error == case.execution.error, max(ends)

    found = [Failure(case, *key, tuple(steps)) for key, steps in groups.items()]
    return tuple(sorted(found, key=last, reverse=True))


def _trials(failure: Failure) -> Iterator[Trial]:
    case, own = failure.case, {id(step) for step in failure.steps}
    known = [step for step in case.steps if step.attempt.function == failure.function]
    others = case.others.get(failure.function, ())
    tells = _tells_errors([*others, *(step.invocation for step in known if step.invocation)])
    for step in known:
        if id(step) in own and step.attempt.end is not End.REFUSED:
            yield _of_step(step, has_failed=True)
        elif step.attempt.end is End.SUCCEEDED or (
            step.attempt.end is End.ABORTED  # its function went on, and the log tells of that
            and step.invocation is not None
            and _has_succeeded(step.invocation, tells_errors=tells)
        ):
            yield _of_step(step, has_failed=False)
    for invocation in others:
        has_failed = bool(failure.error) and invocation.error_type == failure.said.kind
        if has_failed or _has_succeeded(invocation, tells_errors=tells):
            yield _of_another(failure, invocation, has_failed=has_failed)


def _tells_errors(known: Iterable[Invocation]) -> bool:
    """Say whether these reports name a handler's errors, so that one without an error had none.

    Reports in text do so since 2025, in most regions; those of before name none.
    """
    return any(
        each.status == "error" and each.error_type and not each.error_type.startswith("Runtime.")
        for each in known
    )


def _has_succeeded(invocation: Invocation, *, tells_errors: bool) -> bool:
    is_silent = invocation.has_report and not invocation.status
    return invocation.status == "success" or (is_silent and tells_errors)


def _of_step(step: Step, *, has_failed: bool) -> Trial:
    return Trial(
        has_failed=has_failed,
        invocation=step.invocation,
        version=step.build.version or "",
        digest=step.build.digest or "",
        item=step.attempt.input_hash,
        number=step.attempt.number,
        at=step.attempt.started or step.attempt.scheduled,
    )


def _of_another(failure: Failure, invocation: Invocation, *, has_failed: bool) -> Trial:
    at = invocation.started or invocation.ended or 0.0
    stopped = failure.case.execution.stopped
    return Trial(
        has_failed=has_failed,
        invocation=invocation,
        version=invocation.version or "",
        digest=_digest(failure, invocation.version),
        item="",
        number=1,
        at=at,
        is_own=False,
        is_meanwhile=failure.case.execution.started <= at <= (stopped or at) + SOON_S,
    )


def _digest(failure: Failure, version: str | None) -> str:
    """Return the image of a version, as an attempt that ran it knows it."""
    for step in failure.case.steps:
        if step.attempt.function == failure.function and step.build.version == version:
            return step.build.digest or ""
    return ""
