"""Several functions of one image, in one or more regions, and the settings file that names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployguard.lab import images
from tests.guard.world import Finished, Team

NAMES = ("orders", "prices", "stock")
HERE, THERE = "eu-west-1", "us-east-1"


@dataclass
class Crew:
    """A team whose image runs in several functions, each of them with an alias `live`."""

    team: Team
    members: dict[str, Team] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Have b1 live behind each alias, as version 1, and b2 deployed."""
        self.team.lab.set(virtual=True)
        for name in NAMES:
            self.add(name)

    def add(self, name: str, *, region: str = HERE) -> Team:
        """Deploy b1 to a function, let it serve, and deploy b2."""
        member = Team(self.team.lab, self.team.folder, name)
        member.functions = self.team.lab.client("lambda", region=region)
        member.ecr = self.team.lab.client("ecr", region=region)
        member.ship("b1")
        member.publish()
        member.point("1")
        member.ship("b2")
        self.members[name] = member
        return member

    def stale(self, name: str) -> None:
        """Give a function an image that is old inside."""
        image = self.team.build("b3", stamp="b1")
        member = self.members[name]
        member.deploy(images.push(image, repository="reports", tags=["old"], ecr=member.ecr))

    def write(self, text: str) -> None:
        """Write the settings file."""
        (self.team.folder / "deployguard.toml").write_text(text)

    def check(self, *arguments: str, **environment: str) -> Finished:
        """Check all functions without waiting long for old answers to end."""
        return self.team.run("check", "--all", "--grace", "0", *arguments, **environment)

    @property
    def live(self) -> dict[str, str | None]:
        """Return the version that each function's alias serves."""
        return {name: member.alias() for name, member in self.members.items()}

    @property
    def leases(self) -> list[str]:
        """Return what the leases say that are left."""
        return [text for member in self.members.values() if (text := member.lease())]


def entries(finished: Finished) -> Mapping[str, dict[str, Any]]:
    """Return what the report tells of each function, by its bare name."""
    assert finished.report is not None, finished.err
    return {each["function"].split(":")[-1]: each for each in finished.report["functions"]}


def verdicts(finished: Finished) -> dict[str, str]:
    """Return the verdict of each function."""
    return {name: each["verdict"] for name, each in entries(finished).items()}


def named(*names: str, **settings: str) -> str:
    """Return a settings file that names functions."""
    own = "".join(f"{key} = {value}\n" for key, value in settings.items())
    return "".join(f'[[functions]]\nname = "{name}"\n{own}' for name in names)
