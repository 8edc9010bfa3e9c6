"""One lab for all tests of a worker process, emptied before each that uses it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import pytest

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

hypothesis.settings.register_profile("shared", deadline=None)  # machines are busy at times
hypothesis.settings.load_profile("shared")


# The folders whose files take longest, so that no worker begins one when the others are done.
FIRST = ("proof", "ci", "guard", "lab")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""

    def rank(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return FIRST.index(folder) if folder in FIRST else len(FIRST)

    items.sort(key=rank)


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
