"""Hypotheses about what Lambda itself ended: by time, by memory, or before the handler ran."""

from __future__ import annotations

from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses.nouns import (
    FULL,
    UNDECIDED,
    Judged,
    Standing,
    Theory,
    excluded,
)

TIMEOUT = Theory(
    "H2",
    "a real time-out of Lambda",
    "'Task timed out after X seconds', status timeout, and a duration that reaches the limit",
    "find what the last log line waits for; then raise the function's Timeout, or the work's pace",
    "invoke the same input with a longer Timeout, and see whether it ends",
)
INIT = Theory(
    "H5",
    "a start that is too slow",
    "an initialization that ends as timeout, or takes most of the time; only cold ones fail",
    "move work out of the import, give the function more memory, or provision concurrency",
    "invoke a fresh version twice: the second invocation finds a warm container, and succeeds",
)
MEMORY = Theory(
    "H11",
    "out of memory",
    "Runtime.ExitError with 'signal: killed', or memory used that reaches the memory size",
    "raise the memory size, or find what keeps growing",
    "invoke the same input with twice the memory",
)
IMPORT = Theory(
    "H12",
    "the handler cannot be loaded",
    "an error of the import or the entry point, the same on every cold start, before any handler",
    "build the image with what the error names, and start it once in the pipeline",
    "start the image locally and import its handler",
)
ENDED = ("Sandbox.Timedout", "Lambda.Unknown")
EXITS = ("Runtime.ExitError", "Runtime.OutOfMemory")
LOADING = (
    "Runtime.ImportModuleError",
    "Runtime.HandlerNotFound",
    "Runtime.MalformedHandlerName",
    "Runtime.UserCodeSyntaxError",
    "Runtime.InvalidEntrypoint",
    "Runtime.InvalidWorkingDirectory",
    "Runtime.InvalidTaskConfig",
)


def timed_out(failure: Failure) -> Judged:
    """Judge whether Lambda's limit ended it: by arithmetic before words, which can be forged."""
    if failure.is_cut_off:
        return excluded(f"the error is {failure.error}", "Step Functions stopped waiting before")
    took, limit = max(failure.durations, default=None), failure.limit_s or failure.said.timed_out_s
    seen = f"it took {_s(took)} of {_s(limit)}"
    if took is not None and limit is not None and took < limit / 2:
        why = f"{took:.3g} s are not the {limit:g} s that Lambda waits"
        return excluded(seen + _timer(failure), why)
    if not _is_told(failure):
        return excluded(seen, f"Lambda did not say that it timed out; the error is {failure.error}")
    if took is None or limit is None:
        return Judged(Standing.LIKELY, seen, "the words of the error alone")
    if any(each.init_status == "timeout" for each in failure.invocations):
        standing, why = Standing.POSSIBLE, "the time was spent on the initialization"
    elif min(failure.durations) < FULL * limit:
        standing, why = Standing.LIKELY, "some reached the limit, and some did not"
    else:
        standing, why = Standing.PROVEN, "the duration is the limit, and Lambda says timeout"
    return Judged(standing, seen, why)


def slow_start(failure: Failure) -> Judged:
    """Judge whether the initialization took too long."""
    found = failure.invocations
    late = [each for each in found if each.init_status == "timeout"]
    if late:
        seen = f"{len(late)} of {len(found)} ended an initialization as timeout"
        return Judged(Standing.PROVEN, seen, "Lambda reported the initialization as timed out")
    if any(each.is_cold is False for each in found):
        warm = sum(each.is_cold is False for each in found)
        return excluded(f"{warm} of {len(found)} ran in warm containers", "warm ones fail as well")
    inits = [each.init_ms / 1000 for each in found if each.init_ms is not None]
    limits = [step.attempt.timeout_s for step in failure.steps if step.attempt.timeout_s]
    if failure.is_cut_off and inits and limits and max(inits) > min(limits) / 2:
        seen = f"initializing took up to {max(inits):.3g} s of the task's {min(limits):g} s"
        return Judged(Standing.LIKELY, seen, "only cold ones failed, and most of it was the start")
    if inits:
        seen = f"initializing took up to {max(inits):.3g} s"
        return excluded(seen, "the initialization ended well")
    return Judged(Standing.POSSIBLE, "no report of an initialization was found", UNDECIDED)


def out_of_memory(failure: Failure) -> Judged:
    """Judge whether the memory was full."""
    used = [
        (each.used_mb, each.memory_mb)
        for each in failure.invocations
        if each.used_mb is not None and each.memory_mb
    ]
    fullest = max((mine / size for mine, size in used), default=None)
    seen = "the memory used is not known" if fullest is None else f"{fullest:.0%} of it was used"
    is_exit = bool({failure.error, failure.said.kind} & set(EXITS))
    is_killed = is_exit and "signal: killed" in failure.said.message
    is_full = fullest is not None and fullest >= FULL
    if is_exit and (is_killed or is_full or failure.said.kind == EXITS[1]):
        why = "it was killed" if is_killed else "it exited with its memory full"
        return Judged(Standing.PROVEN, f"{failure.said.kind}; {seen}", why)
    if failure.said.kind == "MemoryError" or is_full:
        return Judged(Standing.LIKELY, seen, "the memory was full, and nothing killed it")
    return excluded(seen, f"the runtime was not killed; the error is {failure.error}")


def not_loaded(failure: Failure) -> Judged:
    """Judge whether the handler could not be loaded."""
    found = failure.invocations
    broken = [each for each in found if each.init_status == "error"]
    kind = failure.said.kind
    seen = f"the error is {kind}"
    if kind in LOADING:
        return Judged(Standing.PROVEN, seen, "this error is raised before any handler runs")
    if broken:
        seen += f"; {len(broken)} of {len(found)} failed to initialize"
        return Judged(Standing.PROVEN, seen, "Lambda reported the initialization as failed")
    return excluded(seen, "the handler was loaded, for the error is its own")


def _is_told(failure: Failure) -> bool:
    """Say whether Lambda says that it timed out; a report says more than an error's words."""
    statuses = {each.status for each in failure.invocations if each.status}
    kinds = {failure.error, failure.said.kind}
    in_words = failure.said.timed_out_s is not None and bool(kinds & set(ENDED))
    return "timeout" in statuses if statuses else in_words


def _timer(failure: Failure) -> str:
    if not failure.is_timer:
        return ""
    return "; an error that calls itself a timeout so early comes from a timer of the application"


def _s(seconds: float | None) -> str:
    return "an unknown time" if seconds is None else f"{seconds:.3g} s"
