"""Task tokens: what a task that waits for a callback is answered by."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from deployguard.lab.nouns import AwsError
from deployguard.lab.states.values import FailureError


@dataclass(eq=False)
class Waiting:
    """One task that waits."""

    said: asyncio.Future[Any] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    beat: asyncio.Event = field(default_factory=asyncio.Event)


class Tokens:
    """The tokens of all tasks that wait, and of those that no longer do."""

    def __init__(self) -> None:
        """Start with none."""
        self.waiting: dict[str, Waiting] = {}
        self.gone: set[str] = set()

    def make(self) -> str:
        """Return a new token."""
        token = base64.b64encode(secrets.token_bytes(96)).decode()
        self.waiting[token] = Waiting()
        return token

    def forget(self, token: str) -> None:
        """Let a token be of no use any more."""
        if self.waiting.pop(token, None):
            self.gone.add(token)

    async def answer(self, token: str, heartbeat: float | None) -> Any:
        """Wait for what a token is answered by; a heartbeat that stays away is a time-out.

        Raises:
            FailureError: the answer says so.
            TimeoutError: no heartbeat came in time.
        """
        waiting = self.waiting[token]
        while not waiting.said.done():
            waiting.beat.clear()
            beat = asyncio.ensure_future(waiting.beat.wait())
            try:
                done, _ = await asyncio.wait(
                    {beat, waiting.said}, timeout=heartbeat, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                beat.cancel()
            if not done:
                raise TimeoutError
        return waiting.said.result()

    def succeed(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Serve SendTaskSuccess."""
        waiting = self._find(asked)
        try:
            waiting.said.set_result(json.loads(asked["output"]))
        except ValueError:
            why = f"Invalid Output: '{asked['output']}' is not JSON"
            raise AwsError(400, "InvalidOutput", why) from None
        return {}

    def fail(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Serve SendTaskFailure."""
        failure = FailureError(asked.get("error", ""), asked.get("cause", ""))
        self._find(asked).said.set_exception(failure)
        return {}

    def beat(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Serve SendTaskHeartbeat."""
        self._find(asked).beat.set()
        return {}

    def _find(self, asked: dict[str, Any]) -> Waiting:
        token = asked["taskToken"]
        waiting = self.waiting.get(token)
        if waiting is not None and not waiting.said.done():
            return waiting
        if token in self.gone or waiting is not None:
            text = "Task Timed Out: 'Provided task does not exist anymore'"
            raise AwsError(400, "TaskTimedOut", text)
        raise AwsError(400, "InvalidToken", "Invalid Token: 'Invalid token'")
