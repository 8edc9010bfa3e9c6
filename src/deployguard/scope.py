"""What a policy speaks of: the roles, an action that is needed, and what it is allowed on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from deployguard.model import LATEST


class Role(StrEnum):
    """What a principal may do at most; each may do what those before it may."""

    OBSERVER = "observer"  # look
    PROBER = "prober"  # and invoke
    SHIFTER = "shifter"  # and publish, and move the alias
    REFRESHER = "refresher"  # and replace containers
    PRUNER = "pruner"  # and delete versions


class On(StrEnum):
    """What an action is allowed on."""

    FUNCTION = "Function"  # itself: AWS asks for this also where an alias is read or written
    ROUTES = "Routes"  # the qualifiers that callers use
    VERSIONS = "Versions"  # any published version
    REPOSITORY = "Images"
    LOGS = "Logs"  # the function's own log group
    ROLES = "Roles"  # of other accounts
    REPORTS = "Reports"  # in S3
    ACCOUNT = "Account"  # what cannot be narrowed


class Need(NamedTuple):
    """One action that some commands need, and what they lose without it, if they can do without."""

    action: str
    role: Role
    on: On
    commands: tuple[str, ...]
    without: str = ""


@dataclass(frozen=True)
class Scope:
    """The function that a policy is for."""

    function: str  # ARN
    repository: str  # ARN
    qualifiers: tuple[str, ...] = ()  # none stands for all

    def resources(self, on: Iterable[On]) -> tuple[str, ...]:
        """Return the ARNs that something is allowed on, or a star."""
        found = dict.fromkeys(arn for each in on for arn in self._of(each))
        if "*" in found:
            return ("*",)
        every = f"{self.function}:*"
        if every in found:
            found = {arn: None for arn in found if not arn.startswith(every[:-1])} | {every: None}
        return tuple(found)

    def _of(self, on: On) -> tuple[str, ...]:
        fixed = {
            On.FUNCTION: self.function,
            On.VERSIONS: f"{self.function}:*",
            On.REPOSITORY: self.repository,
            On.LOGS: f"{log_group(self.function)}:*",
            On.ROLES: f"arn:{self.function.split(':')[1]}:iam::*:role/deployguard*",
            On.REPORTS: f"arn:{self.function.split(':')[1]}:s3:::deployguard*/*",
            On.ACCOUNT: "*",
        }
        if on in fixed:
            return (fixed[on],)
        if not self.qualifiers:
            return (self.function, f"{self.function}:*")
        bare = (self.function,) if LATEST in self.qualifiers else ()
        return (*bare, *(f"{self.function}:{qualifier}" for qualifier in self.qualifiers))


def log_group(function: str) -> str:
    """Return the ARN of the log group that a function has unless it is given another."""
    _, partition, _, region, account, _, name = function.split(":")
    return f"arn:{partition}:logs:{region}:{account}:log-group:/aws/lambda/{name}"
