"""The lab's front: every request, of whichever service, comes in and is handed to its owner."""

from __future__ import annotations

import sys
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from deployguard.lab import answers, backstage, calls, identity, knobs, policy, signature, spoil
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.control import wire
from deployguard.lab.control.state import Cloud
from deployguard.lab.elsewhere import Elsewhere
from deployguard.lab.fleet.invoke import invoke
from deployguard.lab.fleet.pool import Fleet
from deployguard.lab.fleet.zygote import Zygote
from deployguard.lab.knobs import Caller, Knobs
from deployguard.lab.nouns import AwsError, Clock
from deployguard.lab.registry import Registry
from deployguard.lab.spoil import Gate, Spoiler
from deployguard.lab.states.executions import Executions
from deployguard.lab.states.machines import Machines
from deployguard.lab.states.service import Service
from deployguard.lab.trail import Trail

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HANG_UP = "deployguard.hang_up"  # the server's ASGI extension that closes a connection unanswered


class Lab:
    """One local cloud: its clock, knobs, registry, containers and control plane, as an ASGI app."""

    knobs: Knobs
    registry: Registry
    fleet: Fleet
    cloud: Cloud

    def __init__(self, folder: Path, *, inner_port: int) -> None:
        """Make an empty cloud; its containers and moto reach it by plain HTTP at the inner port."""
        self.folder = folder
        self.inner_port = inner_port
        self.clock = Clock()
        self.knobs = Knobs(self.clock)
        self.gate = Gate()
        self.elsewhere = Elsewhere(self.knobs)
        self.executions = Executions(
            self.knobs,
            machines=Machines(self.elsewhere.serve),
            ask=self.ask,
            write=self.elsewhere.write,
            port=inner_port,
        )
        self.states = Service(self.executions, self.knobs)
        self.zygote = Zygote()
        self._fill()

    def _fill(self) -> None:
        self.trail = Trail(self.knobs)
        self.registry = Registry(self.folder / "images", self.knobs)
        self.fleet = Fleet(
            clock=self.clock,
            knobs=self.knobs,
            log=self.elsewhere.log,
            meter=self.elsewhere.meter,
            environment={
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.inner_port}",
                "AWS_ACCESS_KEY_ID": signature.ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": signature.SECRET_KEY,
            },
            zygote=self.zygote,
        )
        self.cloud = Cloud(
            clock=self.clock, knobs=self.knobs, images=self.registry.image, fleet=self.fleet
        )

    async def start(self) -> None:
        """Start the fleet."""
        await self.elsewhere.reset()
        await self.fleet.start()

    async def stop(self) -> None:
        """Kill every container and stop every thread."""
        self.gate.close()
        await self.executions.close()
        await self.fleet.stop()
        self.fleet.close()
        self.cloud.close()
        self.elsewhere.close()

    async def reset(self) -> None:
        """Make everything as it was at the start."""
        self.gate.close()
        await self.executions.close()
        await self.fleet.stop()
        self.cloud.close()
        self.knobs.reset()
        await self.elsewhere.reset()
        self._fill()
        await self.fleet.start()

    def turn(self, changes: dict[str, Any]) -> None:
        """Change knobs; a seed starts the random choices anew."""
        self.knobs.set(**changes)
        if "seed" in changes:
            for choices in (self.cloud.random, self.fleet.random):
                choices.seed(self.knobs.seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = str(uuid.uuid4())
        call = calls.parse(scope, await _body(receive), request_id=request_id)
        send_now = partial(_send, send, request_id=request_id, clock=self.clock)
        try:
            if call.path.startswith("/_lab/"):
                await send_now(await _guarded(backstage.serve(self, call), call))
            else:
                await self._attend(call, send_now)
        except spoil.SilenceError as end:
            hang_up = scope["extensions"][HANG_UP]
            if isinstance(end, spoil.LostError):
                hang_up()
            try:
                while (await receive())["type"] != "http.disconnect":
                    pass
            finally:
                hang_up()  # at the lab's end, where the server would answer 500

    async def ask(self, call: Call) -> Answer:
        """Answer a call that one service of the lab makes to another."""
        answer, spoiler = await self._answered(call)
        await spoiler.strike("reply")
        return answer

    async def _attend(self, call: Call, send_now: Callable[[Answer], Awaitable[None]]) -> None:
        answer, spoiler = await self._answered(call)
        await send_now(answer)
        await spoiler.strike("reply")

    async def _answered(self, call: Call) -> tuple[Answer, Spoiler]:
        """Answer a call to a service, with the faults that are due before and after it."""
        entry = self.knobs.received(call)
        spoiler = Spoiler(self.knobs.due(call), call, self.gate)
        try:
            await spoiler.strike("before")
            answer = await _guarded(self._serve(call, spoiler), call)
            self.trail.note(call, answer)
            answer = spoiler.changed(answer)
            await spoiler.strike("after")
        except AwsError as problem:
            answer = _refusal(problem, call)
        entry["status"] = answer.status
        return answer, spoiler

    async def _serve(self, call: Call, spoiler: Spoiler) -> Answer:
        who = knobs.caller.set(Caller(call.service, call.access_key, call.request_id))
        try:
            policy.enforce(self.knobs.policy, call)
            if call.service == "lambda":
                return await self._serve_lambda(call, stale=spoiler.stale())
            if call.service == "ecr":
                return await self._serve_ecr(call)
            if call.operation == "SimulatePrincipalPolicy":
                await self.elsewhere.require_role(identity.principal(call))
            told = identity.serve(call, self.knobs.policy)
            if told is None and call.service == "states":
                told = await self.states.serve(call)
            return told or self.trail.serve(call) or await self.elsewhere.serve(call)
        finally:
            knobs.caller.reset(who)

    async def _serve_lambda(self, call: Call, *, stale: bool) -> Answer:
        if call.operation == "Invoke":
            return await self._invoke(call)
        if " " in call.operation:  # no route of Lambda's, so named by its method and path
            raise AwsError(501, "NotImplementedByLab", f"Lambda has no {call.operation}")
        answer = wire.handle(
            self.cloud,
            operation=call.operation,
            region=call.region,
            path=call.path,
            query=parse_qs(call.query, keep_blank_values=True),
            headers=call.headers,
            body=call.body,
            stale=stale,
        )
        return Answer(answer.status, answer.body, tuple(answer.headers.items()))

    async def _invoke(self, call: Call) -> Answer:
        if self.knobs.signatures:
            signature.verify(call)
        name = unquote(call.path.split("/")[3])
        answer = await invoke(
            self.cloud,
            self.fleet,
            region=call.region,
            function=name,
            qualifier=parse_qs(call.query).get("Qualifier", [None])[0],
            invocation_type=call.headers.get("x-amz-invocation-type", "RequestResponse"),
            log_type=call.headers.get("x-amz-log-type", "None"),
            payload=call.body,
            client_context=call.headers.get("x-amz-client-context"),
            request_id=call.request_id,
        )
        return Answer(answer.status, answer.body, tuple(answer.headers.items()))

    async def _serve_ecr(self, call: Call) -> Answer:
        if call.operation in self.registry.operations:
            content = self.registry.handle(
                call.operation, call.json(), region=call.region, endpoint=call.endpoint
            )
            return answers.ecr(content)
        if (call.region, call.resource) in self.registry.repositories:
            await self.elsewhere.know_repository(call)
        return await self.elsewhere.serve(call)


async def _guarded(serving: Awaitable[Answer], call: Call) -> Answer:
    """Turn every error into an answer: a client that gets none hangs until its own time-out."""
    try:
        return await serving
    except AwsError as problem:
        return _refusal(problem, call)
    except Exception as bug:
        traceback.print_exc(file=sys.stderr)
        text = f"{type(bug).__name__} in the lab's {call.service} {call.operation}: {bug}"
        return _refusal(AwsError(500, "InternalFailure", text), call)


def _refusal(problem: AwsError, call: Call) -> Answer:
    if call.service != "lambda":
        return answers.error(problem, call)
    answer = wire.error(problem)
    return Answer(answer.status, answer.body, tuple(answer.headers.items()))


async def _body(receive: Receive) -> bytes:
    chunks = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)


async def _send(send: Send, answer: Answer, *, request_id: str, clock: Clock) -> None:
    names = {name.lower() for name, _ in answer.headers}
    headers = [*answer.headers, ("Date", formatdate(clock.now(), usegmt=True))]
    if "x-amzn-requestid" not in names:
        headers.append(("x-amzn-RequestId", request_id))
    if answer.status not in (204, 304):
        headers.append(("content-length", str(len(answer.body))))
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
