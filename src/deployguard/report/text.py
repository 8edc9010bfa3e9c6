"""The report as a person reads it in a log: verdict first, then why, then what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SHOWN_CALLERS = 3
SHOWN_CONTAINERS = 5
STATES = ("stale", "unknown", "fresh")
SIGHT = (("seen", "seen"), ("expected", "expected"))
AIDS = (("cause", "cause"), ("fix", "fix"), ("run", "command"), ("help", "help"))
FATES = ("stayed", "unseen", "gone")


def render(document: Mapping[str, Any]) -> str:
    """Return the text of a report."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    for function in document["functions"]:
        yield from _function(function)
    error = document["error"]
    if error is not None:
        yield f"error: {error['happened']}"
        for label, part in AIDS:
            if error.get(part):
                yield f"  {label + ':':<7}{error[part]}"
        yield ""
    ended = f"after {document['seconds']:.1f} s (exit code {document['exit_code']})"
    yield f"{document['verdict'] or 'DONE'} {ended}"


def _function(function: Mapping[str, Any]) -> Iterator[str]:
    yield f"{function['function']}" + (f" alias {function['alias']}" if function["alias"] else "")
    if function["expected"]["digest"]:
        yield from _expected(function["expected"])
    if any(function["version"][moment] for moment in ("before", "published", "after")):
        yield f"  version     {version(function['version'])}"
    for route in function["routes"]:
        yield from _route(route, _calling(function, route["qualifier"]))
    yield from _containers(function["containers"], is_fresh=function["verdict"] == "FRESH")
    if function.get("aged"):
        yield f"  aged        {_aged(function['aged'])}"
    if function["replacement"]:
        yield f"  replaced    {_replaced(function['replacement'])}"
    if function.get("unread"):
        names = ", ".join(unread["what"] for unread in function["unread"])
        yield f"  unread      {names}"
    for change in function["changes"]:
        yield f"  change      {change['call']} {what(change)}: {change['result']}"
    yield ""
    for each in function["findings"]:
        yield from finding(each)
        yield ""


def _expected(expected: Mapping[str, Any]) -> Iterator[str]:
    yield f"  expected    build {expected['build_id'] or 'unknown'} ({expected['link']} link)"
    yield f"              {expected['digest']}"


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


def _route(route: Mapping[str, Any], callers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    serves = " + ".join(
        version if share == 1 else f"{share:.0%} {version}"
        for version, share in route["versions"].items()
    )
    coverage = route["coverage"]
    ruled = f"{route['verdict']} ({coverage['claim']})"
    yield f"  route       {route['qualifier']} -> {serves}: {ruled}"
    counted = [
        _count(coverage["probes"], "probe"),
        _count(coverage["rounds"], "round"),
        _count(coverage["containers"], "container"),
    ]
    if coverage["cold_starts"]:
        counted.append(_count(coverage["cold_starts"], "cold start"))
    yield f"              {', '.join(counted)}"
    for caller in callers[:SHOWN_CALLERS]:
        via = f" ({caller['via']})" if caller["via"] else ""
        yield f"              called by {caller['kind']} {caller['caller']}{via}"
    if len(callers) > SHOWN_CALLERS:
        yield f"              and by {len(callers) - SHOWN_CALLERS} more in report.json"
    if shape := route.get("shape"):
        yield f"              {shape['kind']}: {shape['reasoning']}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _containers(containers: list[Mapping[str, Any]], *, is_fresh: bool) -> Iterator[str]:
    states = Counter(container["state"] for container in containers)
    if not states:
        return
    counted = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    if is_fresh:
        others = states.total() - states["fresh"]
        note = f"; {others} answered only while the change arrived" if others else ""
        yield f"  containers  {states['fresh']} fresh{note}"
        return
    yield f"  containers  {counted}"
    suspects = [container for container in containers if container["state"] != "fresh"]
    for container in sorted(suspects, key=lambda c: STATES.index(c["state"]))[:SHOWN_CONTAINERS]:
        yield (
            f"              {container['container'][:12]} {container['state']:<8}"
            f"build {container['build_id'] or 'unknown'}, born {container['born'][:19]}Z"
        )
    if len(suspects) > SHOWN_CONTAINERS:
        yield f"              and {len(suspects) - SHOWN_CONTAINERS} more in report.json"


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


def finding(found: Mapping[str, Any]) -> Iterator[str]:
    """Tell one finding, line by line."""
    aside = "warning: " if found.get("severity") == "warning" else ""
    yield f"{found['id']} {aside}{found['title']}"
    for label, part in (*SIGHT, *AIDS):
        if found.get(part):
            yield f"  {label + ':':<10}{found[part]}"
