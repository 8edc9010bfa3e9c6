"""The lab's shared nouns: images, builds that containers are made from, clocks, errors."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
LATEST = "$LATEST"


class AwsError(Exception):
    """An error that reaches the client in AWS's own shape."""

    def __init__(self, status: int, code: str, message: str, **members: Any) -> None:
        """Keep extra body members such as `Type` or `Reason` beside the message."""
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.members = members


class Clock:
    """Wall and monotonic time of the lab; a step moves the wall clock only."""

    def __init__(self) -> None:
        """Start without a step."""
        self.step_s = 0.0

    def now(self) -> float:
        """Return Unix seconds, as the lab believes them to be."""
        return time.time() + self.step_s

    def monotonic(self) -> float:
        """Return seconds that never go backwards."""
        return time.monotonic()


@dataclass(frozen=True)
class Image:
    """One pushed image: what its digest names and how a container of it starts."""

    repository_uri: str
    digest: str  # sha256:<64 hex>
    media_type: str
    architecture: str
    root: Path  # its layers, unpacked
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_dir: str = "/var/task"
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """What a container is made from: one function version's code and configuration at one moment.

    `generation` grows with each applied change of `$LATEST`; containers of an older generation are
    the stale ones. A numbered version has exactly one.
    """

    region: str
    function_name: str
    function_arn: str  # unqualified
    version: str  # "$LATEST" or a number
    generation: int
    code_sha256: str
    root: Path  # folder that holds the container's file system; code is at root/var/task
    entrypoint: tuple[str, ...]
    command: tuple[str, ...]  # the handler is the last word
    working_dir: str
    environment: Mapping[str, str]
    timeout_s: int
    memory_mb: int
    log_group: str
    log_format: str = "Text"  # or "JSON", which alone knows levels
    system_level: str = "INFO"
    application_level: str = "INFO"
    virtual: bool = False  # answered inside the lab instead of by a process
