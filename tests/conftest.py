"""One lab for all tests of a worker process, emptied before each that uses it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

hypothesis.settings.register_profile("shared", deadline=None)  # machines are busy at times
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def shared_lab() -> Iterator[Client]:
    """Run the lab that the tests share."""
    with running_lab() as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Client) -> Client:
    """Hand out the lab, empty."""
    shared_lab.reset()
    return shared_lab
