"""What refers to a function's published versions, and the deletion of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from deployguard.aws.session import Session
from deployguard.errors import NotFound


def mapped(session: Session, function: str) -> dict[str, str]:
    """Say which versions of a function event source mappings call, by its ARN.

    NOTE: not asked for by the function's name, because a mapping keeps the qualifier that it was
    made with, and AWS tells nowhere whether such a question finds it.
    """
    found = session.read_all(
        "list the event source mappings",
        session.functions.list_event_source_mappings,
        "EventSourceMappings",
    )
    return {
        version: f"event source mapping {mapping['UUID']} calls it"
        for mapping in found
        for version in _version(mapping, function)
    }


def configured(session: Session, function: str) -> dict[str, str]:
    """Say which versions of a function have provisioned concurrency or an event-invoke config."""
    events = session.read_all(
        f"list the event-invoke configs of {function}",
        session.functions.list_function_event_invoke_configs,
        "FunctionEventInvokeConfigs",
        FunctionName=function,
    )
    provisioned = session.read_all(
        f"list the provisioned concurrency of {function}",
        session.functions.list_provisioned_concurrency_configs,
        "ProvisionedConcurrencyConfigs",
        FunctionName=function,
    )
    return {
        **{v: "it has an event-invoke config" for each in events for v in _version(each, function)},
        **{
            version: "it has provisioned concurrency"
            for each in provisioned
            for version in _version(each, function)
        },
    }


def has_policy(session: Session, name: str, version: str) -> bool:
    """Say whether a version has a resource policy of its own."""
    try:
        session.read(
            f"read the resource policy of {name}:{version}",
            session.functions.get_policy,
            FunctionName=name,
            Qualifier=version,
        )
    except NotFound:
        return False
    return True


def delete(session: Session, name: str, version: str) -> None:
    """Delete one published version; AWS refuses where an alias references it."""
    if not re.fullmatch(r"[1-9][0-9]*", version):
        # With no qualifier, the same call deletes the function and all that belongs to it.
        raise AssertionError(f"not the number of a published version: {version!r}")
    session.write(
        f"delete version {version} of {name}",
        session.functions.delete_function,
        FunctionName=name,
        Qualifier=version,
    )


def _version(named: Mapping[str, Any], function: str) -> list[str]:
    """Return the version that an ARN names, or nothing where it names none of this function."""
    name, _, qualifier = named.get("FunctionArn", "").rpartition(":")
    return [qualifier] if name == function and qualifier.isdigit() else []
