"""How many invocations run at once, and the 429 for one too many."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from deployguard.lab.fleet.seams import Limits
from deployguard.lab.nouns import AwsError, Build

RESERVED = "ReservedFunctionConcurrentInvocationLimitExceeded"
ACCOUNT = "ConcurrentInvocationLimitExceeded"


@dataclass(frozen=True)
class Ticket:
    """The right to run one invocation, and the counts that it is part of."""

    counts: tuple[str, ...]


class Concurrency:
    """The invocations that are running, by function and, without a reservation, by region."""

    def __init__(self) -> None:
        """Start with nothing running."""
        self.running: Counter[str] = Counter()

    def admit(self, build: Build, limits: Limits, *, provisioned: bool) -> Ticket:
        """Let an invocation in; `provisioned` says that a provisioned container waits for it.

        Raises:
            AwsError: 429 with AWS's reason when there is no room.
        """
        if provisioned and limits.reserved != 0:
            return self._take(f"provisioned {build.function_arn}")
        function = f"on-demand {build.function_arn}"
        if limits.reserved is not None:
            room = limits.reserved - sum(limits.provisioned.values())
            if self.running[function] >= room:
                raise too_many(RESERVED)
            return self._take(function)
        region = f"account {build.region}"
        if self.running[region] >= limits.account_unreserved:
            raise too_many(ACCOUNT)
        return self._take(function, region)

    def release(self, ticket: Ticket) -> None:
        """Let the next one in."""
        self.running.subtract(ticket.counts)

    def _take(self, *counts: str) -> Ticket:
        self.running.update(counts)
        return Ticket(counts)


def too_many(reason: str) -> AwsError:
    """Word a throttled invocation as AWS does."""
    return AwsError(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason, Type="User")
