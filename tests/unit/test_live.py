"""What a terminal shows of a run: nothing too wide, nothing lost, nothing foreign acted on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import judge, live
from deployguard.live import LETTERS, View, after, bare, frame
from deployguard.model import LATEST, Evidence, Expected, Link, State
from deployguard.progress import Detail, Event, Said, Saw, Step
from deployguard.style import Page, Row, width
from tests.unit import hostile, runner
from tests.unit.hostile import foreign
from tests.unit.test_judge import BARE, LIVE, NEW, agreeing, burst, cases, evidence, probe, silent

TALL = 500


def saw(case: Evidence) -> Saw:
    return Saw(case.rounds[-1], case, judge.ruling(case))


def view_of(*events: Event) -> View:
    view = View("check")
    for now, event in enumerate(events, 1):
        view = after(view, event, now=float(now))
    return view


def shown(
    view: View, *, columns: int = 80, height: int = TALL, colour: bool = False, now: float = 9.0
) -> list[str]:
    page = Page(columns, colour, is_grid=True)
    return frame(view, now=now, left=291.0, height=height, page=page)


def cells(lines: list[str]) -> str:
    return "".join(line.strip() for line in lines if line.strip() and not line.strip(" ■□?"))


seen = cases.filter(lambda case: bool(case.rounds)).map(saw)
events = st.one_of(seen, st.builds(Step, foreign()), st.builds(Said, foreign()))


@given(st.lists(events, max_size=4), st.integers(8, 120), st.integers(1, 40), st.booleans())
def test_no_line_is_wider_than_the_terminal_and_no_frame_is_higher(
    told: list[Event], columns: int, height: int, colour: bool
) -> None:
    lines = shown(view_of(*told), columns=columns, height=height, colour=colour)
    assert 1 <= len(lines) <= height
    assert max(width(bare(line)) for line in lines) <= columns


@given(seen, st.integers(8, 120))
def test_no_character_of_a_digest_is_lost(told: Saw, columns: int) -> None:
    text = "".join(line.strip() for line in shown(view_of(told), columns=columns))
    assert NEW in text


@given(seen, st.integers(8, 120), st.integers(1, 30))
def test_a_low_terminal_shows_a_digest_as_a_whole_or_not_at_all(
    told: Saw, columns: int, height: int
) -> None:
    text = "".join(line.strip() for line in shown(view_of(told), columns=columns, height=height))
    assert NEW in text or "sha256" not in text


@pytest.mark.parametrize("payload", hostile.COMMANDS)
def test_foreign_text_stays_text(payload: str) -> None:
    case = replace(
        evidence(agreeing()), expected=Expected(NEW, payload.replace("\n", " "), Link.VERIFIED)
    )
    for line in shown(view_of(Step(payload), saw(case))):
        runner.assert_harmless(line)
        assert "\x1b" not in line


def test_cells_turn_from_old_to_new_by_symbol_and_by_colour() -> None:
    old = [probe(1.0, qualifier=LATEST, version=LATEST, build="b1", container=n) for n in range(4)]
    half = burst(2.0, warm=[10, 11], cold=[]) + [
        replace(p, sent=2.0, nonce=p.nonce + "again") for p in old[:2]
    ]
    first = evidence(old, routes=(BARE,))
    second = evidence(old, half, routes=(BARE,))
    third = evidence(old, half, burst(3.0, warm=range(10, 14), cold=[]), routes=(BARE,))
    pictures = [cells(shown(view_of(saw(case)))) for case in (first, second, third)]
    assert pictures[0] == "□□□□"
    assert "■" in pictures[1]
    assert pictures[2] == "■■■■"
    painted = "\n".join(shown(view_of(saw(first)), colour=True))
    assert "\x1b[31m□□□□\x1b[0m" in painted


def test_a_thousand_containers_keep_to_a_few_lines_and_say_how() -> None:
    many = [probe(1.0, qualifier=LATEST, version=LATEST, container=n) for n in range(1000)]
    lines = shown(view_of(saw(evidence(many, routes=(BARE,)))), columns=80)
    assert len(cells(lines)) <= live.MOST_LINES * 80
    assert "1000 fresh, a cell is 5 containers" in "\n".join(lines)


def test_a_few_old_containers_among_a_thousand_keep_a_cell() -> None:
    many = [probe(1.0, qualifier=LATEST, version=LATEST, container=n) for n in range(1000)]
    one = [probe(1.0, qualifier=LATEST, version=LATEST, build="b1", container=1001)]
    assert "□" in cells(shown(view_of(saw(evidence(many + one, routes=(BARE,))))))


def test_each_qualifier_shows_its_own_containers_in_its_last_round() -> None:
    both = [probe(1.0), probe(1.0, qualifier=LATEST, version=LATEST, container=7)]
    only = [probe(2.0, container=2), probe(2.0, container=3)]
    case = evidence(both, routes=(LIVE, BARE))
    later = evidence(both, only, routes=(LIVE, BARE))
    lines = "\n".join(shown(view_of(Step("probe"), saw(case), saw(later))))
    assert "live: 2 fresh" in lines
    assert "$LATEST: 1 fresh" in lines
    again = "\n".join(shown(view_of(Step("probe"), saw(case), Step("again"), saw(later))))
    assert "$LATEST" not in again


def test_silence_is_no_cell() -> None:
    quiet = [silent(1.0, answer) for answer in ("throttled", "unknown")]  # type: ignore[arg-type]
    case = evidence([*quiet, probe(1.0, build=None)])
    lines = shown(view_of(saw(case)))
    assert cells(lines) == "?"
    assert "1 unknown, 2 without a build id" in "\n".join(lines)


def test_what_more_probes_may_mend_is_no_finding_yet() -> None:
    young = evidence([probe(1.0)])
    assert "DG" not in "\n".join(shown(view_of(saw(young))))
    stale = evidence([probe(1.0, build="b1", version="1")])
    assert "error[DG" in "\n".join(shown(view_of(saw(stale))))


def test_a_step_shows_its_own_time_that_of_the_run_and_what_is_left() -> None:
    view = view_of(Step("settle"), Step("publish"))
    assert shown(view, now=70.0) == ["⠋ publish  1:08 (1:10 in all, 4:51 left)"]
    (stays,) = live.finished(view, now=2.5, page=Page(80), symbols=LETTERS)
    assert stays == "* publish  0.5 s"


def test_a_detail_changes_nothing_in_the_frame() -> None:
    view = view_of(Step("settle"))
    assert after(view, Detail("lambda GetFunction"), now=5.0) == view


def test_a_round_is_told_probe_by_probe_to_who_asks() -> None:
    case = evidence([probe(1.0, build="b1"), silent(1.0, "throttled")])  # type: ignore[arg-type]
    answered, missing = live.probe_lines(case.rounds[0], case)
    assert "build b1" in answered
    assert str(State.STALE) in answered
    assert "unknown, throttled" in missing


@given(foreign(), foreign(), st.integers(1, 100), st.booleans())
def test_wrapping_loses_nothing_but_spaces(
    label: str, text: str, columns: int, is_grid: bool
) -> None:
    def letters(text: str) -> str:
        return "".join(text.split())

    wide = Row(label, text).on(Page())
    narrow = Row(label, text).on(Page(columns, is_grid=is_grid))
    assert letters("".join(narrow)) == letters("".join(wide))


def test_a_command_is_never_broken_and_a_long_word_only_where_lines_must_fit() -> None:
    command = Row("  run: ", "aws lambda " + "x" * 60, whole=True)
    assert list(command.on(Page(40))) == ["  run: aws lambda " + "x" * 60]
    digest = Row("  ", NEW)
    assert list(digest.on(Page(40))) == ["  " + NEW]
    assert [len(line) for line in digest.on(Page(40, is_grid=True))] == [40, 35]


def test_of_several_functions_every_line_names_its_own() -> None:
    seen = saw(evidence(agreeing()))
    told = [
        each
        for event in (Step("publish"), Said("moved"), Detail("waiting"), seen)
        for each in live.told_of("reports", event)
    ]
    assert told[:4] == [
        Said("reports: publish"),
        Said("reports: moved"),
        Detail("reports: waiting"),
        Said(f"reports: {live.round_line(seen.last, seen.evidence)}"),
    ]
    assert len(told) == 4 + len(seen.last.probes)
    assert all(isinstance(each, Detail) and "reports: " in each.text for each in told[4:])
