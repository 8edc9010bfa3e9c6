"""Checks inside AWS: the example's state machine succeeds only where all functions are fresh."""

from __future__ import annotations

import pytest

from tests.guard.crew import NAMES, Crew
from tests.guard.inside import Inside
from tests.guard.world import Team

ALL = {"functions": [{"name": name} for name in NAMES], "jobs": 1}


@pytest.fixture
def inside(team: Team) -> Inside:
    """Have three functions with b1 live and b2 deployed, and the guard in Lambda."""
    return Inside(Crew(team))


def test_all_functions_are_checked_and_one_report_says_so(inside: Inside) -> None:
    end = inside.run({**ALL, "jobs": 3})
    assert (end.status, end.report.get("verdict")) == ("SUCCEEDED", "FRESH"), end
    assert end.verdicts == dict.fromkeys(NAMES, "FRESH")
    assert set(inside.crew.live.values()) == {"2"}
    assert inside.crew.leases == []
