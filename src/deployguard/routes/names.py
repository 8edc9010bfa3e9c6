"""The many ways in which AWS's services name a function, and its qualifier with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployguard.model import LATEST

QUALIFIER = re.compile(r"\$LATEST|[A-Za-z0-9_-]{1,128}")
VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")
PLACEHOLDER = re.compile(r"\$\{|\{%")  # what follows is known only at run time
LITERAL = re.compile(r"\{%\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*%\}")  # JSONata that is but a text


@dataclass(frozen=True)
class Match:
    """That a text names the function, and by which qualifier; None where only run time tells."""

    qualifier: str | None


@dataclass(frozen=True)
class Callee:
    """The function that callers are sought of."""

    arn: str  # without a qualifier

    @property
    def name(self) -> str:
        """Return the bare name."""
        return self.arn.rpartition(":")[2]

    @property
    def account(self) -> str:
        """Return the account."""
        return self.arn.split(":")[4]

    @property
    def names(self) -> tuple[str, ...]:
        """Return what it can be called, without a qualifier: whole, in parts, and bare."""
        partial = f"function:{self.name}"
        return self.arn, f"{self.account}:{partial}", partial, self.name

    def match(self, text: Any) -> Match | None:
        """Say by which qualifier a text names this function; None where it names another."""
        if not isinstance(text, str):
            return None
        named = literal(_invoked(text))
        placeholder = PLACEHOLDER.search(named)
        if placeholder:
            return self._may_match(named[: placeholder.start()])
        for name in self.names:
            if named == name:
                return Match(LATEST)
            if named.startswith(f"{name}:") and QUALIFIER.fullmatch(named[len(name) + 1 :]):
                return Match(named[len(name) + 1 :])
        return None

    def _may_match(self, start: str) -> Match | None:
        """Say whether what stands before a placeholder leaves room for this function."""
        fits = any(name.startswith(start) or start.startswith(f"{name}:") for name in self.names)
        return Match(None) if fits else None

    def match_call(self, name: Any, qualifier: Any) -> Match | None:
        """Say by which qualifier the two members of a call name this function."""
        found = self.match(name)
        if found is None or not qualifier:
            return found
        if not isinstance(qualifier, str) or found.qualifier is None:
            return Match(None)
        told = literal(qualifier)
        return Match(told if QUALIFIER.fullmatch(told) else None)


def _invoked(uri: str) -> str:
    """Return what an integration's URI invokes; any other text is left as it is.

    NOTE: an expression for this takes minutes where a mebibyte repeats how such a URI begins.
    """
    name, end, _ = uri.partition("functions/")[2].rpartition("/invocations")
    return name if end else uri


def literal(text: str) -> str:
    """Return the text that a JSONata expression is, where it is nothing more."""
    found = LITERAL.fullmatch(text.strip())
    return text if found is None else found[1] or found[2] or ""


def with_variables(text: str, variables: Mapping[str, str]) -> str:
    """Put a stage's variables into an integration's URI; what is not set stays as it is."""
    return VARIABLE.sub(lambda name: variables.get(name[1], name[0]), text)
