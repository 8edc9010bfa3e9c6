"""What is tested, as it is typed: a function, a URL, or a command."""

from __future__ import annotations

import re
import shlex
from typing import NamedTuple
from urllib.parse import urlsplit

from deployguard.errors import ConfigurationError
from deployguard.target import Target, target_of

FIX = "expected the name or ARN of a function, an http:// or https:// URL, or a command"


class Url(NamedTuple):
    """An address that takes events as the Runtime Interface Emulator does."""

    text: str


class Command(NamedTuple):
    """A program and its arguments."""

    words: tuple[str, ...]


def subject_of(text: str) -> Target | Url | Command:
    """Tell them apart: one word without a slash or a dot is a function, and so is an ARN."""
    if not text.strip():
        raise ConfigurationError("nothing is named to be tested", fix=FIX)
    if re.match(r"(?i)https?://", text):
        return _url(text)
    if text.startswith("arn:") or re.fullmatch(r"[\w-]*(:[\w$-]*)?", text):
        return target_of(text)
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise ConfigurationError(f"not a command: {text!r} ({error})", fix=FIX) from error
    return Command(words)


def _url(text: str) -> Url:
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.username is not None or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ConfigurationError(
            f"not a URL that can be asked: {text!r}",
            fix="expected http://localhost:9000/2015-03-31/functions/function/invocations, "
            "without a user name",
        )
    return Url(text)
