"""Lines and groups in logs: with their times, closed whatever happens, and safe."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import console, watch
from deployguard.errors import Interrupted
from deployguard.progress import Detail, Event, Said, Step
from tests.unit import hostile, runner
from tests.unit.hostile import foreign

GITHUB = {"GITHUB_ACTIONS": "true"}
GITLAB = {"GITLAB_CI": "true"}
SECTION = re.compile(
    r"\x1b\[0Ksection_(start|end):(\d+):([A-Za-z0-9_.-]+)(?:\[collapsed=true\])?\r\x1b\[0K"
)


class Terminal(io.StringIO):
    """A stream that says that it is one."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def written(
    *events: Event, environ: Mapping[str, str], verbosity: str = "normal", fails: bool = False
) -> str:
    stream = io.StringIO()
    try:
        with watch.opened(
            stream, environ, verbosity=verbosity, doing="check", timeout_s=9.0
        ) as tell:
            for event in events:
                tell(event)
            if fails:
                raise Interrupted(2)
    except Interrupted:
        pass
    return stream.getvalue()


def assert_nested(markers: list[str]) -> None:
    """Assert that groups follow each other, each closed before the next begins."""
    assert markers == ["group", "endgroup"] * (len(markers) // 2)


TOLD = st.lists(
    st.one_of(st.builds(Step, foreign()), st.builds(Said, foreign()), st.builds(Detail, foreign()))
)


@given(TOLD, st.booleans())
def test_groups_of_github_are_closed_and_hold_only_ours(told: list[Event], fails: bool) -> None:
    text = written(*told, environ=GITHUB, verbosity="verbose", fails=fails)
    commands = runner.commands(text)
    assert_nested([command.name for command in commands])
    steps = sum(isinstance(event, Step) for event in told)
    assert len(commands) == 2 * steps


@given(TOLD, st.booleans())
def test_sections_of_gitlab_are_closed_and_hold_only_ours(told: list[Event], fails: bool) -> None:
    text = written(*told, environ=GITLAB, verbosity="verbose", fails=fails)
    found = [(kind, name) for kind, _, name in SECTION.findall(text)]
    assert_nested([{"start": "group", "end": "endgroup"}[kind] for kind, _ in found])
    names = [name for kind, name in found if kind == "start"]
    assert len(names) == len(set(names)) == sum(isinstance(event, Step) for event in told)
    assert names == [name for kind, name in found if kind == "end"]
    assert "\x1b" not in SECTION.sub("", text)


@pytest.mark.parametrize("payload", hostile.COMMANDS)
@pytest.mark.parametrize("event", [Step, Said, Detail])
@pytest.mark.parametrize("environ", [{}, GITHUB, GITLAB], ids=["plain", "github", "gitlab"])
def test_foreign_text_forms_no_command_in_a_log(
    payload: str, event: type, environ: Mapping[str, str]
) -> None:
    text = written(event(payload), environ=environ, verbosity="verbose")
    is_group = event is Step and environ is GITHUB
    names = [command.name for command in runner.commands(text)]
    assert names == (["group", "endgroup"] if is_group else [])
    sections = SECTION.findall(text)
    assert len(sections) == (2 if event is Step and environ is GITLAB else 0)
    assert "\x1b" not in SECTION.sub("", text)


def test_a_line_of_a_log_has_its_time() -> None:
    text = written(Step("settle"), Said("waiting"), environ={})
    assert re.fullmatch(r"\d\d:\d\d:\d\d settle\n\d\d:\d\d:\d\d waiting\n", text)


def test_who_asks_for_quiet_hears_nothing_and_who_asks_for_more_hears_details() -> None:
    told = (Step("settle"), Said("waiting"), Detail("lambda GetFunction"))
    assert written(*told, environ=GITHUB, verbosity="quiet") == ""
    assert "GetFunction" not in written(*told, environ={})
    assert "GetFunction" in written(*told, environ={}, verbosity="verbose")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TERM": "xterm"}, (True, True)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, (True, False)),
        ({"TERM": "xterm", "NO_COLOR": ""}, (True, True)),
        ({"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, (True, False)),
        ({"TERM": "dumb"}, (False, False)),
        ({}, (False, False)),
    ],
)
def test_a_terminal_is_one_unless_it_is_dumb_and_coloured_unless_told_otherwise(
    environ: dict[str, str], expected: tuple[bool, bool]
) -> None:
    seen = console.sight(Terminal(), environ)
    assert (seen.is_terminal, seen.colour) == expected


def test_a_log_is_coloured_only_where_that_is_asked_for() -> None:
    assert not console.sight(io.StringIO(), {"TERM": "xterm", **GITHUB}).colour
    assert console.sight(io.StringIO(), {"FORCE_COLOR": "1"}).colour
    assert not console.sight(io.StringIO(), {"FORCE_COLOR": "0"}).colour


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RUNNER_DEBUG": "1"}, True),
        ({"CI_DEBUG_TRACE": "true"}, True),
        ({"RUNNER_DEBUG": "0", "CI_DEBUG_TRACE": "false"}, False),
        ({}, False),
    ],
)
def test_a_job_that_is_debugged_is_told_everything(environ: dict[str, str], expected: bool) -> None:
    assert console.is_debugged(environ) is expected


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_a_bug_in_what_is_shown_ends_no_run(stream: io.StringIO) -> None:
    nonsense: list[Event] = [Said(None), Said("after")]  # type: ignore[arg-type]
    with watch.opened(
        stream, {"TERM": "xterm"}, verbosity="normal", doing="check", timeout_s=9.0
    ) as tell:
        for event in nonsense:
            tell(event)
    assert "nothing more is shown, for a bug: " in stream.getvalue()
    assert "after" not in stream.getvalue()


def test_a_stream_that_went_away_ends_no_run() -> None:
    gone = io.StringIO()
    gone.close()
    with pytest.raises(ValueError, match="closed"):
        gone.write("")
    console.Writer(gone).write("never seen")
