"""The story of a fleet: each function has a run and a record of its own, and all have one end.

Runs work in threads. A signal reaches the main thread only, which passes it on: what a run does
next raises then, and it puts back what it changed.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from deployguard import live, pins
from deployguard.config import Settings
from deployguard.errors import DeployguardError, Interrupted
from deployguard.fleet.file import Place
from deployguard.fleet.gates import Gates
from deployguard.fleet.places import Places
from deployguard.fleet.plan import Member, Plan
from deployguard.progress import Event, Said, Tell
from deployguard.report import document
from deployguard.report.history import moves_of
from deployguard.run import OVERTIME_S, SIGNALLED_S, Record, Run
from deployguard.target import Target, target_of

LOOK_S = 0.2
Story = Callable[[Run, Settings, Target], tuple[str, ...] | None]


@dataclass
class Part:
    """One function's place in the fleet: its settings, and what has become of it."""

    member: Member
    settings: Settings
    record: Record
    run: Run | None = None
    steps: tuple[str, ...] | None = None
    seconds: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)


class Fleet:
    """The runs of many functions: one deadline, one budget for each account, one signal."""

    def __init__(
        self,
        plan: Plan,
        places: Places,
        settings: Settings,
        *,
        command: str,
        own: Sequence[Settings],
    ) -> None:
        """Begin nothing yet; `own` are the settings of each entry of the file. Nobody listens."""
        self._places = places
        self._settings = settings
        self.tell: Tell = lambda _: None
        self.parts = [
            Part(member, own[member.entry], Record(command, member.function))
            for member in plan.mine
        ]
        self._crowd = Counter(part.member.place for part in self.parts)
        is_check = command == "check"
        self._gates = Gates(
            len(self.parts),
            together=settings.together and is_check,
            fail_fast=settings.fail_fast and is_check,
            jobs=settings.jobs,
        )
        self.command = command
        self.started = datetime.now(UTC)
        self._began = time.monotonic()
        self._deadline = self._began + settings.timeout
        self._signal: int | None = None

    @property
    def now(self) -> float:
        """Return the seconds since the fleet began."""
        return time.monotonic() - self._began

    @property
    def left(self) -> float:
        """Return the seconds that are left before the deadline."""
        return self._deadline - time.monotonic()

    @property
    def is_stuck(self) -> bool:
        """Say whether a run has not ended, because AWS does not answer it."""
        return not all(part.over.is_set() for part in self.parts)

    @property
    def is_interrupted(self) -> bool:
        """Say whether a signal came already."""
        return self._signal is not None

    def interrupt(self, number: int) -> None:
        """Pass the first signal on to every run, and raise it here as well."""
        self._signal = number
        self._places.hurry()
        for part in self.parts:
            if part.run is not None:
                part.run.signal(number)
        raise Interrupted(number)

    def run(self, story: Story) -> Interrupted | None:
        """Run the story of every function, so many at once; return what interrupted that."""
        begun: list[Part] = []
        try:
            for part in self.parts:
                self._begin(part, story, begun)
            # NOTE: no Thread.join: an exception that a signal handler raises there makes Python
            # 3.11 take a thread that runs for one that has ended.
            for part in begun:
                part.over.wait()
        except Interrupted as end:
            until = time.monotonic() + SIGNALLED_S
            for part in begun:
                part.over.wait(max(0.0, until - time.monotonic()))
            for part in self.parts:
                self._end(part, end)
            return end
        return None

    def documents(self, *, tool: str) -> Iterator[dict[str, Any]]:
        """Yield the report of each function."""
        for part in self.parts:
            moves = moves_of(part.record) if part.record.function else ()
            yield document.build(part.record, seconds=part.seconds, tool=tool, history=moves)

    def images(self) -> dict[Place, set[str]]:
        """Return the images that run in each place, as far as they were read."""
        found: dict[Place, set[str]] = {}
        for part in self.parts:
            if part.record.function is not None and part.record.function.image_uri:
                found.setdefault(part.member.place, set()).add(part.record.function.image_uri)
        return found

    def _begin(self, part: Part, story: Story, begun: list[Part]) -> None:
        """Begin the run of a function once another one may work."""
        while not self._gates.slots.acquire(timeout=LOOK_S):
            continue
        if part.member.error is None and not self._gates.are_closed:
            name = f"deployguard {part.member.function}"
            thread = threading.Thread(target=self._one, args=(part, story), name=name, daemon=True)
            begun.append(part)
            thread.start()
            return
        part.record.error = part.member.error or self._gates.withheld()
        self._over(part)

    def _one(self, part: Part, story: Story) -> None:
        record = part.record
        try:
            run = part.run = self._run(part)
            if self._signal is not None:
                run.signal(self._signal)
            with run.resources:
                run.heed()
                target = target_of(part.member.function)
                pins.refuse_elsewhere(run.session, part.settings, target)
                part.steps = story(run, part.settings, target)
        except (DeployguardError, Interrupted) as error:
            record.error = error
        except Exception as bug:
            record.error = DeployguardError(f"a bug in deployguard: {type(bug).__name__}: {bug}")
            self.tell(Said(traceback.format_exc()))
        self._over(part)

    def _run(self, part: Part) -> Run:
        """Make a run that has what is left of the fleet's time, and its own at most."""
        member = part.member
        part.record.started = datetime.now(UTC)
        left = max(0.1, min(self.left, part.settings.timeout))
        session = self._places.session(member.place, until=self._deadline + OVERTIME_S)
        session.is_one_of_many = True
        run = Run(session, part.record, timeout_s=left)
        run.common = self._places.common(member.place)
        name = member.function.rpartition(":function:")[2]
        if len(self._crowd) > 1:
            name = "/".join(filter(None, (member.place.account, member.place.region, name)))
        run.tell = lambda event: self._tell_of(name, event)
        session.before_attempt = run.heed
        run.meet = lambda moment: self._gates.meet(run, moment)
        run.neighbours = min(self._settings.jobs, self._crowd[member.place])
        return run

    def _tell_of(self, name: str, event: Event) -> None:
        for each in live.told_of(name, event):
            self.tell(each)

    def _over(self, part: Part) -> None:
        """Note that a run has ended, for its report and for the others."""
        part.seconds = part.run.now if part.run is not None else 0.0
        exit_code = part.record.exit_code if part.steps is None else 0
        if exit_code:
            ended = f"{part.member.function}: {part.record.verdict} (exit code {exit_code})"
            self.tell(Said(ended))
        self._gates.ended(part.member.function, exit_code)
        self._gates.slots.release()
        part.over.set()

    def _end(self, part: Part, end: Interrupted) -> None:
        """Say of a run that has not ended that it was interrupted, and how to go on."""
        if part.over.is_set():
            return
        number = end.exit_code - 128
        if part.run is not None:
            left = DeployguardError(
                "AWS has not answered yet",
                fix="what is left to put back, if anything, is written down on the function",
                command="deployguard recover FUNCTION",
            )
            part.seconds = part.run.now
            part.record.error = Interrupted(number, left=left)
        else:
            part.record.error = Interrupted(number)
