"""What AWS shows of a deployment, as frozen values: functions, aliases, images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployguard.model import Mode, Stamp


@dataclass(frozen=True)
class Setup:
    """What a function's configuration says that a preflight looks at, and no verdict."""

    memory_mb: int = 128
    subnets: int = 0
    log_format: str = "Text"
    log_group: str = ""
    log_levels: Mapping[str, str] = field(default_factory=dict)  # of the application, the system
    is_durable: bool = False


@dataclass(frozen=True)
class Function:
    """A function, or one version of it, as AWS shows it now."""

    name: str
    arn: str  # without a qualifier
    version: str
    digest: str | None  # sha256:<hex>; None for a zip function
    image_uri: str | None  # by digest
    package_type: str
    state: str
    state_reason: str
    update_status: str
    update_reason: str
    revision: str
    modified: float  # Unix seconds
    timeout_s: int
    architecture: str
    mode: Mode
    fingerprint: str  # of code and configuration: equal fingerprints publish to one version
    reserved_concurrency: int | None = None
    description: str = ""
    setup: Setup = field(default_factory=Setup)

    @property
    def is_ready(self) -> bool:
        """Say whether AWS will run it: any other state, a new one too, is waited out."""
        return self.state in ("Active", "Inactive")

    @property
    def has_failed(self) -> bool:
        """Say whether AWS gave up preparing or updating it, so that waiting is no use."""
        return "Failed" in (self.state, self.update_status)

    @property
    def is_settled(self) -> bool:
        """Say whether it is ready and no update of it is in progress, or it failed."""
        return self.has_failed or (self.is_ready and self.update_status == "Successful")


@dataclass(frozen=True)
class Alias:
    """An alias as AWS shows it now."""

    name: str
    arn: str
    version: str
    weights: Mapping[str, float]  # the additional versions' shares
    revision: str
    description: str = ""

    @property
    def versions(self) -> dict[str, float]:
        """Return every version's share."""
        return {self.version: 1.0 - sum(self.weights.values()), **self.weights}


@dataclass(frozen=True)
class Image:
    """An image as the registry shows it, with the stamp in its labels."""

    repository: str
    digest: str
    architecture: str
    stamp: Stamp | None


@dataclass(frozen=True)
class Provisioned:
    """Provisioned concurrency of one qualifier."""

    status: str
    requested: int
    available: int
    reason: str

    @property
    def is_settled(self) -> bool:
        """Say whether AWS is done with it, one way or the other."""
        return self.status in ("READY", "FAILED")
