"""What `deployguard lab` does: keep a lab up, run a command inside one, push an image to one."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from deployguard.lab import dockerfile, images
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

STOPS = (signal.SIGINT, signal.SIGTERM)


def up(
    *, say: Callable[[str], None], host: str = "127.0.0.1", port: int = 0, tls: bool = False
) -> None:
    """Keep a lab running until a signal asks it to stop; say the exports that point a shell at it.

    Raises: ValueError for a host that is not loopback; OSError for a port that is taken.
    """
    stop = threading.Event()
    with _on_signals(lambda _number: stop.set()), running_lab(tls=tls, host=host, port=port) as lab:
        for name, value in lab.environment.items():
            say(f"export {name}={shlex.quote(value)}")
        stop.wait()


def run(
    command: Sequence[str], *, tls: bool = False, knobs: Mapping[str, object] | None = None
) -> int:
    """Run a command with a lab of its own; return its exit code, 128 + n where a signal ends it."""
    with (
        running_lab(tls=tls, knobs=dict(knobs or {})) as lab,
        subprocess.Popen(command, env=os.environ | lab.environment) as child,
        _on_signals(child.send_signal),
    ):
        code = child.wait()
    return code if code >= 0 else 128 - code


def push(
    folder: Path,
    *,
    repository: str,
    tag: str | None = None,
    labels: Mapping[str, str] | None = None,
    lab: Client,
) -> str:
    """Build the image of a folder's Dockerfile, push it to a lab and return its URI by digest.

    Raises: DockerfileError for a Dockerfile that needs a container engine.
    """
    image = dockerfile.build(folder, labels=labels)
    tags = [tag] if tag else []
    return images.push(image, repository=repository, tags=tags, ecr=lab.client("ecr"))


@contextmanager
def _on_signals(react: Callable[[int], None]) -> Iterator[None]:
    """Let SIGINT and SIGTERM do this instead of what they did; only in the main thread."""

    def handle(number: int, _frame: FrameType | None) -> None:
        react(number)

    before = {each: signal.signal(each, handle) for each in STOPS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
