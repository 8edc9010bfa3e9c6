"""What no run can have seen: evidence that contradicts itself was edited, and proves nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from deployguard.model import Answer, Evidence, Policy, Probe, Route

LATEST_BIRTH = 1e11  # what a container may claim; times beyond it are no dates


def all_in(evidence: Evidence) -> Iterator[str]:
    """Yield each contradiction in words."""
    yield from _of_policy(evidence.policy)
    for route in evidence.routes:
        yield from _of_route(route)
    for rounds in (evidence.rounds, evidence.aged):
        numbers = [each.number for each in rounds]
        if numbers != list(range(1, len(numbers) + 1)):
            yield "its rounds are not numbered in order"
    every = (*evidence.rounds, *evidence.aged)
    probes = [probe for each in every for probe in each.probes]
    if len({probe.nonce for probe in probes}) < len(probes):
        yield "two probes have one nonce"
    last_answered = 0.0
    for each in evidence.rounds:
        if any(probe.sent < max(each.started, last_answered) for probe in each.probes):
            yield f"a probe of round {each.number} was sent before its round began"
        last_answered = max([p.answered or p.sent for p in each.probes], default=last_answered)
    for probe in probes:
        yield from _of_probe(probe)


def of_another(evidence: Evidence, *, function: object, alias: object) -> Iterator[str]:
    """Yield what shows that evidence is not of this function and alias."""
    if evidence.alias and evidence.alias != alias:
        yield f"its evidence is of alias {evidence.alias}"
    for probe in (p for each in (*evidence.rounds, *evidence.aged) for p in each.probes):
        invoked = probe.breadcrumb.invoked_arn if probe.breadcrumb else ""
        if invoked and not f"{invoked}:".startswith(f"{function}:"):
            yield f"its evidence is of {invoked}"


def _of_policy(policy: Policy) -> Iterator[str]:
    least = (policy.agreeing_probes, policy.min_rounds, policy.min_cold_starts)
    if min(*least, policy.min_containers) < 1 or policy.settle_s < 0 or policy.pool_factor < 1:
        yield "its policy asks for no evidence"


def _of_route(route: Route) -> Iterator[str]:
    shares = route.versions.values()
    if not all(0 <= share <= 1 for share in shares) or not math.isclose(sum(shares), 1):
        yield f"the shares of {route.qualifier} are no shares"


def _of_probe(probe: Probe) -> Iterator[str]:
    crumb = probe.breadcrumb
    if (crumb is not None) != (probe.answer is Answer.BREADCRUMB):
        yield f"a probe of {probe.qualifier} was answered with {probe.answer}"
    if crumb is not None and crumb.nonce != probe.nonce:
        yield "a breadcrumb does not echo its probe's nonce"
    if crumb is not None and not 0 <= crumb.born < LATEST_BIRTH:
        yield "a container was born at no date"
    if probe.answered is not None and probe.answered < probe.sent:
        yield "a probe was answered before it was sent"
