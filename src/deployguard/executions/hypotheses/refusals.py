"""Hypotheses about calls that never reached the handler, and about limits outside of it."""

from __future__ import annotations

from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses.nouns import FULL, Judged, Standing, Theory, excluded
from deployguard.executions.nouns import Attempt

TASK_LIMIT = Theory(
    "H3",
    "a time limit of the task in Step Functions",
    "States.Timeout or States.HeartbeatTimeout in the history, while the function goes on",
    "raise that limit above what the function takes, make it faster, or send heartbeats sooner",
    "read TimeoutSeconds and HeartbeatSeconds of the state, and the function's longest duration",
    is_of_calls=True,
)
THROTTLED = Theory(
    "H4",
    "throttling: the function had no concurrency left",
    "Lambda.TooManyRequestsException, throttles counted by CloudWatch, and no log line at all",
    "retry it with backoff and jitter, lower the Map's MaxConcurrency, or reserve more concurrency",
    "read the metrics Throttles and ConcurrentExecutions of that minute",
    is_of_calls=True,
)
DENIED = Theory(
    "H13",
    "a missing permission",
    "AccessDeniedException, or a status of 403, for the task's role or for the function's own",
    "allow what the message names to the role that it names",
    "do the refused call with that role",
    is_of_calls=True,
)
MISSING = Theory(
    "H14",
    "the function, alias or version does not exist",
    "Lambda.ResourceNotFoundException with the ARN that was asked for",
    "deploy the function, or correct the name or qualifier in the definition",
    "ask for the function by the ARN that the message names",
    is_of_calls=True,
)
SERVICE = Theory(
    "H17",
    "Lambda itself failed or refused the call",
    "an error of Lambda's own, such as Lambda.ServiceException, that a retry does not meet again",
    "retry Lambda.ServiceException, Lambda.AWSLambdaException, Lambda.SdkClientException and "
    "Lambda.ClientExecutionTimeoutException with backoff; read the message of any other",
    "start the execution again",
    is_of_calls=True,
)
TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")
TRANSIENT = (
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
)
THROTTLES = ("TooManyRequestsException", "RequestLimitExceeded", "EC2ThrottledException")
WORDS_OF_DENIAL = ("AccessDenied", "is not authorized to perform", "UnauthorizedOperation")


def task_limit(failure: Failure) -> Judged:
    """Judge whether Step Functions stopped waiting."""
    if not failure.is_cut_off and failure.error not in TIMEOUTS:
        return excluded(f"the error is {failure.error}", "a task's time limit has its own error")
    waited = max((_waited_s(step.attempt) for step in failure.steps), default=0.0)
    attempt = failure.steps[0].attempt
    limits = {"HeartbeatSeconds": attempt.heartbeat_s, "TimeoutSeconds": attempt.timeout_s}
    met = [f"{name} of {s:g} s" for name, s in limits.items() if s and waited >= FULL * s]
    seen = f"{failure.error} after {waited:.3g} s" + (f", a {met[0]}" if met else "")
    went_on = [each.duration_ms for each in failure.invocations if each.duration_ms is not None]
    if went_on:
        seen += f"; the function went on, for up to {max(went_on) / 1000:.3g} s"
    return Judged(Standing.PROVEN, seen, f"the history says {failure.error}, not the function")


def throttled(failure: Failure) -> Judged:
    """Judge whether there was no concurrency."""
    counted = [minute.throttles or 0 for minute in failure.case.metrics.get(failure.function, ())]
    seen = f"the error is {failure.error}; throttles that CloudWatch counts: {sum(counted):g}"
    if failure.is_refused and failure.error.endswith(THROTTLES):
        return Judged(Standing.PROVEN, seen, "Lambda refused the call, in these words")
    return excluded(seen, _by(failure))


def denied(failure: Failure) -> Judged:
    """Judge whether a permission was missing: of the task's role, or of the function's."""
    told = f"{failure.error} {failure.said.kind} {failure.said.message}"
    is_said = any(words in told for words in WORDS_OF_DENIAL)
    if failure.is_refused and (is_said or failure.said.status == 403):
        return Judged(Standing.PROVEN, f"the error is {failure.error}", "Lambda refused the call")
    if is_said:
        seen = "the handler was refused something itself, and says so"
        return Judged(Standing.LIKELY, seen, "the words of the error, which are the function's")
    return excluded(f"the error is {failure.error}", "nothing speaks of a permission")


def missing(failure: Failure) -> Judged:
    """Judge whether there was nothing to call."""
    seen = f"the error is {failure.error}"
    if failure.is_refused and failure.error.endswith("ResourceNotFoundException"):
        return Judged(Standing.PROVEN, seen, "Lambda found no such function, alias or version")
    return excluded(seen, _by(failure))


def service(failure: Failure) -> Judged:
    """Judge whether Lambda failed, or refused the call for another reason."""
    seen = f"the error is {failure.error}"
    if failure.error in TRANSIENT and not failure.invocations:
        return Judged(
            Standing.PROVEN, seen, "the error is Lambda's own, and no invocation is known"
        )
    others = (throttled(failure), denied(failure), missing(failure))
    if failure.is_refused and all(other.standing is Standing.EXCLUDED for other in others):
        return Judged(Standing.PROVEN, seen, "Lambda refused the call, in these words")
    return excluded(seen, _by(failure))


def _by(failure: Failure) -> str:
    if failure.is_refused:
        return "Lambda refused the call with another error"
    return "an error of the function's own: the call was taken"


def _waited_s(attempt: Attempt) -> float:
    began = attempt.started or attempt.scheduled
    return (attempt.ended or began) - began
