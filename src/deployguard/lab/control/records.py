"""What the control plane remembers: functions, their versions, aliases and configurations."""

from __future__ import annotations

import json
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deployguard.lab.nouns import LATEST, Build

Settings = Mapping[str, Any]


def new_id() -> str:
    """Return a fresh id, as revisions and mappings carry."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Package:
    """Uploaded code: an image resolved to its digest, or an unpacked zip."""

    kind: str  # "Image" or "Zip"
    code_sha256: str  # as Lambda shows it: hex for images, base64 for zips
    size: int
    root: Path
    image_uri: str = ""  # as it was given
    resolved_uri: str = ""  # the same by digest
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_dir: str = "/var/task"
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Version:
    """`$LATEST` or a numbered version: what it shows, and the build that it serves."""

    number: str
    package: Package
    settings: Settings
    modified: float
    revision: str = field(default_factory=new_id)
    state: str = "Pending"
    update: str | None = None  # LastUpdateStatus
    failure: str | None = None  # reason code with which the pending change ends
    build: Build | None = None  # what invocations run; None until it is active
    next_build: Build | None = None  # what they will run when the change is applied
    due: float | None = None  # monotonic time when the pending change ends

    def fingerprint(self) -> str:
        """Return what publishing compares: code and configuration, not tags or concurrency."""
        shown = [self.package.kind, self.package.code_sha256, self.settings]
        return json.dumps(shown, sort_keys=True)


@dataclass(frozen=True)
class Target:
    """Where an alias sends traffic: one version, and at most one other with its share."""

    version: str
    weights: Mapping[str, float] = field(default_factory=dict)

    def versions(self) -> set[str]:
        """Return every version that the alias names."""
        return {self.version, *self.weights}


@dataclass
class Alias:
    """A named pointer, with what it pointed at before its last move."""

    name: str
    description: str
    target: Target
    revision: str = field(default_factory=new_id)
    previous: Target | None = None
    moved: float = 0.0  # monotonic


@dataclass
class Policy:
    """The resource policy of one qualifier."""

    statements: list[dict[str, Any]] = field(default_factory=list)
    revision: str = field(default_factory=new_id)


@dataclass
class Provision:
    """A provisioned concurrency configuration of one alias or version."""

    requested: int
    modified: float
    started: float  # monotonic time of the last request or move
    carried: int = 0  # still shown as allocated right after an alias move


@dataclass
class Function:
    """One function with everything that is configured on it, by qualifier ("" for none)."""

    region: str
    name: str
    arn: str
    latest: Version
    versions: dict[str, Version] = field(default_factory=dict)
    aliases: dict[str, Alias] = field(default_factory=dict)
    published_from: str = ""  # fingerprint of $LATEST when the last version was published
    last_published: str = ""
    reserved: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)
    urls: dict[str, dict[str, Any]] = field(default_factory=dict)
    provisions: dict[str, Provision] = field(default_factory=dict)
    async_settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def is_due(self, now: float) -> bool:
        """Tell whether the time of a change has come that is not applied yet."""
        return any(one.due is not None and one.due <= now for one in self.all_versions())

    def snapshot(self) -> Function:
        """Return what reads show of the function now, where nothing is still to happen."""
        return replace(
            self,
            latest=replace(self.latest, due=None),
            versions={number: replace(one, due=None) for number, one in self.versions.items()},
            aliases={name: replace(alias) for name, alias in self.aliases.items()},
            tags=dict(self.tags),
        )

    def all_versions(self) -> Iterator[Version]:
        """Yield `$LATEST`, then the published versions in order."""
        yield self.latest
        yield from self.versions.values()

    def version(self, number: str) -> Version | None:
        """Return a version by number or `$LATEST`, or None."""
        return self.latest if number == LATEST else self.versions.get(number)


@dataclass
class Counters:
    """Numbers of one function name that survive its deletion, so that none is used twice."""

    version: int = 0
    generation: int = 0


@dataclass
class Region:
    """What one region holds."""

    name: str
    functions: dict[str, Function] = field(default_factory=dict)
    counters: dict[str, Counters] = field(default_factory=dict)
    mappings: dict[str, dict[str, Any]] = field(default_factory=dict)
    past: dict[str, deque[Function]] = field(default_factory=dict)  # by name, the latest last

    def counter(self, name: str) -> Counters:
        """Return the lasting counters of a function name."""
        return self.counters.setdefault(name, Counters())
