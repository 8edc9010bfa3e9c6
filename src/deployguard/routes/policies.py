"""Resource policies: whom they let call, and whether a known caller is meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deployguard.hazards import Grant
from deployguard.model import LATEST
from deployguard.routes.definitions import UnreadableError, members
from deployguard.traffic import Caller, Use

# The services whose every caller is found in their own configuration; a policy that names
# another one is all that is known of it.
READ_THERE = frozenset(("apigateway", "elasticloadbalancing", "events", "s3", "sns"))


def grants(policy: str, *, qualifier: str) -> Iterator[Grant]:
    """Yield who may call a qualifier; raise UnreadableError where that cannot be told."""
    statements = members(policy).get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict):
            raise UnreadableError("a statement is no JSON object")
        if statement.get("Effect") == "Allow":
            yield from _granted(statement, qualifier=qualifier)


def caller(grant: Grant) -> Caller:
    """Return the caller that a grant makes possible, or shows where nothing else does."""
    is_read = grant.by_url or (grant.is_service and grant.principal.split(".")[0] in READ_THERE)
    return Caller(
        kind="resource policy",
        name=grant.caller,
        qualifier=grant.qualifier or LATEST,
        use=Use.MAY if is_read else Use.CALLS,
    )


def sources(grants: Iterable[Grant], service: str) -> list[str]:
    """Return what a service may call for: ARNs, and an empty text for anything at all."""
    named = (grant for grant in grants if grant.is_service and not grant.by_url)
    of_service = (grant for grant in named if grant.principal.split(".")[0] == service)
    arns = (arn for grant in of_service for arn in grant.source.split(" or "))
    return list(dict.fromkeys("" if re.search(r"[*?]", arn) else arn for arn in arns))


def _granted(statement: Mapping[str, Any], *, qualifier: str) -> Iterator[Grant]:
    principal = statement.get("Principal", "*")
    by_kind = principal if isinstance(principal, dict) else {"AWS": principal}
    conditions = dict(_conditions(statement.get("Condition", {})))
    by_url = "true" in _many(conditions.get("lambda:invokedviafunctionurl", ()))
    by_url |= set(_many(statement.get("Action", ()))) == {"lambda:InvokeFunctionUrl"}
    for kind, principals in by_kind.items():
        for one in _many(principals):
            yield Grant(
                principal=one,
                qualifier=qualifier,
                source=" or ".join(_many(conditions.get("aws:sourcearn", ()))),
                is_service=kind == "Service",
                by_url=by_url,
            )


def _conditions(operators: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(operators, dict):
        raise UnreadableError("a condition is no JSON object")
    for keys in operators.values():
        if not isinstance(keys, dict):
            raise UnreadableError("a condition is no JSON object")
        yield from ((key.lower(), value) for key, value in keys.items())


def _many(value: Any) -> list[str]:
    """Return the texts of a policy's member, which may hold one or a list."""
    texts = list(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(text, (str, bool)) for text in texts):
        raise UnreadableError("a member holds neither a text nor a list of them")
    return [str(text).lower() if isinstance(text, bool) else text for text in texts]
