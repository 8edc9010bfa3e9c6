"""The tasks of a state machine that checks many functions, as their events say them; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from deployguard.errors import ConfigurationError

MOST = 10_000  # functions of one plan; more do not fit into what a state hands on


class Event(BaseModel):
    """What holds for every part of an event: it is complete, and holds nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Planned(Event):
    """Which functions belong together, so that none is missed: a shard of the plan for each."""

    id: str = Field(min_length=1)
    command: Literal["check", "verify"]
    shards: int = Field(ge=1, le=MOST)
    at_once: int = Field(ge=1)
    reports: str  # the folder in S3 of this one plan

    def report_of(self, shard: int) -> str:
        """Return where the report of a shard lies."""
        return f"{self.reports}/{shard}.json"

    @property
    def report(self) -> str:
        """Return where the report of all lies."""
        return f"{self.reports}/report.json"


class Plan(Event):
    """Find out which functions are meant."""

    task: Literal["plan"]
    command: Literal["check", "verify"]
    reports: str  # a folder in S3, for those of all plans
    settings: dict[str, Any]  # what deployguard.toml would say


class Judge(Event):
    """Check or verify one function, and leave its report."""

    task: Literal["judge"]
    plan: Planned
    shard: int = Field(ge=1)
    function: dict[str, Any]  # as an entry of `[[functions]]`

    @model_validator(mode="after")
    def _is_in_plan(self) -> Judge:
        if self.shard > self.plan.shards:
            raise ValueError(f"shard {self.shard} of {self.plan.shards}")
        return self

    @property
    def name(self) -> str:
        """Return what the function is called, as far as it is."""
        return str(self.function.get("name", ""))


class Merge(Event):
    """Make one report and one verdict of those of all functions."""

    task: Literal["merge"]
    plan: Planned


Task = Plan | Judge | Merge
TASKS: TypeAdapter[Task] = TypeAdapter(Annotated[Task, Field(discriminator="task")])


def parse(event: Mapping[str, Any]) -> Task:
    """Read an event; raise ConfigurationError where it is of no task."""
    try:
        return TASKS.validate_python(event)
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, wrong["loc"])) or "the event"
        raise ConfigurationError(
            f"this is no event of a state machine that checks functions: {where}: {wrong['msg']}",
            cause="the definition of the state machine is not that of this deployguard",
            fix="take the definition from the examples of the version that is installed here",
        ) from error
