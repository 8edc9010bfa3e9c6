"""Which version ran, and which image that was: the strongest evidence there is, or none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from deployguard.executions.join import Found
from deployguard.executions.nouns import Attempt, Build, End, Known, Move
from deployguard.model import LATEST

ALIAS_S = 60.0  # that AWS may take to let everybody see where an alias points
CODE_S = 300.0  # for which old code may serve under `$LATEST` after an update
BUILD = "build "


@dataclass(frozen=True)
class Served:
    """What AWS tells now of a function: its versions, `$LATEST` among them, and its aliases."""

    digests: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    """When each version was published, and `$LATEST` was changed last."""
    aliases: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


class Image(NamedTuple):
    """What the registry tells of an image."""

    tags: tuple[str, ...] = ()
    pushed: float | None = None
    build_id: str | None = None


@dataclass(frozen=True)
class Evidence:
    """All that versions and images can be told by."""

    served: Mapping[str, Served]  # by function
    moves: Sequence[Move] | None  # oldest first; None where CloudTrail was not, or not wholly, read
    images: Mapping[str, Image] = field(default_factory=dict)  # by digest


def build(attempt: Attempt, found: Found, evidence: Evidence) -> Build:
    """Say which version an attempt ran, and which image, and how each is known."""
    if attempt.end is End.REFUSED:
        return Build(None, Known.NOT)
    version, known = version_of(attempt, found, evidence)
    told = found.invocation.build_id if found.invocation else None
    digest, how = _digest(attempt, version, known, evidence, told=told)
    image = evidence.images.get(digest or "", Image())
    is_certain = how in (Known.HISTORY, Known.STREAM)  # what a container says is no better
    return Build(
        version=version,
        version_known=known,
        digest=digest,
        digest_known=how,
        tags=image.tags,
        pushed=image.pushed,
        build_id=(image.build_id if is_certain else None) or told or image.build_id,
    )


def version_of(attempt: Attempt, found: Found, evidence: Evidence) -> tuple[str | None, Known]:
    """Return the version that ran, and how that is known."""
    return next(_versions(attempt, found, evidence), (None, Known.NOT))


def _versions(attempt: Attempt, found: Found, evidence: Evidence) -> Iterator[tuple[str, Known]]:
    """Yield the version by each kind of evidence, the strongest first."""
    qualifier = attempt.qualifier or LATEST
    if attempt.version:
        yield attempt.version, Known.HISTORY
    if attempt.function and (qualifier == LATEST or qualifier.isdigit()):
        yield qualifier, Known.HISTORY  # which can run no other
    if found.version:
        yield found.version, Known.STREAM
    served = evidence.served.get(attempt.function, Served())
    now = " ".join(served.aliases.get(qualifier, ()))
    moves = _moves(attempt, qualifier, evidence)
    if moves:
        move = _at(attempt, moves, settled_s=ALIAS_S, now=now)
        yield from [(move.version, Known.TRAIL)] if move else []
    elif served.published.get(now, math.inf) < attempt.scheduled:
        yield now, Known.INFERRED


def _digest(
    attempt: Attempt, version: str | None, known: Known, evidence: Evidence, *, told: str | None
) -> tuple[str | None, Known]:
    """Return the image of a version: that of a number never changes, that of `$LATEST` does."""
    served = evidence.served.get(attempt.function, Served())
    if version == LATEST:
        return next(_latest(attempt, served, evidence, told=told), (None, Known.NOT))
    digest = served.digests.get(version or "")
    return digest, known if digest else Known.NOT


def _latest(
    attempt: Attempt, served: Served, evidence: Evidence, *, told: str | None
) -> Iterator[tuple[str | None, Known]]:
    """Yield the image of `$LATEST` at that time, by each kind of evidence, the strongest first."""
    if told:
        named = (digest for digest, image in evidence.images.items() if image.build_id == told)
        yield next(named, None), Known.BREADCRUMB
    now = served.digests.get(LATEST, "")
    moves = _moves(attempt, LATEST, evidence)
    if moves:
        move = _at(attempt, moves, settled_s=CODE_S, now=now)
        yield from [(move.digest, Known.TRAIL)] if move else []
    elif now and served.published.get(LATEST, math.inf) < attempt.scheduled - CODE_S:
        yield now, Known.INFERRED


def _moves(attempt: Attempt, qualifier: str, evidence: Evidence) -> list[Move]:
    """Return all moves of what an attempt called."""
    return [
        move
        for move in evidence.moves or ()
        if (move.function, move.qualifier) == (attempt.function, qualifier)
        and not move.is_configuration
    ]


def _at(attempt: Attempt, moves: Sequence[Move], *, settled_s: float, now: str) -> Move | None:
    """Return the move that decided what an attempt ran, if one did so alone.

    CloudTrail is late, so that what it tells last has to be what is served now.
    """
    before = [move for move in moves if move.at <= attempt.scheduled]
    if not before or before[-1].at > attempt.scheduled - settled_s:
        return None
    move = before[-1]
    to = move.version or move.digest
    is_late = move is moves[-1] and now not in ("", to)
    is_split = any(share > 0 for share in move.weights.values())
    return None if is_late or is_split or not to else move


def is_proven(build: Build) -> bool:
    """Say whether it is known which image a build is, not only likely."""
    return build.digest_known not in (Known.INFERRED, Known.NOT)


def identity(build: Build) -> str | None:
    """Return what tells an image from others: its digest, or else the id that its build has."""
    return build.digest or (f"{BUILD}{build.build_id}" if build.build_id else None)
