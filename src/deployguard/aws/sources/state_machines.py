"""Step Functions: the tasks of all definitions, and of those versions that callers may start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployguard.aws.sources.asked import Asked, Found, or_unread
from deployguard.routes import definitions
from deployguard.traffic import Caller, Use

NEWEST = 10  # versions that no alias names, which callers may start all the same


def callers(asked: Asked) -> Found:
    """Yield each task that calls the function, or may."""
    states = asked.session.client("stepfunctions")
    for machine in asked.session.read_all(
        "list the state machines", states.list_state_machines, "stateMachines", maxResults=1000
    ):
        arn = machine["stateMachineArn"]
        yield from _of(asked, arn, via="")
        what = f"the versions of {arn}"
        yield from or_unread(what, _of_versions(asked, arn), may_be_gone=True)


def _of_versions(asked: Asked, machine: str) -> Found:
    states = asked.session.client("stepfunctions")
    listed = asked.session.read_all(
        f"list the versions of {machine}",
        states.list_state_machine_versions,
        "stateMachineVersions",
        stateMachineArn=machine,
        maxResults=1000,
    )
    versions = [version["stateMachineVersionArn"] for version in listed]  # the newest first
    aliases = _aliases(asked, machine) if versions else {}
    for version, alias in aliases.items():
        yield from _of(asked, version, via=f"alias {alias}")
    for version in [each for each in versions if each not in aliases][:NEWEST]:
        yield from _of(asked, version, via="no alias", use=Use.MAY)


def _aliases(asked: Asked, machine: str) -> Mapping[str, str]:
    """Return each version that an alias starts, with the alias."""
    session, states = asked.session, asked.session.client("stepfunctions")
    found = {}
    for alias in session.read_all(
        f"list the aliases of {machine}",
        states.list_state_machine_aliases,
        "stateMachineAliases",
        stateMachineArn=machine,
        maxResults=1000,
    ):
        arn = alias["stateMachineAliasArn"]
        whole = session.read(
            f"read {arn}", states.describe_state_machine_alias, stateMachineAliasArn=arn
        )
        for route in whole.get("routingConfiguration", ()):
            if route.get("weight", 100) > 0:
                found[route["stateMachineVersionArn"]] = arn.rpartition(":")[2]
    return found


def _of(asked: Asked, arn: str, *, via: str, use: Use = Use.CALLS) -> Found:
    return or_unread(f"the definition of {arn}", _calls(asked, arn, via, use), may_be_gone=True)


def _calls(asked: Asked, arn: str, via: str, use: Use) -> Found:
    answer: Mapping[str, Any] = asked.session.read(
        f"read {arn}",
        asked.session.client("stepfunctions").describe_state_machine,
        stateMachineArn=arn,
    )
    for call in definitions.calls(answer.get("definition"), asked.callee):
        where = f"{call.where}, {via}" if via else call.where
        yield Caller("state machine", arn, call.match.qualifier, where, use)
