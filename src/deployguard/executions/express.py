"""Executions of express workflows: what the state machine's log group has of them, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deployguard.aws import executions, logs
from deployguard.aws.executions import Description
from deployguard.errors import Refusal
from deployguard.executions import events, history, names
from deployguard.executions.asking import Asking
from deployguard.executions.history import Child, History
from deployguard.traffic import Unread

KEPT_S = 90 * 86_400
LATE_S = 60.0  # by which clocks may differ
MOST_PAGES = 100
STATUS: Mapping[str, str] = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}


def read(asking: Asking, child: Child) -> History:
    """Read the events of an execution from the log group that its state machine writes."""
    place = names.execution(child.arn)
    logging = executions.logging(asking.session, place.machine)
    name = names.short(place.machine)
    if logging.level == "OFF" or not logging.group:
        raise Refusal(
            f"what {name} did is recorded nowhere",
            cause="it is an express workflow, and its logging is off",
            fix="set its logging level to ALL, with execution data, and run it again",
        )
    is_partial = logging.level != "ALL"
    if is_partial or not logging.has_data:
        asking.note(
            Unread(
                f"much of what {name} did",
                f"it logs at level {logging.level}, "
                + ("with" if logging.has_data else "without")
                + " execution data",
                "set its logging level to ALL, with execution data",
            )
        )
    now = asking.session.now()
    wanted = logs.Wanted(logging.group, now - KEPT_S, now + LATE_S, pattern=f'"{child.arn}"')
    found = logs.read(asking.session, wanted, most_pages=MOST_PAGES)
    if not found.is_whole:
        what = f"the end of the log group {logging.group}"
        fix = "keep fewer days of log lines"
        asking.note(Unread(what, f"it has more than {MOST_PAGES} pages", fix))
    logged = (events.of_log(each.text) for _, each in found.events)
    own = {each[1].id: each[1] for each in logged if each is not None and each[0] == child.arn}
    if not own:
        raise Refusal(
            f"no event of {child.arn} is in the log group {logging.group}",
            cause="it never existed, its log lines have expired, or they have not arrived yet",
            fix="check the ARN; log lines may take minutes to arrive",
        )
    told = history.read(map(own.__getitem__, sorted(own)), execution=child.arn, item=child.item)
    return replace(told, is_partial=is_partial or not found.is_whole)


def described(arn: str, told: History) -> Description:
    """Describe an execution by its history, as DescribeExecution would."""
    last = told.last
    kind = last.kind if last else ""
    return Description(
        machine=names.execution(arn).machine,
        alias="",
        status=STATUS.get(kind, "RUNNING"),
        started=told.first or 0.0,
        stopped=last.at if last and kind in STATUS else None,
        error=events.text(last.details, "error") if last else "",
        cause=events.text(last.details, "cause") if last else "",
        redrives=0,
    )
