"""Replace containers: by a new version, by a change of the configuration, by draining, by waiting.

Nothing documents that a remedy destroys idle containers, but for the new version, which leaves
them behind: so each is judged by probing, not by having run.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from deployguard import discover, plan
from deployguard.aws import functions
from deployguard.errors import Attention, AwsFailure, Refusal, Superseded
from deployguard.lease import NOTHING, Intent, What
from deployguard.resources import Function
from deployguard.run import Run

ATTEMPTS = 6
UNRESERVED_MINIMUM = 100  # what AWS keeps for functions without a reservation
VARIABLE = "REFRESHED_BY_DEPLOYGUARD"  # of the function's environment, and of nobody else's
MARK = " (refreshed by deployguard "  # at the end of a description, up to the closing bracket
DESCRIPTION_LIMIT = 256


def mark_description(run: Run, latest: Function) -> Function:
    """Change the description of $LATEST, so that publishing it makes a new version."""
    text = latest.description.split(MARK)[0]
    wanted = f"{text}{MARK}{_token()})".lstrip()
    if len(wanted) > DESCRIPTION_LIMIT:
        raise Refusal(
            f"the description of {latest.name} has no room for a mark ({len(text)} characters)",
            cause="AWS publishes a new version only where something differs from the last one",
            fix=f"shorten it by {len(wanted) - DESCRIPTION_LIMIT}, or use another remedy",
        )

    def describe(now: Function) -> None:
        functions.describe(run.session, now.name, description=wanted, revision=now.revision)

    return _reconfigure(
        run,
        latest,
        write=describe,
        is_done=lambda now: now.description == wanted,
        before={"description": latest.description},
        after={"description": wanted},
    )


def set_variable(run: Run, latest: Function) -> None:
    """Change a variable of ours in the environment of $LATEST."""
    before = functions.variable(run.session, latest.name, VARIABLE)
    intent = Intent(What.VARIABLE, before or NOTHING, (_token(),))
    run.note(intent)
    write_variable(run, latest, intent.before, intent.after[0])
    run.settle(intent, kept=True)


def remove_variable(run: Run, latest: Function) -> None:
    """Remove our variable from the environment of $LATEST again."""
    before = functions.variable(run.session, latest.name, VARIABLE)
    if before is None:
        return
    intent = Intent(What.VARIABLE, before, (NOTHING,), finish=True)
    run.note(intent)
    write_variable(run, latest, before, NOTHING)
    run.settle(intent, kept=True)


def restore_variable(run: Run, function: str, intent: Intent) -> bool:
    """Leave our variable at what an intent wants; return whether that took a change."""
    current = functions.variable(run.session, function, VARIABLE) or NOTHING
    if current == intent.wanted:
        return False
    if not intent.is_ours(current):
        raise _set_by_somebody(f"variable {VARIABLE} of {function}", current)
    write_variable(run, discover.settled(run, function), current, intent.wanted)
    return True


def write_variable(run: Run, latest: Function, before: str, after: str) -> None:
    """Set or remove our variable; the other ones stay what they are, and in AWS's hands."""
    value = None if after == NOTHING else after

    def write(now: Function) -> None:
        functions.set_variable(run.session, now.name, VARIABLE, value=value)

    _reconfigure(
        run,
        latest,
        write=write,
        is_done=lambda now: functions.variable(run.session, now.name, VARIABLE) == value,
        before={VARIABLE: before},
        after={VARIABLE: after},
    )


@contextmanager
def drained(run: Run, function: str) -> Iterator[None]:
    """Let the function start no invocation for the block, by reserved concurrency 0."""
    before = _text(functions.reserved(run.session, function))
    if before == "0":
        raise Refusal(
            f"the reserved concurrency of {function} is 0 already",
            cause="somebody switched the function off",
            fix="nothing to drain: give it concurrency again first",
        )
    intent = Intent(What.CONCURRENCY, before, ("0",))
    run.note(intent)
    is_known = False
    try:
        _write_reserved(run, function, before, "0")
        is_known = True
        yield
    finally:
        run.finish(lambda: _restore_drained(run, function, intent, is_known=is_known))


def _restore_drained(run: Run, function: str, intent: Intent, *, is_known: bool) -> None:
    run.step("restore reserved concurrency")
    try:
        restore_reserved(run, function, intent, is_known=is_known)
    except Superseded as theirs:
        run.say(f"{theirs.happened}; left alone")
    run.settle(intent)


def restore_reserved(run: Run, function: str, intent: Intent, *, is_known: bool = False) -> bool:
    """Leave reserved concurrency at what an intent wants; return whether that took a change.

    Where it `is_known` that our own change took effect, a read that shows none is an old one.

    Raises: Superseded where somebody else set it; Attention where AWS kept refusing, as it does
    once another function has reserved what this one had.
    """
    is_tried = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            current = _text(functions.reserved(run.session, function))
            if current == intent.wanted and (is_tried or not is_known):
                break
            if current != intent.wanted and not intent.is_ours(current):
                raise _set_by_somebody(f"the reserved concurrency of {function}", current)
            is_tried = True
            _write_reserved(run, function, current, intent.wanted)
        except AwsFailure as failure:
            run.say(f"restoring reserved concurrency: {failure.happened}")
            if attempt == ATTEMPTS or not run.session.pause(attempt):
                raise _what_fits(run, function, intent, why=failure.happened) from failure
    if is_tried:
        run.say(f"restored reserved concurrency: {intent.wanted}")
    return is_tried


def _write_reserved(run: Run, function: str, before: str, after: str) -> None:
    value = None if after == NOTHING else int(after)
    run.change(
        "DeleteFunctionConcurrency" if value is None else "PutFunctionConcurrency",
        lambda: functions.reserve(run.session, function, value),
        before={"reserved": before},
        after={"reserved": after},
    )


def _what_fits(run: Run, function: str, intent: Intent, *, why: str) -> Attention:
    """Reserve as much as others have left, so that not every caller is turned away meanwhile."""
    now = "unknown"
    with suppress(AwsFailure):
        now = _text(functions.reserved(run.session, function))
        room = (functions.unreserved_concurrency(run.session) or 0) - UNRESERVED_MINIMUM
        if now == "0" and intent.wanted != NOTHING and 0 < room < int(intent.wanted):
            run.note(replace(intent, after=(*intent.after, str(room))))
            _write_reserved(run, function, now, str(room))
            now = str(room)
    return reserved_elsewhere(run.function.arn, intent.wanted, now=now, why=why)


def _reconfigure(
    run: Run,
    latest: Function,
    *,
    write: Callable[[Function], None],
    is_done: Callable[[Function], bool],
    before: dict[str, object],
    after: dict[str, object],
) -> Function:
    """Change the configuration of $LATEST, and wait until AWS has applied it."""
    now = latest
    for attempt in range(1, ATTEMPTS + 1):
        try:
            run.change(
                "UpdateFunctionConfiguration", partial(write, now), before=before, after=after
            )
            break
        except AwsFailure as failure:
            if attempt == ATTEMPTS or not failure.is_undecided:
                raise
            now = _same_code(run, latest)
            if is_done(now):
                run.was_applied()
                break
            if not run.session.pause(attempt):
                raise
    return _same_code(run, latest)


def _same_code(run: Run, latest: Function) -> Function:
    """Return $LATEST once it is settled; raise Superseded where its image is another one now."""
    now = discover.settled(run, latest.name)
    plan.refuse_unsafe(now)
    if now.digest != latest.digest:
        raise Superseded(f"{latest.name} was updated to {now.digest} meanwhile", finding="DG401")
    return now


def _set_by_somebody(what: str, value: str) -> Superseded:
    return Superseded(
        f"{what} is {value} by now", finding="DG401", cause="somebody else set it since"
    )


def reserved_elsewhere(function: str, wanted: str, *, now: str, why: str) -> Attention:
    """Give the command that restores reserved concurrency by hand."""
    command = (
        f"aws lambda delete-function-concurrency --function-name {function}"
        if wanted == NOTHING
        else f"aws lambda put-function-concurrency --function-name {function} "
        f"--reserved-concurrent-executions {wanted}"
    )
    return Attention(
        f"the reserved concurrency of {function} could not be restored to {wanted}, "
        f"it is {now}: {why}",
        finding="DG404",
        cause="AWS refused, or did not answer" if now == "unknown" else "",
        command=command,
    )


def _token() -> str:
    """Make a value that was never there before, and that tells when it was made."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _text(reserved: int | None) -> str:
    return NOTHING if reserved is None else str(reserved)
