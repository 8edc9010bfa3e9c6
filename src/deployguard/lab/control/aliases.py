"""Aliases: named pointers to a version, with at most one other that takes a share."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import errors, names, paging, provisioned
from deployguard.lab.control.records import Alias, Function, Target, new_id
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import LATEST

Params = dict[str, Any]


def create(cloud: Cloud, region: str, params: Params) -> Params:
    """Create an alias; its name is taken atomically."""
    function = _function(cloud, region, params)
    name = params["Name"]
    arn = f"{function.arn}:{name}"
    if name in function.aliases:
        raise errors.conflict(f"Alias already exists: {arn}")
    target = _target(function, params["FunctionVersion"], _weights(params) or {})
    alias = Alias(name, params.get("Description", ""), target)
    function.aliases[name] = alias
    shown = _shown(function, alias)
    cloud.writes("CreateAlias", arn, before=None, after=shown)
    return shown


def update(cloud: Cloud, region: str, params: Params) -> Params:
    """Change an alias; weights that are not given stay, and every update is a new revision."""
    function = _function(cloud, region, params)
    arn = f"{function.arn}:{params['Name']}"
    alias = function.aliases.get(params["Name"])
    if alias is None:
        raise errors.not_found(f"Alias not found: {arn}")
    if params.get("RevisionId", alias.revision) != alias.revision:
        raise errors.stale_revision()
    weights = _weights(params)
    target = _target(
        function,
        params.get("FunctionVersion", alias.target.version),
        alias.target.weights if weights is None else weights,
    )
    before = _shown(function, alias)
    _move(cloud, function, alias, target)
    alias.description = params.get("Description", alias.description)
    alias.revision = new_id()
    shown = _shown(function, alias)
    cloud.writes("UpdateAlias", arn, before=before, after=shown)
    return shown


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show an alias."""
    function = _function(cloud, region, params)
    alias = function.aliases.get(params["Name"])
    if alias is None:
        raise errors.not_found(f"Cannot find alias arn: {function.arn}:{params['Name']}")
    return _shown(function, alias)


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Delete an alias with all that hangs on it; one that is not there is no error."""
    function = _function(cloud, region, params)
    name = params["Name"]
    alias = function.aliases.get(name)
    if alias is None:
        return {}
    provisioned.drop(cloud, function, name)
    for kept in (function.policies, function.urls, function.async_settings):
        kept.pop(name, None)
    del function.aliases[name]
    cloud.writes(
        "DeleteAlias", f"{function.arn}:{name}", before=_shown(function, alias), after=None
    )
    return {}


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List aliases by name, where asked only those that send traffic to one version."""
    function = _function(cloud, region, params)
    version = params.get("FunctionVersion")
    items = [
        _shown(function, alias)
        for _, alias in sorted(function.aliases.items())
        if version is None or version in alias.target.versions()
    ]
    return paging.page("Aliases", items, params)


def _function(cloud: Cloud, region: str, params: Params) -> Function:
    """Return the function that an alias belongs to."""
    return cloud.function(region, names.parse(region, params["FunctionName"]).name)


def _weights(params: Params) -> dict[str, float] | None:
    """Return the weights of a request: None when it says nothing, empty when it clears them."""
    routing = params.get("RoutingConfig")
    return None if routing is None else routing.get("AdditionalVersionWeights")


def _target(function: Function, version: str, weights: Any) -> Target:
    """Return a checked target; both versions must exist."""
    if len(weights) > 1:
        raise errors.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for other in weights:
        if other == version:
            raise errors.invalid(
                f"Invalid function version {version}. Function version {version} is already "
                "included in routing configuration."
            )
        if version == LATEST:
            raise errors.invalid(
                "$LATEST is not supported for an alias pointing to more than 1 version"
            )
    for number in (version, *weights):
        if function.version(number) is None:
            raise errors.no_function(f"{function.arn}:{number}")
    return Target(version, dict(weights))


def _move(cloud: Cloud, function: Function, alias: Alias, target: Target) -> None:
    """Point the alias elsewhere, and remember where it pointed while the move spreads."""
    if target == alias.target:
        return
    old = alias.target
    alias.previous = old
    alias.target = target
    alias.moved = cloud.clock.monotonic()
    provisioned.follow(cloud, function, alias.name, old=old.version)


def _shown(function: Function, alias: Alias) -> Params:
    """Show an alias; routing is absent when all traffic goes to one version."""
    shown: Params = {
        "AliasArn": f"{function.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.target.version,
        "Description": alias.description,
        "RevisionId": alias.revision,
    }
    if alias.target.weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.target.weights)}
    return shown
