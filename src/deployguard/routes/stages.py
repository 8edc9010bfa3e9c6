"""Stages of an API: which of its integrations call the function, with the stage's variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployguard.routes.definitions import Integration
from deployguard.routes.names import VARIABLE, Callee, with_variables
from deployguard.traffic import Caller, Unread

SHOWN = 3  # methods of one stage that call the same qualifier


@dataclass(frozen=True)
class Stage:
    """One stage of an API, with what its integrations are."""

    kind: str  # of API
    api: str
    name: str
    integrations: tuple[Integration, ...]
    variables: Mapping[str, str]
    overrides: Mapping[str, str] = field(default_factory=dict)  # of its canary
    has_own_canary: bool = False  # that deploys something else, which AWS does not export


def callers(stage: Stage, callee: Callee) -> Iterator[Caller]:
    """Yield one caller for each qualifier that a stage calls, and that its canary calls."""
    yield from _of(stage, callee, f"stage {stage.name}", variables=stage.variables)
    if stage.overrides and not stage.has_own_canary:
        variables = {**stage.variables, **stage.overrides}
        yield from _of(stage, callee, f"canary of stage {stage.name}", variables=variables)


def unread(stage: Stage) -> Iterator[Unread]:
    """Yield what of a stage nothing shows."""
    if stage.has_own_canary:
        what = f"the canary of stage {stage.name} of {stage.kind} {stage.api}"
        yield Unread(what, "AWS exports what a stage deploys, not its canary", "read it by hand")


def _of(
    stage: Stage, callee: Callee, named: str, *, variables: Mapping[str, str]
) -> Iterator[Caller]:
    methods: dict[tuple[str | None, tuple[str, ...]], list[str]] = {}
    for where, uri in stage.integrations:
        match = callee.match(with_variables(uri, variables))
        if match is not None:
            used = tuple(dict.fromkeys(VARIABLE.findall(uri)))
            methods.setdefault((match.qualifier, used), []).append(where)
    for (qualifier, used), found in methods.items():
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        by = f", by {' and '.join(f'stageVariables.{name}' for name in used)}" if used else ""
        via = f"{named}, {', '.join(found[:SHOWN])}{more}{by}"
        yield Caller(stage.kind, stage.api, qualifier, via, variables=used)
