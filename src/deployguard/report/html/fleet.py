"""What the page of several functions begins with: the verdict on all, and a table of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deployguard.model import Finding
from deployguard.pages.markup import Markup, el, short
from deployguard.report import text, words
from deployguard.report.html import tables, verdict
from deployguard.report.html.lives import many

HEAD = ("function", "verdict", "exit code", "build", "serves", "seconds", "what ended it")
MOST = 400  # functions that are listed


def render(report: Mapping[str, Any], found: Sequence[Finding]) -> Markup:
    """Return the head of the page."""
    why = ("each of them is; see ", el("a", "the functions", href="#functions"))
    said = short(words.sentence(report), verdict.LONGEST)
    return verdict.head(report, name(report), said, *verdict.advice(found, why=why))


def name(report: Mapping[str, Any]) -> str:
    """Say how many functions there are."""
    return many(len(report["functions"]), "function")


def functions(report: Mapping[str, Any]) -> Iterator[Markup]:
    """Yield how each function ended, and what of all of them could not be read."""
    named = words.names(report)
    rows = [_row(each, named(each)) for each in report["functions"][:MOST]]
    yield tables.table("Functions", HEAD, rows)
    left = len(report["functions"]) - MOST
    if left > 0:
        yield el("p", f"{many(left, 'function')} more not listed here: report.json has them all.")
    if unread := [f"{each['what']}: {each['why']}" for each in report["fleet"]["unread"]]:
        yield el("p", "Not read:")
        yield tables.items(unread)


def _row(function: Mapping[str, Any], named: str) -> tuple[str, ...]:
    ended, error = words.verdict(function), function["error"]
    version = function["version"]
    return (
        el("code", short(named, 100), title=short(function["function"], 200)),
        el("span", ended, class_=f"tag {ended.lower()}"),
        str(function["exit_code"]),
        short(function["expected"]["build_id"] or "unknown", 60),
        text.version(version) if version["before"] or version["after"] else "",
        f"{function['seconds']:.1f}",
        error["happened"] if error else "",
    )


def scope(report: Mapping[str, Any], function: Mapping[str, Any] | None) -> Iterator[Markup]:
    """Say which function the rest of the page is about."""
    if function is not None:
        shown = el("code", short(words.names(report)(function), 100))
        rest = ", which ended worst: its pictures, changes and containers. The findings are those "
        yield el("p", "Below is ", shown, rest, "of all; report.json has the rest of the others.")
