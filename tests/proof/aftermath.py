"""What one run left behind, as seen from outside: the lab's records, its state, and the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployguard.run import REPAIRS
from tests.proof.scenarios import Scenario
from tests.proof.stage import Log, State

LEASE, LIVE = "deployguard", "live"


@dataclass(frozen=True)
class Aftermath:
    """One run of the command line in a cell, and the world before and after it."""

    phase: str  # run, second, recover, again
    scenario: Scenario
    fault: str
    arguments: tuple[str, ...]
    key: str  # the access key that it signed with
    exit_code: int
    began: float
    ended: float
    struck: float | None  # when the fault did
    out: str
    err: str
    report: Mapping[str, Any] | None
    leftovers: tuple[str, ...]  # files of a report that was not finished
    log: Log  # every call since the lab was empty, whoever made it
    history: Log  # every write on the function so far, whoever did it
    start: int  # how many of them are older than this run
    guards: frozenset[str]  # the access keys that are no person's
    first: State  # before anything was run in this cell
    before: State
    after: State

    @property
    def command(self) -> str:
        """Return the command that was run."""
        return self.arguments[0]

    @property
    def is_locked(self) -> bool:
        """Say whether it was to hold the lease."""
        return "--no-lock" not in self.arguments

    @property
    def was_killed(self) -> bool:
        """Say whether it had no chance to end in its own way."""
        return self.exit_code < 0

    @property
    def has_judged(self) -> bool:
        """Say whether it said that the wanted build is live."""
        return self.exit_code == 0 and self.command not in REPAIRS

    @property
    def wanted(self) -> str | None:
        """Return the digest that the command was to bring, or to find."""
        return self.before.digests.get(self.scenario.target or "$LATEST")

    @property
    def function(self) -> Mapping[str, Any] | None:
        """Return the function of the report, if there is one."""
        functions = self.report["functions"] if self.report else []
        return functions[0] if functions else None

    @cached_property
    def calls(self) -> Log:
        """Return its own calls."""
        return [each for each in self.log if each["access_key"] == self.key]

    @cached_property
    def writes(self) -> Log:
        """Return its own writes."""
        return [each for each in self.history[self.start :] if each["access_key"] == self.key]

    @cached_property
    def moves(self) -> Log:
        """Return its own writes to the alias that callers use."""
        return [each for each in self.writes if is_of(each, LIVE)]

    @property
    def undoings(self) -> Log:
        """Return the moves that give the alias back what it served when the story began."""
        return [each for each in self.moves if self.is_undoing(each)]

    def is_undoing(self, move: Mapping[str, Any]) -> bool:
        """Say whether a move of the alias takes a deploy back."""
        return served(move["after"]) == self.scenario.before

    def sent(self, write: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the call that a write was made by; it may have been held before it was applied."""
        return next(call for call in self.log if call["request_id"] == write["request_id"])

    def earlier(self, write: Mapping[str, Any], subject: str) -> Log:
        """Return the writes on an alias before a write."""
        return [w for w in self.history if w["seq"] < write["seq"] and is_of(w, subject)]

    def lease_at(self, write: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the write that left the lease as it was when the call of a write was sent."""
        sent = self.sent(write)["seq"]
        before = [w for w in self.earlier(write, LEASE) if self.sent(w)["seq"] < sent]
        return before[-1] if before else {"access_key": "", "after": None}


def is_of(write: Mapping[str, Any], alias: str) -> bool:
    """Say whether a write was one to an alias."""
    return bool(write["resource"].endswith(f":{alias}"))


def served(alias: Mapping[str, Any] | None) -> str | None:
    """Return the version of an alias as the write log shows it."""
    return alias["FunctionVersion"] if alias else None
