"""Fault rules: which calls they spoil, and the refusal of one that could never strike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from deployguard.lab import checks
from deployguard.lab.checks import BadKnobError
from deployguard.lab.control.past import READS

if TYPE_CHECKING:
    from deployguard.lab.calls import Call

PHASES = ("before", "after", "reply")
ERRORS = ("throttle", "error", "deny", "conflict", "refuse", "expire", "gone")
ANSWERS = ("garble", "stale")  # what changes the true answer, so that no phase matters
ACTS = ("lose", "delay", "hold", "hang", "kill")
KINDS = (*ERRORS, *ANSWERS, *ACTS)
AFTER_THE_REPLY = ("lose", "delay", "kill")  # nothing else can still happen to a sent answer
COUNTERS = ("calls", "hits")


@dataclass
class Fault:
    """A rule that spoils the nth to (nth + times - 1)th matching call after it was added."""

    operation: str
    kind: str
    phase: str = "before"
    nth: int | None = 1  # None: from the first
    times: int | None = 1  # None: for ever
    service: str | None = None
    function: str | None = None
    alias: str | None = None
    qualifier: str | None = None
    access_key: str | None = None
    status: int | None = None
    code: str | None = None
    message: str | None = None
    seconds: float = 0.0
    pid: int | None = None
    signal: int = int(SIGKILL)
    calls: int = 0
    hits: int = 0  # how often it has struck, not only been due: a test may wait for it

    def matches(self, call: Call) -> bool:
        """Tell whether a call is one that this rule counts."""
        return (
            self.operation in ("*", call.operation)
            and self.service in (None, call.service)
            and self.function in (None, call.resource)
            and self.alias in (None, call.alias)
            and self.qualifier in (None, call.qualifier)
            and self.access_key in (None, call.access_key)
        )

    def due(self) -> bool:
        """Count one matching call and tell whether this is one to spoil."""
        self.calls += 1
        first = self.nth or 1
        return self.calls >= first and (self.times is None or self.calls < first + self.times)


def parse(rule: Mapping[str, Any]) -> Fault:
    """Turn a rule as it was sent into a fault, refusing what could never strike."""
    known = {
        member.name: str(member.type) for member in fields(Fault) if member.name not in COUNTERS
    }
    for name, value in rule.items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise BadKnobError(f"unknown member {name!r} of a fault; known: {names}")
        checks.of_kind(name, value, kind=known[name])
    for name in ("operation", "kind"):
        if name not in rule:
            raise BadKnobError(f"a fault needs {name!r}, got {dict(rule)!r}")
    every = {"times": None} if rule.get("nth", 1) is None and "times" not in rule else {}
    fault = Fault(**(every | dict(rule)))
    checks.one_of("kind", fault.kind, choices=KINDS)
    checks.one_of("phase", fault.phase, choices=PHASES)
    if fault.phase == "reply" and fault.kind not in AFTER_THE_REPLY:
        raise BadKnobError(f"after the reply only {AFTER_THE_REPLY} can happen, got {fault.kind!r}")
    if fault.kind == "stale":
        checks.one_of("operation of a stale read", fault.operation, choices=READS)
    if fault.kind == "kill" and fault.pid is None:
        raise BadKnobError("a fault of kind 'kill' needs the 'pid' of the process to kill")
    return fault
