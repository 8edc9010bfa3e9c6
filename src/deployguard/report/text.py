"""The report as a person reads it in a log: verdict first, then why, then what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deployguard.style import Page, Row

PLAIN = Page()
SHOWN_CALLERS = 3
SHOWN_CONTAINERS = 5
STATES = ("stale", "unknown", "fresh")
SIGHT = (("seen", "seen"), ("expected", "expected"))
AIDS = (("cause", "cause"), ("fix", "fix"), ("run", "command"), ("help", "help"))
FATES = ("stayed", "unseen", "gone")


def render(document: Mapping[str, Any], page: Page = PLAIN, *, brief: bool = False) -> str:
    """Return the text of a report, safe for a terminal or a log; in brief only what decides."""
    return "\n".join(line for row in _rows(document, brief=brief) for line in row.on(page)) + "\n"


def problem(parts: Mapping[str, Any], page: Page = PLAIN) -> str:
    """Return the text of what ended a run, or of what is wrong beside it."""
    return "\n".join(line for row in _problem(parts) for line in row.on(page)) + "\n"


def _rows(document: Mapping[str, Any], *, brief: bool) -> Iterator[Row]:
    is_fleet = document.get("fleet") is not None
    for function in document["functions"]:
        if brief and is_fleet and (function["findings"] or function["error"]):
            yield Row("", _named(function), "strong")
        yield from _function(function, brief=brief)
    error = document["error"]
    if error is not None and all(each.get("error") != error for each in document["functions"]):
        yield from _problem(error)
        yield Row("")
    if is_fleet:
        yield from _fleet(document)
    verdict = document["verdict"] or "DONE"
    ended = f"after {document['seconds']:.1f} s (exit code {document['exit_code']})"
    yield Row("", f"{verdict} {ended}", verdict)


def _fleet(document: Mapping[str, Any]) -> Iterator[Row]:
    """Tell what concerns no function alone, and at last how each of them ended."""
    for each in document["fleet"]["findings"]:
        yield from finding(each)
        yield Row("")
    for unread in document["fleet"]["unread"]:
        yield Row("unread: ", f"{unread['what']}: {unread['why']}")
    for function in document["functions"]:
        verdict = function["verdict"] or "DONE"
        yield Row("", f"{verdict:<13}{_named(function)}", verdict)


def _named(function: Mapping[str, Any]) -> str:
    alias = f" alias {function['alias']}" if function["alias"] else ""
    return f"{function['function']}{alias}"


def _function(function: Mapping[str, Any], *, brief: bool) -> Iterator[Row]:
    """Tell of one function, and last what is wrong with it."""
    if not brief:
        yield from _found_out(function)
        yield Row("")
    for each in function["findings"]:
        yield from finding(each)
        yield Row("")
    if function.get("error"):
        yield from _problem(function["error"])
        yield Row("")


def _found_out(function: Mapping[str, Any]) -> Iterator[Row]:
    yield Row("", _named(function), "strong")
    if function["expected"]["digest"]:
        yield from _expected(function["expected"])
    if any(function["version"][moment] for moment in ("before", "published", "after")):
        yield _about("version", version(function["version"]))
    for route in function["routes"]:
        yield from _route(route, _calling(function, route["qualifier"]))
        if _is_undone(function, route):
            to = function["version"]["after"]
            yield _about("", f"judged before the alias was put back to version {to}")
    yield from _containers(function["containers"], is_fresh=function["verdict"] == "FRESH")
    if function.get("aged"):
        yield _about("aged", _aged(function["aged"]))
    if function["replacement"]:
        yield _about("replaced", _replaced(function["replacement"]))
    if function.get("unread"):
        yield _about("unread", ", ".join(unread["what"] for unread in function["unread"]))
    for change in function["changes"]:
        yield _about("change", f"{change['call']} {what(change)}: {change['result']}")


def _is_undone(function: Mapping[str, Any], route: Mapping[str, Any]) -> bool:
    """Say whether a route is not what it was any more, because the alias was put back."""
    before, after = function["version"]["before"], function["version"]["after"]
    is_moved = route["qualifier"] == function["alias"] and after not in route["versions"]
    return is_moved and after is not None and after == before


def _about(label: str, text: str, role: str = "") -> Row:
    return Row(f"  {label:<12}", text, role)


def _expected(expected: Mapping[str, Any]) -> Iterator[Row]:
    build = f"build {expected['build_id'] or 'unknown'} ({expected['link']} link)"
    yield _about("expected", build)
    yield _about("", expected["digest"])


def version(version: Mapping[str, Any]) -> str:
    """Say what the alias served, what was published, and what it serves now."""
    words = [f"{version['before'] or 'none'} before"]
    if version["published"]:
        note = " (published before)" if version["deduplicated"] else ""
        words.append(f"{version['published']} published{note}")
    words.append(f"{version['after'] or version['before'] or 'none'} now")
    return ", ".join(words)


def _calling(function: Mapping[str, Any], qualifier: str) -> list[Mapping[str, Any]]:
    """Return who calls a qualifier; reports once told of no callers."""
    return [
        caller
        for caller in function.get("callers", ())
        if caller["use"] == "calls" and caller["qualifier"] == qualifier
    ]


def _route(route: Mapping[str, Any], callers: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    serves = " + ".join(
        version if share == 1 else f"{share:.0%} {version}"
        for version, share in route["versions"].items()
    )
    coverage = route["coverage"]
    ruled = f"{route['verdict']} ({coverage['claim']})"
    yield _about("route", f"{route['qualifier']} -> {serves}: {ruled}", route["verdict"])
    counted = [
        _count(coverage["probes"], "probe"),
        _count(coverage["rounds"], "round"),
        _count(coverage["containers"], "container"),
    ]
    if coverage["cold_starts"]:
        counted.append(_count(coverage["cold_starts"], "cold start"))
    yield _about("", ", ".join(counted))
    for caller in callers[:SHOWN_CALLERS]:
        via = f" ({caller['via']})" if caller["via"] else ""
        yield _about("", f"called by {caller['kind']} {caller['caller']}{via}")
    if len(callers) > SHOWN_CALLERS:
        yield _about("", f"and by {len(callers) - SHOWN_CALLERS} more in report.json")
    if shape := route.get("shape"):
        yield _about("", f"{shape['kind']}: {shape['reasoning']}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _containers(containers: list[Mapping[str, Any]], *, is_fresh: bool) -> Iterator[Row]:
    states = Counter(container["state"] for container in containers)
    if not states:
        return
    counted = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    if is_fresh:
        others = states.total() - states["fresh"]
        note = f"; {others} answered only while the change arrived" if others else ""
        yield _about("containers", f"{states['fresh']} fresh{note}", "fresh")
        return
    yield _about("containers", counted)
    suspects = [container for container in containers if container["state"] != "fresh"]
    for container in sorted(suspects, key=lambda c: STATES.index(c["state"]))[:SHOWN_CONTAINERS]:
        named = f"{container['container'][:12]} {container['state']:<8}"
        about = f"build {container['build_id'] or 'unknown'}, born {container['born'][:19]}Z"
        yield _about("", named + about, container["state"])
    if len(suspects) > SHOWN_CONTAINERS:
        yield _about("", f"and {len(suspects) - SHOWN_CONTAINERS} more in report.json")


def _aged(aged: Mapping[str, Any]) -> str:
    """Say how old containers were seen, and how their self-tests ended."""
    results = [f"{count} {end}" for end, count in aged["self_tests"].items() if count]
    tests = f"self-tests {', '.join(results)}" if results else "no self-test"
    containers = _count(aged["containers"], "container")
    return f"{aged['old']} of {containers} seen {aged['seconds']:g} s old: {tests}"


def _replaced(replacement: Mapping[str, Any]) -> str:
    """Say what became of the containers from before; unseen ones may be there or not."""
    fates = [f"{len(found)} {fate}" for fate in FATES if (found := replacement[fate])]
    before = _count(replacement["before"], "container")
    return f"by {replacement['remedy']}: of {before} before, {', '.join(fates) or 'none left'}"


def what(change: Mapping[str, Any]) -> str:
    """Say what a change made, or what it took away."""
    values = change["after"] or change["before"]
    return ", ".join(f"{key} {value}" for key, value in values.items() if value)


def told(found: Mapping[str, Any]) -> list[str]:
    """Return the lines of one finding."""
    return [line for row in finding(found) for line in row.on(PLAIN)]


def finding(found: Mapping[str, Any]) -> Iterator[Row]:
    """Tell one finding, row by row: its id and title, both sides, why, and what to do."""
    severity = found.get("severity") or "error"
    yield Row("", f"{severity}[{found['id']}]: {found['title']}", severity)
    yield from _aids(found, (*SIGHT, *AIDS))


def _problem(parts: Mapping[str, Any]) -> Iterator[Row]:
    severity, named = parts.get("severity", "error"), parts["id"]
    happened = parts["happened"].removeprefix(f"{named}: ")
    head = f"{severity}[{named}]: " if named else f"{severity}: "
    yield Row("", head + happened, severity)
    yield from _aids(parts, AIDS)


def _aids(parts: Mapping[str, Any], shown: Iterable[tuple[str, str]]) -> Iterator[Row]:
    for label, part in shown:
        if parts.get(part):
            is_command = part == "command"
            role = "command" if is_command else ""
            yield Row(f"  {label + ':':<10}", parts[part], role, whole=is_command)
