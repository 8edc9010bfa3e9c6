"""What is right and wrong about what a preflight found, topic by topic; pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deployguard.doctor import function, route
from deployguard.doctor.check import Check, found
from deployguard.doctor.facts import Facts, Permission
from deployguard.errors import Refusal
from deployguard.findings import filled
from deployguard.model import Finding, Severity
from deployguard.resources import Alias, Function, Image

EXIT_CODES = {Severity.REFUSED: Refusal.exit_code, Severity.BROKEN: 10}


def all_of(facts: Facts) -> tuple[Check, ...]:
    """Look at everything, topic by topic."""
    known = _known(facts)
    return tuple(
        replace(check, topic=topic, finding=check.finding and _filled(check.finding, known))
        for topic, look in (
            ("place", _of_place),
            ("function", function.of_function),
            ("image", function.of_image),
            ("alias", route.of_alias),
            ("room", route.of_room),
            ("canary", route.of_canary),
            ("permissions", _of_permissions),
        )
        for check in look(facts)
    )


def exit_code(checks: tuple[Check, ...]) -> int:
    """Return the exit code of the worst."""
    return max((EXIT_CODES.get(check.severity, 0) for check in checks), default=0)


def _known(facts: Facts) -> dict[str, str | None]:
    """Return what the commands of findings leave open."""
    latest, image, alias = facts.latest, facts.image, facts.alias
    known: dict[str, str | None] = {"FUNCTION": facts.name, "ALIAS": facts.alias_name}
    known["QUALIFIER"] = facts.alias_name
    if isinstance(latest, Function):
        known |= {"FUNCTION": latest.arn, "NAME": latest.name}
    if isinstance(image, Image):
        repo = image.repository.partition("/")[2]
        known |= {"REPOSITORY": image.repository, "REPO": repo, "DIGEST": image.digest}
    if isinstance(alias, Alias):
        known["VERSION"] = alias.version
    return known


def _filled(found: Finding, known: dict[str, str | None]) -> Finding:
    return replace(found, command=filled(found.command, known))


def _of_place(facts: Facts) -> Iterator[Check]:
    place = facts.place
    yield Check("caller", place.caller or "not asked")
    yield Check("account", place.account)
    yield Check("region", place.region)
    if place.is_aws or place.endpoint == facts.named_endpoint:
        yield Check("endpoint", place.endpoint)
    else:
        yield found("endpoint", "DG502", f"{place.endpoint}, which is not AWS's own")


def _of_permissions(facts: Facts) -> Iterator[Check]:
    if facts.how_permitted:
        yield found("how", "DG514", f"IAM was not asked: {facts.how_permitted}")
    for permission in facts.permissions:
        yield from _of_command(permission)


def _of_command(permission: Permission) -> Iterator[Check]:
    command = permission.command
    lost: dict[tuple[str, str], list[str]] = {}
    for need, resource in permission.missing:
        lost.setdefault((resource, need.without), []).append(need.action)
    print_it = f"deployguard doctor FUNCTION --policy --commands {command}"
    for (resource, without), actions in lost.items():
        seen = f"lacks {', '.join(actions)} on {resource}" + (f": {without}" if without else "")
        severity = Severity.WARNING if without else Severity.REFUSED
        yield found(command, "DG513", seen, severity=severity, command=print_it)
    if permission.unknown:
        seen = f"nothing harmless tells of {', '.join(permission.unknown)}"
        yield found(command, "DG514", seen)
    elif not lost:
        yield Check(command, "everything that it needs")
