"""Who calls a function, and what becomes of what it refuses: reads, and nothing but reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from deployguard.aws import functions, metrics, policies
from deployguard.aws.session import Session
from deployguard.errors import AccessDenied, NotFound
from deployguard.hazards import DAYS, Callers, Source
from deployguard.model import LATEST
from deployguard.resources import Function
from deployguard.traffic import Unread

T = TypeVar("T")
PARTS = 8  # that are read at once


def of(session: Session, function: Function) -> Callers:
    """Read who calls a function; what the role may not read is named instead."""
    unread: list[Unread] = []
    with ThreadPoolExecutor(PARTS) as pool:

        def begin(what: str, read: Callable[..., Iterable[T]], *more: Any) -> Future[list[T]]:
            reading = partial(read, session, function.name, *more)
            return pool.submit(_unless_denied, what, reading, unread=unread)

        reserved = begin("the reserved concurrency", _reserved)
        provisioned = begin("the provisioned concurrency", _provisioned)
        destinations = begin("the destinations of failed events", _destinations)
        sources = begin("the event source mappings", _sources, function.arn)
        dead_letters = begin("the dead-letter queues of the versions", _dead_letters)
        aliases = begin("the aliases", _aliases)
        serves, queues = dict(aliases.result()), dict(dead_letters.result())
        grants = begin("the resource policies", policies.grants, [*serves, *queues])
        received = begin(
            "the number of asynchronous events", partial(metrics.events, days=DAYS), list(serves)
        )
        return Callers(
            reserved=next(iter(reserved.result()), None),
            is_managed=function.mode.managed_instances,
            provisioned=tuple(provisioned.result()),
            grants=tuple(grants.result()),
            received=dict(received.result()),
            kept=_kept(serves, queues) | dict(destinations.result()),
            sources=tuple(sources.result()),
            unread=tuple(sorted(unread)),
        )


def _unless_denied(what: str, read: Callable[[], Iterable[T]], *, unread: list[Unread]) -> list[T]:
    try:
        return list(read())
    except AccessDenied as denied:
        unread.append(Unread(what, denied.cause, denied.fix))
        return []


def _kept(serves: Mapping[str, Iterable[str]], queues: Mapping[str, str]) -> dict[str, str]:
    """Return the dead-letter queue of each qualifier; an alias has one if all its versions do."""
    kept = {version: queue for version, queue in queues.items() if queue}
    for alias, versions in serves.items():
        found = [queues.get(version, "") for version in versions]
        if all(found):
            kept[alias] = " or ".join(dict.fromkeys(found))
    return kept


def _reserved(session: Session, name: str) -> Iterator[int | None]:
    yield functions.reserved(session, name)


def _provisioned(session: Session, name: str) -> Iterator[str]:
    for config in session.read_all(
        f"list the provisioned concurrency of {name}",
        session.functions.list_provisioned_concurrency_configs,
        "ProvisionedConcurrencyConfigs",
        FunctionName=name,
    ):
        yield _qualifier(config["FunctionArn"])


def _destinations(session: Session, name: str) -> Iterator[tuple[str, str]]:
    for config in session.read_all(
        f"list the destinations of {name}",
        session.functions.list_function_event_invoke_configs,
        "FunctionEventInvokeConfigs",
        FunctionName=name,
    ):
        destination = _on_failure(config)
        if destination:
            yield _qualifier(config["FunctionArn"]), destination


def _dead_letters(session: Session, name: str) -> Iterator[tuple[str, str]]:
    """Yield each version, `$LATEST` too, with its dead-letter queue or nothing."""
    for version in session.read_all(
        f"list the versions of {name}",
        session.functions.list_versions_by_function,
        "Versions",
        FunctionName=name,
    ):
        yield version["Version"], version.get("DeadLetterConfig", {}).get("TargetArn", "")


def _aliases(session: Session, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each alias with the versions that it serves."""
    for alias in functions.aliases(session, name):
        yield alias.name, (alias.version, *alias.weights)


def _sources(session: Session, name: str, arn: str) -> Iterator[Source]:
    """Yield what Lambda reads for any qualifier; asked by name, AWS leaves qualified ones out."""
    for mapping in session.read_all(
        f"list the event source mappings of {name}",
        session.functions.list_event_source_mappings,
        "EventSourceMappings",
    ):
        called = mapping.get("FunctionArn", "")
        if f"{called}:".startswith(f"{arn}:") and mapping.get("State") != "Disabled":
            yield _source(session, mapping)


def _source(session: Session, mapping: Mapping[str, Any]) -> Source:
    name = mapping.get("EventSourceArn") or f"event source mapping {mapping['UUID']}"
    is_queue = name.startswith("arn:") and name.split(":")[2] == "sqs"
    return Source(
        name=name,
        qualifier=_qualifier(mapping["FunctionArn"]),
        is_queue=is_queue,
        receives=_receives(session, name) if is_queue else None,
        retries=_limit(mapping.get("MaximumRetryAttempts")),
        max_age_s=_limit(mapping.get("MaximumRecordAgeInSeconds")),
        on_failure=_on_failure(mapping),
    )


def _receives(session: Session, queue: str) -> int | None:
    """Read how often a message is received before its queue moves it away; None is for ever."""
    account, name = queue.split(":")[4:]
    client = session.queues
    try:
        answer = session.read(
            f"read the redrive policy of {queue}",
            client.get_queue_attributes,
            QueueUrl=f"{client.meta.endpoint_url}/{account}/{name}",
            AttributeNames=["RedrivePolicy"],
        )
    except NotFound:  # a mapping outlives its queue
        return None
    policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy", "{}"))
    return int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None


def _on_failure(config: Mapping[str, Any]) -> str:
    destination: str = (
        config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "")
    )
    return destination


def _limit(value: int | None) -> int | None:
    return None if value is None or value < 0 else value


def _qualifier(arn: str) -> str:
    """Return the qualifier of a function's ARN; the bare one means `$LATEST`."""
    return (arn.split(":")[7:] or [LATEST])[0]
