"""What the guard's tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployguard.lab.client import Client
from tests.guard.world import FOR_EVER, Team


@pytest.fixture
def lab(lab: Client) -> Client:
    """Hand out the lab, which forks its containers: that is most of what they cost."""
    lab.set(zygote=True)
    return lab


@pytest.fixture
def team(lab: Client, tmp_path: Path) -> Team:
    """Hand out a team with nothing deployed yet."""
    return Team(lab, tmp_path)


@pytest.fixture
def live(team: Team) -> Team:
    """Have build b1 live behind the alias, as version 1."""
    team.ship("b1")
    team.publish()
    team.point("1")
    return team


@pytest.fixture
def moving(live: Team) -> Team:
    """Have b1 live as version 1, and b2 deployed."""
    live.ship("b2")
    return live


@pytest.fixture
def failing(live: Team) -> Team:
    """Have b1 live, and b2 deployed while an old container of $LATEST stays."""
    live.warm(1)
    live.lab.set(linger=[{"function": live.name, **FOR_EVER}])
    live.ship("b2")
    return live


@pytest.fixture
def reports(team: Team) -> Team:
    """Have b1 behind the alias `live` and b2 behind `next`, which is what $LATEST runs."""
    team.lab.set(virtual=True)
    team.ship("b1")
    team.publish()
    team.point("1")
    team.ship("b2")
    team.publish()
    team.point("2", "next")
    return team
