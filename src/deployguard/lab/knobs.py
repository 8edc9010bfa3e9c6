"""The lab's settings, fault rules, call counts and write log: plain state that all else reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from deployguard.lab.nouns import Clock

CHOICES: Mapping[str, tuple[str, ...]] = {
    "routing": ("mru", "lru", "random", "partitioned"),
    "propagation_mode": ("step", "ramp"),
    "report_style": ("new", "old"),
}
PHASES = ("before", "after", "reply")
KINDS = ("throttle", "error", "deny", "lose", "delay", "kill", "conflict", "refuse")
TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "list[dict[str, Any]]": (list,),
}
AFTER_THE_REPLY = ("lose", "delay", "kill")  # nothing else can still happen to a sent answer


class BadKnobError(ValueError):
    """A setting or fault rule that the lab does not understand."""


@dataclass(frozen=True)
class Caller:
    """Who made the call that is being served, for the write log."""

    service: str = ""
    access_key: str = ""
    request_id: str = ""


NOBODY = Caller()
caller: ContextVar[Caller] = ContextVar("caller", default=NOBODY)


@dataclass
class Settings:
    """Every knob with its neutral value."""

    routing: str = "mru"
    partitions: int = 1
    propagation_s: float = 0.0
    propagation_mode: str = "step"
    update_s: float = 0.0
    update_fails: str | None = None
    publish_s: float = 0.0
    linger: list[dict[str, Any]] = field(default_factory=list)
    provisioning_s: float = 0.0
    virtual: bool = False
    zygote: bool = False
    cold_start_s: float = 0.0
    idle_s: float | None = None
    report_style: str = "new"
    log_delay_s: float = 0.0
    async_retry_s: float = 1.0
    signatures: bool = True
    account_concurrency: int = 1000
    clock_step_s: float = 0.0
    seed: int | None = None


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
    status: int | None = None
    code: str | None = None
    message: str | None = None
    seconds: float = 0.0
    pid: int | None = None
    calls: int = 0
    hits: int = 0

    def matches(self, service: str, operation: str, resource: str) -> bool:
        """Tell whether a call is one that this rule counts."""
        return (
            self.operation in ("*", operation)
            and self.service in (None, service)
            and self.function in (None, resource)
        )

    def strikes(self) -> bool:
        """Count one matching call and tell whether this is one to spoil."""
        self.calls += 1
        first = self.nth or 1
        due = self.calls >= first and (self.times is None or self.calls < first + self.times)
        self.hits += due
        return due


class Knobs(Settings):
    """The settings, and what was asked of the lab so far."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Start with neutral settings, no fault and empty records."""
        super().__init__()
        self.clock = clock or Clock()
        self.faults: list[Fault] = []
        self.writes: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()

    def settings(self) -> dict[str, Any]:
        """Return every setting with its value."""
        return asdict(self)

    def set(self, **changes: Any) -> None:
        """Change settings, all of them or, where one is refused, none."""
        known = {knob.name: knob.type for knob in fields(Settings)}
        for name, value in changes.items():
            if name not in known:
                raise BadKnobError(f"unknown knob {name!r}; known: {', '.join(sorted(known))}")
            _check(name, value, kind=str(known[name]))
        for name, value in changes.items():
            setattr(self, name, value)
        if "clock_step_s" in changes:
            self.clock.step_s = self.clock_step_s

    def add_fault(self, rule: Mapping[str, Any]) -> Fault:
        """Add a fault rule."""
        fault = parse_fault(rule)
        self.faults.append(fault)
        return fault

    def struck(self, service: str, operation: str, resource: str = "") -> list[Fault]:
        """Count the call and return the rules that spoil it."""
        self.calls[f"{service}.{operation}"] += 1
        matching = [fault for fault in self.faults if fault.matches(service, operation, resource)]
        return [fault for fault in matching if fault.strikes()]

    def record(self, operation: str, resource: str, before: Any, after: Any) -> None:
        """Append one applied change to the write log."""
        who = caller.get()
        self.writes.append(
            {
                "seq": len(self.writes) + 1,
                "at": self.clock.now(),
                "service": who.service,
                "operation": operation,
                "resource": resource,
                "before": before,
                "after": after,
                "access_key": who.access_key,
                "request_id": who.request_id,
            }
        )

    def reset(self) -> None:
        """Go back to neutral settings, no fault and empty records."""
        self.set(**asdict(Settings()))
        self.faults.clear()
        self.writes.clear()
        self.calls.clear()


def parse_fault(rule: Mapping[str, Any]) -> Fault:
    """Turn a rule as it was sent into a fault, refusing what could never strike."""
    counters = {"calls", "hits"}
    known = {member.name: str(member.type) for member in fields(Fault)}
    for name, value in rule.items():
        if name not in known or name in counters:
            names = sorted(known.keys() - counters)
            raise BadKnobError(f"unknown member {name!r} of a fault; known: {', '.join(names)}")
        _check(name, value, kind=known[name])
    for name in ("operation", "kind"):
        if name not in rule:
            raise BadKnobError(f"a fault needs {name!r}, got {dict(rule)!r}")
    every = {"times": None} if rule.get("nth", 1) is None and "times" not in rule else {}
    fault = Fault(**(every | dict(rule)))
    _one_of("kind", fault.kind, KINDS)
    _one_of("phase", fault.phase, PHASES)
    if fault.phase == "reply" and fault.kind not in AFTER_THE_REPLY:
        raise BadKnobError(f"after the reply only {AFTER_THE_REPLY} can happen, got {fault.kind!r}")
    if fault.kind == "kill" and fault.pid is None:
        raise BadKnobError("a fault of kind 'kill' needs the 'pid' of the process to kill")
    return fault


def _check(name: str, value: Any, *, kind: str) -> None:
    if value is None and kind.endswith("| None"):
        return
    types = TYPES[kind.removesuffix(" | None")]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise BadKnobError(f"{name!r} takes {kind}, got {value!r}")
    if name in CHOICES:
        _one_of(name, str(value), CHOICES[name])
    if isinstance(value, list):
        for rule in value:
            _check_linger(rule)


def _check_linger(rule: Any) -> None:
    if not isinstance(rule, dict) or not isinstance(rule.get("function"), str):
        raise BadKnobError(f"a linger rule needs the name of a 'function', got {rule!r}")
    strange = rule.keys() - {"function", "count", "seconds"}
    if strange:
        raise BadKnobError(f"unknown member {min(strange)!r} of a linger rule {rule!r}")
    _check("count", rule.get("count"), kind="int | None")
    _check("seconds", rule.get("seconds"), kind="float | None")


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadKnobError(f"{name!r} takes one of {', '.join(choices)}, got {value!r}")
