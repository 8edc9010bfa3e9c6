"""Run benchmarks one after the other, write their figures, and say what has become worse.

python -m benchmarks [NAME ...] [--accept] [--publish]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks import figures
from benchmarks.figures import Figure

HERE = Path(__file__).parent
BASELINE = HERE / "baseline.json"
FIGURES = HERE.parent / "build" / "bench.json"
WORSE = "worse than benchmarks/baseline.json"
NO_BENCHMARKS = {"__init__", "__main__", "figures"}
PUBLISHING = {"detection"}  # what the documentation shows the results of
NAMES = sorted({path.stem for path in HERE.glob("*.py")} - NO_BENCHMARKS)


def main() -> int:
    """Run them; 1 where one failed or became worse. Targets that are missed are told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--accept", action="store_true", help="take the figures as the baseline")
    parser.add_argument("--publish", action="store_true", help="keep results for the documentation")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(NAMES)):
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    FIGURES.parent.mkdir(exist_ok=True)
    failed = []
    measured: list[Figure] = []
    for name in options.names or NAMES:
        print(f"== {name}", flush=True)
        found, is_done = run(name, is_published=options.publish and name in PUBLISHING)
        measured += found
        failed += [] if is_done else [name]
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    write(measured)
    if options.accept:
        accepted = baseline | {
            figure.name: figure.value for figure in measured if figure.has_target
        }
        BASELINE.write_text(json.dumps(accepted, indent=2, sort_keys=True) + "\n")
    return told(failed, measured, baseline)


def run(name: str, *, is_published: bool) -> tuple[list[Figure], bool]:
    """Run one benchmark in a process of its own; return its figures, and whether it ended well."""
    lines = FIGURES.with_suffix(".jsonl")
    lines.write_text("")
    environment = os.environ | {figures.INTO: str(lines)}
    command = [sys.executable, "-m", f"benchmarks.{name}", *["--publish"] * is_published]
    done = subprocess.run(command, cwd=HERE.parent, env=environment, check=False)
    found = figures.noted(lines)
    lines.unlink()
    return found, done.returncode == 0


def write(measured: list[Figure]) -> None:
    """Write all figures, and what they were measured with, as JSON."""
    document = {
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "figures": [asdict(figure) for figure in measured],
    }
    FIGURES.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\n{len(measured)} figures in {FIGURES.relative_to(HERE.parent)}")


def told(failed: list[str], measured: list[Figure], baseline: dict[str, float]) -> int:
    """Print what is not as it should be; return the exit code."""
    missed = [f"{each.name}: {each.value:g}, {each.target}" for each in measured if not each.is_met]
    kinds = {
        "failed": failed,
        "target missed": missed,
        WORSE: list(figures.worse(measured, baseline)),
    }
    for kind, found in kinds.items():
        for each in found:
            print(f"{kind}: {each}")
    return 1 if failed or kinds[WORSE] else 0


if __name__ == "__main__":
    sys.exit(main())
