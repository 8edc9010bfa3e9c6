"""The ARNs of executions and state machines, and the ways in which tasks name a function."""

from __future__ import annotations

import re
from typing import NamedTuple

from deployguard.errors import ConfigurationError

NAME = r"[^\s:/\x00-\x1f]{1,80}"
PLACE = (
    r"arn:(?P<partition>aws[a-z-]*):states"
    r":(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):(?P<account>\d{12})"
)
EXECUTION = re.compile(
    rf"{PLACE}:(?P<kind>execution|express):(?P<machine>{NAME})(?:/(?P<label>{NAME}))?:{NAME}"
    rf"(?P<run>:{NAME})?"
)
MACHINE = re.compile(rf"{PLACE}:stateMachine:(?P<machine>{NAME})(?::{NAME})?")
QUALIFIED = re.compile(
    r"(?:arn:(?P<partition>aws[a-z-]*):lambda:(?P<region>[a-z0-9-]+):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[A-Za-z0-9_-]{1,140})(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[A-Za-z0-9_-]{1,128}))?"
)


class Place(NamedTuple):
    """Where an execution or a state machine lives."""

    partition: str
    region: str
    account: str
    machine: str  # its ARN, without a version, an alias or the label of a Map
    is_express: bool = False


class Callee(NamedTuple):
    """A function as a task names it."""

    function: str  # ARN without the qualifier; empty where it cannot be told
    qualifier: str | None


UNKNOWN = Callee("", None)


def execution(arn: str) -> Place:
    """Take the ARN of an execution apart; refuse what is none."""
    match = EXECUTION.fullmatch(arn)
    if match is None or (match["kind"] == "express") is not bool(match["run"]):
        raise ConfigurationError(
            f"not the ARN of an execution: got {arn!r}",
            fix="expected arn:aws:states:REGION:ACCOUNT:execution:STATE_MACHINE:NAME, or for an "
            "express workflow arn:aws:states:REGION:ACCOUNT:express:STATE_MACHINE:NAME:ID",
        )
    return _place(match, is_express=match["kind"] == "express")


def machine(arn: str) -> Place:
    """Take the ARN of a state machine, its version or alias apart; refuse what is none."""
    match = MACHINE.fullmatch(arn)
    if match is None:
        raise ConfigurationError(
            f"not the ARN of a state machine: got {arn!r}",
            fix="expected arn:aws:states:REGION:ACCOUNT:stateMachine:NAME, alone or with :VERSION "
            "or :ALIAS",
        )
    return _place(match)


def callee(name: object, qualifier: object, *, at: Place) -> Callee:
    """Return the function that a task names, whole or in parts, with the qualifier as written."""
    match = QUALIFIED.fullmatch(name) if isinstance(name, str) else None
    if match is None:
        return UNKNOWN
    partition, region = match["partition"] or at.partition, match["region"] or at.region
    account = match["account"] or at.account
    arn = f"arn:{partition}:lambda:{region}:{account}:function:{match['name']}"
    beside = qualifier if isinstance(qualifier, str) and qualifier else None
    return Callee(arn, match["qualifier"] or beside)


def short(arn: str) -> str:
    """Return the last part of an ARN: what people call it."""
    return arn.rpartition(":")[2] or arn


def _place(match: re.Match[str], *, is_express: bool = False) -> Place:
    partition, region, account = match["partition"], match["region"], match["account"]
    arn = f"arn:{partition}:states:{region}:{account}:stateMachine:{match['machine']}"
    return Place(partition, region, account, arn, is_express)
