"""The lab's Lambda: its regions, where an invocation goes, and what limits it."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployguard.lab.control import errors, lifecycle, names, past, provisioned
from deployguard.lab.control.records import Alias, Function, Region, Target, Version
from deployguard.lab.nouns import LATEST, Build, Clock, Image


@dataclass(frozen=True)
class Routed:
    """Where one invocation goes."""

    build: Build
    executed_version: str
    invoked_arn: str
    function_arn: str
    provisioned: bool


@dataclass(frozen=True)
class Limits:
    """What the fleet may run of a function at once."""

    reserved: int | None
    account_unreserved: int
    provisioned: Mapping[str, int]


class Cloud:
    """Every region's functions, with the clock, knobs and fleet that they depend on."""

    def __init__(
        self, *, clock: Clock, knobs: Any, images: Callable[[str, str], Image], fleet: Any
    ) -> None:
        """Start empty."""
        self.clock = clock
        self.knobs = knobs
        self.images = images
        self.fleet = fleet
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything, and start the random choices anew from the seed."""
        self.regions: dict[str, Region] = {}
        self.random = random.Random(self.knobs.seed)

    def close(self) -> None:
        """Remove the unpacked zips."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def folder(self) -> Path:
        """Return a new folder for an unpacked zip."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="deployguard-lab-")
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def region(self, name: str) -> Region:
        """Return a region; each exists from its first use."""
        return self.regions.setdefault(name, Region(name))

    def find(self, region: str, name: str) -> Function | None:
        """Return a function with its due changes applied, or None."""
        function = self.region(region).functions.get(name)
        if function is not None:
            lifecycle.settle(self, function)
        return function

    def function(self, region: str, name: str, qualifier: str | None = None) -> Function:
        """Return a function with its due changes applied.

        Raises: `ResourceNotFoundException`, naming the qualified ARN when a qualifier is given.
        """
        function = self.find(region, name)
        if function is None:
            raise errors.no_function(names.function_arn(region, name, qualifier))
        return function

    def settle(self) -> None:
        """Apply every due change now, as the next request for its function would."""
        for region in self.regions.values():
            for name in list(region.functions):
                self.find(region.name, name)

    def writes(
        self,
        operation: str,
        resource: str,
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """Record a mutation that was applied."""
        self.knobs.record(operation, resource, before=before, after=after)
        past.keep(self, resource)

    def route(self, region: str, name_or_arn: str, qualifier: str | None) -> Routed:
        """Choose the build for one invocation, as Lambda does at this moment."""
        reference = names.parse(region, name_or_arn, qualifier)
        wanted = reference.qualifier
        function = self.function(region, reference.name, wanted or LATEST)
        version = self._serving(function, wanted or LATEST)
        if version.build is None:
            raise errors.not_ready(version.state)
        return Routed(
            build=version.build,
            executed_version=version.number,
            invoked_arn=names.function_arn(region, function.name, wanted),
            function_arn=function.arn,
            provisioned=provisioned.wanted(function, version.number) > 0,
        )

    def _serving(self, function: Function, qualifier: str) -> Version:
        """Return the version that serves a qualifier for this one invocation."""
        number = qualifier
        alias = function.aliases.get(qualifier)
        if alias is not None:
            number = self._draw(self._visible(alias))
        version = function.version(number)
        if version is None:
            raise errors.no_function(f"{function.arn}:{number}")
        return version

    def _visible(self, alias: Alias) -> Target:
        """Return the target that this invocation sees while a move spreads."""
        delay = self.knobs.propagation_s
        elapsed = self.clock.monotonic() - alias.moved
        if alias.previous is None or elapsed >= delay:
            return alias.target
        ramp = self.knobs.propagation_mode == "ramp"
        if ramp and self.random.random() < elapsed / delay:
            return alias.target
        return alias.previous

    def _draw(self, target: Target) -> str:
        """Choose between the versions of an alias by their weights."""
        for number, weight in target.weights.items():
            if self.random.random() < weight:
                return number
        return target.version

    def throttle(self, region: str, function_name: str) -> Limits:
        """Return the concurrency limits that hold for a function."""
        function = self.function(region, function_name)
        return Limits(
            reserved=function.reserved,
            account_unreserved=provisioned.unclaimed(self, region),
            provisioned=provisioned.by_version(function),
        )

    def async_settings(self, region: str, name: str, qualifier: str | None) -> dict[str, Any]:
        """Return the retries and destinations of asynchronous invocations, or an empty mapping."""
        function = self.find(region, name)
        return dict(function.async_settings.get(qualifier or LATEST, {})) if function else {}
