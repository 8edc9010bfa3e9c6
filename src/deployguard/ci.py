"""The edge to the CI service: what GitHub and GitLab want written, where, and how much of it."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from deployguard.errors import ConfigurationError

if TYPE_CHECKING:
    from deployguard.model import Finding

OUTPUTS = ("verdict", "exit-code", "image-digest", "build-id", "version", "report-path")

# GitHub keeps 10 errors of a step and drops the rest unseen; one is left for what follows us.
MOST_ANNOTATIONS = 9
# GitHub cuts a message at 4,096 characters.
LONGEST_MESSAGE = 4_000
# GitHub drops a whole summary above 1 MiB.
LARGEST_SUMMARY = 900_000
# GitLab refuses a whole dotenv file above 5 KB.
LONGEST_DOTENV_VALUE = 512

DOTENV_FILE = "deployguard.env"


class Provider(StrEnum):
    """The CI services that get more than plain text."""

    GITHUB = "github"
    GITLAB = "gitlab"
    PLAIN = "plain"


def detect(environ: Mapping[str, str]) -> Provider:
    """Name the CI service that this environment belongs to."""
    if environ.get("GITHUB_ACTIONS") == "true":
        return Provider.GITHUB
    if environ.get("GITLAB_CI"):  # "true"; gitlab-ci-local says "false", and reads the same files
        return Provider.GITLAB
    return Provider.PLAIN


def write_outputs(
    environ: Mapping[str, str], outputs: Mapping[str, str], *, report_dir: Path
) -> None:
    """Hand the run's results to the steps and jobs that follow."""
    unknown = sorted(outputs.keys() - set(OUTPUTS))
    if unknown:
        raise ValueError(f"no such output: {', '.join(unknown)}")
    match detect(environ):
        case Provider.GITHUB if path := environ.get("GITHUB_OUTPUT"):
            _append(Path(path), github_outputs(outputs, token=secrets.token_hex(16)))
        case Provider.GITLAB:
            report_dir.mkdir(parents=True, exist_ok=True)
            target = report_dir / DOTENV_FILE
            target.unlink(missing_ok=True)
            _append(target, dotenv(outputs))
        case _:
            pass


def github_outputs(outputs: Mapping[str, str], *, token: str) -> str:
    """Render outputs for `GITHUB_OUTPUT`, where `name=value` would let a value add outputs."""
    delimiter = f"deployguard_{token}"
    if any(delimiter in value for value in outputs.values()):
        raise ValueError("an output holds the delimiter that ends it")
    return "".join(
        f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in outputs.items()
    )


def dotenv(outputs: Mapping[str, str]) -> str:
    """Render outputs as GitLab's dotenv report; a value that its rules forbid is left out.

    The names start with GUARD_: later jobs get them in their environment, where a deployguard
    job would refuse an unknown DEPLOYGUARD_ name.
    """
    lines = []
    for name, value in outputs.items():
        if len(value) <= LONGEST_DOTENV_VALUE and re.fullmatch(r"[A-Za-z0-9._:/@+-]+", value):
            lines.append(f"GUARD_{name.upper().replace('-', '_')}={value}\n")
    return "".join(lines)


def annotate(
    environ: Mapping[str, str], findings: Iterable[Finding], *, has_failed: bool
) -> list[str]:
    """Return the lines that make GitHub show findings on the run's page; none elsewhere.

    Only a run that failed has errors; the gravest come first, since GitHub shows so many only.
    """
    if detect(environ) is not Provider.GITHUB:
        return []
    grave = "error" if has_failed else "warning"
    ranked = sorted(findings, key=lambda finding: finding.severity != "error")
    shown = list(
        dict.fromkeys(
            (grave if f.severity == "error" else "warning", f"{f.id} {f.title}", _message(f))
            for f in ranked
        )
    )
    if len(shown) > MOST_ANNOTATIONS:
        rest = shown[MOST_ANNOTATIONS - 1 :]
        ids = ", ".join(dict.fromkeys(title.split()[0] for _, title, _ in rest))
        shown[MOST_ANNOTATIONS - 1 :] = [
            (rest[0][0], f"and {len(rest)} more findings", f"{ids}; see the summary or the report")
        ]
    return [
        f"::{level} title={_escape_property(title)}::{_escape_data(message)}"
        for level, title, message in shown
    ]


def _message(finding: Finding) -> str:
    parts = {
        "seen": finding.seen,
        "expected": finding.expected,
        "cause": finding.cause,
        "fix": finding.fix,
        "run": finding.command,
        "help": finding.help,
    }
    return "\n".join(f"{name}: {text}" for name, text in parts.items() if text)


def _escape_data(text: str) -> str:
    text = neutralise(text)
    if len(text) > LONGEST_MESSAGE:
        text = text[: LONGEST_MESSAGE - 1] + "…"
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    one_line = " ".join(text.split())
    return _escape_data(one_line).replace(":", "%3A").replace(",", "%2C")


def fenced(text: str) -> str:
    """Quote text in Markdown, with a fence that the text itself cannot close."""
    longest = max((len(run) for run in re.findall("~+", text)), default=0)
    fence = "~" * max(3, longest + 1)
    return f"{fence}text\n{neutralise(text).rstrip()}\n{fence}\n"


def summary(environ: Mapping[str, str], markdown: str) -> None:
    """Add Markdown to the page of a GitHub run."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    if path and detect(environ) is Provider.GITHUB:
        _append(Path(path), capped(markdown, LARGEST_SUMMARY))


def capped(markdown: str, limit: int) -> str:
    """Cut Markdown to a number of UTF-8 bytes, by whole sections, or else by lines."""
    if _size(markdown) < limit:
        return markdown if markdown.endswith("\n") else markdown + "\n"
    note = "\n_Cut here: the rest is too long for this page and stands in the report._\n"
    room = limit - _size(note)
    sections = re.split(r"(?m)^(?=##? )", markdown)
    kept = _fitting(sections, room) or _fitting(markdown.splitlines(keepends=True), room)
    return kept + note


def _fitting(parts: Iterable[str], room: int) -> str:
    kept = []
    for part in parts:
        room -= _size(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept)


def _size(text: str) -> int:
    return len(text.encode(errors="backslashreplace"))


def neutralise(text: str) -> str:
    """Make foreign text harmless in a log: no commands, escape sequences or hidden characters.

    What is dangerous is shown, not dropped: dropping a character can join its neighbours into
    what was to be prevented.
    """
    text = "".join(_visible(char) for char in text.replace("\r\n", "\n"))
    # NOTE: GitHub acts on `::command::` at the start of a line, after any white space. A word in
    # the middle is broken too, because wrapping may bring it to the start; an ARN's `::` stays.
    text = re.sub(r"(?<![^\s-]):{2,}", lambda colons: " ".join(colons[0]), text)
    # `##[command]` (GitHub), `##vso[command]` (Azure) and their like work anywhere in a line.
    return re.sub(r"(##[\w.]*)\[", r"\1 [", text)


def _visible(char: str) -> str:
    if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return char
    number = ord(char)
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {path}: {error.strerror}",
            cause="the CI service names this file, but this process may not write it",
            fix="run deployguard where the job's own files are writable",
        ) from error
