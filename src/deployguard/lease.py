"""The lease on a function and its intents, as the text that an alias's description holds; pure.

`deployguard/1 owner=9f3c21ab by=github/771 until=2026-01-02T18:57:49Z alias=live:41>42` says who
may change the function until when, and that `live` served 41 and is to serve 42. AWS allows 256
characters. An intent that is to be finished, and not undone, has a second `>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from deployguard.errors import Refusal
from deployguard.resources import Alias

ALIAS = "deployguard"  # the name of the alias that holds the lease
SCHEMA = "deployguard/1"
LIMIT = 256  # characters of an alias's description
LIFE_S = 60.0
MARGIN_S = 10.0  # after its end a lease is left alone this long: clocks and answers are never exact
NOTHING = "none"  # no alias, no reservation, no variable

VALUE = r"[A-Za-z0-9$@+._-]+"
INTENT = re.compile(
    rf"(?P<what>alias|concurrency|variable)(?:=(?P<name>[A-Za-z0-9_-]+))?"
    rf":(?P<before>{VALUE})(?P<finish>>)?(?P<after>(?:>{VALUE})+)"
)
HEAD = re.compile(
    r"owner=(?P<owner>[0-9a-f]{8}) by=(?P<by>[A-Za-z0-9._/-]{1,40}) "
    r"until=(?P<until>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
)
TARGET = re.compile(
    r"(?P<version>\$LATEST|\d+)(?:\+(?P<other>\d+)@(?P<share>[0-9]+(?:\.[0-9]+)?(?:e-[0-9]+)?))?"
)


class What(StrEnum):
    """What an intent is about."""

    ALIAS = "alias"
    CONCURRENCY = "concurrency"
    VARIABLE = "variable"


@dataclass(frozen=True)
class Intent:
    """A change that is about to be made: the value before, and all that we may have made of it."""

    what: What
    before: str
    after: tuple[str, ...]
    name: str = ""  # of an alias
    finish: bool = False  # a later run is to finish it, and not to undo it

    @property
    def subject(self) -> tuple[What, str]:
        """Return what can have one intent at a time."""
        return self.what, self.name

    @property
    def wanted(self) -> str:
        """Return the value that a later run should leave behind."""
        return self.after[-1] if self.finish else self.before

    def is_ours(self, value: str) -> bool:
        """Say whether we, and nobody else, may have left this value."""
        return value in ((self.before,) if self.finish else self.after)


@dataclass(frozen=True)
class Lease:
    """Who may change the function until when, and what they were about to change."""

    owner: str
    by: str  # for people: the pipeline or machine
    until: float  # Unix seconds, by AWS's clock
    intents: tuple[Intent, ...] = ()

    def is_over(self, now: float) -> bool:
        """Say whether anybody may take it over."""
        return now > self.until + MARGIN_S

    def __str__(self) -> str:
        """Return the description; raise Refusal where AWS could not hold it."""
        intents = "".join(f" {_intent_text(intent)}" for intent in self.intents)
        text = f"{SCHEMA} owner={self.owner} by={self.by} until={moment(self.until)}{intents}"
        if len(text) > LIMIT:
            raise Refusal(
                f"the intent does not fit into {LIMIT} characters: {text}",
                cause="the alias has a very long name",
                fix="give it a shorter name, or pass --no-lock",
            )
        return text


Change = Callable[[Lease], Lease]


def moment(unix: float) -> str:
    """Return a time as people and the lease write it."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str, *, function: str) -> Lease:
    """Read a description; raise Refusal where it is no lease that this version understands."""
    schema, _, rest = text.partition(" ")
    if re.fullmatch(r"deployguard/\d+", schema) and schema != SCHEMA:
        raise Refusal(
            f"alias {ALIAS} of {function} holds a lease of another version: {text!r}",
            finding="DG408",
            cause=f"another deployguard wrote it; this one understands {SCHEMA}",
            fix="run `deployguard recover` with that version, or upgrade this one",
        )
    head = HEAD.match(rest)
    words = rest[head.end() :].split(" ")[1:] if head else []
    matches = [INTENT.fullmatch(word) for word in words]
    intents = tuple(_intent(match) for match in matches if match is not None)
    until = _unix(head["until"]) if head else None
    is_sound = all(is_value(i.what, value) for i in intents for value in (i.before, *i.after))
    if schema != SCHEMA or not is_sound or not until or not head or rest != _again(head, matches):
        raise Refusal(
            f"alias {ALIAS} of {function} is no lease: its description says {text!r}",
            finding="DG408",
            command=f"aws lambda delete-alias --function-name {function} --name {ALIAS}",
        )
    return Lease(head["owner"], head["by"], until, intents)


def is_value(what: What, value: str) -> bool:
    """Say whether an intent of this kind can hold this value."""
    match what:
        case What.ALIAS:
            return value == NOTHING or TARGET.fullmatch(value) is not None
        case What.CONCURRENCY:
            return value == NOTHING or value.isdigit()
        case What.VARIABLE:
            return True


def merged(intents: Iterable[Intent], added: Intent) -> tuple[Intent, ...]:
    """Add an intent; one on the same subject goes on from where it was at first."""
    others = []
    for intent in intents:
        if intent.subject == added.subject:
            after = tuple(dict.fromkeys((*intent.after, *added.after)))
            added = Intent(added.what, intent.before, after, added.name, added.finish)
        else:
            others.append(intent)
    return (*others, added)


def alias_text(alias: Alias | None) -> str:
    """Return what an alias serves, as an intent says it."""
    if alias is None:
        return NOTHING
    weights = "".join(f"+{version}@{share!r}" for version, share in alias.weights.items())
    return f"{alias.version}{weights}"


def alias_from(text: str, *, name: str) -> Alias | None:
    """Read back what an alias served, from a value of an intent."""
    match = TARGET.fullmatch(text)
    if match is None:
        return None
    weights = {match["other"]: float(match["share"])} if match["other"] else {}
    return Alias(name=name, arn="", version=match["version"], weights=weights, revision="")


def _again(head: re.Match[str], intents: list[re.Match[str] | None]) -> str:
    """Return the text again as it must have been, which reveals what no match covers."""
    return " ".join([head[0], *(match[0] if match else "?" for match in intents)])


def _unix(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None


def _intent(match: re.Match[str]) -> Intent:
    after = tuple(match["after"][1:].split(">"))
    name = match["name"] or ""
    return Intent(What(match["what"]), match["before"], after, name, match["finish"] is not None)


def _intent_text(intent: Intent) -> str:
    name = f"={intent.name}" if intent.name else ""
    finish = ">" if intent.finish else ""
    after = ">".join(intent.after)
    return f"{intent.what}{name}:{intent.before}{finish}>{after}"
