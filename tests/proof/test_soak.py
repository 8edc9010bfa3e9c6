"""A short soak, and the warm processes that all of this rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.proof.play import performed
from tests.proof.scenarios import SCENARIOS
from tests.proof.soak import perform
from tests.proof.stage import staged

pytestmark = pytest.mark.timeout(600)
RUNS = 20


def test_random_kills_leave_nothing_broken(tmp_path: Path) -> None:
    results = list(performed(range(RUNS), perform, folder=tmp_path))
    failures = [f"{each.name}: {failure}" for each in results for failure in each.failures]
    assert not failures, "\n".join(failures)


def test_a_warm_process_reports_what_a_cold_one_does(tmp_path: Path) -> None:
    reports: list[Any] = []
    with staged(tmp_path) as stage:
        team = stage.team
        for run in (team.run, lambda *arguments: team.ended(team.start(*arguments))):
            stage.arrange(SCENARIOS["next"], name=f"{len(reports)}")
            finished = run(*SCENARIOS["next"].arguments(team))
            assert finished.exit_code == 0, finished.err
            reports.append((finished.out.splitlines()[0], _timeless(finished.report)))
    assert reports[0] == reports[1]


def _timeless(report: Any) -> Any:
    """Leave out what no two runs share."""
    (function,) = report["functions"]
    kept = {name: function[name] for name in ("alias", "verdict", "version", "expected")}
    changes = [(c["call"], c["before"], c["after"], c["result"]) for c in function["changes"]]
    routes = [(r["qualifier"], r["versions"], r["verdict"]) for r in function["routes"]]
    named = {name: report[name] for name in ("schema", "command", "verdict", "exit_code", "error")}
    return kept, changes, routes, function["findings"], named
