"""The faults, by the numbers of the matrix: what befalls a run at one of its calls."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployguard import lease
from deployguard.lab.control.past import READS
from tests.proof.aftermath import LEASE, LIVE
from tests.proof.steps import KEY, Step

if TYPE_CHECKING:
    from tests.proof.play import Play

Rule = dict[str, Any]
HOLD: Rule = {"kind": "hold"}
FOR_EVER: Rule = {"times": None}
EVERY_ATTEMPT: Rule = {"times": 4}  # of one call of the SDK
HOUR_S = 3600.0
UNCONDITIONAL = ("PutFunctionConcurrency", "DeleteFunctionConcurrency")  # who comes last, wins
CONFLICTS = ("PublishVersion", "UpdateAlias", "UpdateFunctionConfiguration", *UNCONDITIONAL)
LONG_AGO = (  # what was set before all began is not stale
    "drain-S03-GetFunctionConcurrency",
    "drain-S11-GetFunctionConcurrency.2",
)
FULL_AT = 4096  # bytes: enough for what is printed, and too little for a report


def anywhere(_: Step) -> bool:
    """Say that a fault befalls every call."""
    return True


def at_writes(step: Step) -> bool:
    """Say whether a call changes something."""
    return step.is_write


def at_the_start(step: Step) -> bool:
    """Say whether a call is the first one: for what befalls a run as a whole."""
    return step.step == "S01"


@dataclass(frozen=True)
class Fault:
    """What befalls a call: rules of the lab, and what happens `meanwhile` a rule holds the call."""

    name: str
    title: str
    rules: tuple[Rule, ...] = ()
    meanwhile: Callable[[Play], None] | None = None
    applies: Callable[[Step], bool] = anywhere
    options: tuple[str, ...] = ()  # of the command line
    world: Mapping[str, Any] = field(default_factory=dict)  # of the process: see Order


def interfere(play: Play) -> None:
    """Let a person change what the held call is about to change."""
    step, team = play.cell.step, play.stage.team
    if step.alias == LEASE:
        named = {"FunctionName": team.name, "Name": LEASE}
        theirs = str(lease.Lease("feedbeef", "somebody", play.stage.now() + lease.LIFE_S))
        found = team.lease()
        if found is None:
            team.functions.create_alias(**named, FunctionVersion="$LATEST", Description=theirs)
        else:
            intents = "".join(f" {word}" for word in found.split() if word.startswith("alias="))
            team.functions.update_alias(**named, Description=theirs + intents)
    elif step.alias == LIVE:
        ours = (play.cell.scenario.before, play.cell.scenario.moved)
        others = [each for each in play.stage.state().digests if each not in ours]
        team.point(max(others))
    else:
        team.ship("b3")


def delete(play: Play) -> None:
    """Delete the function, its versions and its aliases."""
    play.stage.team.functions.delete_function(FunctionName=play.stage.team.name)


def expire(play: Play) -> None:
    """Let the credentials be refused from now on."""
    play.stage.lab.fault(operation="*", kind="expire", access_key=KEY, **FOR_EVER)


def step_clock(seconds: float) -> Callable[[Play], None]:
    """Return what sets AWS's clock forward or back."""
    return lambda play: play.stage.step_clock(seconds)


def second_guard(play: Play) -> None:
    """Run another pipeline's guard from its beginning to its end."""
    play.run("second", play.cell.scenario.arguments(play.stage.team), key="SECOND")


def lose_the_folder(play: Play) -> None:
    """Put a file where the folder for the report was."""
    folder = play.stage.team.folder / KEY / "deployguard-report"
    folder.rmdir()
    folder.write_text("in the way")


def _rules(kind: str, **members: Any) -> tuple[Rule, ...]:
    return ({"kind": kind, **members},)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("F01", "SIGINT", _rules("kill", signal=int(signal.SIGINT))),
        Fault("F02", "SIGTERM", _rules("kill", signal=int(signal.SIGTERM)), applies=at_writes),
        Fault("F03", "KILL before the call is sent", _rules("kill"), applies=at_writes),
        Fault("F04", "KILL once it is applied", _rules("kill", phase="after"), applies=at_writes),
        Fault("F05", "KILL after the answer", _rules("kill", phase="reply"), applies=at_writes),
        Fault("F06", "answer lost", _rules("lose", phase="after"), applies=at_writes),
        Fault("F07", "request lost", _rules("lose")),
        Fault("F08", "throttled", _rules("throttle", **EVERY_ATTEMPT), applies=at_writes),
        Fault("F09", "5xx", _rules("error", **EVERY_ATTEMPT), applies=at_writes),
        Fault("F10", "AccessDenied", _rules("deny", **FOR_EVER)),
        Fault(
            "F11",
            "changed by a person",
            (HOLD,),
            interfere,
            lambda step: step.is_write and step.operation not in UNCONDITIONAL,
        ),
        Fault(
            "F12",
            "409 update in progress",
            _rules("conflict"),
            applies=lambda step: step.operation in CONFLICTS,
        ),
        Fault("F13", "function deleted", (HOLD,), delete),
        Fault("F14", "credentials expire", (HOLD, {"kind": "expire", **FOR_EVER}), expire),
        Fault("F15", "body garbled", _rules("garble"), applies=lambda step: not step.is_write),
        Fault("F16", "no answer ever", _rules("hang"), options=("--timeout", "6")),
        Fault(
            "F17",
            "reads are stale",
            _rules("stale", times=2),
            applies=lambda step: step.operation in READS and step.name not in LONG_AGO,
        ),
        Fault("F18", "a second guard", (HOLD,), second_guard, at_writes),
        Fault("F19+", "AWS's clock 1 h ahead", (HOLD,), step_clock(HOUR_S), at_writes),
        Fault("F19-", "AWS's clock 1 h back", (HOLD,), step_clock(-HOUR_S), at_writes),
        Fault("F19m+", "machine 1 h ahead", applies=at_the_start, world={"clock_step_s": HOUR_S}),
        Fault("F19m-", "machine 1 h back", applies=at_the_start, world={"clock_step_s": -HOUR_S}),
        Fault("F20", "disk full", applies=at_the_start, world={"largest_file": FULL_AT}),
        Fault(
            "F20r", "no folder", applies=at_the_start, options=("--report-dir", "/dev/null/report")
        ),
        Fault(
            "F20g",
            "folder lost",
            (HOLD,),
            lose_the_folder,
            lambda step: step.alias == LEASE and step.operation == "DeleteAlias",
        ),
    )
}
