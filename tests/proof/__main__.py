"""Find the steps anew, perform the whole matrix, and write docs/safety-matrix.md.

python -m tests.proof                     the matrix
python -m tests.proof soak RUNS [SEED]    kills at random moments
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path


def matrix(folder: Path) -> int:
    """Write the steps and the page; return how many cells failed."""
    from tests.proof import play, steps, table
    from tests.proof.stage import staged

    with staged(folder / "discovery") as stage:
        steps.save(stage)
    cells = play.cells(steps.load())
    results = {}
    for result in play.performed(cells, play.perform, folder=folder):
        results[result.name] = result
        _tell(result.name, result.failures)
    table.PAGE.write_text(table.page(cells, results))
    return sum(bool(result.failures) for result in results.values())


def soak(folder: Path, *, runs: int, seed: int) -> int:
    """Kill runs at random moments; return how many left something broken."""
    from tests.proof import play
    from tests.proof.soak import perform

    seeds = range(seed, seed + runs)
    failed = 0
    for result in play.performed(seeds, perform, folder=folder):
        _tell(result.name, result.failures)
        failed += bool(result.failures)
    return failed


def main(arguments: list[str]) -> int:
    """Do what is asked, and say how long it took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="deployguard-proof-") as name:
        if arguments[:1] == ["soak"]:
            runs = int(arguments[1])
            seed = int(arguments[2]) if arguments[2:] else time.time_ns() % 10**9
            failed = soak(Path(name), runs=runs, seed=seed)
        else:
            failed = matrix(Path(name))
    sys.stdout.write(f"{failed} failed, in {time.monotonic() - began:.0f} s\n")
    return 1 if failed else 0


def _tell(name: str, failures: list[str]) -> None:
    for failure in failures:
        sys.stdout.write(f"{name}: {failure}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
