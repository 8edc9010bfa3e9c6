"""The AppSpec of a deployment to Lambda: which version is to take which alias, and who is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from deployguard.errors import ConfigurationError

BEFORE, AFTER = "BeforeAllowTraffic", "AfterAllowTraffic"
MEMBERS = ("Name", "Alias", "TargetVersion", BEFORE, AFTER)
# YAML as AWS documents it, a member a line; what is written otherwise is not understood.
LINE = re.compile(
    rf"""(?m)^[ -]*["']?({"|".join(MEMBERS)})["']? *: *(["']?)([^"'#\s]+)\2[ \t\r]*(?:#.*)?$"""
)
FIX = (
    "name what to judge: set DEPLOYGUARD_FUNCTION to the function with the new version before "
    "traffic moves, and with the alias after it"
)


class AppSpec(NamedTuple):
    """What it says of its one function."""

    function: str
    alias: str
    version: str  # the new one
    hooks: Mapping[str, str]  # the function that is asked, by event


def parse(content: str) -> AppSpec:
    """Read an AppSpec, in JSON or in plain YAML."""
    found: dict[str, str] = {}
    for member, value in _members(content):
        if found.setdefault(member, value) != value:
            raise _unreadable(f"it names {member} twice: {found[member]} and {value}")
    missing = [member for member in MEMBERS[:3] if member not in found]
    if missing:
        raise _unreadable(f"it names no {missing[0]}")
    if not re.fullmatch(r"\$LATEST|[1-9][0-9]*", found["TargetVersion"]):
        raise _unreadable(f"its TargetVersion is {found['TargetVersion']}, and no version")
    hooks = {event: found[event] for event in (BEFORE, AFTER) if event in found}
    return AppSpec(found["Name"], found["Alias"], found["TargetVersion"], hooks)


def qualifier(spec: AppSpec, asked: str) -> str:
    """Return what the asked function has to judge: the version before, the alias after."""
    events = [event for event, function in spec.hooks.items() if name_in(function) == asked]
    if len(events) != 1:
        times = " and ".join(events) or "no event"
        raise ConfigurationError(
            f"the AppSpec names {asked} for {times}, which does not tell what to judge",
            cause="one function is to answer both events, or is called under another name",
            fix=FIX,
        )
    return spec.version if events == [BEFORE] else spec.alias


def name_in(function: str) -> str:
    """Return the bare name of a function that is given by name or ARN."""
    return function.rpartition(":function:")[2].split(":")[0]


def _members(content: str) -> Iterator[tuple[str, str]]:
    try:
        document = json.loads(content)
    except (RecursionError, ValueError):
        return ((name, value) for name, _, value in LINE.findall(content))
    return _inside(document)


def _inside(document: Any) -> Iterator[tuple[str, str]]:
    if isinstance(document, list):
        for each in document:
            yield from _inside(each)
    elif isinstance(document, dict):
        for name, value in document.items():
            if name in MEMBERS and isinstance(value, (str, int)):
                yield name, str(value)
            else:
                yield from _inside(value)


def _unreadable(why: str) -> ConfigurationError:
    return ConfigurationError(
        f"the AppSpec does not tell what to judge: {why}",
        cause="it lies in S3, or is not of a deployment to Lambda, or is written in another way "
        "than AWS documents it",
        fix=FIX,
    )
