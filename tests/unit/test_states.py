"""Which states of a function are waited out, and which end the waiting."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployguard.resources import Provisioned
from tests.values import FUNCTION


@pytest.mark.parametrize(
    ("state", "update", "settled"),
    [
        ("Active", "Successful", True),
        ("Inactive", "Successful", True),
        ("Failed", "Successful", True),
        ("Active", "Failed", True),
        ("Active", "InProgress", False),
        ("Pending", "Successful", False),
        ("Deactivating", "Successful", False),
        ("SomethingNew", "Successful", False),
        ("Active", "SomethingNew", False),
    ],
)
def test_a_state_that_nobody_knows_is_neither_ready_nor_failed(
    state: str, update: str, settled: bool
) -> None:
    function = replace(FUNCTION, state=state, update_status=update)
    assert function.is_settled is settled
    assert function.has_failed is ("Failed" in (state, update))


@pytest.mark.parametrize(
    ("status", "settled"),
    [("READY", True), ("FAILED", True), ("IN_PROGRESS", False), ("SOMETHING_NEW", False)],
)
def test_provisioned_concurrency_is_waited_for_until_it_is_ready_or_failed(
    status: str, settled: bool
) -> None:
    assert Provisioned(status, requested=1, available=0, reason="").is_settled is settled
