"""Hypotheses about what was changed between one attempt and another."""

from __future__ import annotations

from collections.abc import Sequence

from deployguard.executions import separate
from deployguard.executions.failures import Failure, Trial
from deployguard.executions.hypotheses.nouns import (
    UNDECIDED,
    Judged,
    Standing,
    Theory,
    excluded,
)
from deployguard.executions.nouns import Configuration
from deployguard.model import LATEST

CONFIGURATION = Theory(
    "H6",
    "the configuration was changed",
    "another timeout, memory, environment, role or network than where it succeeded",
    "compare the two configurations, and put back what differs",
    "invoke the version with the configuration of before",
)
IMAGE = Theory(
    "H15",
    "the image changed between attempts",
    "one version fails and another, with another digest, succeeds, cold containers included",
    "deploy the build that succeeds; call the function by an alias that moves between executions",
    "invoke the version that failed with the same input now",
)
COMPARED = ("timeout_s", "memory_mb", "architecture", "environment", "layers", "role", "vpc")


def configuration(failure: Failure) -> Judged:
    """Judge whether another configuration made it fail."""
    own = [trial for trial in failure.trials if trial.is_own]
    bad = {trial.version for trial in own if trial.has_failed}
    good = {trial.version for trial in own if not trial.has_failed}
    if LATEST in bad:
        return _of_latest(failure)
    if not all(bad):
        return Judged(Standing.POSSIBLE, "it is not known which version ran", UNDECIDED)
    if not good - bad:
        (*_, version) = sorted(bad)
        seen = f"version {version} ran, whose configuration cannot change"
        return excluded(seen, "a published version is immutable")
    differs = sorted(
        {what for one in bad for other in good for what in _between(failure, one, other)}
    )
    if not differs:
        return excluded("the versions that ran are configured alike", "nothing differs")
    seen = f"between the versions that failed and those that did not: {', '.join(differs)}"
    return Judged(Standing.POSSIBLE, seen, "the versions differ in more than the configuration")


def image(failure: Failure) -> Judged:
    """Judge whether it is the build: both must have run at the same time for a proof."""
    own = [trial for trial in failure.trials if trial.is_own]
    versions = {trial.version for trial in own if trial.version}
    found = separate.by_version(failure.trials)
    if found is None:
        if not versions:
            return Judged(Standing.POSSIBLE, "it is not known which version ran", UNDECIDED)
        return excluded(f"only version {versions.pop()} ran", "all attempts ran the same image")
    bad = {trial.digest for trial in own if trial.has_failed}
    good = {trial.digest for trial in own if not trial.has_failed}
    if all(bad) and not good - bad:
        return excluded(str(found), "the same image fails and succeeds")
    if not all(bad | good):
        return Judged(Standing.POSSIBLE, str(found), "it is not known which images those were")
    standing, why = Standing.LIKELY, "the outcome changed with the image; so may have more"
    if not found.is_perfect:
        standing, why = Standing.POSSIBLE, "versions do not separate what fails"
    elif found.is_proof and _is_beside(own):
        standing, why = Standing.PROVEN, "both images ran at the same time"
    return Judged(standing, str(found), why)


def _of_latest(failure: Failure) -> Judged:
    """Judge a function whose configuration may change under a running execution."""
    first = min(trial.at for trial in failure.trials if trial.has_failed)
    before = [trial.at for trial in failure.trials if not trial.has_failed and trial.at < first]
    changes = [
        move.at
        for move in failure.case.moves
        if move.function == failure.function and move.qualifier == LATEST and move.is_configuration
    ]
    known = failure.configuration
    if known is not None:
        changes.append(known.modified)
    between = [at for at in changes if before and max(before) < at <= first]
    if between:
        seen = f"{LATEST} was changed {first - max(between):.3g} s before the first failure"
        return Judged(Standing.LIKELY, seen, "it succeeded before that, and failed after it")
    if known is None:
        return Judged(Standing.POSSIBLE, f"what {LATEST} was then is not known", UNDECIDED)
    if known.modified > first:
        seen = f"{LATEST} was changed after the failure, so what it was then is not known"
        return Judged(Standing.POSSIBLE, seen, UNDECIDED)
    ago = failure.case.execution.started - known.modified
    if ago > 0 and (before or any(not trial.has_failed for trial in failure.trials)):
        seen = f"{LATEST} was last changed {ago:.3g} s before the execution"
        return excluded(seen, "it succeeded under the same configuration")
    return Judged(Standing.POSSIBLE, f"{LATEST} was last changed {ago:.3g} s before", UNDECIDED)


def _between(failure: Failure, one: str, other: str) -> list[str]:
    known = failure.case.configurations
    here = known.get((failure.function, one))
    there = known.get((failure.function, other))
    if here is None or there is None or one == other:
        return []
    return [_named(name) for name in COMPARED if _is_other(here, there, name)]


def _is_other(here: Configuration, there: Configuration, name: str) -> bool:
    if name == "environment" and here.environment_hash != there.environment_hash:
        return True
    return bool(getattr(here, name) != getattr(there, name))


def _named(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_mb")


def _is_beside(trials: Sequence[Trial]) -> bool:
    """Say whether successes came between the failures, so that time does not tell them apart."""
    bad = [trial.at for trial in trials if trial.has_failed]
    good = [trial.at for trial in trials if not trial.has_failed]
    return any(min(bad) < at < max(bad) for at in good) or any(
        min(good) < at < max(good) for at in bad
    )
