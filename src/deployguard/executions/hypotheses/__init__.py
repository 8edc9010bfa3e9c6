"""Why attempts failed: every theory is held against a failure, and they are ranked."""

from __future__ import annotations

from collections.abc import Callable

from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses import (
    changed,
    handler,
    outside,
    platform,
    refusals,
    warm,
    workflow,
)
from deployguard.executions.hypotheses.nouns import (
    Hypothesis,
    Judged,
    Standing,
    Theory,
    excluded,
)

NEVER_RAN = "Lambda refused the call, so the function never ran"
# What separates outcomes comes before what an error says of itself, which may be only how the
# same cause shows; among equals, the one that is met more often comes first.
THEORIES: tuple[tuple[Theory, Callable[[Failure], Judged]], ...] = (
    (warm.STATE, warm.state),
    (changed.IMAGE, changed.image),
    (handler.INPUT, handler.poisoned),
    (refusals.TASK_LIMIT, refusals.task_limit),
    (refusals.THROTTLED, refusals.throttled),
    (refusals.DENIED, refusals.denied),
    (refusals.MISSING, refusals.missing),
    (outside.NETWORK, outside.network),
    (refusals.SERVICE, refusals.service),
    (platform.INIT, platform.slow_start),
    (platform.IMPORT, platform.not_loaded),
    (platform.MEMORY, platform.out_of_memory),
    (platform.TIMEOUT, platform.timed_out),
    (outside.DEPENDENCY, outside.dependency),
    (changed.CONFIGURATION, changed.configuration),
    (handler.MISTAKE, handler.mistake),
    (warm.CLOCK, warm.clock),
)


def all_of(failure: Failure) -> tuple[Hypothesis, ...]:
    """Hold each theory against a failure; the one that got furthest comes first."""
    if not failure.steps:
        return (_held(workflow.ENDED, workflow.ended, failure),)
    held = [_held(theory, judge, failure) for theory, judge in THEORIES]
    ranks = list(Standing)
    return tuple(sorted(held, key=lambda hypothesis: ranks.index(hypothesis.standing)))


def _held(theory: Theory, judge: Callable[[Failure], Judged], failure: Failure) -> Hypothesis:
    if failure.is_refused and not theory.is_of_calls:
        judged = excluded(f"the error is {failure.error}", NEVER_RAN)
    else:
        judged = judge(failure)
    foretells = theory is warm.STATE and judged.standing in (Standing.PROVEN, Standing.LIKELY)
    return Hypothesis(theory, *judged, warm.prediction(failure) if foretells else "")
