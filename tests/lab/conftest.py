"""What several of the lab's tests begin with."""

from __future__ import annotations

import pytest

from deployguard.lab.client import Client
from tests.lab.state_machines import Stage


@pytest.fixture
def stage(lab: Client) -> Stage:
    """Return a lab without functions and state machines, and the means to make them."""
    return Stage(lab)
