"""The report as the page of a CI run shows it: the verdict first, then what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deployguard import ci, safe
from deployguard.report import reading, text, words

SHOWN_CONTAINERS = 100
STATES = ("stale", "unknown", "fresh")


def render(document: Mapping[str, Any]) -> str:
    """Return the report as Markdown, no larger than GitHub takes a page."""
    return ci.capped("\n".join(_lines(document)) + "\n", ci.LARGEST_SUMMARY)


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    said = words.verdict(document)
    yield f"# {words.MARKS.get(said, '✅')} {safe.prose(said)}\n"
    yield f"**{safe.prose(words.sentence(document))}**\n"
    is_fleet, name = document.get("fleet") is not None, words.names(document)
    yield from _ended(document, [] if is_fleet else document["functions"])
    if is_fleet:
        yield from _functions(document)
    else:
        yield from _reached(document["functions"])
    yield from _findings(document)
    for function in document["functions"]:
        if is_fleet:
            yield f"# {safe.markdown(name(function))}\n"
            yield from _reached([function])
        yield from _coverage(function["coverage"])
        yield from _containers(function["containers"])
        yield from _changes(function["changes"])


def _functions(document: Mapping[str, Any]) -> Iterator[str]:
    name = words.names(document)
    yield "## Functions\n"
    yield from _table(
        ("", "function", "verdict", "exit code", "build", "serves", "seconds"),
        (
            (
                words.MARKS.get(words.verdict(each), "✅"),
                safe.markdown(name(each)),
                safe.prose(words.verdict(each)),
                safe.prose(str(each["exit_code"])),
                safe.markdown(each["expected"]["build_id"] or "unknown"),
                safe.prose(_version(each["version"])),
                safe.prose(f"{each['seconds']:.1f}"),
            )
            for each in document["functions"]
        ),
    )


def _version(version: Mapping[str, Any]) -> str:
    return text.version(version) if version["before"] or version["after"] else ""


def _reached(functions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for function in functions:
        yield from _routes(function["routes"])


def _ended(document: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for function in functions:
        yield f"- function {safe.markdown(words.name_of(function))}"
        if digest := function["expected"]["digest"]:
            yield f"- image {safe.markdown(digest)}"
        version = function["version"]
        if any(version[moment] for moment in ("before", "published", "after")):
            yield f"- version {safe.prose(text.version(version))}"
    ended = f"{document['seconds']:.1f} s, exit code {document['exit_code']}"
    yield f"- {safe.prose(document['command'])}: {safe.prose(ended)}\n"


def _routes(routes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not routes:
        return
    yield "## Routes\n"
    yield from _table(
        ("", "route", "of", "serves", "verdict", "claim", "probes", "rounds", "containers"),
        (
            (
                words.MARKS[route["verdict"]],
                safe.markdown(route["qualifier"]),
                safe.prose(route["caller"]),
                safe.markdown(words.serves(route["versions"])),
                safe.prose(route["verdict"]),
                safe.prose(route["coverage"]["claim"]),
                *(safe.prose(str(route["coverage"][n])) for n in ("probes", "rounds")),
                safe.prose(str(route["coverage"]["containers"])),
            )
            for route in routes
        ),
    )


def _findings(document: Mapping[str, Any]) -> Iterator[str]:
    found = reading.findings(document)
    if found:
        yield "## Findings\n"
    for each in found:
        told = text.told({**asdict(each), "command": "", "fix": ""})
        yield f"### {safe.prose(f'{each.id} {each.title}')}\n"
        yield safe.fenced("\n".join(line.removeprefix("  ") for line in told[1:]))
        if each.fix:
            yield f"**Fix:** {safe.prose(each.fix)}\n"
        if each.command:
            yield safe.fenced(each.command)


def _coverage(coverage: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Coverage\n\n{safe.prose(words.coverage(coverage))}\n"
    for label, member in (("This rests on", "assumptions"), ("Missing", "shortfalls")):
        if coverage[member]:
            yield f"{label}:\n"
            yield from (f"- {safe.prose(each)}" for each in coverage[member])
            yield ""


def _containers(containers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not containers:
        return
    states = Counter(container["state"] for container in containers)
    counted = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    yield f"## Containers\n\n{safe.prose(counted)}\n"
    suspects_first = sorted(containers, key=lambda each: STATES.index(each["state"]))
    yield from _table(
        ("container", "state", "build", "version", "born", "probes"),
        (
            (
                safe.markdown(each["container"][:12]),
                safe.prose(each["state"]),
                safe.markdown(each["build_id"] or "unknown"),
                safe.markdown(each["version"]),
                safe.markdown(f"{each['born'][:19]}Z"),
                safe.prose(str(each["probes"])),
            )
            for each in suspects_first[:SHOWN_CONTAINERS]
        ),
    )
    if len(containers) > SHOWN_CONTAINERS:
        yield f"And {len(containers) - SHOWN_CONTAINERS} more in the report.\n"


def _changes(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not changes:
        return
    yield "## Changes\n"
    yield from _table(
        ("at", "call", "what", "result"),
        (
            (
                safe.markdown(each["at"]),
                safe.markdown(each["call"]),
                safe.markdown(text.what(each)),
                safe.prose(each["result"]),
            )
            for each in changes
        ),
    )


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
