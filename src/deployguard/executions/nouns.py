"""The nouns of an execution: attempts by the history, invocations by the logs, and both joined."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deployguard.traffic import Unread


class End(StrEnum):
    """How an attempt ended, as the history of its execution says."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed out"  # by Step Functions: the function goes on
    REFUSED = "refused"  # never reached the function: throttled, denied, or there is none
    ABORTED = "aborted"  # because a sibling failed, or somebody stopped the execution
    RUNNING = "running"


@dataclass(frozen=True)
class Attempt:
    """One try of a task that invokes Lambda; each retry is an attempt of its own."""

    execution: str  # ARN of the execution in whose history it stands
    event: int  # id of the event that scheduled it
    state: str
    number: int  # of the tries of this visit of the state, from 1
    item: str | None  # which iteration or child of a Map, as a path such as Render[3]
    function: str  # as written, without the qualifier; empty where the history hides it
    qualifier: str | None  # as written; None for none
    scheduled: float  # Unix seconds, as all times here
    started: float | None
    ended: float | None
    end: End
    error: str = ""
    cause: str = ""  # as written, up to 32,768 characters
    version: str | None = None  # that ran, where the output says so
    request_id: str = ""
    timeout_s: float | None = None  # of the task
    heartbeat_s: float | None = None
    input_size: int | None = None  # characters; None where the history hides it
    input_hash: str = ""  # equal for equal inputs


@dataclass(frozen=True)
class Execution:
    """One execution with all that it started: nested workflows and children of a Map as well."""

    arn: str
    machine: str  # ARN, of a version where that is known
    alias: str  # of the state machine, by which it was started; or nothing
    is_express: bool
    status: str  # as AWS says: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE
    started: float
    stopped: float | None
    error: str
    cause: str
    redrives: int
    attempts: tuple[Attempt, ...]  # in the order in which they were scheduled
    children_read: int = 0  # of the children of Maps
    children: int = 0
    unread: tuple[Unread, ...] = ()


class Known(StrEnum):
    """How it is known which version ran, or which image; the strongest first."""

    HISTORY = "the history"
    STREAM = "the log stream"
    BREADCRUMB = "a breadcrumb line"
    TRAIL = "CloudTrail"
    INFERRED = "publish times"
    NOT = "not known"


@dataclass(frozen=True)
class Line:
    """One line that a function logged during an invocation, without what Lambda wraps it in."""

    at: float
    text: str


@dataclass(frozen=True)
class Invocation:
    """One invocation, as the lines of its log stream show it."""

    request_id: str
    stream: str
    version: str | None
    started: float | None
    ended: float | None
    duration_ms: float | None = None
    init_ms: float | None = None  # None for a warm container, and where no report says so
    has_report: bool = False
    memory_mb: int | None = None
    used_mb: int | None = None
    status: str = ""  # success, error or timeout; empty where nothing says so
    error_type: str = ""
    lines: tuple[Line, ...] = ()
    ordinal: int | None = None  # of this container's invocations, from 1
    container_age_s: float | None = None  # when it started; at least that, where not `born`
    born: float | None = None  # of its container, where a line says so
    build_id: str | None = None  # where a breadcrumb line says so

    @property
    def is_cold(self) -> bool | None:
        """Say whether it was the first of its container; None where nothing tells."""
        if self.init_ms is not None or self.ordinal == 1:
            return True
        return False if self.has_report or self.ordinal is not None else None


@dataclass(frozen=True)
class Build:
    """What a version is: its image, and how that is known."""

    version: str | None
    version_known: Known
    digest: str | None = None  # sha256:<hex>
    digest_known: Known = Known.NOT
    tags: tuple[str, ...] = ()
    pushed: float | None = None
    build_id: str | None = None


@dataclass(frozen=True)
class Step:
    """An attempt with what the logs and the registry tell of it."""

    attempt: Attempt
    build: Build
    invocation: Invocation | None  # None where no line of it was found, which proves nothing


@dataclass(frozen=True)
class Configuration:
    """What a version was configured with: what may make two runs differ, and no value of it."""

    version: str
    revision: str
    modified: float
    timeout_s: int
    memory_mb: int
    architecture: str
    environment: tuple[str, ...] = ()  # keys
    environment_hash: str = ""  # equal for equal values, which leave the edge to AWS as this only
    layers: tuple[str, ...] = ()
    role: str = ""
    vpc: tuple[str, ...] = ()  # subnets and security groups
