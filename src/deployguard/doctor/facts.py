"""What a preflight found out, as plain values; what the role may not read is `Unread`."""

from __future__ import annotations

from dataclasses import dataclass

from deployguard.doctor.lifecycle import Fate
from deployguard.errors import DeployguardError, Refusal
from deployguard.lease import Lease
from deployguard.model import Probe
from deployguard.resources import Alias, Function, Image, Provisioned
from deployguard.scope import Need
from deployguard.traffic import Unread


@dataclass(frozen=True)
class Place:
    """Whose calls these are, and where they go."""

    account: str
    caller: str  # ARN
    region: str
    endpoint: str
    is_aws: bool  # whether the endpoint is AWS's own


@dataclass(frozen=True)
class Kept:
    """An image in the registry: whether it is still there, and for how long."""

    named: str  # what runs it
    obstacle: str | Unread  # why Lambda could not fetch it again, or nothing
    fate: Fate | Unread | None


@dataclass(frozen=True)
class Deployment:
    """A deployment of CodeDeploy in progress."""

    identifier: str
    text: str
    is_ours: bool  # or of a function that it does not tell


@dataclass(frozen=True)
class Permission:
    """What of a command's needs the role has."""

    command: str
    missing: tuple[tuple[Need, str], ...] = ()  # with the resource
    unknown: tuple[str, ...] = ()  # the actions that nothing harmless tells of


@dataclass(frozen=True)
class Facts:
    """Everything that the checks look at."""

    place: Place
    named_endpoint: str | None  # that is none of AWS's, and allowed
    name: str  # of the function, as it was given
    latest: Function | Unread
    alias_name: str
    alias: Alias | Unread | None
    behind: Function | Unread | None  # the version that the alias serves
    image: Image | DeployguardError | Unread  # the shipped one
    kept: tuple[Kept, ...]
    siblings: tuple[str, ...] | Unread  # functions that run other images of the repository
    lease: Lease | Refusal | Unread | None
    now: float  # Unix seconds, by AWS's clock
    deployments: tuple[Deployment, ...] | Unread
    provisioned: Provisioned | Unread | None
    unreserved: int | None  # concurrency that the account leaves; None where it is not known
    in_use: int | Unread
    hold_ms: int | None
    probe: Probe | None
    permissions: tuple[Permission, ...]
    how_permitted: str = ""  # why IAM did not say what the role may do
