"""The page: what a reader needs first, then the pictures, then everything they are drawn from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from deployguard.history import chart
from deployguard.history import render as words
from deployguard.history.served import History
from deployguard.model import Evidence, Finding
from deployguard.pages import frame
from deployguard.pages.builds import Builds, defined
from deployguard.pages.markup import Markup, el
from deployguard.report.html import fleet, graph, lives, tables, timeline, verdict, ways
from deployguard.report.html.axis import Mark
from deployguard.report.html.lives import Life
from deployguard.routes.nouns import Audit

LARGEST = 1 << 20  # of the file
FRAME = 16_000  # of it, for what stands around the sections
MOST = 1_000  # containers that are drawn and listed
MOVES = ("UpdateAlias", "CreateAlias")


@dataclass(frozen=True)
class Beside:
    """What other commands told of the same function."""

    history: History | None = None
    audit: Audit | None = None


class Section(NamedTuple):
    """A part of the page that can be gone to."""

    name: str
    title: str
    body: Sequence[Markup]

    def markup(self) -> Markup:
        """Return it below its title."""
        return el("section", el("h2", self.title), *self.body, id=self.name)


def render(
    report: Mapping[str, Any],
    shown: Mapping[str, Any],
    *,
    evidence: Evidence | None,
    findings: Sequence[Finding],
    beside: Beside,
) -> str:
    """Return a report as one HTML file; of a fleet, `shown` is what the pictures are of."""
    told = lives.lives(evidence) if evidence else []
    function = next(iter(shown["functions"]), None)
    named, first = verdict.name(function), verdict.render(report, told, findings)
    sections = [*_sections(shown, evidence, told, findings, beside)]
    if report.get("fleet") is not None:
        named, first = fleet.name(report), fleet.render(report, findings)
        body = [*fleet.functions(report), *fleet.scope(report, function)]
        sections.insert(0, Section("functions", "Functions", body))
    size = len("".join((first, *(each.markup() for each in sections), frame.style())).encode())
    for each in function["evidence"] if function else ():
        folded = [*tables.raw(each, room=LARGEST - FRAME - size)]
        sections.append(Section("evidence", "Raw evidence", folded))
    return frame.page(
        f"{report['verdict']}: {named}",
        el("a", "Skip to the verdict", href="#verdict", class_="skip"),
        defined(timeline.shapes()),
        el("main", first, _contents(sections), *(each.markup() for each in sections)),
        script="report.js",
    )


def _sections(
    report: Mapping[str, Any],
    evidence: Evidence | None,
    told: Sequence[Life],
    findings: Sequence[Finding],
    beside: Beside,
) -> Iterator[Section]:
    expected = [evidence.expected.build_id] if evidence else []
    builds = Builds.of((*expected, *(life.build_id for life in told)))
    if evidence:
        yield from _pictures(report, evidence, told, builds)
        yield from _claims(report["functions"][0])
    yield Section("findings", "Findings and fixes", [*verdict.findings(findings)])
    for function in report["functions"]:
        yield Section("changes", "Changes", [tables.changes(function["changes"])])
    yield from _beside(beside, builds)
    yield from _listed(told, builds)


def _contents(sections: Sequence[Section]) -> Markup:
    links = (el("li", el("a", each.title, href=f"#{each.name}")) for each in sections)
    return el("nav", el("ul", *links), aria_label="Sections")


def _pictures(
    report: Mapping[str, Any], evidence: Evidence, told: Sequence[Life], builds: Builds
) -> Iterator[Section]:
    drawn = timeline.svg(
        evidence,
        told[:MOST],
        lives.silences(evidence),
        [*_marks(report)],
        seconds=report["seconds"],
        builds=builds,
    )
    happened = [
        tables.scrolled(drawn, "Timeline"),
        *_more(told, "drawn"),
        timeline.key(len(told[:MOST])),
    ]
    nothing = [el("p", "No container was asked.")]
    yield Section("timeline", "What happened", happened if evidence.spent else nothing)
    paths = ways.paths(evidence)
    verdicts = {each["qualifier"]: each["verdict"] for each in report["functions"][0]["routes"]}
    drawn = graph.svg(paths, told, expected=evidence.expected, builds=builds, verdicts=verdicts)
    listed = tables.ways(paths, verdicts)
    unread = tables.unread(evidence.unread)
    yield Section(
        "routes",
        "Where traffic went while this was judged",
        [tables.scrolled(drawn, "Routes"), listed, *unread],
    )


def _marks(report: Mapping[str, Any]) -> Iterator[Mark]:
    """Yield the changes of a run by its own clock."""
    began = datetime.fromisoformat(report["started"])
    for change in report["functions"][0]["changes"][: tables.MOST]:
        at = (datetime.fromisoformat(change["at"]) - began).total_seconds()
        is_move = change["call"] in MOVES
        to = change["after"].get("version", "")
        ended = "" if change["result"] == "ok" else f" ({change['result']})"
        label = f"alias → {to}" if is_move and to else change["call"]
        yield Mark(at, f"{label}{ended}", is_move)


def _claims(function: Mapping[str, Any]) -> Iterator[Section]:
    routes = [*tables.coverage(function["routes"])]
    seen = [*tables.aside(function)]
    if routes or seen:
        yield Section("coverage", "What this covers", [*routes, *seen])


def _listed(told: Sequence[Life], builds: Builds) -> Iterator[Section]:
    if told:
        body = [tables.containers(told[:MOST], builds), *_more(told, "listed")]
        yield Section("containers", "Containers", body)


def _more(told: Sequence[Life], done: str) -> list[Markup]:
    left = len(told) - MOST
    if left <= 0:
        return []
    return [
        el("p", f"{lives.many(left, 'container')} more not {done} here: report.json has them all.")
    ]


def _beside(beside: Beside, builds: Builds) -> Iterator[Section]:
    if beside.history is not None:
        told = el("pre", words.text(beside.history), tabindex=0)
        folded = el("details", el("summary", "In words"), told)
        picture = tables.scrolled(chart.inline(beside.history, builds), "Which builds served")
        yield Section("history", "Which builds served the traffic", [picture, folded])
    if beside.audit is not None:
        audit = beside.audit
        drawn = graph.svg(audit.paths, [], expected=audit.expected, builds=builds, verdicts={})
        picture = tables.scrolled(drawn, "Audited routes")
        listed = [tables.routes(audit), *tables.unread(audit.unread)]
        yield Section("audit", "Who calls it, by the last audit", [picture, *listed])
