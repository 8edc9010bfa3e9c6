"""Foreign text made harmless for each surface that it is shown on; nothing else escapes text.

Functions, logs, tags, files and AWS say what they like. What is dangerous is shown, not dropped:
dropping a character can join its neighbours into what was to be prevented.
"""

from __future__ import annotations

import html as entities
import json as notation
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

SHORT = 200
# GitHub cuts a message at 4,096 characters.
LONGEST_MESSAGE = 4_000
# GitLab refuses a whole dotenv file above 5 KB.
LONGEST_DOTENV_VALUE = 512

NOT_SHOWN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Compiled when they are first used, because most runs show little that needs them.
PART = r"`[^`]+`|[^\s`]+|`"
WORD = r"\(?[^\W\d_][^\W_]*(?:['-][^\W_]+)*[.,;:!?)]{0,2}|\d+(?:\.\d+)?%?[,;:]?|[,.;:)]"
MERMAID = str.maketrans({char: f"#{ord(char)};" for char in '"#&<>`[]{}()|\\;'})
NOT_XML = "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def log(text: str) -> str:
    """Return text for a log or a terminal: no commands, escape sequences or hidden characters."""
    text = "\n".join(map(_shown, text.replace("\r\n", "\n").split("\n")))
    # NOTE: GitHub acts on `::command::` at the start of a line, after any white space. A word in
    # the middle is broken too, because wrapping may bring it to the start; an ARN's `::` stays.
    text = re.sub(r"(?<![^\s-]):{2,}", lambda colons: " ".join(colons[0]), text)
    # `##[command]` (GitHub), `##vso[command]` (Azure) and their like work anywhere in a line.
    return re.sub(r"(##[\w.]*)\[", r"\1 [", text)


def line(text: str) -> str:
    """Return text as one line of a log."""
    return log(" ".join(re.split(r"[\t\n\r\x0b\x0c]", text)))


def short(text: str) -> str:
    """Return the start of a text, as one line of a log."""
    return line(text[:SHORT])[:SHORT]


def html(text: str) -> str:
    """Return text for an element or a quoted attribute of HTML or SVG."""
    return entities.escape(xml(text), quote=True)


def xml(text: str) -> str:
    """Return text that XML 1.0 can hold; what writes the XML escapes its markup."""
    return re.sub(NOT_XML, "\ufffd", log(text))


def markdown(text: str) -> str:
    """Return text as one code span, for a line or a table cell of Markdown.

    As entities its punctuation forms no markup, and in code no `@name` is notified.
    """
    return f"<code>{_spelt(line(text))}</code>"


def _spelt(text: str) -> str:
    return "".join(c if c.isalnum() or c in " -" else f"&#{ord(c)};" for c in text)


def prose(text: str) -> str:
    """Return text as words of Markdown; what is more than a word becomes code.

    So no `@name` is notified, and no `#1` or address becomes a link.
    """
    return re.sub(PART, lambda part: _word(part[0]), line(text).strip())


def _word(text: str) -> str:
    if re.fullmatch(WORD, text):
        return text
    code = text.rstrip(".,;") or text
    return markdown(code.strip("`") or code) + text[len(code) :]


def fenced(text: str) -> str:
    """Return text as a block of Markdown, with a fence that the text itself cannot close."""
    longest = max((len(run) for run in re.findall("~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}text\n{log(text).rstrip()}\n{fence}\n"


def json(document: Mapping[str, Any] | list[Any]) -> str:
    """Return a document as JSON that forms no command in a log either."""
    return notation.dumps(document, indent=1, allow_nan=False).replace("##", "#\\u0023") + "\n"


def mermaid(text: str) -> str:
    """Return text for a quoted label of a Mermaid graph."""
    return line(text).translate(MERMAID)


def url(text: str) -> str:
    """Return text as one part of a URL."""
    return quote(text, safe="", errors="backslashreplace")


def command(name: str, *, title: str, message: str) -> str:
    """Return a workflow command that makes GitHub show a message."""
    return f"::{name} title={_property(title)}::{_data(message)}"


def group(title: str) -> str:
    """Return the workflow command that begins a group in a log of GitHub's."""
    return f"::group::{_data(line(title))}\n"


def group_end() -> str:
    """Return the workflow command that ends a group."""
    return "::endgroup::\n"


def section(name: str, title: str, *, at: int) -> str:
    """Return what begins a section in a log of GitLab's; its name is ours."""
    return f"\x1b[0Ksection_start:{at}:{name}[collapsed=true]\r\x1b[0K{line(title)}\n"


def section_end(name: str, *, at: int) -> str:
    """Return what ends a section."""
    return f"\x1b[0Ksection_end:{at}:{name}\r\x1b[0K\n"


def outputs(values: Mapping[str, str], *, token: str) -> str:
    """Return values for `GITHUB_OUTPUT`, where `name=value` would let a value add outputs."""
    delimiter = f"deployguard_{token}"
    if any(delimiter in value for value in values.values()):
        raise ValueError("an output holds the delimiter that ends it")
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())


def dotenv(values: Mapping[str, str]) -> str:
    """Return values as GitLab's dotenv report; one that its rules forbid is left out."""
    return "".join(
        f"{name}={value}\n"
        for name, value in values.items()
        if len(value) <= LONGEST_DOTENV_VALUE and re.fullmatch(r"[A-Za-z0-9._:/@+-]+", value)
    )


def _data(text: str) -> str:
    text = log(text)
    if len(text) > LONGEST_MESSAGE:
        text = text[: LONGEST_MESSAGE - 1] + "…"
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(" ".join(text.split())).replace(":", "%3A").replace(",", "%2C")


def _shown(line: str) -> str:
    # What Python calls printable holds nothing of NOT_SHOWN, and is found out much sooner.
    return line if line.isprintable() else "".join(map(_visible, line))


def _visible(char: str) -> str:
    if char == "\t" or unicodedata.category(char) not in NOT_SHOWN:
        return char
    number = ord(char)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
