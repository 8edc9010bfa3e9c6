"""What earlier reports say was live before."""

from __future__ import annotations

from pathlib import Path

from deployguard.errors import ConfigurationError, Refusal
from deployguard.model import Alias
from deployguard.report import files


def version_before(folder: Path, alias: Alias) -> str:
    """Return the version that the last report's alias served before; refuse to guess."""
    try:
        document = files.read(folder / files.NAME)
        function = document["functions"][0]
        version = function["version"]
        before, after = version["before"], version["after"]
        is_of_a_move = document["command"] == "check" and before != after
    except (ConfigurationError, KeyError, IndexError, TypeError) as error:
        raise Refusal(
            f"nothing says what alias {alias.name} served before",
            cause=f"{folder / files.NAME} is no report of a check of it",
            fix="name the version with --to",
        ) from error
    is_of_this_alias = alias.arn == f"{function['function']}:{alias.name}"
    if not (is_of_this_alias and is_of_a_move and after == alias.version and before):
        raise Refusal(
            f"the report in {folder} does not say what alias {alias.name} served "
            f"before version {alias.version}",
            cause="it is of another function or alias, not of a check, or stale by now",
            fix="name the version with --to",
        )
    return str(before)
