"""What `[[functions]]` in the settings file says: whom to check, where, and with which settings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from deployguard.errors import ConfigurationError

PATTERN = re.compile(r"[A-Za-z0-9_*?-]{1,64}")
ARN = re.compile(r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):function:.+")
REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/[\w+=,.@/-]+")
REPOSITORY = re.compile(
    r"(?:(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/)?"
    r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
)
SELECTORS = ("name", "tags", "repository")
KEYS = (*SELECTORS, "region", "regions", "role", "skip")
# What holds for a whole run, and for no function alone.
OF_THE_RUN = {
    *("function", "all", "shard", "jobs", "fail_fast", "together", "durations", "dry_run"),
    *("format", "report_dir", "reports", "summary", "verbosity", "webhook"),
}


class Place(NamedTuple):
    """Where functions are: a region, and the role to assume for its account, if any."""

    region: str
    role: str = ""

    @property
    def account(self) -> str:
        """Return the account of the role; empty where the credentials' own is meant."""
        match = ROLE.fullmatch(self.role)
        return match["account"] if match else ""


@dataclass(frozen=True)
class Entry:
    """One `[[functions]]`: some functions, where they are, and what is special about them."""

    name: str = ""  # a name or ARN, perhaps with a qualifier; or a pattern
    tags: Mapping[str, str] = field(default_factory=dict)
    repository: str = ""
    regions: tuple[str, ...] = ()
    role: str = ""
    skip: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Say whether AWS has to be asked which functions these are."""
        return not self.name or "*" in self.name or "?" in self.name

    @property
    def said(self) -> str:
        """Return what the entry asks for, in words."""
        if self.name:
            return self.name
        if self.repository:
            return f"every function of {self.repository}"
        return "every function with " + ", ".join(f"{k}={v}" for k, v in self.tags.items())

    def places(self, region: str) -> tuple[Place, ...]:
        """Return where to look; `region` is meant where the entry names none."""
        return tuple(Place(each, self.role) for each in self.regions or (region,))


def parse(tables: object, *, allowed: Collection[str], file: str) -> tuple[Entry, ...]:
    """Read the tables of a file; raise ConfigurationError where one makes no sense.

    `allowed` are the settings that a function can have for itself.
    """
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _wrong(f"{file}: functions", "expected tables, each of them [[functions]]")
    own = sorted(allowed)
    entries = tuple(
        _entry(table, where=f"{file}: functions[{number}]", own=own)
        for number, table in enumerate(tables, 1)
    )
    _refuse_doubles(entries, file)
    return entries


def _entry(table: Mapping[str, Any], *, where: str, own: Collection[str]) -> Entry:
    given = {key.replace("-", "_"): value for key, value in table.items()}
    for key in given:
        if key not in KEYS and key not in own:
            close = difflib.get_close_matches(key, [*KEYS, *own], n=1)
            meant = f"did you mean {close[0]}?" if close else "remove it"
            raise _wrong(f"{where}: unknown key {key!r}", meant)
    if sum(key in given for key in SELECTORS) != 1:
        raise _wrong(f"{where}: it says not, or twice, who is meant", f"give one of {SELECTORS}")
    if "region" in given and "regions" in given:
        raise _wrong(f"{where}: region and regions", "give one of them")
    entry = Entry(
        name=_text(given, "name", where),
        tags=_tags(given, where),
        repository=_text(given, "repository", where),
        regions=_regions(given, where),
        role=_text(given, "role", where),
        skip=given.get("skip", False) is True,
        settings={key: value for key, value in given.items() if key in own},
    )
    _check(entry, where, skip=given.get("skip", False))
    return _placed(entry, where)


def _check(entry: Entry, where: str, *, skip: object) -> None:
    name = entry.name.partition(":")[0]
    is_named = ARN.fullmatch(entry.name) or (name != "arn" and PATTERN.fullmatch(name))
    if entry.name and not is_named:
        raise _wrong(f"{where}: {entry.name!r} is no function", "give a name, a pattern or an ARN")
    if ("*" in entry.name or "?" in entry.name) and name != entry.name:
        raise _wrong(f"{where}: a pattern with a qualifier", "name the alias by the key alias")
    if entry.repository and not REPOSITORY.fullmatch(entry.repository):
        raise _wrong(f"{where}: {entry.repository!r} is no repository", "leave tag and digest out")
    if entry.role and not ROLE.fullmatch(entry.role):
        raise _wrong(
            f"{where}: {entry.role!r} is no role", "expected arn:aws:iam::ACCOUNT:role/NAME"
        )
    for region in entry.regions:
        if not REGION.fullmatch(region):
            raise _wrong(f"{where}: {region!r} is no region", "expected one such as eu-west-1")
    if not isinstance(skip, bool):
        raise _wrong(f"{where}: skip is true or false", f"got {skip!r}")
    if skip and entry.settings:
        raise _wrong(f"{where}: settings of what is skipped", "remove them, or skip")


def _placed(entry: Entry, where: str) -> Entry:
    """Add the region that an ARN or a repository's URI names; refuse one that says another."""
    match = ARN.fullmatch(entry.name) or REPOSITORY.fullmatch(entry.repository)
    region = match["region"] if match else None
    if match is None or region is None:
        return entry
    if entry.regions not in ((), (region,)):
        raise _wrong(f"{where}: {entry.said} is in {region}", "remove region")
    account = Place(region, entry.role).account
    if entry.name and account not in ("", match["account"]):
        raise _wrong(f"{where}: {entry.role} is of another account", "name a role of its own")
    return Entry(**{**vars(entry), "regions": (region,)})


def _refuse_doubles(entries: Iterable[Entry], file: str) -> None:
    seen: dict[tuple[str, str, str], int] = {}
    for number, entry in enumerate(entries, 1):
        if entry.is_open:
            continue
        for region in entry.regions or ("",):
            before = seen.setdefault((bare(entry.name), region, entry.role), number)
            if before != number:
                raise _wrong(
                    f"{file}: functions[{before}] and functions[{number}] name {entry.name}",
                    "a function has one entry",
                )


def bare(function: str) -> str:
    """Return a function's name, of a name or an ARN, without a qualifier."""
    return function.split(":")[6] if function.startswith("arn:") else function.partition(":")[0]


def _text(given: Mapping[str, Any], key: str, where: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str) or (key in given and not value):
        raise _wrong(f"{where}: {key} is a text", f"got {value!r}")
    return value


def _regions(given: Mapping[str, Any], where: str) -> tuple[str, ...]:
    value = given.get("regions", [given["region"]] if "region" in given else [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _wrong(f"{where}: regions is a list of texts", f"got {value!r}")
    if "regions" in given and not value:
        raise _wrong(f"{where}: no region", "remove regions, or name some")
    return tuple(dict.fromkeys(value))


def _tags(given: Mapping[str, Any], where: str) -> dict[str, str]:
    value = given.get("tags", {})
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _wrong(f"{where}: tags are texts", f"got {value!r}")
    if "tags" in given and not value:
        raise _wrong(f"{where}: no tag", "name at least one")
    return value


def _wrong(happened: str, fix: str) -> ConfigurationError:
    return ConfigurationError(happened, fix=fix)
