"""What a benchmark found: ratios to something else in the same run, which other machines repeat.

Seconds and megabytes are printed, too, but only ratios are compared from one commit to the next.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

INTO = "BENCHMARK_FIGURES"
SLACK = 1.5  # how much worse than the baseline a shared machine makes a ratio now and then


@dataclass(frozen=True)
class Figure:
    """A ratio, or a count, and the target that it has, if any."""

    name: str
    value: float
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool:
        """Say whether the target is met."""
        return not (
            (self.at_most is not None and self.value > self.at_most)
            or (self.at_least is not None and self.value < self.at_least)
        )

    @property
    def has_target(self) -> bool:
        """Say whether less, or more, of it is wanted."""
        return self.at_most is not None or self.at_least is not None

    @property
    def target(self) -> str:
        """Say in words what is wanted, and whether that is so."""
        if not self.has_target:
            return "no target"
        wanted = f"at most {self.at_most:g}" if self.at_most is not None else ""
        wanted = wanted or f"at least {self.at_least:g}"
        return f"{wanted}: {'met' if self.is_met else 'MISSED'}"

    def is_worse_than(self, before: float) -> bool:
        """Say whether this is further from what is wanted than noise explains."""
        if self.at_least is not None:
            return self.value < before / SLACK
        return self.value > before * SLACK


def note(
    name: str, value: float, *, at_most: float | None = None, at_least: float | None = None
) -> None:
    """Print a figure and, under `python -m benchmarks`, hand it over."""
    figure = Figure(name, round(value, 4), at_most, at_least)
    print(f"{name}: {figure.value:g} ({figure.target})", flush=True)
    if path := os.environ.get(INTO):
        with Path(path).open("a") as lines:
            lines.write(json.dumps(asdict(figure)) + "\n")


def noted(path: Path) -> list[Figure]:
    """Read what was handed over."""
    return [Figure(**json.loads(line)) for line in path.read_text().splitlines()]


def worse(figures: Iterable[Figure], baseline: Mapping[str, float]) -> Iterator[str]:
    """Say what has become worse than it was, of what has a target."""
    for figure in figures:
        before = baseline.get(figure.name) if figure.has_target else None
        if before is not None and figure.is_worse_than(before):
            yield f"{figure.name}: {figure.value:g}, but {before:g} before"
