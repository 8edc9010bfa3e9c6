"""Function URL configurations, on a function or an alias, never on a version."""

from __future__ import annotations

import secrets
import string
from typing import Any

from deployguard.lab.control import errors, names, paging, render
from deployguard.lab.control.records import Function
from deployguard.lab.control.state import Cloud

Params = dict[str, Any]
GIVEN = ("AuthType", "Cors", "InvokeMode")


def create(cloud: Cloud, region: str, params: Params) -> Params:
    """Give a function or alias an URL."""
    function, qualifier = _target(cloud, region, params, missing="Function does not exist")
    arn = names.function_arn(region, function.name, qualifier)
    if qualifier in function.urls:
        raise errors.conflict(
            f"Failed to create function url config for [functionArn = {arn}]. "
            "Error message:  FunctionUrlConfig exists for this Lambda function"
        )
    alphabet = string.ascii_lowercase + string.digits
    host = "".join(secrets.choice(alphabet) for _ in range(32))
    now = render.when(cloud.clock.now())
    config: Params = {
        "FunctionUrl": f"https://{host}.lambda-url.{region}.on.aws/",
        "FunctionArn": arn,
        "CreationTime": now,
        "LastModifiedTime": now,
    } | {member: params[member] for member in GIVEN if member in params}
    function.urls[qualifier] = config
    cloud.writes("CreateFunctionUrlConfig", arn, before=None, after=dict(config))
    return {member: value for member, value in config.items() if member != "LastModifiedTime"}


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show the URL of a function or alias."""
    _, config = _config(cloud, region, params, missing=errors.NO_RESOURCE)
    return {"InvokeMode": "BUFFERED"} | config


def update(cloud: Cloud, region: str, params: Params) -> Params:
    """Change how an URL authenticates, answers other origins, or streams."""
    config = _config(cloud, region, params, missing="Function does not exist")[1]
    before = dict(config)
    config |= {member: params[member] for member in GIVEN if member in params}
    config["LastModifiedTime"] = render.when(cloud.clock.now())
    cloud.writes(
        "UpdateFunctionUrlConfig", config["FunctionArn"], before=before, after=dict(config)
    )
    return config


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Take the URL away."""
    function, config = _config(cloud, region, params, missing=errors.NO_RESOURCE)
    function.urls = {key: one for key, one in function.urls.items() if one is not config}
    cloud.writes("DeleteFunctionUrlConfig", config["FunctionArn"], before=config, after=None)
    return {}


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List the URLs of a function and its aliases."""
    function = cloud.find(region, names.parse(region, params["FunctionName"]).name)
    if function is None:
        raise errors.not_found("Function does not exist")
    items = [
        {"InvokeMode": "BUFFERED"} | function.urls[qualifier] for qualifier in sorted(function.urls)
    ]
    return paging.page("FunctionUrlConfigs", items, params)


def _target(cloud: Cloud, region: str, params: Params, *, missing: str) -> tuple[Function, str]:
    """Return the function and qualifier ("" for none) that an URL belongs to."""
    reference = names.parse(region, params["FunctionName"], params.get("Qualifier"))
    function = cloud.find(region, reference.name)
    qualifier = reference.qualifier or ""
    if function is None or (qualifier and qualifier not in function.aliases):
        raise errors.not_found(missing)
    return function, qualifier


def _config(cloud: Cloud, region: str, params: Params, *, missing: str) -> tuple[Function, Params]:
    """Return the URL configuration that a request names."""
    function, qualifier = _target(cloud, region, params, missing=missing)
    config = function.urls.get(qualifier)
    if config is None:
        raise errors.not_found(errors.NO_RESOURCE)
    return function, config
