"""Reserved concurrency and the account's limits."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import errors, names, provisioned
from deployguard.lab.control.provisioned import UNRESERVED_MINIMUM
from deployguard.lab.control.state import Cloud

UNQUALIFIED_ONLY = (
    "This operation is permitted on Lambda functions only. Aliases and versions do not support "
    "this operation. Please specify either a function name or an unqualified function ARN."
)

Params = dict[str, Any]


def _shown(reserved: int | None) -> Params:
    """Return the member that is absent when nothing is reserved, and present for 0."""
    return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}


def put(cloud: Cloud, region: str, params: Params) -> Params:
    """Reserve concurrency; 0 throttles every invocation."""
    reference = names.parse(region, params["FunctionName"])
    if reference.qualifier:
        raise errors.invalid(UNQUALIFIED_ONLY)
    function = cloud.function(region, reference.name)
    wanted = params["ReservedConcurrentExecutions"]
    others = provisioned.reserved_total(cloud, region) - (function.reserved or 0)
    if cloud.knobs.account_concurrency - others - wanted < UNRESERVED_MINIMUM:
        raise errors.limit(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MINIMUM}]."
        )
    total = sum(one.requested for one in function.provisions.values())
    if wanted < total:
        raise errors.invalid(
            f"ReservedConcurrentExecutions {wanted} should not be lower than function's total "
            f"provisioned concurrency [{total}]."
        )
    before, function.reserved = function.reserved, wanted
    if wanted == 0 and cloud.knobs.zero_destroys:
        cloud.fleet.emptied(function.arn)
    cloud.writes(
        "PutFunctionConcurrency", function.arn, before=_shown(before), after=_shown(wanted)
    )
    return _shown(wanted)


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show the reservation; an empty answer when there is none."""
    function = cloud.function(region, names.parse(region, params["FunctionName"]).name)
    return _shown(function.reserved)


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Return the reservation to the account."""
    function = cloud.function(region, names.parse(region, params["FunctionName"]).name)
    before, function.reserved = function.reserved, None
    cloud.writes("DeleteFunctionConcurrency", function.arn, before=_shown(before), after={})
    return {}


def account_settings(cloud: Cloud, region: str, _params: Params) -> Params:
    """Show the account's limits and what is used of them."""
    functions = cloud.region(region).functions.values()
    size = sum(version.package.size for one in functions for version in one.all_versions())
    limit = cloud.knobs.account_concurrency
    return {
        "AccountLimit": {
            "TotalCodeSize": 80530636800,
            "CodeSizeUnzipped": 262144000,
            "CodeSizeZipped": 52428800,
            "ConcurrentExecutions": limit,
            "UnreservedConcurrentExecutions": limit - provisioned.reserved_total(cloud, region),
        },
        "AccountUsage": {"TotalCodeSize": size, "FunctionCount": len(functions)},
    }
