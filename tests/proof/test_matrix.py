"""Every cell of the fault matrix: whatever befalls a run at any of its calls, nothing stays broken.

All selected cells are performed at once, before the first test that looks at one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.proof import table
from tests.proof.play import Cell, Result, cells, perform, performed
from tests.proof.scenarios import SCENARIOS, Scenario
from tests.proof.stage import Stage, staged
from tests.proof.steps import discover, load

pytestmark = pytest.mark.timeout(1200)
CELLS = cells(load())


@pytest.fixture(scope="session")
def results(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Result]:
    """Perform the cells whose tests are to run."""
    called = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = {spec.params["cell"].name for spec in called if spec and "cell" in spec.params}
    chosen = [cell for cell in CELLS if cell.name in wanted]
    folder = tmp_path_factory.mktemp("cells")
    return {result.name: result for result in performed(chosen, perform, folder=folder)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Hand out a stage for the scenarios without a fault."""
    with staged(tmp_path_factory.mktemp("stage")) as stage:
        yield stage


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
def test_cell(cell: Cell, results: Mapping[str, Result]) -> None:
    result = results[cell.name]
    assert not result.failures, "\n".join(result.failures)


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)
def test_the_steps_are_those_of_a_run_without_a_fault(scenario: Scenario, stage: Stage) -> None:
    known = [step for step in load() if step.scenario == scenario.name]
    assert known == discover(stage, scenario), "run `make matrix`"


def test_the_table_names_the_cells_that_there_are() -> None:
    shown = table.cells_in(table.PAGE.read_text())
    assert shown == {cell.name for cell in CELLS}, "run `make matrix`"
