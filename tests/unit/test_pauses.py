"""How long a wait for AWS waits between two looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployguard.discover import pause_s


@given(st.floats(0.1, 3600))
def test_a_wait_is_a_tenth_too_long_at_most(took_s: float) -> None:
    waited_s = 0.0
    while waited_s < took_s:
        waited_s += pause_s(waited_s)
    assert waited_s <= max(took_s + 0.1, 1.1 * took_s) + 1e-9


def test_a_minute_takes_some_sixty_looks() -> None:
    waited_s, looks = 0.0, 0
    while waited_s < 60:
        waited_s, looks = waited_s + pause_s(waited_s), looks + 1
    assert looks < 64
