"""What every source is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployguard.aws.session import Session
from deployguard.errors import AwsFailure, NoCredentials, NotFound, OutOfTime, Refusal, Trouble
from deployguard.hazards import Grant
from deployguard.routes.definitions import UnreadableError
from deployguard.routes.names import Callee
from deployguard.routes.nouns import Served
from deployguard.traffic import Caller, Unread

Found = Iterator[Caller | Unread]
UNREAD = (AwsFailure, OutOfTime, UnreadableError, KeyError)


@dataclass(frozen=True)
class Asked:
    """Who calls this function? Each source yields the callers that it knows."""

    session: Session
    callee: Callee
    served: Served
    grants: Callable[[], list[Grant]]  # of all qualifiers, read once for whoever needs them


def or_unread(what: str, found: Found, *, may_be_gone: bool = False) -> Found:
    """Yield what is found and, where reading ends early, what is unknown therefore.

    One of many, which was listed a moment ago, may be gone by now.
    """
    try:
        yield from found
    except UNREAD as failure:
        if not (may_be_gone and isinstance(failure, NotFound)):
            yield unread(what, failure)


def unread(what: str, failure: Exception) -> Unread:
    """Say what is unknown because reading ended so; without credentials, nothing can be read."""
    match failure:
        case AwsFailure():
            if isinstance(failure, NoCredentials) or failure.trouble is Trouble.CREDENTIALS:
                raise failure
            is_denied = failure.trouble is Trouble.DENIED
            return Unread(what, failure.cause if is_denied else failure.happened, failure.fix)
        case OutOfTime() | Refusal():
            return Unread(what, failure.happened, failure.fix)
        case KeyError():  # only answers are indexed by name
            return Unread(what, f"AWS's answer lacks {failure}", "run again, or read it by hand")
    return Unread(what, str(failure), "read it by hand")
