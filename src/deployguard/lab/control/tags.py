"""Tags of functions and event source mappings."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import errors, lifecycle, names
from deployguard.lab.control.state import Cloud

Params = dict[str, Any]
MAPPING = ":event-source-mapping:"


def tag(cloud: Cloud, region: str, params: Params) -> Params:
    """Add tags, or change their values."""
    tags = _tags(cloud, region, params["Resource"], change=True)
    before = dict(tags)
    tags.update(params["Tags"])
    cloud.writes("TagResource", params["Resource"], before=before, after=dict(tags))
    return {}


def untag(cloud: Cloud, region: str, params: Params) -> Params:
    """Remove tags; ones that are not there are no error."""
    tags = _tags(cloud, region, params["Resource"])
    before = dict(tags)
    for key in params["TagKeys"]:
        tags.pop(key, None)
    cloud.writes("UntagResource", params["Resource"], before=before, after=dict(tags))
    return {}


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """Show all tags of a resource."""
    return {"Tags": dict(_tags(cloud, region, params["Resource"]))}


def _tags(cloud: Cloud, region: str, arn: str, *, change: bool = False) -> dict[str, str]:
    """Return the tags of a resource, to read or to change in place."""
    if MAPPING in arn:
        mapping = cloud.region(region).mappings.get(arn.rsplit(":", 1)[1])
        if mapping is None:
            raise errors.not_found(f"Event source mapping not found: {arn}")
        tags: dict[str, str] = mapping["Tags"]
        return tags
    if ":function:" not in arn:
        raise errors.not_in_lab(f"tags of {arn}")
    reference = names.parse(region, arn)
    if reference.qualifier:
        raise errors.invalid(
            "Tags on function aliases and versions are not supported. "
            "Please specify a function ARN."
        )
    function = cloud.function(region, reference.name)
    if change and function.latest.update == "InProgress":
        lifecycle.require_settled(function)
    return function.tags
