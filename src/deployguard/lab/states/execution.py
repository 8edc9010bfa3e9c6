"""Executions and what they are of: state machines as they were when each started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployguard.lab.states.history import History, Trail
from deployguard.lab.states.values import MISSING

if TYPE_CHECKING:
    from deployguard.lab.states.map_run import MapRun

EXPRESS = "EXPRESS"
RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"
TIMED_OUT, ABORTED = "TIMED_OUT", "ABORTED"


@dataclass(frozen=True)
class Machine:
    """A state machine at one moment."""

    arn: str
    name: str
    region: str
    text: str  # the definition
    program: Mapping[str, Any]
    role: str
    kind: str  # STANDARD or EXPRESS
    updated: float
    revision: str
    logging: Mapping[str, Any] = field(default_factory=dict)
    encryption: Mapping[str, Any] = field(default_factory=dict)
    version_arn: str | None = None
    alias_arn: str | None = None
    label: str | None = None  # of the Map state whose items it processes


@dataclass(eq=False)
class Scope:
    """One sequence of states and where it is: what a redrive goes on from."""

    program: Mapping[str, Any]
    input: Any
    trail: Trail = field(default_factory=Trail)
    context: Mapping[str, Any] = field(default_factory=dict)  # beyond what all scopes see
    variables: dict[str, Any] = field(default_factory=dict)
    at: str = ""
    entered: int = 0  # the event with which the state at hand was entered
    started: bool = False  # as an iteration
    children: list[Scope] | None = None
    map_run: MapRun | None = None
    output: Any = MISSING

    def __post_init__(self) -> None:
        """Begin where the program does."""
        self.at = self.at or str(self.program["StartAt"])

    @property
    def done(self) -> bool:
        """Tell whether it has come to its end."""
        return self.output is not MISSING

    def move(self, name: str, value: Any) -> None:
        """Go to another state."""
        self.at, self.input, self.entered = name, value, 0
        self.children = self.map_run = None


@dataclass(eq=False)
class Execution:
    """One execution, running or over."""

    arn: str
    name: str
    machine: Machine
    text: str  # the input as it was given
    root: Scope
    history: History
    started: float
    status: str = RUNNING
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    redrives: int = 0
    redriven: float | None = None
    trace_header: str | None = None
    map_run: MapRun | None = None  # whose child it is
    map_runs: list[MapRun] = field(default_factory=list)
    items: int = 1  # of its map run
    task: asyncio.Task[None] | None = None
    walking: asyncio.Task[Any] | None = None
    quiet: bool = False  # it was stopped from outside, so its states are not said to be aborted
    over: asyncio.Event = field(default_factory=asyncio.Event)

    def end(
        self, status: str, at: float, error: str | None = None, cause: str | None = None
    ) -> None:
        """Say how it ended."""
        self.status, self.stopped, self.error, self.cause = status, at, error, cause
        self.over.set()
