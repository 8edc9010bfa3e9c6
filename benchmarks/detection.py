"""How often old containers are found, over a model of Lambda's pools, and by whom.

python -m benchmarks.detection [--runs 100] [--real 6] [--only WORDS] [--publish]

The decisions are the product's own (`judge`, `coverage`); only the cloud is a model, in
`benchmarks/cloud_model`. A sample of the grid is played for real, by the command line against the
lab, and has to end as the model does. `--publish` keeps what was found in docs/detection.json, and
writes the tables and the picture of docs/detection.md from it, as `make docs` does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import figures
from benchmarks.cloud_model import agreement, grid
from benchmarks.cloud_model.agreement import Compared
from benchmarks.cloud_model.count import Job, Result, bound_of_all, tally
from benchmarks.cloud_model.grid import Cell
from benchmarks.cloud_model.methods import METHODS, OURS

PUBLISHED = Path(__file__).parents[1] / "docs" / "detection.json"
HEAD = f"{'':58}{'method':<27}{'STALE':>8}{'FRESH':>8}{'INCONCL.':>9}{'wrong':>8}{'probes':>9}"


@dataclass(frozen=True)
class Ended:
    """A cell of the grid, and what each method came to with and without old containers."""

    cell: Cell
    bad: dict[str, Result]
    good: dict[str, Result] | None

    @property
    def ours(self) -> Result:
        """Return what deployguard came to where there are old containers."""
        return self.bad[OURS]


def main() -> int:
    """Run the grid and the sample; 1 where the two do not agree."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--runs", type=int, default=100, help="per cell (default 100)")
    parser.add_argument("--real", type=int, default=6, help="runs of each of the sample's cells")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", default="", help="cells whose name holds this; notes nothing")
    parser.add_argument("--publish", action="store_true", help="write docs/detection.md")
    options = parser.parse_args()
    began = time.monotonic()
    ended = list(run_grid(options))
    if options.only:
        return 0
    compared = list(told(agreement.compare(runs=options.real, seed=options.seed)))
    note(ended)
    print(f"{time.monotonic() - began:.0f} s")
    has_agreed = all(each.agrees for each in compared)
    if options.publish and has_agreed:
        publish(ended, compared, seed=options.seed)
    return 0 if has_agreed else 1


def run_grid(options: argparse.Namespace) -> Iterator[Ended]:
    """Run every cell in several processes, and print what it came to."""
    cells = [cell for cell in grid.cells() if options.only in name(cell)]
    jobs = []
    for cell in cells:
        runs = max(1, options.runs // cell.one_in)
        jobs += [Job(each, runs, options.seed) for each in (cell.scenario, cell.good) if each]
    print(HEAD)
    with ProcessPoolExecutor(options.workers) as workers:
        results = workers.map(tally, jobs)
        for cell in cells:
            found = Ended(cell, next(results), next(results) if cell.good else None)
            show(found)
            yield found


def name(cell: Cell) -> str:
    """Name a cell in a line of the output."""
    return f"{cell.sweep}: {cell.line}, {cell.x}"


def show(ended: Ended) -> None:
    """Print a line for each method, and one for a good deploy."""
    lines = [(ended.bad, method, method) for method in METHODS]
    if ended.good is not None:
        lines.append((ended.good, OURS, f"{OURS}, none old"))
    for results, method, label in lines:
        each = results[method]
        shares = (each.stale, each.fresh, each.inconclusive, each.false_fresh)
        told = "".join(f"{share / each.runs:8.1%}" for share in shares)
        print(f"{name(ended.cell):<58}{label:<27}{told}{each.probes:9.1f}", flush=True)


def told(compared: Iterable[Compared]) -> Iterator[Compared]:
    """Print how each scenario of the sample ended, for real and in the model."""
    for each in compared:
        wanted = "agrees" if each.agrees else "DISAGREES"
        print(f"{each.name}: {wanted} (chance of verdicts so different: {each.chance:.2g})")
        for what, runs in each.sides.items():
            ends = dict(sorted(Counter(run.verdict.value for run in runs).items()))
            probes = [run.probes for run in runs]
            between = f"{mean(probes):.1f} probes, {min(probes)} to {max(probes)}"
            wall_s = mean(run.wall_s for run in runs)
            print(f"  {what:<6} {ends}, {between}, {wall_s:.1f} s", flush=True)
        yield each


def note(ended: list[Ended]) -> None:
    """Hand over what must not become worse."""
    one_pool = [e for e in ended if e.cell.scenario.partitions == 1 and not e.cell.scenario.load]
    bad = [e for e in one_pool if e.cell.scenario.is_bad and not e.cell.scenario.move]
    within = [e for e in bad if e.cell.line != "default limits" or int(e.cell.x) <= 200]
    wrong, runs, bound = bound_of_all(e.ours for e in bad)
    print(f"false FRESH with one pool: {wrong} of {runs} runs")
    figures.note("detection: false FRESH with one pool, bound", bound, at_most=0.001)
    found = sum(e.ours.stale for e in within) / sum(e.ours.runs for e in within)
    figures.note("detection: old containers found with one pool", found, at_least=0.99)
    good = [e.good[OURS] for e in ended if e.good] + [
        e.ours for e in ended if not e.cell.scenario.is_bad
    ]
    false_stale = sum(each.stale for each in good) / sum(each.runs for each in good)
    figures.note("detection: false STALE", false_stale, at_most=0.0)
    (centre,) = (e for e in ended if (e.cell.line, e.cell.x) == ("default limits", "30"))
    assert centre.good is not None
    per_container = centre.good[OURS].per_container
    figures.note("detection: probes per container of a good deploy", per_container, at_most=8.0)


def publish(ended: list[Ended], compared: list[Compared], *, seed: int) -> None:
    """Keep what was found, and write the page and the picture that show it."""
    cells, sample = list(map(as_json, ended)), list(map(sample_as_json, compared))
    document = {"seed": seed, "cells": cells, "sample": sample}
    PUBLISHED.write_text(json.dumps(document, indent=1) + "\n")
    subprocess.run([sys.executable, str(PUBLISHED.with_name("generate.py"))], check=True)


def as_json(ended: Ended) -> dict[str, Any]:
    """Write a cell as JSON."""
    cell = ended.cell
    results = {"bad": ended.bad, "good": ended.good or {}}
    return {
        "sweep": cell.sweep,
        "line": cell.line,
        "x": cell.x,
        "is_bad": cell.scenario.is_bad,
        **{
            kind: {method: asdict(result) for method, result in found.items()}
            for kind, found in results.items()
        },
    }


def sample_as_json(each: Compared) -> dict[str, Any]:
    """Write a scenario of the sample as JSON."""
    return {
        "name": each.name,
        **{
            side: {
                "verdicts": dict(sorted(Counter(run.verdict.value for run in runs).items())),
                "probes": round(mean(run.probes for run in runs), 1),
                "wall_s": round(mean(run.wall_s for run in runs), 1),
            }
            for side, runs in each.sides.items()
        },
    }


if __name__ == "__main__":
    sys.exit(main())
