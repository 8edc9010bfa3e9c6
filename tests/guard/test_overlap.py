"""How long a check's probes hold their containers, seen by what it takes and what it proves."""

from __future__ import annotations

from typing import Any

from tests.guard.world import Finished, Team


def held(finished: Finished) -> list[float]:
    """Return the seconds for which each round held, by its containers' own stamps."""
    crumbs = [
        [probe["breadcrumb"] for probe in each["probes"] if probe["breadcrumb"]]
        for each in rounds(finished)
    ]
    return [max(crumb["released"] - crumb["received"] for crumb in each) for each in crumbs]


def rounds(finished: Finished) -> list[dict[str, Any]]:
    (evidence,) = finished.function["evidence"]
    return list(evidence["rounds"])


def verify(team: Team, *arguments: str) -> Finished:
    return team.run("verify", f"{team.name}:$LATEST", *arguments)


def test_a_hold_that_is_too_short_never_exhausts_the_containers(team: Team) -> None:
    team.ship("b1")
    team.warm(2)
    finished = verify(team, "--hold-ms", "1", "--max-probes", "60", "--grace", "0")
    assert finished.exit_code == 11, finished.out
    said = finished.function["coverage"]["shortfalls"]
    assert any("--hold-ms" in each for each in said), said


def test_a_late_arrival_lengthens_the_hold_until_the_containers_are_exhausted(team: Team) -> None:
    team.ship("b1")
    team.warm(4)
    team.lab.fault(operation="Invoke", kind="delay", seconds=0.7, nth=3)
    finished = verify(team)
    assert finished.exit_code == 0, finished.out
    first, second, *_ = held(finished)
    assert first < 0.7
    assert second > 2 * 0.7
    assert len(rounds(finished)) > 2


def test_one_probe_is_not_held_and_later_rounds_only_as_long_as_needed(live: Team) -> None:
    live.ship("b2")
    finished = live.check()
    assert finished.exit_code == 0, finished.out
    version, first, last = held(finished)
    assert version < 0.1
    assert 0.1 <= first < 0.6
    assert 0.1 <= last < 0.6
