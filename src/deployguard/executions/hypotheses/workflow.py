"""The hypothesis about an execution that ended badly though no attempt of a function failed."""

from __future__ import annotations

from deployguard.executions.failures import Failure
from deployguard.executions.hypotheses.nouns import Judged, Standing, Theory

ENDED = Theory(
    "H18",
    "the workflow itself ended it: no task of Lambda failed",
    "an error of a state, a time limit of the whole, or somebody who stopped it",
    "read the error; for a time limit, see which state was running",
    "look at the last events of the execution's history",
)
ENDS = {
    "TIMED_OUT": "the state machine's TimeoutSeconds passed",
    "ABORTED": "somebody stopped it",
    "PENDING_REDRIVE": "a state other than a task of Lambda failed",
    "FAILED": "a state other than a task of Lambda failed",
}


def ended(failure: Failure) -> Judged:
    """Judge what ended it; where something could not be read, an attempt may have failed there."""
    execution = failure.case.execution
    how = ENDS.get(execution.status, f"it is {execution.status}")
    seen = f"{how}; its error is {failure.error or 'none'}"
    if failure.case.unread or execution.unread or execution.children_read < execution.children:
        return Judged(Standing.POSSIBLE, seen, "not everything could be read")
    return Judged(Standing.PROVEN, seen, "all of its attempts were read, and none failed")
