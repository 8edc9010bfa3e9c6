"""Hypotheses about what a container keeps from one invocation to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from deployguard.exact import ALPHA
from deployguard.executions import separate
from deployguard.executions.failures import Failure, Trial
from deployguard.executions.hypotheses.nouns import (
    UNDECIDED,
    Judged,
    Standing,
    Theory,
    excluded,
)
from deployguard.executions.separate import Factor, Separation

STATE = Theory(
    "H1",
    "stale state in warm containers",
    "only warm containers fail, from an age or a number of invocations on, and at once, whatever "
    "their input; cold ones of the same version succeed at the same time",
    "set in the handler, at each invocation, what is set at import: deadlines, timers, tokens, "
    "connections. New containers (deployguard refresh) only put it off",
    "invoke a warm container now, which fails; then containers of a fresh version of the same "
    "image, which succeed; then wait, without a deploy, until they fail as well",
)
CLOCK = Theory(
    "H10",
    "a clock that stepped, or stood still while the container was frozen",
    "only the first invocation after a long pause fails, and the error speaks of a clock, a "
    "signature or a token that is not valid yet, or no longer",
    "take the time anew at each invocation, and renew what was signed",
    "compare wall time and monotonic time of a breadcrumb at birth and now",
)
OF_THE_CLOCK = re.compile(
    r"RequestTimeTooSkewed|clock skew|Signature (?:not yet|expired)|ExpiredToken|not yet valid"
    r"|token (?:is|has) expired|used before",
    re.IGNORECASE,
)
OF_WARMTH = (Factor.AGE, Factor.WARMTH, Factor.ORDINAL, Factor.CONTAINER)
ROUND_S = (60.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)


def state(failure: Failure) -> Judged:
    """Judge whether it is what warm containers keep: cold ones at the same time are the proof."""
    trials = _same_build(failure)
    failed = [trial for trial in trials if trial.has_failed and trial.invocation is not None]
    cold = [trial for trial in failed if trial.invocation and trial.invocation.is_cold]
    if cold:
        seen = f"{len(cold)} of {len(failed)} that failed were cold"
        return excluded(seen, "a container that was just started fails as well")
    if not any(trial.invocation and trial.invocation.is_cold is False for trial in failed):
        seen = "nothing tells whether those that failed were cold or warm"
        return Judged(Standing.POSSIBLE, seen, "no log line of them was found")
    at_once = _since_the_first_failure(trials)
    beside = separation(at_once)
    if beside is not None and beside.is_perfect and beside.is_proof:
        why = "other containers of the same version succeeded at the same time"
        return Judged(Standing.PROVEN, _seen(failure, beside), why)
    ever = beside if len(at_once) == len(trials) else separation(trials)
    is_told = ever is not None and ever.is_perfect and ever.chance <= ALPHA
    standing = Standing.LIKELY if is_told or failure.is_timer else Standing.POSSIBLE
    why = "all that failed were warm, and too few succeeded to tell that from chance"
    if is_told and (beside is None or not beside.is_perfect):
        why = "it succeeded before, but nothing at the same time excludes a cause from outside"
    return Judged(standing, _seen(failure, ever), why)


def _since_the_first_failure(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Return the trials that what began outside, or with a later input, would have failed, too."""
    began = min((trial.at for trial in trials if trial.has_failed), default=0.0)
    return [trial for trial in trials if trial.is_meanwhile and trial.at >= began]


def separation(trials: Sequence[Trial]) -> Separation | None:
    """Return what of the containers separates trials best; None where nothing can be compared."""
    found = separate.all_of(trials, OF_WARMTH)
    return next((each for each in found if each.chance < 1), None)


def prediction(failure: Failure) -> str:
    """Say when it will fail again: containers grow old, however often they are replaced."""
    known = [
        (trial, age)
        for trial in _same_build(failure)
        if trial.invocation and (age := trial.invocation.container_age_s) is not None
    ]
    old = [age for trial, age in known if trial.has_failed]
    if not old:
        return "it returns after a refresh, once containers are as old as those that failed"
    young = [age for trial, age in known if not trial.has_failed and age < min(old)]
    text = (
        f"it returns after a refresh, in containers that are between {max(young, default=0):.4g} "
        f"and {min(old):.4g} s old{_constant(failure, max(young, default=0), min(old))}"
    )
    births = [trial.at - age for trial, age in known if not trial.has_failed and trial.is_meanwhile]
    if not births:
        return text
    return f"{text}; those that succeeded here fail from about {_clock(min(births) + min(old))} on"


def clock(failure: Failure) -> Judged:
    """Judge whether it is a clock; only the error's own words speak for it."""
    if OF_THE_CLOCK.search(f"{failure.said.kind} {failure.said.message}"):
        seen = "the error speaks of a time that is not valid"
        return Judged(Standing.LIKELY, seen, "the words of the error")
    if any(each.is_cold for each in failure.invocations):
        return excluded("cold ones failed", "a container that was just started fails as well")
    pauses = _pauses(failure)
    if pauses and min(pauses) < 1:
        seen = f"one failed {min(pauses):.3g} s after its container's invocation before"
        return excluded(seen, "no pause came before it")
    return Judged(Standing.POSSIBLE, "no line compares two clocks", UNDECIDED)


def _same_build(failure: Failure) -> Sequence[Trial]:
    """Return the trials of the versions that failed: another build's say nothing of warmth."""
    versions = {trial.version for trial in failure.trials if trial.has_failed}
    return [trial for trial in failure.trials if trial.version in versions]


def _seen(failure: Failure, found: Separation | None) -> str:
    if found is not None:
        return str(found)
    ages = [e.container_age_s for e in failure.invocations if e.container_age_s is not None]
    age = f", {min(ages):.4g} s old or more" if ages else ""
    return f"all {len(failure.invocations)} that failed were warm{age}; no success to compare with"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _constant(failure: Failure, young: float, old: float) -> str:
    """Name the setting that lies between, or a round number; a threshold mostly is one."""
    limit = failure.limit_s or 0.0
    settings = {0.95 * limit: "95 % of the time limit", limit: "the time limit"}
    for known in (settings, {seconds: f"{seconds:g} s" for seconds in ROUND_S}):
        within = [name for seconds, name in sorted(known.items()) if young < seconds <= old]
        if within:
            return f" ({' and '.join(within[:2])} lie in between)"
    return ""


def _pauses(failure: Failure) -> list[float]:
    """Return how long the containers of those that failed had been idle."""
    own = {id(each) for each in failure.invocations}
    known = [(trial.at, trial.invocation) for trial in failure.trials if trial.invocation]
    in_order = sorted(known, key=lambda each: (each[1].stream, each[0]))
    return [
        each.started - before.ended
        for (_, before), (_, each) in pairwise(in_order)
        if id(each) in own
        and before.stream == each.stream
        and before.ended is not None
        and each.started is not None
    ]
