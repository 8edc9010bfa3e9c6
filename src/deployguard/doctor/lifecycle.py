"""When a registry's lifecycle rules delete an image; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

DAY_S = 86_400


@dataclass(frozen=True)
class Rule:
    """One lifecycle rule of a repository."""

    priority: int
    tags: str  # tagged, untagged or any
    patterns: tuple[str, ...]  # which tags, with stars
    counts: str  # imageCountMoreThan, sinceImagePushed, or another that this cannot foretell
    limit: int  # images, or days


@dataclass(frozen=True)
class Stored:
    """One image as the registry lists it."""

    digest: str
    tags: tuple[str, ...]
    pushed: float  # Unix seconds


@dataclass(frozen=True)
class Fate:
    """What a rule will do to an image."""

    text: str
    is_due: bool


def fate(
    rules: Iterable[Rule], stored: Iterable[Stored], *, digest: str, now: float
) -> Fate | None:
    """Say what becomes of an image; None where no rule is about it."""
    images = sorted(stored, key=lambda image: -image.pushed)
    found = [
        _of_rule(rule, [image for image in images if _selects(rule, image)], digest, now=now)
        for rule in rules
    ]
    fates = [each for each in found if each is not None]
    return next((each for each in fates if each.is_due), fates[0] if fates else None)


def _selects(rule: Rule, image: Stored) -> bool:
    match rule.tags:
        case "untagged":
            return not image.tags
        case "tagged":
            return bool(image.tags) and all(
                any(fnmatchcase(tag, pattern) for tag in image.tags) for pattern in rule.patterns
            )
        case _:
            return True


def _of_rule(rule: Rule, selected: list[Stored], digest: str, *, now: float) -> Fate | None:
    rank = next((i for i, image in enumerate(selected, 1) if image.digest == digest), None)
    if rank is None:
        return None
    named = f"lifecycle rule {rule.priority}"
    match rule.counts:
        case "imageCountMoreThan":
            text = f"{named} keeps {rule.limit} images, of which this is number {rank}"
            return Fate(text, rank > rule.limit)
        case "sinceImagePushed":
            days = (selected[rank - 1].pushed - now) / DAY_S + rule.limit
            when = "now" if days <= 0 else f"in {days:.0f} days"
            return Fate(f"{named} deletes it {when}", days <= 0)
        case _:
            return Fate(f"{named} goes by {rule.counts}, which cannot be foretold", False)
