"""What the role may do: as IAM says or, where it is not to be asked, as harmless calls show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from deployguard import permissions
from deployguard.aws import identity, images, trials
from deployguard.aws.session import Session
from deployguard.doctor.facts import Permission, Place
from deployguard.errors import AccessDenied, AwsFailure, NotFound
from deployguard.resources import Function
from deployguard.scope import Need, On, log_group
from deployguard.traffic import Unread

Wanted = tuple[str, str]  # an action, and the resource that it is wanted on
ASKING = ("iam:SimulatePrincipalPolicy", "*")
PARTS = 4


def look_up(
    session: Session,
    place: Place,
    name: str,
    latest: Function | Unread,
    alias: str,
    *,
    commands: Iterable[str],
) -> tuple[tuple[Permission, ...], str]:
    """Say of each command what its role lacks, and why IAM could not be asked, if it could not."""
    commands = tuple(commands)
    examples = _examples(session, place, name, latest, alias)
    needs = permissions.of(commands)
    wanted = {(need.action, examples[need.on]) for need in needs if need.on in examples}
    try:
        allowed, why = _simulated(session, place.caller, wanted), ""
    except AwsFailure as failure:
        allowed, why = _tried(session, wanted), _why(failure)
        allowed[ASKING] = False if isinstance(failure, AccessDenied) else None
    return tuple(_of(command, examples, allowed) for command in commands), why


def _examples(
    session: Session, place: Place, name: str, latest: Function | Unread, alias: str
) -> dict[On, str]:
    """Return one resource of each kind: a policy that forgot the kind lacks this one, too."""
    arn = f"arn:{session.partition}:lambda:{place.region}:{place.account}:function:{name}"
    arn = name if name.startswith("arn:") else arn
    found = {
        On.FUNCTION: arn,
        On.ROUTES: f"{arn}:{alias}",
        On.VERSIONS: f"{arn}:1",
        On.LOGS: f"{log_group(arn)}:log-stream:",
        On.ROLES: f"arn:{session.partition}:iam::{place.account}:role/deployguard",
        On.REPORTS: f"arn:{session.partition}:s3:::deployguard/reports/report.json",
        On.ACCOUNT: "*",
    }
    if isinstance(latest, Function) and latest.image_uri:
        found[On.REPOSITORY] = repository(session.partition, latest.image_uri)
    return found


def repository(partition: str, uri: str) -> str:
    """Return the ARN of an image's repository."""
    parsed = images.parse(uri)
    return f"arn:{partition}:ecr:{parsed.region}:{parsed.account}:repository/{parsed.name}"


def _why(failure: AwsFailure) -> str:
    if isinstance(failure, NotFound):
        return "it knows no such role: one with a path is found with iam:GetRole only"
    return failure.cause or failure.happened


def _simulated(
    session: Session, caller: str, wanted: Iterable[Wanted]
) -> dict[Wanted, bool | None]:
    whose = identity.principal(session, caller)
    by_resource: dict[str, set[str]] = {}
    for action, resource in wanted:
        by_resource.setdefault(resource, set()).add(action)

    def denied(resource: str) -> set[str]:
        return identity.simulated(session, whose, resource, by_resource[resource])

    with ThreadPoolExecutor(PARTS) as pool:
        found = dict(zip(by_resource, pool.map(denied, by_resource), strict=True))
    return {(action, resource): action not in found[resource] for action, resource in wanted}


def _tried(session: Session, wanted: Iterable[Wanted]) -> dict[Wanted, bool | None]:
    wanted = tuple(wanted)
    with ThreadPoolExecutor(PARTS) as pool:
        found = pool.map(lambda each: trials.tried(session, *each), wanted)
        return dict(zip(wanted, found, strict=True))


def _of(
    command: str, examples: Mapping[On, str], allowed: Mapping[Wanted, bool | None]
) -> Permission:
    missing: list[tuple[Need, str]] = []
    unknown: list[str] = []
    for need in permissions.of([command]):
        resource = examples.get(need.on)
        is_allowed = allowed[need.action, resource] if resource is not None else None
        if is_allowed is None:
            unknown.append(need.action)
        elif not is_allowed and resource is not None:
            missing.append((need, resource))
    return Permission(command, tuple(missing), tuple(dict.fromkeys(unknown)))
