"""The stories that are broken off: what was there before, what is run, and how it should end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployguard.lab.client import Client
from deployguard.run import REPAIRS
from tests.guard.world import FOR_EVER, Team

SECRET = "hunter2-never-to-be-seen"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/reports:latest"
DEAD = "DEAD"  # the access key of a run that is no more
LEFT = "deployguard/1 owner=0123abcd by=dead/1 until=2026-01-02T18:57:49Z alias=live:2>3"


@dataclass(frozen=True)
class Scenario:
    """One story; `exit_code` is how it ends when nothing goes wrong."""

    name: str
    command: str
    arrange: Callable[[Team], None]
    story: str
    options: tuple[str, ...] = ()
    exit_code: int = 0
    before: str | None = "2"  # the version that `live` served before any guard came
    moved: str = "3"  # the version that a guard points it to, for a while or for good
    target: str | None = None  # the version whose image is wanted, where it is not $LATEST's
    routes: tuple[str, ...] = ("live",)  # what exit 0 speaks of
    writes: bool = True

    def arguments(self, team: Team) -> tuple[str, ...]:
        """Return the command line."""
        grace = () if self.command in REPAIRS else ("--grace", "0")
        return (self.command, team.name, *grace, *self.options)


def _one(team: Team) -> None:
    """Deploy b1, to a function that has a secret."""
    team.ship("b1")
    _keep_a_secret(team)


def _keep_a_secret(team: Team) -> None:
    variables = {"Variables": {"TOKEN": SECRET}}
    team.functions.update_function_configuration(FunctionName=team.name, Environment=variables)


def _live(team: Team) -> None:
    """Have b1 live as version 2; version 1 was live before."""
    team.ship("b1")
    team.publish()
    _keep_a_secret(team)
    team.point(team.publish())


def _next(team: Team) -> None:
    """Deploy b2 as well."""
    _live(team)
    team.ship("b2")


def _stale(team: Team) -> None:
    """Deploy b2 while an old container of $LATEST stays."""
    _live(team)
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, **FOR_EVER}])
    team.ship("b2")


def _helped(team: Team) -> None:
    """Deploy b2 while an old container of $LATEST stays until the configuration changes."""
    _live(team)
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, **FOR_EVER, "updates": 1}])
    team.ship("b2")


def _reserved(team: Team) -> None:
    """Have b1 live in a warm container, and concurrency reserved for it."""
    _live(team)
    team.lab.set(zero_destroys=True)
    team.functions.put_function_concurrency(FunctionName=team.name, ReservedConcurrentExecutions=50)
    team.warm(1, "live")


def _deployed(team: Team) -> None:
    """Have b2 live already."""
    _next(team)
    team.point(team.publish())


def _killed(team: Team) -> None:
    """Leave what a check that was killed after it had moved the alias leaves behind."""
    _next(team)
    named = {"FunctionName": team.name, "FunctionVersion": team.publish()}
    dead = team.lab.client("lambda", access_key=DEAD)
    dead.create_alias(**named, Name="deployguard", Description=LEFT)
    dead.update_alias(**named, Name="live")


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("next", "check", _next, "The next deploy moves the alias.", ("--image", IMAGE)),
        Scenario(
            "first", "check", _one, "The first deploy creates the alias.", before=None, moved="1"
        ),
        Scenario(
            "stale",
            "check",
            _stale,
            "An old container stays, so the alias is put back.",
            ("--also", "$LATEST"),
            exit_code=10,
            routes=("live", "$LATEST"),
        ),
        Scenario(
            "helped",
            "check",
            _helped,
            "An old container stays until the configuration is changed.",
            ("--also", "$LATEST", "--on-stale", "refresh"),
            routes=("live", "$LATEST"),
        ),
        Scenario(
            "again",
            "check",
            _deployed,
            "What is live already is looked at once more.",
            before="3",
            writes=False,
        ),
        Scenario(
            "rollback",
            "rollback",
            _live,
            "The alias goes back to the version before.",
            ("--to", "1"),
            moved="1",
            target="1",
        ),
        Scenario("publish", "refresh", _live, "Callers get a new version of the same image."),
        Scenario(
            "configure",
            "refresh",
            _live,
            "The containers of $LATEST are replaced by a change of the configuration.",
            ("--remedy", "configure"),
            routes=("$LATEST",),
        ),
        Scenario(
            "drain",
            "refresh",
            _reserved,
            "The containers are drained by reserved concurrency 0.",
            ("--remedy", "drain", "--drain-for", "1"),
        ),
        Scenario(
            "prune",
            "prune",
            _deployed,
            "A version that nothing uses is deleted.",
            ("--keep", "1"),
            before="3",
        ),
        Scenario("recover", "recover", _killed, "A check was killed after it had moved the alias."),
    )
}


def ready(lab: Client) -> None:
    """Make a lab what every scenario starts from."""
    lab.reset()
    lab.set(virtual=True)
