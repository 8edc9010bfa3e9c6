"""What becomes of asynchronous invocations: retries, age and destinations, per qualifier."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import errors, functions, names, paging
from deployguard.lab.control.records import Function
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import LATEST

Params = dict[str, Any]
GIVEN = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


def put(cloud: Cloud, region: str, params: Params) -> Params:
    """Replace the configuration of a qualifier."""
    function, qualifier = _target(cloud, region, params)
    return _store(cloud, function, qualifier, "PutFunctionEventInvokeConfig", config=_given(params))


def update(cloud: Cloud, region: str, params: Params) -> Params:
    """Change the given members of an existing configuration."""
    function, qualifier, config = _config(cloud, region, params)
    changed = config | _given(params)
    return _store(cloud, function, qualifier, "UpdateFunctionEventInvokeConfig", config=changed)


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show the configuration of a qualifier."""
    return _config(cloud, region, params)[2]


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Go back to Lambda's own two retries and no destination."""
    function, qualifier, config = _config(cloud, region, params)
    del function.async_settings[qualifier]
    cloud.writes(
        "DeleteFunctionEventInvokeConfig", config["FunctionArn"], before=config, after=None
    )
    return {}


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List the configurations of a function."""
    function = cloud.function(region, names.parse(region, params["FunctionName"]).name)
    items = [function.async_settings[qualifier] for qualifier in sorted(function.async_settings)]
    return paging.page("FunctionEventInvokeConfigs", items, params)


def _target(cloud: Cloud, region: str, params: Params) -> tuple[Function, str]:
    """Return the function and qualifier that a request names; none means `$LATEST`."""
    function, _, qualifier = functions.resolve(cloud, region, params)
    return function, qualifier or LATEST


def _config(cloud: Cloud, region: str, params: Params) -> tuple[Function, str, Params]:
    """Return an existing configuration with where it is kept."""
    function, qualifier = _target(cloud, region, params)
    config = function.async_settings.get(qualifier)
    if config is None:
        arn = f"{function.arn}:{qualifier}"
        raise errors.not_found(f"The function {arn} doesn't have an EventInvokeConfig")
    return function, qualifier, config


def _given(params: Params) -> Params:
    """Return the members of a request; destinations show both outcomes."""
    given = {member: params[member] for member in GIVEN if member in params}
    if "DestinationConfig" in given:
        given["DestinationConfig"] = {"OnSuccess": {}, "OnFailure": {}} | given["DestinationConfig"]
    return given


def _store(
    cloud: Cloud, function: Function, qualifier: str, operation: str, *, config: Params
) -> Params:
    """Keep a configuration under the ARN that it is shown by."""
    arn = f"{function.arn}:{qualifier}"
    before = function.async_settings.get(qualifier)
    shown = config | {"FunctionArn": arn, "LastModified": cloud.clock.now()}
    function.async_settings[qualifier] = shown
    cloud.writes(operation, arn, before=before, after=shown)
    return shown
