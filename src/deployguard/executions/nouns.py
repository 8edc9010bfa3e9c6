"""The nouns of an execution: attempts by the history, invocations by the logs, and both joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    function: str  # ARN without the qualifier; empty where the history hides it
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
    machine: str = ""  # ARN of the state machine that defines the state


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
    input_size: int | None = None  # characters; None where it is hidden
    input_hash: str = ""
    children_read: int = 0  # of the children of Maps
    children: int = 0
    is_partial: bool = False  # a history could not be read whole, so attempts may be missing
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
    init_status: str = ""  # timeout or error, where a report of a failed initialization says so
    init_error: str = ""
    ordinal: int | None = None  # of its process's invocations, from 1: a crash begins a new process
    container_age_s: float | None = None  # of that process at the start; at least, where not `born`
    born: float | None = None  # where a breadcrumb line says so
    build_id: str | None = None  # where a breadcrumb line says so

    @property
    def is_cold(self) -> bool | None:
        """Say whether it was the first of its container; None where nothing tells."""
        if self.init_ms is not None or self.ordinal == 1:
            return True
        return False if self.has_report or self.ordinal is not None else None


class Moment(StrEnum):
    """When a container wrote a breadcrumb line: before its first invocation, or a later one."""

    BIRTH = "birth"
    INVOCATION = "invocation"


@dataclass(frozen=True)
class Crumb:
    """A breadcrumb line: what a container said of itself when an invocation began."""

    event: Moment
    at: float
    container: str
    born: float
    uptime_s: float  # monotonic, since import
    invocation: int  # of this process, from 1
    version: str
    build_id: str | None  # None where it has no stamp
    invoked_arn: str  # with the qualifier as its caller named it
    request_id: str
    stream: str
    is_canary: bool
    tells_each: bool = False  # whether its container writes a line for each invocation

    @property
    def qualifier(self) -> str | None:
        """Return what was called: None for the function itself."""
        return self.invoked_arn.split(":")[7] if self.invoked_arn.count(":") == 7 else None


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
    is_by_time: bool = False  # found by when it ran, for want of a request id


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
    environment_hash: str = ""  # equal for equal values; empty where they cannot be read
    layers: tuple[str, ...] = ()
    role: str = ""
    vpc: tuple[str, ...] = ()  # subnets and security groups


@dataclass(frozen=True)
class State:
    """What a definition says of a state: only what may explain how its attempts ended."""

    kind: str  # Task, Map, Parallel
    timeout_s: float | None = None  # None where it has none, or it is known only at run time
    heartbeat_s: float | None = None
    retried: tuple[str, ...] = ()  # error names, each once
    most_tries: int = 1  # of one visit, by the most generous retrier
    max_concurrency: int | None = None  # of a Map; 0 for no limit
    tolerated: int | None = None  # failed items that a Map bears
    tolerated_percentage: float | None = None
    is_distributed: bool = False


@dataclass(frozen=True)
class Minute:
    """One minute of a function's metrics; None where CloudWatch shows no number."""

    at: float
    invocations: float | None = None
    errors: float | None = None
    throttles: float | None = None
    duration_ms: float | None = None  # the longest
    concurrency: float | None = None  # the most


@dataclass(frozen=True)
class Move:
    """A change of what a function or an alias serves, as CloudTrail recorded it."""

    at: float
    function: str  # ARN without the qualifier
    qualifier: str  # an alias, or $LATEST
    version: str = ""  # that an alias was pointed at
    weights: Mapping[str, float] = field(default_factory=dict)
    digest: str = ""  # that $LATEST was given
    is_configuration: bool = False  # $LATEST kept its code


@dataclass(frozen=True)
class Case:
    """An execution with everything that was found out about it: what verdicts rest on."""

    execution: Execution
    steps: tuple[Step, ...]  # in the order of the execution's attempts
    configurations: Mapping[tuple[str, str], Configuration]  # by function and version
    metrics: Mapping[str, tuple[Minute, ...]]  # by function, around the execution
    states: Mapping[tuple[str, str], State]  # by state machine and name
    moves: tuple[Move, ...] = ()  # oldest first
    serves: Mapping[tuple[str, str], Mapping[str, float]] = field(default_factory=dict)
    """What function and alias serve now, by version."""
    others: Mapping[str, tuple[Invocation, ...]] = field(default_factory=dict)
    """Invocations of a function that no attempt is known to have made, in the logs around it."""
    calls: int = 0  # that were made to AWS
    unread: tuple[Unread, ...] = ()
