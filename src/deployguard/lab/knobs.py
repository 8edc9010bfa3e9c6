"""The lab's settings, fault rules and records of what was asked: state that all else reads."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from deployguard.lab import checks, faults, policy
from deployguard.lab.checks import BadKnobError
from deployguard.lab.faults import Fault
from deployguard.lab.nouns import Clock

if TYPE_CHECKING:
    from deployguard.lab.calls import Call

CHOICES: Mapping[str, tuple[str, ...]] = {
    "routing": ("mru", "lru", "random", "partitioned"),
    "propagation_mode": ("step", "ramp"),
    "report_style": ("new", "old"),
}
LINGER = {"count": "int | None", "seconds": "float | None", "updates": "int | None"}
REMEMBERED = 100_000  # calls: a lab may be up for days


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
    trail_delay_s: float = 0.0
    metric_delay_s: float = 0.0
    async_retry_s: float = 1.0
    states_pace: float = 1.0
    zero_destroys: bool = False
    signatures: bool = True
    account_concurrency: int = 1000
    policy: dict[str, Any] | None = None
    clock_step_s: float = 0.0
    seed: int | None = None


class Knobs(Settings):
    """The settings, and what was asked of the lab so far."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Start with neutral settings, no fault and empty records."""
        super().__init__()
        self.clock = clock or Clock()
        self.faults: list[Fault] = []
        self.writes: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.log: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)

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
        fault = faults.parse(rule)
        self.faults.append(fault)
        return fault

    def received(self, call: Call) -> dict[str, Any]:
        """Log a call that has arrived; whoever answers it fills in the status."""
        self.calls[f"{call.service}.{call.operation}"] += 1
        entry = {
            "seq": self.calls.total(),
            "at": self.clock.now(),
            "service": call.service,
            "operation": call.operation,
            "resource": call.resource,
            "alias": call.alias,
            "qualifier": call.qualifier,
            "access_key": call.access_key,
            "request_id": call.request_id,
            "status": None,
        }
        self.log.append(entry)
        return entry

    def due(self, call: Call) -> list[Fault]:
        """Return the fault rules that spoil a call."""
        matching = [fault for fault in self.faults if fault.matches(call)]
        return [fault for fault in matching if fault.due()]

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
        self.log.clear()


def _check(name: str, value: Any, *, kind: str) -> None:
    checks.of_kind(name, value, kind=kind)
    if name in CHOICES:
        checks.one_of(name, str(value), choices=CHOICES[name])
    if name == "policy":
        policy.check(value)
    if isinstance(value, list):
        for rule in value:
            _check_linger(rule)


def _check_linger(rule: Any) -> None:
    if not isinstance(rule, dict) or not isinstance(rule.get("function"), str):
        raise BadKnobError(f"a linger rule needs the name of a 'function', got {rule!r}")
    strange = rule.keys() - {"function", *LINGER}
    if strange:
        raise BadKnobError(f"unknown member {min(strange)!r} of a linger rule {rule!r}")
    for member, kind in LINGER.items():
        checks.of_kind(member, rule.get(member), kind=kind)
