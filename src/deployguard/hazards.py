"""What draining by reserved concurrency 0 would cost, judged before it starts.

While nothing is reserved, callers that wait are turned away, and Lambda gives up asynchronous
events at once. Where it is not known who calls, or how, the worse is assumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from deployguard.errors import Refusal
from deployguard.traffic import Unread

DAYS = 14  # over which asynchronous events are counted
FEW = 5  # receives of a message, below which AWS warns of throttling (Developer Guide, with-sqs)

# The services that wait for an answer (Developer Guide, lambda-services). Any other one that a
# policy names is taken to send events: a wrong guess then refuses, and loses nothing.
WAITING = frozenset(
    (
        "alexa-appkit",
        "alexa-connectedhome",
        "apigateway",
        "cloudfront",
        "cognito-idp",
        "cognito-sync",
        "edgelambda",
        "elasticloadbalancing",
        "firehose",
        "lex",
        "lexv2",
        "states",
    )
)


@dataclass(frozen=True)
class Grant:
    """Who may call a qualifier, as its resource policy says."""

    principal: str
    qualifier: str
    source: str = ""  # the ARN that the service has to call for
    is_service: bool = True
    by_url: bool = False  # through a function URL only

    @property
    def sends_events(self) -> bool:
        """Say whether the caller is a service that does not wait for an answer."""
        return self.is_service and not self.by_url and self.principal.split(".")[0] not in WAITING

    @property
    def caller(self) -> str:
        """Name the caller."""
        who = "its function URL" if self.by_url else self.principal
        return f"{who} for {self.source}" if self.source else who


@dataclass(frozen=True)
class Source:
    """A queue or stream that Lambda reads for the function; None is without end."""

    name: str  # its ARN, where it has one
    qualifier: str
    is_queue: bool = False
    receives: int | None = None  # of a message, before it goes to the queue's dead-letter queue
    retries: int | None = None
    max_age_s: int | None = None  # of a record
    on_failure: str = ""  # where it is told of records that were given up


@dataclass(frozen=True)
class Callers:
    """Who calls a function, and what becomes of what it refuses, as far as AWS shows it."""

    reserved: int | None = None
    is_managed: bool = False  # on the instances of a capacity provider
    provisioned: tuple[str, ...] = ()  # qualifiers
    grants: tuple[Grant, ...] = ()
    received: Mapping[str, int] = field(default_factory=dict)  # events of the last DAYS
    kept: Mapping[str, str] = field(default_factory=dict)  # qualifier -> where failed events go
    sources: tuple[Source, ...] = ()
    unread: tuple[Unread, ...] = ()


@dataclass(frozen=True)
class Hazard:
    """One cost of draining, in words: `blocks` is never accepted, `loses` on request."""

    text: str
    fix: str = ""
    blocks: bool = False
    loses: bool = False

    def __str__(self) -> str:
        """Return the sentence with what to do about it."""
        return f"{self.text}; {self.fix}" if self.fix else self.text


def costs(callers: Callers, *, hold_s: float) -> tuple[Hazard, ...]:
    """Say what draining for so long would cost, the worst first."""
    found = (
        *_blocking(callers),
        *_of_events(callers),
        *(_of_source(source, hold_s=hold_s) for source in callers.sources),
        *_of_unread(callers),
        _of_waiting(callers, hold_s=hold_s),
    )
    return tuple(sorted(found, key=lambda hazard: (not hazard.blocks, not hazard.loses)))


def refuse(hazards: Iterable[Hazard], *, accept_loss: bool) -> tuple[str, ...]:
    """Refuse a drain that must not be, or that loses what nobody accepted to lose.

    Returns what to say before the drain starts.
    """
    hazards = tuple(hazards)
    refused = [each for each in hazards if each.blocks or (each.loses and not accept_loss)]
    if not refused:
        return tuple(map(str, hazards))
    is_final = any(each.blocks for each in refused)
    raise Refusal(
        "\n".join(("draining by reserved concurrency 0 is refused", *(f"- {h}" for h in refused))),
        cause="with a reservation of 0 Lambda runs nothing, and keeps no event for later",
        fix="use another remedy" + ("" if is_final else ", or accept the loss by --accept-loss"),
    )


def _blocking(callers: Callers) -> Iterator[Hazard]:
    if callers.reserved == 0:
        yield Hazard(
            "the reserved concurrency is 0 already: the function is switched off on purpose",
            "switch it on first, if that is what you want",
            blocks=True,
        )
    if callers.is_managed:
        yield Hazard(
            "the function runs on a capacity provider, and nothing says that a reservation "
            "of 0 reaches the containers there",
            "use another remedy",
            blocks=True,
        )
    for qualifier in callers.provisioned:
        yield Hazard(
            f"{qualifier} has provisioned concurrency, which may not exceed what is reserved",
            "remove it first, or use another remedy",
            blocks=True,
        )


def _of_events(callers: Callers) -> Iterator[Hazard]:
    """Judge each qualifier that asynchronous events go to."""
    senders: dict[str, list[str]] = {}
    for grant in callers.grants:
        if grant.sends_events:
            senders.setdefault(grant.qualifier, []).append(f"from {grant.caller}")
    for qualifier, count in callers.received.items():
        if count > 0:
            told = f"{count} came in the last {DAYS} days"
            senders.setdefault(qualifier, []).append(told)
    for qualifier, texts in senders.items():
        events = f"asynchronous events to {qualifier} ({', '.join(dict.fromkeys(texts))})"
        kept = callers.kept.get(qualifier)
        if kept:
            yield Hazard(
                f"{events} go to {kept} at once, without being tried",
                "send them again from there afterwards",
            )
        else:
            yield Hazard(
                f"{events} would be lost: there is no on-failure destination and no dead-letter "
                "queue to keep them",
                f"give {qualifier} an on-failure destination",
                loses=True,
            )


def _of_source(source: Source, *, hold_s: float) -> Hazard:
    if source.is_queue:
        return _of_queue(source)
    if source.max_age_s is not None and source.max_age_s <= hold_s:
        return Hazard(
            f"records of {source.name} would be given up: they may wait {source.max_age_s} s, "
            f"and draining takes {hold_s:.0f} s",
            "raise its MaximumRecordAgeInSeconds, or disable the mapping meanwhile",
            loses=True,
        )
    if source.retries is not None and source.retries < FEW and not source.on_failure:
        # NOTE: AWS documents that throttling does not use up these retries (Developer Guide,
        # kinesis-on-failure-destination); without a destination nobody would learn of the opposite.
        return Hazard(
            f"records of {source.name} may be lost: they are given up after {source.retries} "
            "retries, and no on-failure destination would tell of it",
            "give it an on-failure destination, or disable the mapping meanwhile",
            loses=True,
        )
    return Hazard(f"records of {source.name} wait")


def _of_queue(queue: Source) -> Hazard:
    if queue.receives is None:
        return Hazard(f"messages of {queue.name} wait; it has no dead-letter queue to move them to")
    counted = f"each may be received {queue.receives} times, and being turned away counts"
    if queue.receives < FEW:
        return Hazard(
            f"messages of {queue.name} would end up in its dead-letter queue: {counted}",
            f"let them be received {FEW} times, or disable the mapping meanwhile",
            loses=True,
        )
    return Hazard(f"messages of {queue.name} wait: {counted}")


def _of_unread(callers: Callers) -> Iterator[Hazard]:
    for unread in callers.unread:
        yield Hazard(
            f"{unread.what} could not be read, so what would be lost is unknown: {unread.why}",
            unread.fix,
            loses=True,
        )


def _of_waiting(callers: Callers, *, hold_s: float) -> Hazard:
    waiting = (f"{g.caller} to {g.qualifier}" for g in callers.grants if not g.sends_events)
    names = ", ".join(dict.fromkeys(waiting))
    return Hazard(
        f"for {hold_s:.0f} s or more every caller that waits for an answer gets status 429: API "
        "Gateway answers 429 or 5xx, a function URL 429, and Step Functions tries again only where "
        "the definition says so" + (f"; the policies name {names}" if names else "")
    )
