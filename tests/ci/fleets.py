"""Three fleets of functions that were updated and not checked yet, for a CI service to check."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployguard.lab.calls import REGION
from deployguard.lab.client import Client
from tests.ci import cloud, tools

THERE = "us-east-1"
# What an earlier run knows: this one takes long, and is alone in its shard therefore.
SLOW = f"arn:aws:lambda:{THERE}:123456789012:function:fresh-3"
EARLIER = {
    "schema": "deployguard/report/v1",
    "functions": [{"function": SLOW, "seconds": 1000.0}],
}


@dataclass(frozen=True)
class Fleet:
    """Functions of one image: how many in each region, and which one's is old inside."""

    name: str
    count: int
    regions: tuple[str, ...] = (REGION,)
    stale: str = ""

    @property
    def functions(self) -> tuple[str, ...]:
        """Return their names, which are the same in each region."""
        return tuple(f"{self.name}-{number}" for number in range(1, self.count + 1))

    @property
    def settings(self) -> str:
        """Return the settings file that names them all by a pattern."""
        return f'grace = 0\n[[functions]]\nname = "{self.name}-*"\nregions = {[*self.regions]}\n'

    def ship(self, lab: Client) -> None:
        """Put build-1 behind each alias live, then update each function to build-2."""
        lab.set(virtual=True)
        for region in self.regions:
            for function in self.functions:
                stamped = "build-1" if function == self.stale else "build-2"
                cloud.ship(lab, function, stamped=stamped, region=region, repository=self.name)

    def live(self, lab: Client) -> Mapping[str, str]:
        """Return the version that real traffic gets, of each function."""
        found = itertools.product(self.regions, self.functions)
        return {
            f"{region}/{function}": cloud.live_version(lab, function, region=region)
            for region, function in found
        }

    def make(self, folder: Path, files: Mapping[str, str]) -> Path:
        """Make a git repository that holds these files and the fleet's settings."""
        for name, text in {"deployguard.toml": self.settings, **files}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        tools.commit(folder)
        return folder


# Over as many shards as the examples say, and more functions than that.
FRESH = Fleet("fresh", 5, regions=(REGION, THERE))
# Over fewer: no shard is made that has nothing to do.
STALE = Fleet("stale", 2, stale="stale-2")
KILLED = Fleet("killed", 2)
KILLED_FUNCTION, KILLED_SHARD = "killed-2", "2/2"
