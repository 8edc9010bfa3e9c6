"""What a run asks of AWS, call by call: docs/calls.toml says how often, and why."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from deployguard.lab.client import Client
from tests.guard.crew import NAMES, Crew
from tests.guard.world import Team

CALLS = tomllib.loads((Path(__file__).parents[2] / "docs" / "calls.toml").read_text())["call"]
FLEET = "".join(f'[[functions]]\nname = "{name}"\n' for name in NAMES)
# A run may need more where the machine is too slow to have all of a burst's requests in flight.
AT_LEAST = {"lambda.Invoke"}


def calls_of(lab: Client, run: Callable[[], int]) -> Counter[str]:
    before = lab.calls()
    assert run() == 0
    made = Counter(lab.calls())
    made.subtract(before)
    return +made


def expected(column: str) -> dict[str, int]:
    return {each["name"]: each[column] for each in CALLS if column in each}


def differing(made: Counter[str], column: str) -> dict[str, tuple[int, int]]:
    """Return what was made, and what is expected, where these are not the same."""
    wanted = expected(column)
    return {
        name: (made[name], wanted.get(name, 0))
        for name in sorted({*made, *wanted})
        if made[name] != wanted.get(name, 0)
        and not (name in AT_LEAST and made[name] > wanted.get(name, 0) > 0)
    }


@pytest.fixture
def crew(team: Team) -> Crew:
    return Crew(team)


def test_no_call_of_a_check_is_one_too_many(moving: Team) -> None:
    def check() -> int:
        return moving.check(DEPLOYGUARD_ROUTES="auto").exit_code

    assert differing(calls_of(moving.lab, check), "check") == {}
    assert differing(calls_of(moving.lab, check), "idle") == {}


def test_no_call_of_verify_and_rollback_is_one_too_many(moving: Team) -> None:
    assert moving.check().exit_code == 0

    def verify() -> int:
        return moving.run("verify", "reports", DEPLOYGUARD_ROUTES="auto").exit_code

    def rollback() -> int:
        return moving.run("rollback", "reports").exit_code

    assert differing(calls_of(moving.lab, verify), "verify") == {}
    assert differing(calls_of(moving.lab, rollback), "rollback") == {}


def test_a_fleet_asks_once_for_what_all_its_functions_need_to_know(crew: Crew) -> None:
    crew.write(FLEET)

    def check() -> int:
        return crew.check(DEPLOYGUARD_ROUTES="auto").exit_code

    assert differing(calls_of(crew.team.lab, check), "fleet") == {}
