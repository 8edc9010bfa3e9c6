"""Who is checked, with which settings, and in which shard: pure, and the same wherever it is made.

A name outweighs what is found by a pattern, by tags or by a repository; of those the first counts.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from deployguard.errors import ConfigurationError, DeployguardError, Refusal
from deployguard.fleet.file import Entry, Place, bare

A_SECOND = 1.0  # for a function that nothing is known of


@dataclass(frozen=True)
class Shown:
    """A function that AWS lists."""

    arn: str
    digest: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Listing:
    """What a place holds, as far as the entries ask; or why that could not be read."""

    functions: tuple[Shown, ...] = ()
    digests: Mapping[str, frozenset[str]] | None = None  # of each repository that is asked for
    error: DeployguardError | None = None


@dataclass(frozen=True)
class Member:
    """One function to check, and the number of the entry that says how."""

    function: str  # a name or an ARN, perhaps with a qualifier
    place: Place
    entry: int
    error: DeployguardError | None = None  # why it could not even be found

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what tells two functions apart."""
        return self.place.region, self.place.role, bare(self.function)


@dataclass(frozen=True)
class Plan:
    """All functions of a fleet by their shards, and which of these is this run's."""

    shards: tuple[tuple[Member, ...], ...]
    known: frozenset[tuple[str, str, str]]  # those that are skipped as well
    shard: int = 1

    @property
    def mine(self) -> tuple[Member, ...]:
        """Return the functions that this run checks."""
        return self.shards[self.shard - 1]

    @property
    def size(self) -> int:
        """Return how many functions there are in all shards."""
        return sum(map(len, self.shards))

    @property
    def digest(self) -> str:
        """Name the plan: two shards fit together where they split the same functions alike."""
        text = json.dumps([[member.key for member in shard] for shard in self.shards])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def members(
    entries: Sequence[Entry], listings: Mapping[Place, Listing], *, region: str
) -> tuple[tuple[Member, ...], frozenset[tuple[str, str, str]]]:
    """Return all functions that are to be checked, and all that the entries know."""
    found: dict[tuple[str, str, str], Member] = {}
    for is_open in (False, True):
        for number, entry in enumerate(entries):
            if entry.is_open is is_open:
                for member in _of(entry, number, listings, region=region):
                    found.setdefault(member.key, member)
    wanted = (member for member in found.values() if not entries[member.entry].skip)
    return tuple(sorted(wanted, key=lambda member: member.key)), frozenset(found)


def _of(
    entry: Entry, number: int, listings: Mapping[Place, Listing], *, region: str
) -> Iterator[Member]:
    for place in entry.places(region):
        if not entry.is_open:
            yield Member(entry.name, place, number)
            continue
        listing = listings[place]
        if listing.error is not None:
            yield Member(entry.said, place, number, listing.error)
            continue
        matching = [each for each in listing.functions if _fits(entry, each, listing)]
        if not matching and not entry.skip:
            yield Member(entry.said, place, number, _nobody(entry, place))
        yield from (Member(each.arn, place, number) for each in matching)


def _fits(entry: Entry, shown: Shown, listing: Listing) -> bool:
    if entry.name:
        return fnmatchcase(bare(shown.arn), entry.name)
    if entry.repository:
        return shown.digest in (listing.digests or {}).get(entry.repository, ())
    return all(shown.tags.get(key) == value for key, value in entry.tags.items())


def _nobody(entry: Entry, place: Place) -> Refusal:
    return Refusal(
        f"there is no container function in {place.region} that is {entry.said}",
        cause="it is misspelt, or the functions are in another region or account",
        fix="correct it in the settings file, or remove it",
    )


def split(
    every: Sequence[Member], *, shards: int, durations: Mapping[str, float]
) -> tuple[tuple[Member, ...], ...]:
    """Split functions so that each shard takes about as long; the same input, the same shards."""
    known = statistics.median(durations.values()) if durations else A_SECOND
    seconds = {member.key: _past(member, durations, otherwise=known) for member in every}
    load = [0.0] * shards
    parts: list[list[Member]] = [[] for _ in range(shards)]
    for member in sorted(every, key=lambda member: (-seconds[member.key], member.key)):
        shard = min(range(shards), key=lambda number: (load[number], len(parts[number]), number))
        load[shard] += seconds[member.key]
        parts[shard].append(member)
    return tuple(tuple(sorted(part, key=lambda member: member.key)) for part in parts)


def _past(member: Member, durations: Mapping[str, float], *, otherwise: float) -> float:
    """Return how long a function took before, by its ARN or by what is known of that."""
    place, name = member.place, bare(member.function)
    tail = f":lambda:{place.region}:{place.account}"
    for arn, seconds in durations.items():
        if tail in arn and bare(arn) == name:
            return seconds
    return otherwise


def shard_of(text: str) -> tuple[int, int]:
    """Read I/N."""
    number, _, shards = text.partition("/")
    if not (number.isdigit() and shards.isdigit() and 1 <= int(number) <= int(shards) <= 256):
        raise ConfigurationError(
            f"--shard {text!r} is none", fix="expected I/N, such as 1/8, of at most 256"
        )
    return int(number), int(shards)


def past(functions: Iterable[Mapping[str, object]]) -> dict[str, float]:
    """Return how long each function of an earlier report took."""
    return {
        str(each["function"]): float(seconds)
        for each in functions
        if str(each["function"]).startswith("arn:")
        and isinstance(seconds := each.get("seconds"), int | float)
    }
