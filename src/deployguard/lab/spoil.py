"""What a fault rule does to a call, once its turn has come."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import replace

from deployguard.lab import policy
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.faults import ANSWERS, Fault
from deployguard.lab.nouns import AwsError

EXPIRED = "The security token included in the request is expired"
GARBLED = b"<html>This is not what was asked for.</html>"
STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
)


class SilenceError(Exception):
    """The client is to wait for an answer that never comes."""


class LostError(SilenceError):
    """The connection is to be closed without an answer."""


class Gate:
    """Where held calls wait, each for its release."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.held: list[tuple[Call, asyncio.Future[None]]] = []

    async def wait(self, call: Call) -> None:
        """Wait for the release; a gate that closes meanwhile loses the call."""
        opened = asyncio.get_running_loop().create_future()
        self.held.append((call, opened))
        await opened

    def release(self, operation: str | None = None, access_key: str | None = None) -> int:
        """Let the held calls go on, all or those of an operation or a key; return how many."""
        due = [
            held
            for held in self.held
            if operation in (None, held[0].operation) and access_key in (None, held[0].access_key)
        ]
        for held in due:
            self.held.remove(held)
            held[1].set_result(None)
        return len(due)

    def close(self) -> None:
        """Lose every held call, so that none is applied to the lab that comes after a reset."""
        for _, opened in self.held:
            opened.set_exception(LostError())
        self.held.clear()


class Spoiler:
    """The faults that one call meets."""

    def __init__(self, faults: Sequence[Fault], call: Call, gate: Gate) -> None:
        """Take the rules that are due."""
        self.faults = faults
        self.call = call
        self.gate = gate

    async def strike(self, phase: str) -> None:
        """Do what the rules of a phase say: wait, kill, or raise what becomes of the answer."""
        for fault in self.faults:
            if fault.phase == phase and fault.kind not in ANSWERS:
                fault.hits += 1
                await self._act(fault)

    def stale(self) -> bool:
        """Tell whether the call is to read what was before the last change."""
        rules = [fault for fault in self.faults if fault.kind == "stale"]
        for fault in rules:
            fault.hits += 1
        return bool(rules)

    def changed(self, answer: Answer) -> Answer:
        """Return the true answer, or what a rule makes of it."""
        for fault in self.faults:
            if fault.kind == "garble":
                fault.hits += 1
                answer = replace(answer, body=GARBLED)
        return answer

    async def _act(self, fault: Fault) -> None:
        match fault.kind:
            case "delay":
                await asyncio.sleep(fault.seconds)
            case "hold":
                await self.gate.wait(self.call)
            case "hang":
                raise SilenceError
            case "lose":
                raise LostError
            case "kill":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(fault.pid or 0, fault.signal)
                if fault.signal == signal.SIGKILL:  # after any other the process may go on
                    raise LostError
            case _:
                raise _error(fault, self.call)


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
            problem = AwsError(429, "TooManyRequestsException", "Rate exceeded", Reason=reason)
        case "throttle":
            problem = AwsError(400, "ThrottlingException", "Rate exceeded")
        case "deny":
            problem = policy.denial(call, call.arn)
        case "conflict":
            text = "The operation cannot be performed at this time. An update is in progress for "
            problem = AwsError(409, "ResourceConflictException", f"{text}resource: {call.arn}")
        case "refuse":
            problem = AwsError(412, "PreconditionFailedException", STALE)
        case "expire":
            problem = _expired(call)
        case "gone":
            problem = AwsError(404, "ResourceNotFoundException", _missing(call))
        case _:
            code = "ServiceException" if ours else "InternalFailure"
            problem = AwsError(500, code, "An error occurred and the request cannot be processed.")
    return problem


def _expired(call: Call) -> AwsError:
    """Return what the protocols say of expired credentials, each under a code of its own."""
    if call.headers.get("x-amz-target"):
        return AwsError(400, "ExpiredTokenException", EXPIRED)
    if call.service == "s3":
        return AwsError(400, "ExpiredToken", "The provided token has expired.")
    if "form-urlencoded" in call.headers.get("content-type", ""):
        return AwsError(403, "ExpiredToken", EXPIRED)
    return AwsError(403, "ExpiredTokenException", EXPIRED)


def _missing(call: Call) -> str:
    qualifier = call.qualifier or ("$LATEST" if call.operation == "Invoke" else "")
    return f"Function not found: {call.arn}" + (f":{qualifier}" if qualifier else "")
