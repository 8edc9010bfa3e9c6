"""One Chromium for all tests of a worker process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import Browser, running
from tests.ci.tools import need
from tests.unit import report_cases as cases


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Run the browser that the tests share."""
    with running(need("chromium", "google-chrome"), tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hand out a folder with a page of each kind of report."""
    found = tmp_path_factory.mktemp("pages")
    for name, make in cases.CASES.items():
        (found / f"{name}.html").write_text(cases.page(make()), encoding="utf-8")
    return found
