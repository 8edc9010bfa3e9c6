"""Two guards on one function, in every order of their writes, with the lease and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proof.interleave import orders, perform
from tests.proof.play import performed

pytestmark = pytest.mark.timeout(600)


def test_two_guards_never_leave_what_no_verdict_supports(tmp_path: Path) -> None:
    results = list(performed(orders(), perform, folder=tmp_path))
    assert len(results) == 58
    failures = [f"{each.name}: {failure}" for each in results for failure in each.failures]
    assert not failures, "\n".join(failures)
