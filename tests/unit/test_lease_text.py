"""The lease as text: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import lease
from deployguard.errors import Refusal
from deployguard.lease import Intent, Lease, What
from deployguard.resources import Alias

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
NAMES = st.from_regex(r"[A-Za-z_-][A-Za-z0-9_-]{0,20}", fullmatch=True)
NUMBERS = st.integers(1, 10**6).map(str)
SHARES = st.floats(0.001, 1.0)
TARGETS = st.one_of(
    st.just("none"),
    st.just("$LATEST"),
    NUMBERS,
    st.builds("{}+{}@{!r}".format, NUMBERS, NUMBERS, SHARES),
)
RESERVATIONS = st.one_of(st.just("none"), st.integers(0, 1000).map(str))
TOKENS = st.from_regex(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}|none", fullmatch=True)


def intents(what: What, values: st.SearchStrategy[str]) -> st.SearchStrategy[Intent]:
    """Make up intents of one kind."""
    after = st.lists(values, min_size=1, max_size=2, unique=True).map(tuple)
    names = NAMES if what is What.ALIAS else st.just("")
    return st.builds(Intent, st.just(what), values, after, name=names, finish=st.booleans())


INTENTS = st.one_of(
    intents(What.ALIAS, TARGETS),
    intents(What.CONCURRENCY, RESERVATIONS),
    intents(What.VARIABLE, TOKENS),
)
LEASES = st.builds(
    Lease,
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.from_regex(r"[A-Za-z0-9._/-]{1,40}", fullmatch=True),
    st.integers(1, 4_000_000_000).map(float),
    st.lists(INTENTS, max_size=1).map(tuple),
)


@given(LEASES)
def test_what_is_written_is_read_back(held: Lease) -> None:
    assert lease.parse(str(held), function=FUNCTION) == held


@given(LEASES, st.data())
def test_no_character_can_be_dropped_unnoticed(held: Lease, data: st.DataObject) -> None:
    text = str(held)
    at = data.draw(st.integers(0, len(text) - 1))
    try:
        read = lease.parse(text[:at] + text[at + 1 :], function=FUNCTION)
    except Refusal:
        return
    assert read != held


@given(st.text(max_size=256))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        lease.parse(text, function=FUNCTION)


def test_a_lease_longer_than_aws_allows_is_refused() -> None:
    intent = Intent(What.ALIAS, "41", ("42",), name="a" * 128)
    held = Lease("0123abcd", "b" * 40, 1.0, (intent, intent))
    with pytest.raises(Refusal, match="256 characters"):
        str(held)


def test_the_longest_name_of_an_alias_fits() -> None:
    intent = Intent(What.ALIAS, "4123+4122@0.25", ("4124",), name="a" * 128)
    assert len(str(Lease("0123abcd", "github/12345678901", 2e9, (intent,)))) <= lease.LIMIT


@given(st.integers(0, 10**10).map(float))
def test_a_lease_is_over_only_after_its_margin(until: float) -> None:
    held = Lease("0123abcd", "b", until)
    assert not held.is_over(until + lease.MARGIN_S)
    assert held.is_over(until + lease.MARGIN_S + 1)


@given(intents(What.ALIAS, TARGETS), intents(What.ALIAS, TARGETS))
def test_a_move_that_goes_on_is_undone_to_where_it_began(first: Intent, second: Intent) -> None:
    second = Intent(What.ALIAS, first.after[-1], second.after, name=first.name)
    (found,) = lease.merged((first,), second)
    assert found.before == first.before
    assert all(found.is_ours(value) for value in (*first.after, *second.after))


@given(NUMBERS, NUMBERS, SHARES)
def test_an_alias_is_given_back_its_weights_exactly(main: str, other: str, share: float) -> None:
    alias = Alias("live", "", main, {other: share}, "")
    assert lease.alias_from(lease.alias_text(alias), name="live") == alias
    assert lease.alias_from(lease.alias_text(None), name="live") is None
