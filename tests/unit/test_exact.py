"""What chance does, held against counting every order in which it might have come."""

from __future__ import annotations

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.exact import chance_of_more, split

VALUES = st.lists(st.integers(0, 4), min_size=1, max_size=4)


def counted(marked: list[int], others: list[int]) -> float:
    """Return the part of all orders whose lead is as great, by making each of them."""
    values = marked + others
    wanted = lead(marked, others)
    chosen = list(combinations(range(len(values)), len(marked)))
    hits = 0
    for places in chosen:
        here = [values[place] for place in places]
        there = [value for place, value in enumerate(values) if place not in places]
        hits += lead(here, there) >= wanted
    return hits / len(chosen)


def lead(marked: list[int], others: list[int]) -> int:
    """Return how far marked ones lie above others, at the value where that is furthest."""
    return max(
        sum(value >= at for value in marked) * len(others)
        - sum(value >= at for value in others) * len(marked)
        for at in {*marked, *others}
    )


@given(VALUES, VALUES)
def test_the_chance_of_a_split_is_what_counting_every_order_gives(
    marked: list[int], others: list[int]
) -> None:
    found = split(marked, others)
    if found is None:
        assert lead(marked, others) <= 0
    else:
        assert found.chance == pytest.approx(counted(marked, others))


@given(VALUES, VALUES)
def test_a_split_counts_all_values_and_says_where_they_part(
    marked: list[int], others: list[int]
) -> None:
    found = split(marked, others)
    if found is not None:
        assert found.above[0] == sum(value >= found.at for value in marked)
        assert found.above[1] == sum(value >= found.at for value in others)
        assert found.under == (len(marked) - found.above[0], len(others) - found.above[1])
        assert found.is_perfect == (min(marked) > max(others))


def test_that_ten_old_ones_fail_and_seventeen_young_do_not_is_no_chance() -> None:
    found = split([975.0 + n for n in range(10)], [float(n) for n in range(17)])
    assert found is not None
    assert (found.at, found.below, found.is_perfect) == (975.0, 16.0, True)
    assert found.chance == pytest.approx(1 / comb(27, 10), rel=1e-9)


def test_what_was_seen_of_one_outcome_only_splits_nothing() -> None:
    assert split([1.0, 2.0], []) is None
    assert split([], [1.0]) is None
    assert split([1.0], [2.0]) is None, "a failure below a success is no threshold upwards"


@pytest.mark.parametrize(
    ("table", "chance"),
    [
        ((3, 3, 0, 3), 1 / 20),  # all three of six on one side
        ((3, 4, 1, 4), 17 / 70),  # the lady who tastes tea, one mistake
        ((10, 10, 0, 17), 1 / comb(27, 10)),
        ((0, 5, 0, 5), 1.0),
    ],
)
def test_the_chance_of_a_table_is_fishers(table: tuple[int, int, int, int], chance: float) -> None:
    assert chance_of_more(*table) == pytest.approx(chance)
