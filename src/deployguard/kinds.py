"""The kinds of values that settings have: what each one takes, and what `--help` calls it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from deployguard.model import LATEST
from deployguard.report.forms import FORMS
from deployguard.traffic import SOURCES

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_S = 90 * UNITS["d"]


@dataclass(frozen=True)
class Called:
    """What stands for a value of this kind in `--help`."""

    word: str


def called(field: FieldInfo) -> str:
    """Return what stands for a setting's value in `--help`, optional or not; nothing without."""
    arms = (arm for kind in get_args(field.annotation) for arm in getattr(kind, "__metadata__", ()))
    return next((part.word for part in (*field.metadata, *arms) if isinstance(part, Called)), "")


def seconds_of(age: str) -> float:
    """Return an age such as 24h in seconds."""
    return int(age[:-1]) * UNITS[age[-1]]


def _split(value: Any) -> Any:
    """Accept a comma- or space-separated list, from the environment or as one option."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
        return value
    return tuple(part for text in texts for part in re.split(r"[,\s]+", text.strip()))


def _of(known: Collection[str]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def check(value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is none of {', '.join(known)}")
        return value

    return check


def _alias(value: str) -> str:
    from deployguard import lease

    if not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", value) or value.isdigit():
        raise ValueError("expected the name of an alias: letters, digits, - and _, not all digits")
    if value == lease.ALIAS:
        raise ValueError("this alias is deployguard's own: it holds the lease")
    return value


def _version(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,18}", value):
        raise ValueError("expected the number of a published version")
    return value


def _qualifiers(value: tuple[str, ...]) -> tuple[str, ...]:
    for qualifier in value:
        if qualifier != LATEST and not re.fullmatch(r"[A-Za-z0-9_-]{1,128}", qualifier):
            raise ValueError(f"{qualifier!r} is no qualifier: expected $LATEST, an alias, a number")
    return value


def _age(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,4}[mhd]", value) or seconds_of(value) > LONGEST_S:
        raise ValueError("expected minutes, hours or days up to 90d, such as 90m, 24h or 7d")
    return value


def _web_hook(value: str) -> str:
    from deployguard import webhook

    if problem := webhook.doubt(value):
        raise ValueError(problem)
    return value


Count = Annotated[int, Called("N")]
Seconds = Annotated[float, Field(allow_inf_nan=False), Called("SECONDS")]
Milliseconds = Annotated[int, Called("MS")]
Age = Annotated[str, AfterValidator(_age), Called("AGE")]
Time = Annotated[str, Called("TIME")]

File = Annotated[str, Called("FILE")]
Folder = Annotated[str, Field(min_length=1), Called("DIR")]
Json = Annotated[str, Called("JSON")]
Text = Annotated[str, Called("TEXT")]
Url = Annotated[str, Called("URL")]
WebHook = Annotated[str, AfterValidator(_web_hook), Called("URL")]

Account = Annotated[str, Field(pattern=r"^[0-9]{12}$"), Called("ACCOUNT")]
Region = Annotated[str, Called("REGION")]
Image = Annotated[str, Called("URI")]
Alias = Annotated[str, AfterValidator(_alias), Called("NAME")]
Version = Annotated[str, AfterValidator(_version), Called("VERSION")]
StateMachine = Annotated[str, Called("STATE_MACHINE")]
BuildId = Annotated[str, Called("ID")]
Commit = Annotated[str, Called("COMMIT")]
Shard = Annotated[str, Called("I/N")]

Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Qualifiers = Annotated[Words, AfterValidator(_qualifiers), Called("QUALIFIER")]
Executions = Annotated[Words, Called("EXECUTION")]
Forms = Annotated[Words, AfterValidator(_of(FORMS)), Called("FORM")]
Sources = Annotated[Words, AfterValidator(_of(SOURCES)), Called("SOURCE")]
