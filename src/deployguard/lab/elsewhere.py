"""Every service that is not the lab's own: moto, in one thread, imported when first needed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import unquote

from deployguard.lab import meter
from deployguard.lab.answers import Answer
from deployguard.lab.calls import Call
from deployguard.lab.knobs import Knobs
from deployguard.lab.mended import Mended
from deployguard.lab.meter import Meter
from deployguard.lab.nouns import ACCOUNT, Build

Lines = list[tuple[int, str]]
Pending = tuple[float, str, str, str, Lines]  # since when, region, log group, stream
PER_CONNECTION = {"connection", "content-length", "date", "server", "transfer-encoding"}
READS = ("BatchGet", "Describe", "Filter", "Get", "Head", "List", "Lookup", "Query", "Search")


class Elsewhere:
    """moto behind one executor thread, and the log lines that wait to be read there."""

    def __init__(self, knobs: Knobs) -> None:
        """Hold nothing until the first call."""
        self.knobs = knobs
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="moto")
        self.application: Callable[..., Any] | None = None
        self.mended = Mended()
        self.pending: list[Pending] = []  # by arrival
        self.meter = Meter(knobs.clock)

    def log(self, build: Build, stream: str, lines: Lines) -> None:
        """Keep log lines of a container until somebody reads logs."""
        self.write(build.region, build.log_group, stream, lines)

    def write(self, region: str, group: str, stream: str, lines: Lines) -> None:
        """Keep log lines of a log group until somebody reads logs."""
        self.pending.append((self.knobs.clock.monotonic(), region, group, stream, lines))

    async def serve(self, call: Call) -> Answer:
        """Let moto answer a call."""
        due = self._due(call)
        answer = await asyncio.get_running_loop().run_in_executor(
            self.thread, self._answer, call, due
        )
        if answer.status < 400 and not call.operation.startswith((*READS, "GET ", "HEAD ")):
            self.knobs.record(call.operation, call.resource, None, call.json())
        return answer

    async def know_repository(self, call: Call) -> None:
        """Let moto know a repository of ours, before it is asked for a policy or tags of it."""
        await asyncio.get_running_loop().run_in_executor(
            self.thread, _know_repository, call.region, call.resource
        )

    async def reset(self) -> None:
        """Forget everything that moto and the log buffer hold."""
        self.pending.clear()
        self.meter.points.clear()
        self.mended = Mended()
        if "moto" in sys.modules:  # its state belongs to the process, not to one lab
            await asyncio.get_running_loop().run_in_executor(self.thread, _forget)

    def close(self) -> None:
        """Stop the thread."""
        self.thread.shutdown(wait=False, cancel_futures=True)

    def _due(self, call: Call) -> list[Callable[[], None]]:
        """Return what is to be written before a call that may read it is answered."""
        if call.service == "monitoring":
            return [partial(meter.write, self.meter.due(delay_s=self.knobs.metric_delay_s))]
        if call.service != "logs":
            return []
        latest = self.knobs.clock.monotonic() - self.knobs.log_delay_s
        due = [entry for entry in self.pending if entry[0] <= latest]
        self.pending = [entry for entry in self.pending if entry[0] > latest]
        return [partial(_write, *entry[1:]) for entry in due]

    def _answer(self, call: Call, due: list[Callable[[], None]]) -> Answer:
        mended = self.mended.serve(call)
        if mended is not None:
            return mended
        answer = self._serve(call, due)
        if answer.status < 400:
            self.mended.note(call, answer)
        return answer

    def _serve(self, call: Call, due: list[Callable[[], None]]) -> Answer:
        from werkzeug.test import EnvironBuilder, run_wsgi_app

        if self.application is None:
            self.application = _application()
        for write in due:
            write()
        builder = EnvironBuilder(
            path=unquote(call.path),
            base_url=call.endpoint,
            query_string=call.query,
            method=call.method,
            headers=list(call.headers.items()),
            data=call.body,
        )
        environ = builder.get_environ()
        environ["RAW_URI"] = environ["REQUEST_URI"] = call.path + (
            f"?{call.query}" if call.query else ""
        )
        content, status, headers = run_wsgi_app(self.application, environ, buffered=True)
        kept = tuple((name, value) for name, value in headers if name.lower() not in PER_CONNECTION)
        return Answer(int(status.split()[0]), b"".join(content), kept)


def _application() -> Callable[..., Any]:
    from moto.core.config import default_user_config
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        create_backend_app,
    )

    # The lab has the Lambda; moto's own must never start a container engine.
    default_user_config["lambda"] = {"use_docker": False}
    meter.mend()
    return DomainDispatcherApplication(create_backend_app)


def _forget() -> None:
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()


def _know_repository(region: str, name: str) -> None:
    from moto.ecr.models import ecr_backends

    backend = ecr_backends[ACCOUNT][region]
    if name not in backend.repositories:
        backend.create_repository(name, ACCOUNT, {}, None, "MUTABLE", [])


def _write(region: str, group: str, stream: str, lines: Lines) -> None:
    from moto.logs.models import logs_backends

    backend = logs_backends[ACCOUNT][region]
    backend.ensure_log_group(group)
    backend.ensure_log_stream(group, stream)
    events = [{"timestamp": at, "message": line} for at, line in sorted(lines, key=_when)]
    backend.put_log_events(group, stream, events)


def _when(line: tuple[int, str]) -> int:
    return line[0]
