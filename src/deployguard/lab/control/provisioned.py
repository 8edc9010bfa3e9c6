"""Provisioned concurrency on aliases and versions, and what it takes from the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployguard.lab.control import errors, names, paging, render
from deployguard.lab.control.records import Function, Provision, new_id
from deployguard.lab.nouns import LATEST, AwsError

if TYPE_CHECKING:
    from deployguard.lab.control.state import Cloud

UNRESERVED_MINIMUM = 100

Params = dict[str, Any]


def reserved_total(cloud: Cloud, region: str) -> int:
    """Return what all functions of a region have reserved."""
    return sum(one.reserved or 0 for one in cloud.region(region).functions.values())


def unclaimed(cloud: Cloud, region: str) -> int:
    """Return what functions without a reservation may share, provisioned containers taken off."""
    claimed = sum(
        config.requested
        for one in cloud.region(region).functions.values()
        if one.reserved is None
        for config in one.provisions.values()
    )
    return int(cloud.knobs.account_concurrency) - reserved_total(cloud, region) - claimed


def version_of(function: Function, qualifier: str) -> str:
    """Return the version number that a qualifier points at first."""
    alias = function.aliases.get(qualifier)
    return alias.target.version if alias else qualifier


def by_version(function: Function) -> dict[str, int]:
    """Return how many containers are to be kept warm for each version."""
    counts: dict[str, int] = {}
    for qualifier, config in function.provisions.items():
        number = version_of(function, qualifier)
        counts[number] = counts.get(number, 0) + config.requested
    return counts


def wanted(function: Function, number: str) -> int:
    """Return how many containers are to be kept warm for one version."""
    return by_version(function).get(number, 0)


def tell_fleet(cloud: Cloud, function: Function, numbers: set[str]) -> None:
    """Let the fleet keep what is now wanted for these versions."""
    for number in sorted(numbers):
        version = function.version(number)
        if version is not None and version.build is not None:
            cloud.fleet.provision(version.build, wanted(function, number))


def follow(cloud: Cloud, function: Function, qualifier: str, *, old: str) -> None:
    """Move an alias's configuration with the alias: the old version lets go, the new allocates."""
    config = function.provisions.get(qualifier)
    new = version_of(function, qualifier)
    if config is None or new == old:
        return
    config.carried = int(cloud.fleet.provisioned(function.arn, old)[0])
    config.started = cloud.clock.monotonic()
    tell_fleet(cloud, function, {old, new})


def drop(cloud: Cloud, function: Function, qualifier: str) -> None:
    """Forget a configuration, and let its containers go."""
    number = version_of(function, qualifier)
    if function.provisions.pop(qualifier, None) is not None:
        tell_fleet(cloud, function, {number})


def put(cloud: Cloud, region: str, params: Params) -> Params:
    """Ask for containers to be kept warm; they are allocated later."""
    function, qualifier = _existing(cloud, region, params)
    requested = params["ProvisionedConcurrentExecutions"]
    _refuse_overlap(function, qualifier)
    _refuse_excess(cloud, function, qualifier, requested=requested)
    before = function.provisions.get(qualifier)
    config = Provision(requested, cloud.clock.now(), started=cloud.clock.monotonic())
    function.provisions[qualifier] = config
    number = version_of(function, qualifier)
    version = function.version(number)
    if version is not None:
        version.revision = new_id()
    tell_fleet(cloud, function, {number})
    cloud.writes(
        "PutProvisionedConcurrencyConfig",
        f"{function.arn}:{qualifier}",
        before={"ProvisionedConcurrentExecutions": before.requested} if before else None,
        after={"ProvisionedConcurrentExecutions": requested},
    )
    return _counts(config, allocated=0) | {"Status": "IN_PROGRESS"}


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show how far the allocation has come."""
    function, qualifier = _existing(cloud, region, params)
    if qualifier not in function.provisions:
        raise AwsError(
            404,
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )
    return _shown(cloud, function, qualifier)


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Stop keeping containers warm for one qualifier."""
    function, qualifier = _existing(cloud, region, params)
    before = function.provisions.get(qualifier)
    drop(cloud, function, qualifier)
    cloud.writes(
        "DeleteProvisionedConcurrencyConfig",
        f"{function.arn}:{qualifier}",
        before={"ProvisionedConcurrentExecutions": before.requested} if before else None,
        after=None,
    )
    return {}


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List the configurations of a function."""
    function = cloud.function(region, names.parse(region, params["FunctionName"]).name)
    items = [
        {"FunctionArn": f"{function.arn}:{qualifier}"} | _shown(cloud, function, qualifier)
        for qualifier in sorted(function.provisions)
    ]
    return paging.page("ProvisionedConcurrencyConfigs", items, params)


def _existing(cloud: Cloud, region: str, params: Params) -> tuple[Function, str]:
    """Return the function and the published qualifier that is asked for."""
    reference = names.parse(region, params["FunctionName"], params["Qualifier"])
    qualifier = str(reference.qualifier)
    function = cloud.function(region, reference.name)
    if qualifier == LATEST:
        raise errors.invalid(
            "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
        )
    if qualifier in function.aliases or qualifier in function.versions:
        return function, qualifier
    if names.is_alias(qualifier):
        raise errors.not_found(f"Cannot find alias arn: {function.arn}:{qualifier}")
    raise errors.no_function(f"{function.arn}:{qualifier}")


def _refuse_overlap(function: Function, qualifier: str) -> None:
    """Refuse configurations on both an alias and the version that it points at."""
    number = version_of(function, qualifier)
    if number != qualifier and number in function.provisions:
        raise errors.conflict(
            "Alias can't be used for Provisioned Concurrency configuration on an already "
            "Provisioned version"
        )
    if number == qualifier and any(
        alias.target.version == number and alias.name in function.provisions
        for alias in function.aliases.values()
    ):
        raise errors.conflict("Version is pointed by a Provisioned Concurrency alias")


def _refuse_excess(cloud: Cloud, function: Function, qualifier: str, *, requested: int) -> None:
    """Refuse more than the reservation, or than the account can give."""
    mine = function.provisions.get(qualifier)
    others = sum(one.requested for one in function.provisions.values() if one is not mine)
    if function.reserved is not None:
        if others + requested > function.reserved:
            raise errors.limit(
                "Requested Provisioned Concurrency should not be greater than the "
                "reservedConcurrentExecution for function"
            )
        return
    free = unclaimed(cloud, function.region) + (mine.requested if mine else 0)
    if requested > free:
        raise errors.limit(
            "Specified ConcurrentExecutions for function is greater than account's unreserved "
            f"concurrency [{free}]."
        )
    if free - requested < UNRESERVED_MINIMUM:
        raise errors.limit(
            "Specified ConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_MINIMUM}]."
        )


def _counts(config: Provision, *, allocated: int) -> Params:
    """Return the members that every answer has."""
    return {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": allocated,
        "AllocatedProvisionedConcurrentExecutions": allocated,
        "LastModified": render.when(config.modified),
    }


def _shown(cloud: Cloud, function: Function, qualifier: str) -> Params:
    """Show one configuration: at first what was carried over, then what the fleet has."""
    config = function.provisions[qualifier]
    if cloud.clock.monotonic() < config.started + cloud.knobs.provisioning_s:
        return _counts(config, allocated=config.carried) | {"Status": "IN_PROGRESS"}
    number = version_of(function, qualifier)
    allocated, failed = cloud.fleet.provisioned(function.arn, number)
    answer = _counts(config, allocated=min(int(allocated), config.requested))
    if failed:
        return answer | {"Status": "FAILED", "StatusReason": failed}
    ready = allocated >= config.requested
    return answer | {"Status": "READY" if ready else "IN_PROGRESS"}
