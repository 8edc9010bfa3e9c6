"""Who may call a function, as its resource policies say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from deployguard.aws.session import Session
from deployguard.errors import AwsFailure, NotFound
from deployguard.hazards import Grant
from deployguard.model import LATEST
from deployguard.routes import policies
from deployguard.routes.definitions import UnreadableError


def grants(session: Session, name: str, qualifiers: Iterable[str]) -> Iterator[Grant]:
    """Yield who may call each qualifier; AWS keeps a policy for each, and none for `$LATEST`.

    One after another: AWS allows 15 such calls in a second.
    """
    for qualifier in ("", *(each for each in qualifiers if each != LATEST)):
        yield from _of(session, name, qualifier)


def _of(session: Session, name: str, qualifier: str) -> list[Grant]:
    extra: dict[str, Any] = {"Qualifier": qualifier} if qualifier else {}
    doing = f"read the resource policy of {name}:{qualifier or LATEST}"
    try:
        answer = session.read(doing, session.functions.get_policy, FunctionName=name, **extra)
        return list(policies.grants(answer["Policy"], qualifier=qualifier or LATEST))
    except NotFound:  # of the policy
        return []
    except UnreadableError as error:
        raise AwsFailure(
            f"could not {doing}: {error}",
            cause="it is none of those that AWS documents",
            fix="read it by `aws lambda get-policy`, and tell AWS",
        ) from error
