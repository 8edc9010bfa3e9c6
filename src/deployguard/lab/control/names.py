"""Names and ARNs of functions: every form that Lambda accepts for one, and the ones it answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from deployguard.lab.control import errors
from deployguard.lab.nouns import ACCOUNT

_REFERENCE = re.compile(
    r"(?:arn:(?:aws[a-zA-Z-]*)?:lambda:)?"
    r"(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_.]+)(?::(?P<qualifier>\$LATEST(?:\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
_ALIAS = re.compile(r"(?!^[0-9]+$)[a-zA-Z0-9-_]+")


@dataclass(frozen=True)
class Reference:
    """A function as a caller wrote it: its name and, where given, the qualifier."""

    name: str
    qualifier: str | None


def function_arn(region: str, name: str, qualifier: str | None = None) -> str:
    """Return the ARN of a function, or of one of its versions or aliases."""
    arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def mapping_arn(region: str, identifier: str) -> str:
    """Return the ARN of an event source mapping."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:event-source-mapping:{identifier}"


def parse(region: str, text: str, qualifier: str | None = None) -> Reference:
    """Read a name, partial ARN or ARN, with the qualifier in it or beside it."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise errors.invalid(f"{text} is not a function name or ARN")
    if match["region"] not in {None, region}:
        raise errors.not_found(
            f"Functions from '{match['region']}' are not reachable in this region ('{region}')"
        )
    if match["account"] not in {None, ACCOUNT}:
        raise errors.no_function(text)
    derived = match["qualifier"]
    if derived and qualifier and derived != qualifier:
        raise errors.invalid(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return Reference(name=match["name"], qualifier=derived or qualifier)


def is_version(qualifier: str) -> bool:
    """Tell whether a qualifier can only be a version number."""
    return qualifier.isdigit()


def is_alias(qualifier: str) -> bool:
    """Tell whether a qualifier has the form of an alias name."""
    return _ALIAS.fullmatch(qualifier) is not None
