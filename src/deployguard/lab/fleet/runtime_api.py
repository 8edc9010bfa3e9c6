"""The Runtime API: each container's own loopback listener, at which its process asks for events."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from deployguard.lab.fleet.outcome import Failed, Invocation, Ready, Replied, Said

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/2018-06-01/runtime/"
HOUR_S = 3600


class Channel:
    """One process's conversation: the events it is given and what it says."""

    def __init__(self) -> None:
        """Start with a process that is still initializing."""
        self.loop = asyncio.get_running_loop()
        self.said: asyncio.Future[Said] = self.loop.create_future()
        self.due: asyncio.Future[tuple[Invocation, int] | None] = self.loop.create_future()
        self.request_id = ""
        self.ready = False
        self.closed = False

    def give(self, invocation: Invocation, deadline_ms: int) -> asyncio.Future[Said]:
        """Hand over an event; the future is what the process says to it."""
        if not self.closed:
            self.said = self.loop.create_future()
            self.request_id = invocation.request_id
            self.due.set_result((invocation, deadline_ms))
        return self.said

    async def next(self) -> tuple[Invocation, int] | None:
        """Wait for the next event; None when the process is gone."""
        if not self.ready:
            self.ready = True
            self.say(Ready())
        event = await self.due
        if event is not None:
            self.due = self.loop.create_future()
        return event

    def say(self, said: Said) -> bool:
        """Pass on what the process says, unless nobody asked."""
        if self.said.done():
            return False
        self.said.set_result(said)
        return True

    def close(self, said: Said) -> None:
        """End the conversation; the last word is remembered for whoever asks next."""
        self.closed = True
        if not self.say(said):
            self.said = self.loop.create_future()
            self.said.set_result(said)
        if not self.due.done():
            self.due.set_result(None)


class RuntimeApi:
    """All listeners of a fleet; a container is known by the port that its process calls."""

    def __init__(self) -> None:
        """Start without a listener."""
        self.channels: dict[int, Channel] = {}
        self.servers: dict[int, asyncio.Server] = {}
        self.state = ServerState()
        self.config = uvicorn.Config(
            self,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=HOUR_S,  # a handler may run for long between two calls
        )
        self.config.load()

    async def listen(self) -> int:
        """Open a listener for one container and return its port."""
        listener = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on these
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        loop = asyncio.get_running_loop()
        self.servers[port] = await loop.create_server(self._protocol, sock=listener)
        return port

    def forget(self, port: int) -> None:
        """Close a container's listener."""
        self.channels.pop(port, None)
        if server := self.servers.pop(port, None):
            server.close()

    async def close(self) -> None:
        """Close what is left."""
        for port in list(self.servers):
            self.forget(port)
        for connection in list(self.state.connections):
            if transport := getattr(connection, "transport", None):
                transport.abort()
        await asyncio.gather(*self.state.tasks, return_exceptions=True)

    def _protocol(self) -> asyncio.Protocol:
        return HttpToolsProtocol(config=self.config, server_state=self.state, app_state={})

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one call of a runtime."""
        channel = self.channels.get(scope["server"][1])
        path: str = scope["path"]
        if channel is None or not path.startswith(PREFIX):
            await _answer(send, 404, b"{}")
        elif path == PREFIX + "invocation/next":
            await _next(channel, send)
        else:
            await _hear(channel, path.removeprefix(PREFIX), await _body(receive), send=send)


async def _next(channel: Channel, send: Send) -> None:
    event = await channel.next()
    if event is None:
        await _answer(send, 410, b"{}")
        return
    invocation, deadline_ms = event
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.invoked_arn,
        "Lambda-Runtime-Trace-Id": invocation.trace_id,
    }
    if invocation.client_context:
        headers["Lambda-Runtime-Client-Context"] = invocation.client_context
    await _answer(send, 200, invocation.payload, headers=headers)


async def _hear(channel: Channel, path: str, body: bytes, *, send: Send) -> None:
    """Take in a response or an error; one that is not for the current event is refused."""
    match path.split("/"):
        case ["init", "error"]:
            heard = channel.say(Failed(body))
        case ["invocation", request_id, "response"] if request_id == channel.request_id:
            heard = channel.say(Replied(body))
        case ["invocation", request_id, "error"] if request_id == channel.request_id:
            heard = channel.say(Failed(body))
        case _:
            heard = False
    if heard:
        await _answer(send, 202, b'{"status":"OK"}')
    else:
        await _answer(send, 400, b'{"errorType":"InvalidRequestID","errorMessage":""}')


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _answer(
    send: Send, status: int, body: bytes, *, headers: dict[str, str] | None = None
) -> None:
    lines = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    pairs = [(name.encode(), value.encode()) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
