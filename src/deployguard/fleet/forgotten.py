"""Who runs images of the fleet's repositories, and is in no entry of the settings file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from deployguard.aws import fleets, images
from deployguard.aws.session import Session
from deployguard.errors import DeployguardError
from deployguard.findings import finding
from deployguard.fleet.file import Place
from deployguard.fleet.places import AT_ONCE, Places
from deployguard.model import Finding
from deployguard.traffic import Unread

Found = tuple[tuple[Finding, ...], tuple[Unread, ...]]


def look(
    run_by: Mapping[Place, Iterable[str]],
    places: Places,
    *,
    known: frozenset[tuple[str, str, str]],
    until: float,
) -> Found:
    """Name functions that were forgotten; `run_by` are the images that run in each place."""
    asked = [(place, {images.parse(uri)[:4] for uri in uris}) for place, uris in run_by.items()]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        every = pool.map(
            lambda each: _in_place(
                places.session(each[0], until=until), each[0], each[1], known=known
            ),
            asked,
        )
        # Two roles may lead to one account.
        found = dict.fromkeys(item for items in every for item in items)
    return (
        tuple(item for item in found if isinstance(item, Finding)),
        tuple(item for item in found if isinstance(item, Unread)),
    )


def _in_place(
    session: Session,
    place: Place,
    repositories: Iterable[tuple[str, str, str, str]],
    *,
    known: frozenset[tuple[str, str, str]],
) -> list[Finding | Unread]:
    """Compare what all functions of a place run with what each repository holds."""
    try:
        listed = fleets.functions(session)
    except DeployguardError as failure:
        what = f"the other functions in {place.region}, so forgotten ones"
        return [Unread(what, failure.cause or failure.happened, failure.fix)]
    others = {arn: digest for arn, digest in listed.items() if not _is_known(arn, known)}
    found: list[Finding | Unread] = []
    for uri, account, _, name in sorted(repositories) if others else ():
        try:
            digests = fleets.digests(session, name, account=account)
        except DeployguardError as failure:
            what = f"the images of {name} in {place.region}, so forgotten functions"
            found.append(Unread(what, failure.cause or failure.happened, failure.fix))
            continue
        found += [forgotten(arn, others[arn], uri) for arn in others if others[arn] in digests]
    return found


def _is_known(arn: str, known: Iterable[tuple[str, str, str]]) -> bool:
    """Say whether an entry means the function, by whichever role that gets there."""
    _, _, _, region, account, _, name = arn.split(":")[:7]
    return any(
        (key[0], key[2]) == (region, name) and Place(region, key[1]).account in ("", account)
        for key in known
    )


def forgotten(arn: str, digest: str, uri: str) -> Finding:
    """Name a function that the settings file does not."""
    return finding("DG210", seen=f"{arn} runs {uri}@{digest}")
