"""Hypotheses about the handler's own work: an input that it cannot bear, or a plain mistake."""

from __future__ import annotations

from collections import defaultdict

from deployguard.executions import separate
from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses.nouns import (
    UNDECIDED,
    Judged,
    Standing,
    Theory,
    excluded,
)
from deployguard.executions.hypotheses.platform import ENDED, EXITS, LOADING

INPUT = Theory(
    "H8",
    "an input that the function cannot bear",
    "the same inputs fail at each try, in containers that serve other inputs well",
    "take the item out, or make the handler refuse it with an error that names it",
    "invoke the same input on a fresh version, and another input on the same container",
)
MISTAKE = Theory(
    "H16",
    "a mistake in the code, whatever the input and the container",
    "each invocation of this version fails, cold or warm, with every input",
    "read the stack trace, and run the handler locally with the same input",
    "invoke the version with another input, and the version before with the same one",
)


def poisoned(failure: Failure) -> Judged:
    """Judge whether failures follow inputs rather than containers."""
    found = separate.by_input(failure.trials)
    if found is None:
        return Judged(Standing.POSSIBLE, "the inputs are hidden", UNDECIDED)
    mixed = _both(failure)
    if mixed:
        seen = f"{mixed} inputs failed once and succeeded once"
        return excluded(seen, "the same input succeeds as well")
    warmth = separate.by_warmth(failure.trials)
    if warmth is not None and warmth.is_perfect and warmth.is_proof:
        return excluded(str(warmth), "failures follow the containers")
    shared = _shared(failure)
    if found.is_perfect and shared:
        seen = f"{found}; {shared} of the containers served other inputs well"
        standing = Standing.PROVEN if found.is_proof else Standing.LIKELY
        return Judged(standing, seen, "failures follow the input, and not the container")
    if found.is_perfect:
        return Judged(Standing.LIKELY, str(found), "the same input fails again, and others do not")
    return Judged(Standing.POSSIBLE, str(found), UNDECIDED)


def mistake(failure: Failure) -> Judged:
    """Judge whether it fails always."""
    kind = failure.said.kind
    if failure.is_cut_off or {kind, failure.error} & {*ENDED, *EXITS, *LOADING}:
        return excluded(f"the error is {kind}", "it is no error of the handler's")
    versions = {trial.version for trial in failure.trials if trial.has_failed}
    good = sum(not t.has_failed and t.version in versions for t in failure.trials)
    bad = sum(trial.has_failed for trial in failure.trials)
    if good:
        return excluded(f"{good} succeeded, {bad} failed", "the same version succeeds as well")
    cold = sum(bool(each.is_cold) for each in failure.invocations)
    warm = sum(each.is_cold is False for each in failure.invocations)
    inputs = {trial.item for trial in failure.trials if trial.has_failed and trial.item}
    seen = f"all {bad} failed, {cold} of them cold and {warm} warm; inputs: {len(inputs)}"
    if cold and (warm or bad > 1):
        return Judged(Standing.LIKELY, seen, "no invocation of this version is known to succeed")
    return Judged(Standing.POSSIBLE, seen, "too few to tell")


def _both(failure: Failure) -> int:
    """Count the inputs that failed in one try and succeeded in another, on the same version."""
    outcomes: dict[tuple[str, str], set[bool]] = defaultdict(set)
    for trial in failure.trials:
        if trial.item:
            outcomes[trial.item, trial.version].add(trial.has_failed)
    return sum(len(each) == 2 for each in outcomes.values())


def _shared(failure: Failure) -> int:
    """Count the containers in which it failed, and in which something else succeeded."""
    bad, good = (
        {
            trial.invocation.stream
            for trial in failure.trials
            if trial.invocation is not None and trial.has_failed is outcome
        }
        for outcome in (True, False)
    )
    return len(bad & good)
