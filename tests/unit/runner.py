"""How GitHub's runner reads a step's output and files: its ActionCommand and FileCommandManager."""

from __future__ import annotations

import io
import re
import unicodedata
from dataclasses import dataclass

from deployguard import safe

COMMANDS = {
    "add-mask", "add-matcher", "add-path", "debug", "echo", "endgroup", "error", "group",
    "notice", "remove-matcher", "save-state", "set-env", "set-output", "stop-commands",
    "warning",
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    data: str


def commands(text: str) -> list[Command]:
    """Return what the runner acts on in a process's output."""
    lines = io.StringIO(text, newline=None)  # the runner ends lines at CR, LF and CR LF
    found = (_colons(line.rstrip("\n")) or _brackets(line.rstrip("\n")) for line in lines)
    return [command for command in found if command]


def _colons(line: str) -> Command | None:
    line = line.lstrip()
    if not line.startswith("::") or (end := line.find("::", 2)) < 0:
        return None
    name, _, rest = line[2:end].partition(" ")
    return _command(name, rest.split(","), line[end + 2 :], extra={"%3A": ":", "%2C": ","})


def _brackets(line: str) -> Command | None:
    start = line.find("##[")
    if start < 0 or (end := line.find("]", start)) < 0:
        return None
    name, _, rest = line[start + 3 : end].partition(" ")
    return _command(name, rest.split(";"), line[end + 1 :], extra={"%3B": ";", "%5D": "]"})


def _command(name: str, pairs: list[str], data: str, *, extra: dict[str, str]) -> Command | None:
    if name not in COMMANDS:
        return None
    split = (pair.strip().partition("=") for pair in pairs)
    properties = {key: _unescape(value, extra) for key, _, value in split if key and value}
    return Command(name, properties, _unescape(data, {}))


def _unescape(text: str, extra: dict[str, str]) -> str:
    for code, char in {"%0D": "\r", "%0A": "\n", **extra, "%25": "%"}.items():
        text = text.replace(code, char)
    return text


def outputs(text: str) -> dict[str, str]:
    """Return what the runner reads from GITHUB_OUTPUT."""
    found: dict[str, str] = {}
    lines = iter(re.split("\n", text))
    for line in lines:
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, _, found_value = line.partition("=")
            found[name] = found_value
        elif heredoc >= 0:
            name, _, delimiter = line.partition("<<")
            value = []
            for inner in lines:
                if inner == delimiter:
                    break
                value.append(inner)
            else:
                raise ValueError(f"matching delimiter not found: {delimiter!r}")
            found[name] = "\n".join(value)
        elif line:
            raise ValueError(f"invalid format: {line!r}")
    return found


def assert_harmless(text: str) -> None:
    """Check that text, made safe for a log, forms no command and hides nothing."""
    clean = safe.log(text)
    assert not commands(clean)
    assert not [char for char in clean if is_hidden(char)]
    assert "##[" not in clean
    assert "##vso[" not in clean
    # Wrapping breaks lines at spaces; each word may come to stand at the start of one.
    assert not commands("\n".join(clean.split()))
    assert safe.log(clean) == clean


def is_hidden(char: str) -> bool:
    category = unicodedata.category(char)
    return category in {"Cf", "Cs", "Zl", "Zp"} or (category == "Cc" and char not in "\n\t")
