"""What a person at a terminal sees of a real run, from its first line to its last."""

from __future__ import annotations

import os
import re

import pytest

from tests.guard.terminal import INTERRUPT, Terminal
from tests.guard.world import Team

SPINNER = re.compile(r"^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] ")
# Old answers are tolerated for a while, so that there is time to see them.
CHECK = ("--also", "$LATEST", "--grace", "3")
# Up, erase what is below, and colours: nothing that would have to be taken back.
HARMLESS = {"[NA", "[J", "[Nm", "[N;Nm"}


def turning(lines: list[str]) -> list[str]:
    return [line for line in lines if SPINNER.match(line)]


def is_probing(lines: list[str]) -> bool:
    return any("probe live" in line for line in turning(lines)) and any(
        "round 2" in line for line in lines
    )


@pytest.fixture
def seen(failing: Team) -> tuple[Team, Terminal]:
    """Watch a check that finds old containers."""
    return failing, Terminal().run(failing, "check", failing.name, *CHECK)


def test_a_check_is_watched_step_by_step_and_ends_as_its_report(
    seen: tuple[Team, Terminal],
) -> None:
    _, terminal = seen
    assert terminal.exit_code == 10
    every = ["\n".join(frame) for frame in terminal.frames]
    assert any("■" in frame and "□" in frame for frame in every)
    assert any(turning(frame.split("\n")) and "error[DG201]" in frame for frame in every)
    assert any(is_probing(frame) for frame in terminal.frames)
    assert max(len(turning(frame)) for frame in terminal.frames) == 1
    text = terminal.text()
    assert not turning(text.split("\n"))
    assert not re.search("[■□]", text)
    steps = re.findall(r"(?m)^• (.*?)  \d+\.\d s$", text)
    assert steps == [
        "settle",
        "take the lease",
        "publish",
        "probe version 2",
        "move live to version 2",
        "probe live, $LATEST",
        "judge",
        "put live back",
        "release the lease",
        "name the old builds",
    ]
    assert "  put alias live back to version 1" in text
    assert text.count("error[DG201]: Warm containers still run another build") == 1
    assert re.search(r"STALE after .* \(exit code 10\)$", text.rstrip())
    assert terminal.escapes <= HARMLESS
    assert "\x1b[1;31mSTALE after" in terminal.raw.decode()


def test_a_digest_is_shown_whole_however_narrow_the_terminal_is(failing: Team) -> None:
    terminal = Terminal(columns=30, rows=60).run(failing, "check", failing.name, *CHECK)
    assert terminal.exit_code == 10
    (function,) = [failing.functions.get_function(FunctionName=failing.name)]
    digest = "sha256:" + function["Code"]["ResolvedImageUri"].rpartition(":")[2]
    framed = ["".join(line.strip() for line in frame) for frame in terminal.frames]
    assert any(digest in frame for frame in framed if "round 2" in frame)
    assert max(len(turning(frame)) for frame in terminal.frames) == 1
    assert not turning(terminal.text().split("\n"))
    assert "".join(line.strip() for line in terminal.text().split("\n")).count(digest) >= 1


def test_ctrl_c_leaves_a_clean_terminal_and_says_what_was_put_back(failing: Team) -> None:
    def interrupt(master: int) -> None:
        os.write(master, INTERRUPT)

    terminal = Terminal().run(
        failing,
        "check",
        failing.name,
        "--also",
        "$LATEST",
        "--grace",
        "60",
        then=(is_probing, interrupt),
    )
    text = terminal.text()
    assert terminal.exit_code == 130, text
    assert failing.alias() == "1"
    assert failing.lease() is None
    assert "  put alias live back to version 1" in text
    assert "• put live back" in text
    assert "error: interrupted by signal 2" in text
    assert not turning(text.split("\n"))
    assert not re.search("[■□]", text)
    assert terminal.escapes <= HARMLESS
    assert text.rstrip().endswith("(exit code 130)")


def test_a_terminal_that_becomes_narrower_still_shows_one_frame_that_fits(failing: Team) -> None:
    terminal = Terminal(columns=100)
    terminal.run(
        failing,
        "check",
        failing.name,
        "--also",
        "$LATEST",
        "--grace",
        "5",
        "--hold-ms",
        "500",  # so that it is resized between two frames, and not while one is written
        then=(is_probing, lambda master: terminal.resize(master, 40)),
    )
    assert terminal.exit_code == 10
    narrow = [frame for frame in terminal.frames if frame and terminal.screen.columns == 40]
    assert max(len(turning(frame)) for frame in narrow) == 1
    last = next(frame for frame in reversed(terminal.frames) if is_probing(frame))
    assert all(len(line) <= 40 for line in last)
    assert "STALE after" in terminal.text()


def test_without_colours_symbols_and_words_say_it_all(moving: Team) -> None:
    terminal = Terminal().run(moving, "check", moving.name, *CHECK, NO_COLOR="1")
    assert terminal.exit_code == 0
    assert terminal.escapes <= {"[NA", "[J"}
    assert any("■" in "\n".join(frame) for frame in terminal.frames)


def test_a_dumb_terminal_gets_lines(moving: Team) -> None:
    terminal = Terminal().run(moving, "check", moving.name, TERM="dumb")
    assert terminal.exit_code == 0
    assert terminal.escapes == set()
    assert re.search(r"(?m)^\d\d:\d\d:\d\d round 1 on 2: ", terminal.text())


def test_quiet_shows_the_verdict_alone(moving: Team) -> None:
    terminal = Terminal().run(moving, "check", moving.name, "--quiet")
    assert re.fullmatch(r"FRESH after .* \(exit code 0\)", terminal.text().strip())


def test_a_letter_terminal_gets_letters(moving: Team) -> None:
    terminal = Terminal().run(
        moving, "check", moving.name, *CHECK, PYTHONIOENCODING="ascii:backslashreplace"
    )
    assert terminal.exit_code == 0
    every = "\n".join("\n".join(frame) for frame in terminal.frames)
    assert re.search(r"(?m)^  #+$", every)
    assert "\\u" not in every
