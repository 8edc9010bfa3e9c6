"""What the fleet asks of its neighbours, which import it and so cannot be imported by it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, Protocol

from deployguard.lab.nouns import Build

Log = Callable[[Build, str, list[tuple[int, str]]], None]  # build, stream, (ms, line) pairs


class Knobs(Protocol):
    """The settings that change how containers behave."""

    @property
    def routing(self) -> str:
        """Which idle container serves next: mru, lru, random or partitioned."""

    @property
    def partitions(self) -> int:
        """Into how many partitions containers fall under `partitioned` routing."""

    @property
    def linger(self) -> Sequence[MutableMapping[str, Any]]:
        """Which functions keep older containers serving: how many, how long, over how many updates.

        The fleet counts the updates down.
        """

    @property
    def provisioning_s(self) -> float:
        """How long provisioned containers take before they begin to start."""

    @property
    def virtual(self) -> bool:
        """Whether new containers are virtual whatever their build says."""

    @property
    def zygote(self) -> bool:
        """Whether new containers are forked from a warm interpreter."""

    @property
    def cold_start_s(self) -> float:
        """Extra initialization time of virtual containers."""

    @property
    def idle_s(self) -> float | None:
        """After how long an idle container is reaped."""

    @property
    def report_style(self) -> str:
        """Whether REPORT lines carry a status (new) or not (old)."""

    @property
    def async_retry_s(self) -> float:
        """How long an asynchronous event waits before its next attempt."""

    @property
    def seed(self) -> int | None:
        """Make random choices repeat."""


class Routed(Protocol):
    """Where one invocation goes."""

    @property
    def build(self) -> Build:
        """The code and configuration that is to run."""

    @property
    def executed_version(self) -> str:
        """The version that the answer names."""

    @property
    def invoked_arn(self) -> str:
        """The ARN as the caller named it."""


class Limits(Protocol):
    """How many invocations a function may run at once."""

    @property
    def reserved(self) -> int | None:
        """The function's reservation; None when it has none."""

    @property
    def account_unreserved(self) -> int:
        """What all functions without a reservation share."""

    @property
    def provisioned(self) -> Mapping[str, int]:
        """Provisioned containers by version."""


class Cloud(Protocol):
    """The control plane, as far as an invocation needs it."""

    def route(self, region: str, name: str, qualifier: str | None, /) -> Routed:
        """Say which build serves an invocation, or raise AWS's error."""

    def throttle(self, region: str, function_name: str, /) -> Limits:
        """Say how much concurrency a function may use."""
