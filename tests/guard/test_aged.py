"""Containers that go wrong with age are found before traffic reaches them."""

from __future__ import annotations

import json

import pytest

from tests.guard.world import Finished, Team

TIMEOUT_S = 4
# The second incident: a deadline that is right when the module is imported, and never again.
DEADLINE = f"""
import time
from helper import breadcrumb, canary

DEADLINE = time.monotonic() + 0.95 * {TIMEOUT_S}

def in_time():
    return time.monotonic() < DEADLINE

def work(event, context):
    if not in_time():
        raise TimeoutError("exceeded timeout limits")
    return {{"ok": True}}
"""
TESTED = f"{DEADLINE}\nhandler = canary(work, self_test=in_time)\n".encode()
UNTESTED = f"{DEADLINE}\nhandler = canary(work)\n".encode()
HEALTHY = b"""
from helper import canary

@canary(self_test=lambda: {"ok": True, "fonts": 12})
def handler(event, context):
    return {"ok": True}
"""
FAILING = HEALTHY.replace(b'lambda: {"ok": True, "fonts": 12}', b"lambda: {}[0]")
CALLED = f"""{DEADLINE}
def handler(event, context):
    work(event, context)
    return breadcrumb(event, context)
""".encode()


def ship(team: Team, handler: bytes) -> None:
    """Deploy a second build with another handler, and start none of its containers."""
    team.ship("b2", handler=handler)


def aged(team: Team, *arguments: str) -> Finished:
    return team.check("--aged", str(TIMEOUT_S), "--hold-ms", "100", *arguments)


def seen(finished: Finished) -> str:
    (found,) = finished.function["findings"]
    return str(found["seen"])


def test_a_deadline_that_was_made_at_import_is_found_before_traffic(live: Team) -> None:
    ship(live, TESTED)
    finished = aged(live)

    assert (finished.exit_code, finished.findings) == (11, ["DG312"])
    assert "it passed at the age of" in seen(finished)
    assert finished.function["aged"]["self_tests"]["passed"] > 0
    assert finished.function["aged"]["self_tests"]["failed"] > 0
    assert live.alias() == "1"
    assert "UpdateAlias" not in live.writes()
    replayed = live.run("report", "--replay", "deployguard-report/report.json")
    assert (replayed.exit_code, "DG312" in replayed.out) == (11, True)


def test_a_build_that_ages_well_is_fresh(live: Team) -> None:
    ship(live, HEALTHY)
    finished = aged(live)

    assert (finished.exit_code, finished.findings) == (0, []), finished.err
    told = finished.function["aged"]
    assert told["old"] >= 1
    assert told["oldest_s"] >= TIMEOUT_S
    assert told["self_tests"]["passed"] >= 15
    assert told["self_tests"]["failed"] == told["self_tests"]["unknown"] == 0
    assert "seen 4 s old: self-tests" in finished.out
    assert live.alias() == "2"


def test_without_a_self_test_only_the_canary_is_seen_to_age_and_that_is_said(live: Team) -> None:
    ship(live, UNTESTED)
    finished = aged(live)

    assert (finished.exit_code, finished.findings) == (0, ["DG313"])


def test_a_self_test_that_fails_from_the_first_keeps_traffic_away(live: Team) -> None:
    ship(live, FAILING)
    finished = aged(live)

    assert (finished.exit_code, finished.findings) == (11, ["DG311"])
    assert "(KeyError)" in seen(finished)
    assert live.alias() == "1"


def test_a_canary_that_is_answered_with_an_error_later_is_a_change(live: Team) -> None:
    ship(live, CALLED)
    finished = aged(live)

    assert finished.exit_code == 11
    assert finished.findings[0] == "DG312"
    assert "probes of containers that had answered before" in str(finished.function["findings"])
    assert "exceeded timeout limits" not in finished.out  # what a handler says may hold secrets


def test_verify_lets_the_containers_of_a_route_age(live: Team) -> None:
    live.ship("b2", handler=TESTED)
    live.point(live.publish())
    finished = live.run("verify", live.name, "--aged", str(TIMEOUT_S), "--hold-ms", "100")

    assert (finished.exit_code, finished.findings) == (11, ["DG312"])


def test_containers_that_are_old_already_are_not_waited_for(live: Team) -> None:
    live.ship("b2", handler=HEALTHY)
    live.point(live.publish())
    invoked = {"FunctionName": live.name, "Qualifier": "live"}
    live.functions.invoke(**invoked, Payload=json.dumps({"order": 7}))
    finished = live.run("verify", live.name, "--aged", "0.01", "--hold-ms", "0")

    assert finished.exit_code == 0
    assert "left alone" not in finished.err


@pytest.mark.parametrize("arguments", [("--timeout", "4"), ("--timeout", "3.5")])
def test_an_age_that_does_not_fit_into_the_run_is_refused(
    live: Team, arguments: tuple[str, str]
) -> None:
    ship(live, HEALTHY)
    writes = live.writes()
    finished = aged(live, *arguments)

    assert finished.exit_code == 3
    assert "--aged 4 does not fit into --timeout" in finished.err + finished.out
    assert live.writes() == writes


def test_where_no_container_becomes_that_old_nothing_is_claimed(live: Team) -> None:
    ship(live, HEALTHY)
    finished = live.check("--aged", "30", "--timeout", "30.1", "--hold-ms", "100")

    assert (finished.exit_code, finished.findings) == (11, ["DG304"])
    assert "none at the age of 30 s" in seen(finished)
    assert finished.report is not None
    assert finished.report["seconds"] < 20  # it does not wait for what cannot come
    assert live.alias() == "1"


def test_probes_run_out_before_containers_are_old(live: Team) -> None:
    ship(live, HEALTHY)
    finished = aged(live, "--max-probes", "8")

    assert (finished.exit_code, finished.findings) == (11, ["DG304"])


def test_the_plan_tells_of_the_wait(live: Team) -> None:
    ship(live, HEALTHY)

    assert "until they are 4 s old" in aged(live, "--dry-run").out
