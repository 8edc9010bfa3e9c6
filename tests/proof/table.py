"""The page that shows the matrix: each cell with how many checks it passed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.proof.faults import FAULTS
from tests.proof.invariants import INVARIANTS
from tests.proof.play import Cell, Result
from tests.proof.scenarios import SCENARIOS

PAGE = Path(__file__).parents[2] / "docs" / "safety-matrix.md"
ELSEWHERE = {
    "I17": ("a rollback finds its image, or does not begin", "tests/guard/test_outcomes.py"),
    "I24": ("exhaustion is claimed only while its premise holds", "tests/unit/test_coverage.py"),
}
INTRODUCTION = """# Safety matrix

What happens when a run is killed, or AWS answers badly, at any of its calls. `make matrix` writes
this page; `make test` checks every cell anew.

Each row is a call that deployguard makes, found by running a scenario without a fault; each column
is something that befalls the run at that very call. A cell is one process of the real command line
against the [lab](lab.md), which strikes exactly there. What it leaves behind is checked against the
invariants below; then, once its lease has run out, `deployguard recover` runs and all is checked
again; and where that changed something, it runs once more and must change nothing. The number in a
cell is how many checks passed.

A call that several scenarios share is spoiled in one of them. A kill at a read is none of its own:
nothing changes between two writes. The soak (`make soak`) kills there, and at any time, too.
"""


def page(cells: Iterable[Cell], results: Mapping[str, Result]) -> str:
    """Return the page for these results."""
    known = list(cells)
    checks = sum(result.checks for result in results.values())
    failed = [result for result in results.values() if result.failures]
    runs = f"{len(known)} cells, {checks:,} checks, {len(failed)} cells with a failure."
    tables = "\n".join(_scenario(name, known, results) for name in SCENARIOS)
    return f"{INTRODUCTION}\n**{runs}**\n\n{_faults()}\n{_invariants()}\n{tables}"


def cells_in(text: str) -> set[str]:
    """Return the names of the cells that a page shows."""
    names: set[str] = set()
    heads: list[str] = []
    for line in text.splitlines():
        columns = [column.strip() for column in line.strip("|").split("|")]
        if columns[0] == "call":
            heads = columns
        elif re.match(r"`\w+-S\d\d-", columns[0]):
            step = columns[0].strip("`")
            names |= {
                f"{step}-{head}"
                for head, value in zip(heads[1:], columns[1:], strict=True)
                if value
            }
    return names


def _scenario(name: str, cells: list[Cell], results: Mapping[str, Result]) -> str:
    ours = [cell for cell in cells if cell.step.scenario == name]
    used = [fault for fault in FAULTS if any(cell.fault.name == fault for cell in ours)]
    rows: dict[str, dict[str, str]] = {}
    for cell in ours:
        rows.setdefault(cell.step.name, {})[cell.fault.name] = _outcome(results[cell.name])
    scenario = SCENARIOS[name]
    options = " ".join(scenario.options)
    body = [(f"`{step}`", *(row.get(fault, "") for fault in used)) for step, row in rows.items()]
    title = f"## {name}: `{scenario.command} {options}".rstrip() + "`"
    return f"{title}\n\n{scenario.story}\n\n" + _rows(("call", *used), *body)


def _outcome(result: Result) -> str:
    passed = result.checks - len(result.failures)
    return f"{passed} of {result.checks}" if result.failures else str(passed)


def _faults() -> str:
    rows = [(fault.name, fault.title) for fault in FAULTS.values()]
    return "## Faults\n\n" + _rows(("fault", "what befalls the run"), *rows)


def _invariants() -> str:
    seen = [
        (name[:3].upper(), str(check.__doc__).rstrip("."), "every cell")
        for name, check in INVARIANTS.items()
    ]
    other = [(name, text, where) for name, (text, where) in ELSEWHERE.items()]
    rows = sorted([*seen, *other])
    return "## Invariants\n\n" + _rows(("number", "what holds", "checked in"), *rows)


def _rows(*rows: tuple[str, ...]) -> str:
    head, *body = rows
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *body))
