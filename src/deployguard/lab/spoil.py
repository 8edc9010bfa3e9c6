"""What a fault rule does to a call, once its turn has come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from deployguard.lab.calls import Call
from deployguard.lab.knobs import Fault
from deployguard.lab.nouns import ACCOUNT, AwsError

USER = f"arn:aws:iam::{ACCOUNT}:user/lab"
ACTIONS = {"Invoke": "InvokeFunction"}  # where the permission has another name than the operation
PREFIXES = {"monitoring": "cloudwatch"}
STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)


class LostError(Exception):
    """The connection is to be closed without an answer."""


async def strike(fault: Fault, call: Call) -> None:
    """Do what the rule says: wait, kill, or raise what becomes of the answer."""
    match fault.kind:
        case "delay":
            await asyncio.sleep(fault.seconds)
        case "lose":
            raise LostError
        case "kill":
            with contextlib.suppress(ProcessLookupError):
                os.kill(fault.pid or 0, signal.SIGKILL)
            raise LostError
        case _:
            raise _error(fault, call)


def _error(fault: Fault, call: Call) -> AwsError:
    ours = _usual(fault.kind, call)
    return AwsError(
        fault.status or ours.status,
        fault.code or ours.code,
        ours.message if fault.message is None else fault.message,
        **ours.members,
    )


def _usual(kind: str, call: Call) -> AwsError:
    """Return what AWS itself says in such a case."""
    ours = call.service == "lambda"
    match kind:
        case "throttle" if ours:
            reason = "CallerRateLimitExceeded"
            return AwsError(429, "TooManyRequestsException", "Rate exceeded", Reason=reason)
        case "throttle":
            return AwsError(400, "ThrottlingException", "Rate exceeded")
        case "deny":
            return AwsError(403 if ours else 400, "AccessDeniedException", _denial(call))
        case "conflict":
            text = "The operation cannot be performed at this time. An update is in progress for "
            return AwsError(409, "ResourceConflictException", f"{text}resource: {call.arn}")
        case "refuse":
            return AwsError(412, "PreconditionFailedException", STALE)
        case _:
            code = "ServiceException" if ours else "InternalFailure"
            return AwsError(500, code, "An error occurred and the request cannot be processed.")


def _denial(call: Call) -> str:
    prefix = PREFIXES.get(call.service, call.service)
    action = f"{prefix}:{ACTIONS.get(call.operation, call.operation)}"
    return (
        f"User: {USER} is not authorized to perform: {action} on resource: {call.arn} "
        f"because no identity-based policy allows the {action} action"
    )
