"""FUNCTION as it is typed: a name or an ARN, alone or with a qualifier."""

from __future__ import annotations

import re
from typing import NamedTuple

from deployguard import lease
from deployguard.config import PREFIX, Settings
from deployguard.errors import ConfigurationError
from deployguard.model import LATEST

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
ARN = re.compile(
    r"(?P<name>arn:aws[a-z-]*:lambda:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):\d{12}"
    r":function:[A-Za-z0-9_-]{1,64})"
    r"(?::(?P<qualifier>.+))?"
)
QUALIFIER = re.compile(r"\$LATEST|[A-Za-z0-9_-]{1,128}")


class Target(NamedTuple):
    """The function that a command is about."""

    name: str  # a name, or an ARN without a qualifier
    qualifier: str | None
    region: str | None  # from an ARN

    @property
    def account(self) -> str | None:
        """Return the account that an ARN names."""
        return self.name.split(":")[4] if self.name.startswith("arn:") else None


def target_of(function: str) -> Target:
    """Take FUNCTION apart: a name or an ARN, alone or with a qualifier."""
    if not function:
        raise ConfigurationError(
            "no function is named",
            fix=f"give its name or ARN as the first argument, or set {PREFIX}FUNCTION",
        )
    if function.startswith("arn:"):
        match = ARN.fullmatch(function)
        if match is None:
            raise ConfigurationError(
                f"not the ARN of a Lambda function: got {function!r}",
                fix="expected arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]",
            )
        return Target(match["name"], _qualifier(match["qualifier"]), match["region"])
    name, _, qualifier = function.partition(":")
    if not NAME.fullmatch(name) or (":" in function and not qualifier):
        raise ConfigurationError(
            f"not a function name: got {function!r}",
            fix="expected NAME, NAME:QUALIFIER or an ARN; quote '$LATEST' in a shell",
        )
    return Target(name, _qualifier(qualifier or None), None)


def alias_of(settings: Settings, target: Target) -> str:
    """Return the alias that `check` and `rollback` move; refuse what is none."""
    alias = target.qualifier or settings.alias
    if alias in (LATEST, lease.ALIAS) or alias.isdigit():
        raise ConfigurationError(
            f"{alias!r} is no alias that can be moved",
            cause=f"an alias is a name; $LATEST and numbers are none, and {lease.ALIAS} is ours",
            fix="name an alias, e.g. live; to judge one route as it is, use `deployguard verify`",
        )
    return alias


def _qualifier(text: str | None) -> str | None:
    if text is not None and not QUALIFIER.fullmatch(text):
        raise ConfigurationError(
            f"not a qualifier: got {text!r}", fix="expected $LATEST, an alias or a version number"
        )
    return text
