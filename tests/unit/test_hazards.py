"""What draining would cost: what is refused, what may be accepted, and what is only said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import hazards
from deployguard.errors import Refusal
from deployguard.hazards import Callers, Grant, Hazard, Source
from deployguard.model import LATEST
from deployguard.traffic import Unread

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs"
STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/clicks"
DEAD = "arn:aws:sqs:eu-west-1:123456789012:dead"
UPLOADS = Grant("s3.amazonaws.com", "live", "arn:aws:s3:::uploads")
WAITING = [
    Grant("apigateway.amazonaws.com", "live"),
    Grant("elasticloadbalancing.amazonaws.com", "live"),
    Grant("cognito-idp.amazonaws.com", "live"),
    Grant("alexa-appkit.amazon.com", "live"),
    Grant("cloudfront.amazonaws.com", "live", by_url=True),
    Grant("*", "live", is_service=False, by_url=True),
    Grant("arn:aws:iam::210987654321:role/some.body", "live", is_service=False),
]
SENDING = [
    "codecommit.amazonaws.com",
    "config.amazonaws.com",
    "events.amazonaws.com",
    "iot.amazonaws.com",
    "logs.eu-west-1.amazonaws.com",
    "s3.amazonaws.com",
    "ses.amazonaws.com",
    "sns.amazonaws.com",
    "something-new.amazonaws.com",
]

qualifiers = st.sampled_from(["live", "1", LATEST])
counts = st.none() | st.integers(0, 20)
grants = st.builds(
    Grant,
    principal=st.sampled_from([*SENDING, *(each.principal for each in WAITING)]),
    qualifier=qualifiers,
    is_service=st.booleans(),
    by_url=st.booleans(),
)
sources = st.builds(
    Source,
    name=st.sampled_from([QUEUE, STREAM]),
    qualifier=qualifiers,
    is_queue=st.booleans(),
    receives=counts,
    retries=counts,
    max_age_s=st.none() | st.integers(60, 600),
    on_failure=st.sampled_from(["", DEAD]),
)
unreads = st.builds(Unread, what=st.just("a part"), why=st.just("no"), fix=st.just("ask"))
callers = st.builds(
    Callers,
    reserved=st.sampled_from([None, 0, 5]),
    is_managed=st.booleans(),
    provisioned=st.lists(qualifiers, max_size=2).map(tuple),
    grants=st.lists(grants, max_size=3).map(tuple),
    received=st.dictionaries(qualifiers, st.integers(-2, 5), max_size=2),
    kept=st.dictionaries(qualifiers, st.just(DEAD), max_size=2),
    sources=st.lists(sources, max_size=3).map(tuple),
    unread=st.lists(unreads, max_size=2).map(tuple),
)


def costs(known: Callers, *, hold_s: float = 30.0) -> tuple[Hazard, ...]:
    """Judge a drain of half a minute."""
    return hazards.costs(known, hold_s=hold_s)


def losses(known: Callers, *, hold_s: float = 30.0) -> list[str]:
    """Return what would be lost."""
    return [each.text for each in costs(known, hold_s=hold_s) if each.loses]


def is_refused(known: Callers, *, accept_loss: bool) -> bool:
    """Say whether the drain may not start."""
    try:
        hazards.refuse(costs(known), accept_loss=accept_loss)
    except Refusal:
        return True
    return False


def test_a_function_that_nobody_is_known_to_call_still_turns_callers_away() -> None:
    (only,) = hazards.refuse(costs(Callers()), accept_loss=False)
    assert only.startswith("for 30 s or more every caller that waits for an answer gets status 429")


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (Callers(reserved=0), "switched off on purpose"),
        (Callers(provisioned=("live",)), "live has provisioned concurrency"),
        (Callers(is_managed=True), "capacity provider"),
    ],
)
def test_what_blocks_is_refused_even_where_the_loss_is_accepted(known: Callers, says: str) -> None:
    with pytest.raises(Refusal, match=says) as caught:
        hazards.refuse(costs(known), accept_loss=True)
    assert caught.value.exit_code == 3
    assert "--accept-loss" not in caught.value.fix


@pytest.mark.parametrize("service", SENDING)
def test_events_of_a_service_are_lost_where_nothing_keeps_them(service: str) -> None:
    grant = replace(UPLOADS, principal=service)
    (lost,) = losses(Callers(grants=(grant,), kept={LATEST: DEAD}))
    assert f"asynchronous events to live (from {service} for arn:aws:s3:::uploads)" in lost


def test_events_that_are_kept_are_said_to_go_there_untried() -> None:
    said = hazards.refuse(costs(Callers(grants=(UPLOADS,), kept={"live": DEAD})), accept_loss=False)
    assert f"go to {DEAD} at once, without being tried; send them again" in said[0]


@pytest.mark.parametrize("grant", WAITING, ids=str)
def test_a_caller_that_waits_for_an_answer_is_only_named(grant: Grant) -> None:
    (only,) = costs(Callers(grants=(grant,)))
    assert not only.loses
    assert only.text.endswith(f"the policies name {grant.caller} to live")


def test_events_that_only_the_metric_shows_are_lost_too() -> None:
    known = Callers(received={"live": 3, LATEST: 12}, kept={"live": DEAD})
    (lost,) = losses(known)
    assert "asynchronous events to $LATEST (12 came in the last 14 days) would be lost" in lost


def test_a_count_of_none_or_less_is_no_event() -> None:
    assert losses(Callers(received={"live": 0, LATEST: -1})) == []


def test_all_that_is_known_of_a_qualifier_is_said_at_once() -> None:
    events = Grant("events.amazonaws.com", "live")
    (lost,) = losses(Callers(grants=(UPLOADS, UPLOADS, events), received={"live": 3}))
    assert (
        "live (from s3.amazonaws.com for arn:aws:s3:::uploads, from events.amazonaws.com, "
        "3 came in the last 14 days)"
    ) in lost


@pytest.mark.parametrize(
    ("receives", "is_lost"), [(1, True), (4, True), (5, False), (100, False), (None, False)]
)
def test_messages_are_lost_where_they_may_be_received_too_seldom(
    receives: int | None, is_lost: bool
) -> None:
    queue = Source(QUEUE, "live", is_queue=True, receives=receives)
    assert bool(losses(Callers(sources=(queue,)))) is is_lost


@pytest.mark.parametrize(
    ("stream", "is_lost"),
    [
        (Source(STREAM, "live"), False),
        (Source(STREAM, "live", retries=0), True),
        (Source(STREAM, "live", retries=4), True),
        (Source(STREAM, "live", retries=5), False),
        (Source(STREAM, "live", retries=0, on_failure=DEAD), False),
        (Source(STREAM, "live", max_age_s=90), True),
        (Source(STREAM, "live", max_age_s=90, on_failure=DEAD), True),
        (Source(STREAM, "live", max_age_s=91), False),
    ],
    ids=str,
)
def test_records_are_lost_where_they_are_given_up_too_soon(stream: Source, is_lost: bool) -> None:
    assert bool(losses(Callers(sources=(stream,)), hold_s=90.0)) is is_lost


def test_what_could_not_be_read_is_a_loss_with_the_missing_action() -> None:
    unread = Unread("the aliases", "the role lacks lambda:ListAliases on f", "add a statement")
    with pytest.raises(Refusal) as caught:
        hazards.refuse(costs(Callers(unread=(unread,))), accept_loss=False)
    assert "the aliases could not be read" in caught.value.happened
    assert "the role lacks lambda:ListAliases on f; add a statement" in caught.value.happened
    assert caught.value.fix == "use another remedy, or accept the loss by --accept-loss"


def test_a_refusal_lists_what_is_refused_and_nothing_else() -> None:
    queue = Source(QUEUE, "live", is_queue=True, receives=9)
    known = Callers(reserved=0, grants=(UPLOADS,), sources=(queue,))
    with pytest.raises(Refusal) as caught:
        hazards.refuse(costs(known), accept_loss=False)
    first, *listed = caught.value.happened.split("\n")
    assert first == "draining by reserved concurrency 0 is refused"
    assert [line[:17] for line in listed] == ["- the reserved co", "- asynchronous ev"]


@given(callers)
def test_accepting_the_loss_lifts_losses_and_nothing_that_blocks(known: Callers) -> None:
    found = costs(known)
    assert is_refused(known, accept_loss=True) == any(each.blocks for each in found)
    assert is_refused(known, accept_loss=False) == any(each.blocks or each.loses for each in found)


@given(callers)
def test_what_is_not_refused_is_said_in_full(known: Callers) -> None:
    found = costs(known)
    if not is_refused(known, accept_loss=True):
        assert hazards.refuse(found, accept_loss=True) == tuple(map(str, found))


@given(callers, grants, sources, unreads)
def test_knowing_more_callers_never_makes_a_refused_drain_pass(
    known: Callers, grant: Grant, source: Source, unread: Unread
) -> None:
    for more in (
        replace(known, grants=(*known.grants, grant)),
        replace(known, sources=(*known.sources, source)),
        replace(known, unread=(*known.unread, unread)),
    ):
        for accepted in (True, False):
            was_refused = is_refused(known, accept_loss=accepted)
            assert is_refused(more, accept_loss=accepted) >= was_refused


@given(callers)
def test_the_worst_is_said_first_and_the_callers_that_wait_always(known: Callers) -> None:
    found = costs(known)
    ranks = [(each.blocks, each.loses) for each in found]
    assert ranks == sorted(ranks, reverse=True)
    assert "status 429" in found[-1].text
