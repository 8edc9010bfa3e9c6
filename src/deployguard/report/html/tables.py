"""The parts of the page that are words and tables; all that the pictures show is in them, too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from deployguard.history.render import moment
from deployguard.model import Claim
from deployguard.pages.builds import UNKNOWN, Builds
from deployguard.pages.markup import Markup, el, join, short
from deployguard.report.html.lives import Life, many
from deployguard.routes import render
from deployguard.routes.nouns import Audit, Path
from deployguard.traffic import Unread

MOST = 200  # rows of what is usually a handful
LONGEST = 300
CLAIMS = {
    Claim.BY_CONSTRUCTION: "By construction: the route serves numbered versions only, and a "
    "version never changes. What was left to show is that the move has arrived; the probes "
    "agree.",
    Claim.EXHAUSTIVE: "Exhaustive: bursts of probes that overlap held every idle container, and "
    "more had to be started. None was left that was not asked.",
    Claim.SAMPLED: "A sample: it shows what these containers run, and not that no other is left.",
    Claim.NONE: "Nothing is claimed of the containers that did not answer.",
}


def table(
    caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, identifier: str = ""
) -> Markup:
    """Return a table that can be scrolled on its own."""
    top = el("tr", *(el("th", name, scope="col") for name in head))
    body = (
        el(
            "tr",
            el("th", _cell(row[0]), scope="row"),
            *(el("td", _cell(cell)) for cell in row[1:]),
            id=f"{identifier}{number}" if identifier else None,
        )
        for number, row in enumerate(rows)
    )
    inside = el("table", el("caption", caption), el("thead", top), el("tbody", *body))
    return scrolled(inside, caption)


def _cell(told: str) -> str:
    return told if isinstance(told, Markup) else short(told, LONGEST)


def scrolled(inside: Markup, name: str) -> Markup:
    """Return what can be scrolled on its own where there is little room."""
    return el("div", inside, class_="scroll", tabindex=0, role="region", aria_label=name)


def items(words: Sequence[str]) -> Markup:
    """Return a list."""
    return el("ul", *(el("li", short(each, 2_000)) for each in words[:MOST]))


def containers(told: Sequence[Life], builds: Builds) -> Markup:
    """Return the table of containers, which is the timeline in words."""
    head = ("container", "state", "build", "version", "born (UTC)", "age", "probes", "asked on")
    rows = [
        (
            el("code", life.container[:12] or UNKNOWN, title=short(life.container, 80)),
            el("span", life.state.value, class_=f"tag {life.state}"),
            join([_swatch(builds, life.build_id), f" {short(life.build_id or UNKNOWN, 60)}"]),
            short(life.version, 24),
            moment(life.born_at),
            life.birth,
            str(len(life.answers)),
            short(", ".join(life.qualifiers), 60),
        )
        for life in told
    ]
    return table(f"Containers that answered: {len(told)}", head, rows, identifier="r")


def _swatch(builds: Builds, build: str | None) -> Markup:
    return el("svg", builds.swatch(build), class_="swatch", aria_hidden="true")


def coverage(routes: Sequence[Mapping[str, Any]]) -> Iterator[Markup]:
    """Yield what is claimed of each route, in words, and what the claim rests on."""
    for route in routes:
        found = route["coverage"]
        started = f", {found['cold_starts']} of them started by the probes"
        counted = (
            f"{many(found['probes'], 'probe')} in {many(found['rounds'], 'round')}; "
            f"{many(found['containers'], 'container')} answered"
            f"{started if found['cold_starts'] else ''}."
        )
        title = el("h3", short(f"{route['qualifier']}: {route['verdict']}", LONGEST))
        claim = el("p", f"{CLAIMS[Claim(found['claim'])]} {counted}")
        yield el("article", title, claim, *_grounds(route))


def _grounds(route: Mapping[str, Any]) -> Iterator[Markup]:
    found, shape = route["coverage"], route.get("shape")
    if found["stale_upper_bound"] and route["verdict"] == "INCONCLUSIVE":
        bound = f"{found['stale_upper_bound']:.0%}"
        yield el("p", f"Less than {bound} of containers are old, at 95 % confidence.")
    for title, words in (("It supposes that", "assumptions"), ("Missing for more", "shortfalls")):
        if found[words]:
            yield el("h4", title)
            yield items(found[words])
    if shape:
        yield el("h4", f"Old answers: {shape['kind']}")
        yield el("p", short(shape["reasoning"], 2_000))


def changes(made: Sequence[Mapping[str, Any]]) -> Markup:
    """Return every change that was made on AWS, but for those to the lease."""
    if not made:
        return el("p", "Nothing was changed.")
    rows = [
        (
            f"{datetime.fromisoformat(change['at']):%H:%M:%S} UTC",
            change["call"],
            _values(change["before"]),
            _values(change["after"]),
            change["result"],
        )
        for change in made[:MOST]
    ]
    head = ("at", "call", "before", "after", "result")
    return table(f"Changes: {len(made)}", head, rows)


def _values(values: Mapping[str, Any]) -> str:
    told = ", ".join(f"{key} {short(str(value), 28)}" for key, value in values.items() if value)
    return short(told or "-", LONGEST)


def ways(paths: Sequence[Path], verdicts: Mapping[str, str]) -> Markup:
    """Return each way of a run from a caller to an image, and how it was judged."""
    rows = [
        (*row, verdicts.get(path.caller.qualifier or "", "not judged"))
        for path, row in zip(paths[:MOST], map(render.row, paths), strict=False)
    ]
    return table(f"Routes: {len(paths)}", (*render.HEAD, "verdict"), rows)


def routes(audit: Audit) -> Markup:
    """Return each way of an audit."""
    rows = [render.row(path) for path in audit.paths[:MOST]]
    return table(f"Audited routes: {len(audit.paths)}", render.HEAD, rows)


def aside(function: Mapping[str, Any]) -> Iterator[Markup]:
    """Yield what a remedy did, and what was seen of containers as they grew older."""
    if done := function["replacement"]:
        fates = ", ".join(f"{len(done[fate])} {fate}" for fate in ("stayed", "unseen", "gone"))
        told = f"By {done['remedy']}, of {done['before']} containers before: {fates}."
        yield el("article", el("h3", "Replaced"), el("p", told))
    if aged := function.get("aged"):
        tests = ", ".join(f"{count} {ended}" for ended, count in aged["self_tests"].items())
        told = (
            f"{aged['old']} of {aged['containers']} containers were seen {aged['seconds']:g} s "
            f"old; their self-tests: {tests}."
        )
        yield el("article", el("h3", "As they grew older"), el("p", told))


def unread(found: Sequence[Unread]) -> list[Markup]:
    """Return where callers may be that could not be read."""
    if not found:
        return []
    told = [f"{each.what}: {each.why}; {each.fix}" for each in found]
    return [el("h3", "Where callers may be that could not be read"), items(told)]


def raw(evidence: Mapping[str, Any], *, room: int) -> Iterator[Markup]:
    """Yield the evidence as it is in report.json, as far as there is room for it."""
    left_out = []
    for title, text in _parts(evidence):
        folded = _folded(title, text)
        size = len(folded.encode())
        if size > room:
            left_out.append(title)
            continue
        room -= size
        yield folded
    if left_out:
        told = f"Left out to keep this file small, and in report.json: {', '.join(left_out)}."
        yield el("p", short(told, 2_000))


def _parts(evidence: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what was judged, and then each burst with a probe on each line."""
    kinds = {"rounds": "Round", "aged": "Aged"}
    yield "What was judged", _json({k: v for k, v in evidence.items() if k not in kinds})
    for kind, name in kinds.items():
        for each in evidence.get(kind, ()):
            about = _json({key: value for key, value in each.items() if key != "probes"})
            lines = (about, *(json.dumps(probe) for probe in each["probes"]))
            title = f"{name} {each['number']}: {many(len(each['probes']), 'probe')}"
            yield title, "\n".join(lines)


def _folded(title: str, text: str) -> Markup:
    return el("details", el("summary", title), el("pre", text, tabindex=0))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1)
