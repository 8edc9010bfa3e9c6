"""What the runs of both CI services share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from tests.ci import cloud, tools


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    with running_lab() as client:
        cloud.ship_good_and_bad(client)
        yield client


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ci") / "deployguard"
    tools.copy_project(folder)
    return folder
