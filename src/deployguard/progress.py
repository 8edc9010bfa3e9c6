"""What a run tells while it works, as values: whoever listens chooses what to show of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployguard.model import Evidence, Round, Ruling


@dataclass(frozen=True)
class Step:
    """The run begins a step of its story; the step before it is over."""

    title: str


@dataclass(frozen=True)
class Said:
    """Something that everybody may want to know."""

    text: str


@dataclass(frozen=True)
class Detail:
    """Something that only matters to who asks why."""

    text: str


@dataclass(frozen=True)
class Saw:
    """A round of probes came back; what all evidence so far says."""

    last: Round
    evidence: Evidence
    ruling: Ruling


Event = Step | Said | Detail | Saw
Tell = Callable[[Event], None]
