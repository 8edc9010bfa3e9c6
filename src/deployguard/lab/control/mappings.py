"""Event source mappings: which source calls a function, and by which qualifier."""

from __future__ import annotations

from typing import Any

from deployguard.lab.control import errors, names, paging
from deployguard.lab.control.records import new_id
from deployguard.lab.control.state import Cloud

Params = dict[str, Any]

SETTABLE = (
    "BatchSize", "FilterCriteria", "KMSKeyArn", "MetricsConfig", "LoggingConfig", "ScalingConfig",
    "MaximumBatchingWindowInSeconds", "ParallelizationFactor", "DestinationConfig",
    "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts",
    "TumblingWindowInSeconds", "SourceAccessConfigurations", "FunctionResponseTypes",
    "AmazonManagedKafkaEventSourceConfig", "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig", "ProvisionedPollerConfig",
)  # fmt: skip
FIXED = (
    "EventSourceArn", "StartingPosition", "StartingPositionTimestamp", "Topics", "Queues",
    "SelfManagedEventSource",
)  # fmt: skip
STREAM_DEFAULTS = {
    "BatchSize": 100,
    "BisectBatchOnFunctionError": False,
    "DestinationConfig": {"OnFailure": {}},
    "FunctionResponseTypes": [],
    "LastProcessingResult": "No records processed",
    "MaximumBatchingWindowInSeconds": 0,
    "MaximumRecordAgeInSeconds": -1,
    "MaximumRetryAttempts": -1,
    "ParallelizationFactor": 1,
    "StateTransitionReason": "User action",
    "TumblingWindowInSeconds": 0,
}
QUEUE_DEFAULTS = {
    "BatchSize": 10,
    "FunctionResponseTypes": [],
    "MaximumBatchingWindowInSeconds": 0,
    "StateTransitionReason": "USER_INITIATED",
}
HIDDEN = {"Tags", "Due", "Then"}


def create(cloud: Cloud, region: str, params: Params) -> Params:
    """Connect a source to a function, version or alias, exactly as it is written."""
    arn = _function_arn(cloud, region, params["FunctionName"])
    _check_position(params)
    _refuse_double(cloud, region, params, arn=arn)
    identifier = new_id()
    stream = _service(params) in {"kinesis", "dynamodb"}
    mapping: Params = dict(STREAM_DEFAULTS if stream else QUEUE_DEFAULTS)
    mapping |= {member: params[member] for member in (*FIXED, *SETTABLE) if member in params}
    mapping |= {
        "UUID": identifier,
        "EventSourceMappingArn": names.mapping_arn(region, identifier),
        "FunctionArn": arn,
        "Tags": dict(params.get("Tags", {})),
    }
    cloud.region(region).mappings[identifier] = mapping
    _change(cloud, mapping, "Creating", then=_resting(params.get("Enabled", True)))
    shown = _shown(mapping)
    cloud.writes(
        "CreateEventSourceMapping", mapping["EventSourceMappingArn"], before=None, after=shown
    )
    return shown


def get(cloud: Cloud, region: str, params: Params) -> Params:
    """Show a mapping."""
    return _shown(_mapping(cloud, region, params["UUID"]))


def list_all(cloud: Cloud, region: str, params: Params) -> Params:
    """List mappings, where asked only those of one source or of exactly one function ARN."""
    wanted_source = params.get("EventSourceArn")
    wanted_arn = None
    if "FunctionName" in params:
        reference = names.parse(region, params["FunctionName"])
        wanted_arn = names.function_arn(region, reference.name, reference.qualifier)
    mappings = [_mapping(cloud, region, one) for one in list(cloud.region(region).mappings)]
    items = [
        _shown(mapping)
        for mapping in mappings
        if wanted_source in {None, mapping.get("EventSourceArn")}
        and wanted_arn in {None, mapping["FunctionArn"]}
    ]
    return paging.page("EventSourceMappings", items, params, most=100)


def update(cloud: Cloud, region: str, params: Params) -> Params:
    """Change a mapping's settings, target, or whether it is enabled."""
    mapping = _mapping(cloud, region, params["UUID"])
    before = _shown(mapping)
    if "FunctionName" in params:
        mapping["FunctionArn"] = _function_arn(cloud, region, params["FunctionName"])
    mapping |= {member: params[member] for member in SETTABLE if member in params}
    rests = mapping["Then"]
    then = _resting(params["Enabled"]) if "Enabled" in params else rests
    passing = (
        {"Enabled": "Enabling", "Disabled": "Disabling"}[then] if then != rests else "Updating"
    )
    _change(cloud, mapping, passing, then=then)
    shown = _shown(mapping)
    cloud.writes(
        "UpdateEventSourceMapping", mapping["EventSourceMappingArn"], before=before, after=shown
    )
    return shown


def delete(cloud: Cloud, region: str, params: Params) -> Params:
    """Disconnect a source."""
    mapping = _mapping(cloud, region, params["UUID"])
    before = _shown(mapping)
    del cloud.region(region).mappings[params["UUID"]]
    cloud.writes(
        "DeleteEventSourceMapping", mapping["EventSourceMappingArn"], before=before, after=None
    )
    return before | {"State": "Deleting"}


def _function_arn(cloud: Cloud, region: str, name: str) -> str:
    """Return the ARN of a target that exists, with its qualifier as it was written."""
    reference = names.parse(region, name)
    function = cloud.find(region, reference.name)
    if function is None:
        raise errors.invalid("Function does not exist")
    qualifier = reference.qualifier
    if qualifier and qualifier not in function.aliases and function.version(qualifier) is None:
        raise errors.invalid("Function does not exist")
    return names.function_arn(region, function.name, qualifier)


def _service(params: Params) -> str:
    """Return the service that a source belongs to."""
    return str(params.get("EventSourceArn", "::")).split(":")[2]


def _check_position(params: Params) -> None:
    """Refuse a stream without a place to start from, or with one that it does not know."""
    service = _service(params)
    if service not in {"kinesis", "dynamodb"}:
        return
    position = params.get("StartingPosition")
    if position is None:
        raise errors.invalid(
            "1 validation error detected: Value null at 'startingPosition' failed to satisfy "
            "constraint: Member must not be null."
        )
    if service == "dynamodb" and position == "AT_TIMESTAMP":
        raise errors.invalid(
            f"Unsupported starting position for arn type: {params['EventSourceArn']}"
        )


def _refuse_double(cloud: Cloud, region: str, params: Params, *, arn: str) -> None:
    """Refuse a second mapping between the same source and function."""
    source = params.get("EventSourceArn")
    for mapping in cloud.region(region).mappings.values():
        if source and mapping.get("EventSourceArn") == source and mapping["FunctionArn"] == arn:
            raise errors.conflict(
                f'The event source arn (" {source} ") and function (" {arn.split(":")[6]} ") '
                "provided mapping already exists. Please update or delete the existing mapping "
                f"with UUID {mapping['UUID']}"
            )


def _resting(enabled: bool) -> str:
    """Return the state that a mapping comes to rest in."""
    return "Enabled" if enabled else "Disabled"


def _change(cloud: Cloud, mapping: Params, state: str, *, then: str) -> None:
    """Put a mapping into a passing state."""
    mapping["State"] = state
    mapping["Then"] = then
    mapping["Due"] = cloud.clock.monotonic() + cloud.knobs.update_s
    mapping["LastModified"] = cloud.clock.now()


def _mapping(cloud: Cloud, region: str, identifier: str) -> Params:
    """Return a mapping whose due change is applied."""
    mapping = cloud.region(region).mappings.get(identifier)
    if mapping is None:
        raise errors.not_found(errors.NO_RESOURCE)
    if mapping["Due"] <= cloud.clock.monotonic():
        mapping["State"] = mapping["Then"]
    return mapping


def _shown(mapping: Params) -> Params:
    """Show a mapping without what the lab keeps for itself."""
    return {member: value for member, value in mapping.items() if member not in HIDDEN}
