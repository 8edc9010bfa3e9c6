"""A comparison as people read it: two columns, and a mark beside what differs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest

from deployguard import safe
from deployguard.executions.compare import Comparison, Ran, Row
from deployguard.executions.names import short
from deployguard.executions.nouns import Build, Case, Known
from deployguard.executions.settings import Fact

SHORT = len("sha256:") + 12
LABEL, COLUMN = 15, 29  # characters: two marks, a label and two columns fit a narrow terminal
LONGEST = 300  # of one value
MARKS = {True: " ", False: "*", None: "?"}


def text(comparison: Comparison) -> str:
    """Return a comparison as text."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    cases = comparison.cases
    yield f"{comparison.likeness}: {safe.line(comparison.why)}"
    yield ""
    yield from _row(" ", "", ("first", "second"))
    yield from _row(" ", "execution", [short(case.execution.arn) for case in cases])
    yield from _row(" ", "started", [_moment(case.execution.started) for case in cases])
    yield from _facts(comparison.facts)
    for row in comparison.rows:
        yield ""
        name = safe.line(short(row.function)) or "hidden functions"
        yield f"{name}: {row.likeness}, {safe.line(row.why)}"
        yield from _builds(row)
        yield from _facts(row.facts if all(side.ran for side in row.sides) else ())
    yield ""
    yield "* differs   ? cannot be compared"
    yield from _unread(cases)
    yield f"{sum(case.calls for case in cases)} calls were made to AWS"


def _facts(facts: Sequence[Fact]) -> Iterator[str]:
    for fact in facts:
        yield from _row(MARKS[fact.is_same], fact.what, fact.values)


def _builds(row: Row) -> Iterator[str]:
    """Show each build of both sides, the most frequent beside the most frequent."""
    total = [sum(ran.attempts for ran in side.ran) for side in row.sides]
    for pair in zip_longest(*(side.ran for side in row.sides)):
        cells = [_cells(ran, of=of) for ran, of in zip(pair, total, strict=True)]
        for what in ("version", "known by", "digest", "tags", "pushed", "build id", "ran in"):
            values = [cell.get(what, "") for cell in cells]
            if any(values):
                is_same = None if "not known" in values else values[0] == values[1]
                counts = what in ("version", "digest", "build id")
                yield from _row(MARKS[is_same] if counts and all(values) else " ", what, values)


def _cells(ran: Ran | None, *, of: int) -> dict[str, str]:
    if ran is None:
        return {}
    build = ran.build
    return {
        "version": build.version or "not known",
        "known by": _known(build),
        "digest": (build.digest or "not known")[:SHORT],
        "tags": ", ".join(build.tags),
        "pushed": "" if build.pushed is None else _moment(build.pushed),
        "build id": build.build_id or "",
        "ran in": "" if ran.attempts == of else f"{ran.attempts} of {of} attempts",
    }


def _known(build: Build) -> str:
    if build.version_known is build.digest_known or build.digest_known is Known.NOT:
        return "" if build.version_known is Known.NOT else build.version_known.value
    return f"{build.version_known.value}; its image by {build.digest_known.value}"


def _row(mark: str, what: str, values: Sequence[str]) -> Iterator[str]:
    columns = [
        textwrap.wrap(safe.line(value[:LONGEST]), COLUMN, break_on_hyphens=False) or [""]
        for value in values
    ]
    for number, cells in enumerate(zip_longest(*columns, fillvalue="")):
        label = what if number == 0 else ""
        sign = mark if number == 0 else " "
        shown = "  ".join(cell.ljust(COLUMN) for cell in cells)
        yield f"{sign} {safe.line(label):<{LABEL}}{shown}".rstrip()


def _unread(cases: Sequence[Case]) -> Iterator[str]:
    unread = dict.fromkeys(each for case in cases for each in case.unread)
    if unread:
        yield ""
        yield "unknown, because it could not be read:"
    for each in unread:
        yield f"- {safe.line(each.what)}: {safe.line(each.why)}"
        yield f"  {safe.line(each.fix)}"
    if unread:
        yield ""


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
