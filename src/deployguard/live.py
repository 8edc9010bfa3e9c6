"""What a terminal shows while a run works: one frame, from what the run has told so far."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from deployguard import coverage, judge
from deployguard.model import Evidence, Round, Ruling, State, Verdict
from deployguard.progress import Detail, Event, Said, Saw, Step
from deployguard.style import Page, Row

MOST_LINES = 3  # of cells, for one qualifier
INDENT = "  "
ORDER = (State.FRESH, State.UNKNOWN, State.STALE)


@dataclass(frozen=True)
class Symbols:
    """What a state looks like without its colour."""

    turning: str = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
    done: str = "•"
    states: Mapping[State, str] = field(
        default_factory=lambda: {State.FRESH: "■", State.UNKNOWN: "?", State.STALE: "□"}
    )


PICTURES = Symbols()
LETTERS = Symbols("|/-\\", "*", {State.FRESH: "#", State.UNKNOWN: "?", State.STALE: "o"})


@dataclass(frozen=True)
class View:
    """What is known of the run that is shown; times are seconds since it began."""

    step: str
    began: float = 0.0  # the step
    seen: Saw | None = None
    latest: Mapping[str, Round] = field(default_factory=dict)  # of each qualifier
    has_probed: bool = False  # in this step


def after(view: View, event: Event, *, now: float) -> View:
    """Return the view once something was told."""
    match event:
        case Step(title):
            return replace(view, step=title, began=now, has_probed=False)
        case Saw(last):
            asked = {probe.qualifier: last for probe in last.probes}
            known = view.latest if view.has_probed else {}
            return replace(view, seen=event, latest={**known, **asked}, has_probed=True)
        case _:
            return view


def told_of(name: str, event: Event) -> Iterator[Event]:
    """Yield what is told of one function where several are at work: lines that begin with it.

    Their steps go on side by side, so that none of them is that of the run.
    """
    match event:
        case Step(text) | Said(text):
            yield Said(f"{name}: {text}")
        case Detail(text):
            yield Detail(f"{name}: {text}")
        case Saw(last, evidence):
            yield Said(f"{name}: {round_line(last, evidence)}")
            yield from (Detail(f"{name}: {line}") for line in probe_lines(last, evidence))


def frame(
    view: View, *, now: float, left: float, height: int, page: Page, symbols: Symbols = PICTURES
) -> list[str]:
    """Return the lines of one frame: none wider than the page, no more than its height.

    What a low terminal has no room for is left out as a whole, the least urgent first.
    """
    blocks = [list(block) for block in _blocks(view, now, left, page, symbols)]
    while len(blocks) > 1 and sum(map(len, blocks)) > height:
        blocks.pop()
    return [line for block in blocks for line in block][: max(1, height)]


def _blocks(
    view: View, now: float, left: float, page: Page, symbols: Symbols
) -> Iterator[Iterator[str]]:
    """Yield what there is to see, the most urgent first."""
    turn = symbols.turning[int(now * 5) % len(symbols.turning)]
    clock = f"{seconds(now - view.began)} ({seconds(now)} in all, {seconds(left)} left)"
    yield Row(f"{turn} ", f"{view.step}  {clock}", "strong").on(page)
    if view.seen is None:
        return
    for qualifier, last in view.latest.items():
        yield _cells(view.seen.evidence, qualifier, last, page=page, symbols=symbols)
    yield _findings(view.seen.ruling, page)
    last = view.seen.last
    yield Row(INDENT, round_line(last, view.seen.evidence), "aside").on(page)
    expected = view.seen.evidence.expected
    yield _rows(
        page,
        Row(INDENT, f"expected build {expected.build_id or 'unknown'}", "aside"),
        Row(INDENT, expected.digest, "aside"),
    )


def _rows(page: Page, *rows: Row) -> Iterator[str]:
    for row in rows:
        yield from row.on(page)


def _cells(
    evidence: Evidence, qualifier: str, last: Round, *, page: Page, symbols: Symbols
) -> Iterator[str]:
    """Yield a cell for each container that answered last, and how many there are of each state."""
    counts, silent = containers(evidence, qualifier, last)
    told = [f"{counts[state]} {state}" for state in ORDER if counts[state]]
    told += [f"{silent} without a build id"] if silent else []
    room = max(1, (page.width or 80) - len(INDENT))
    each = max(1, -(-counts.total() // (room * MOST_LINES)))
    told += [f"a cell is {each} containers"] if each > 1 else []
    yield from Row(INDENT, f"{qualifier}: {', '.join(told)}").on(page)
    cells = [state for state in ORDER for _ in range(-(-counts[state] // each))]
    for start in range(0, len(cells), room):
        line = cells[start : start + room]
        painted = (
            page.paint(symbols.states[state] * line.count(state), state.value) for state in ORDER
        )
        yield INDENT + "".join(painted)


def containers(evidence: Evidence, qualifier: str, last: Round) -> tuple[Counter[State], int]:
    """Count the containers that answered in a round by their state, and the silent probes."""
    asked = [probe for probe in last.probes if probe.qualifier == qualifier]
    answered = [(probe, probe.breadcrumb) for probe in asked if probe.breadcrumb is not None]
    names = coverage.identities([crumb for _, crumb in answered])
    states: dict[str, State] = {}
    for name, (probe, _) in zip(names, answered, strict=True):
        found = judge.state(evidence, probe)
        states[name] = max(found, states.get(name, found), key=ORDER.index)
    return Counter(states.values()), len(asked) - len(answered)


def _findings(ruling: Ruling, page: Page) -> Iterator[str]:
    """Yield what is wrong as far as can be seen; that more has to be seen is nothing wrong."""
    if ruling.verdict is Verdict.INCONCLUSIVE and not ruling.decided:
        return
    for finding in ruling.findings:
        head = f"{finding.severity}[{finding.id}]: {finding.title}"
        yield from Row(INDENT, head, finding.severity).on(page)


def round_line(last: Round, evidence: Evidence) -> str:
    """Tell a round in one line."""
    states = Counter(judge.state(evidence, probe) for probe in last.probes)
    qualifiers = ", ".join(dict.fromkeys(probe.qualifier for probe in last.probes))
    counts = ", ".join(f"{states[state]} {state}" for state in State if states[state])
    return (
        f"round {last.number} on {qualifiers}: {len(last.probes)} probes, "
        f"{last.peak_overlap} in flight at once: {counts}"
    )


def probe_lines(last: Round, evidence: Evidence) -> Iterator[str]:
    """Tell what each probe of a round brought."""
    for probe in last.probes:
        took = "no answer" if probe.answered is None else f"{probe.answered - probe.sent:.3f} s"
        version = f" version {probe.executed_version}" if probe.executed_version else ""
        told = probe.detail
        if probe.breadcrumb is not None:
            stamp = probe.breadcrumb.stamp
            build = stamp.build_id if stamp else "unknown"
            told = f"container {probe.breadcrumb.container[:12]}, build {build}"
        state = judge.state(evidence, probe)
        yield f"  {probe.qualifier}{version}: {state}, {probe.answer} ({told}) in {took}"


def seconds(number: float) -> str:
    """Write a time for a person who waits."""
    whole = max(0, int(number))
    return f"{whole} s" if whole < 60 else f"{whole // 60}:{whole % 60:02}"


def finished(view: View, *, now: float, page: Page, symbols: Symbols = PICTURES) -> list[str]:
    """Return the line that stays of a step when it is over."""
    took = f"{view.step}  {now - view.began:.1f} s"
    return list(Row(f"{symbols.done} ", took, "aside").on(page))


def bare(line: str) -> str:
    """Return a painted line without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)
