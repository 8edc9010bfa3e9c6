"""What a pipeline's log shows of a real run: groups, and outside of them what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.guard.world import Team
from tests.unit import runner

GITHUB = {"GITHUB_ACTIONS": "true"}
GITLAB = {"GITLAB_CI": "true"}
# A carriage return reads as a new line here.
SECTION = re.compile(r"\x1b\[0Ksection_(start|end):\d+:([\w.-]+)(?:\[collapsed=true\])?\n\x1b\[0K")
STEPS = ["settle", "take the lease", "publish", "probe version 2", "move live to version 2"]


def grouped(log: str) -> tuple[list[str], str]:
    """Return the titles of a log's groups, and what stands outside of them."""
    titles: list[str] = []
    outside: list[str] = []
    is_open = False
    for line in log.splitlines():
        match next(iter(runner.commands(line)), None):
            case runner.Command(name="group", data=title):
                assert not is_open, f"{title} is inside of {titles[-1]}"
                is_open, titles = True, [*titles, title]
            case runner.Command(name="endgroup"):
                assert is_open
                is_open = False
            case _ if not is_open:
                outside.append(line)
    assert not is_open
    return titles, "\n".join(outside)


def sections(log: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the title of each section; none may be in another."""
    marks = SECTION.split(log)[1:]
    for start in range(0, len(marks), 6):
        kind, name, title, end, ended, _ = marks[start : start + 6]
        assert (kind, end, ended) == ("start", "end", name)
        yield name, title.split("\n")[0]


def test_github_shows_a_group_for_each_step_and_the_verdict_without_a_click(failing: Team) -> None:
    finished = failing.check("--also", "$LATEST", **GITHUB)
    assert finished.exit_code == 10
    titles, outside = grouped(finished.err)
    after = ["probe live, $LATEST", "judge", "put live back", "release the lease"]
    assert titles == [*STEPS, *after, "name the old builds"]
    assert "::error title=DG201" in outside
    assert "round" not in outside
    assert "::" not in re.sub(r"arn:\S+", "", finished.out)
    assert "error[DG201]" in finished.out


def test_a_run_that_fails_within_a_step_closes_its_group(moving: Team) -> None:
    moving.lab.fault(operation="UpdateAlias", kind="error", code="ServiceException", times=None)
    finished = moving.check(**GITHUB)
    assert finished.exit_code in (4, 20)
    titles, _ = grouped(finished.err)
    assert titles[: len(STEPS)] == STEPS
    assert "error: " in finished.out or "error[" in finished.out


def test_gitlab_shows_a_section_for_each_step(moving: Team) -> None:
    finished = moving.check(**GITLAB)
    assert finished.exit_code == 0
    found = list(sections(finished.err))
    assert [title for _, title in found] == [*STEPS, "probe live", "judge", "release the lease"]
    assert len({name for name, _ in found}) == len(found)
    assert "\x1b" not in SECTION.sub("", finished.err)
    assert "\x1b" not in finished.out


def test_a_log_has_the_time_of_each_line(moving: Team) -> None:
    finished = moving.check()
    assert finished.exit_code == 0
    assert all(re.match(r"\d\d:\d\d:\d\d \S", line) for line in finished.err.splitlines())
    assert re.search(r"(?m)^\d\d:\d\d:\d\d round 1 on 2: 1 probes", finished.err)


def test_quiet_tells_findings_and_the_verdict_alone(failing: Team) -> None:
    finished = failing.check("--also", "$LATEST", "--quiet")
    assert finished.exit_code == 10
    assert finished.err == ""
    assert finished.out.startswith("error[DG201]")
    assert re.fullmatch(r"STALE after .* \(exit code 10\)", finished.out.splitlines()[-1])
    assert "route" not in re.sub(r"(?m)^  \w+: .*$", "", finished.out)


@pytest.mark.parametrize("debugged", [{"DEPLOYGUARD_VERBOSITY": "verbose"}, {"RUNNER_DEBUG": "1"}])
def test_verbose_tells_each_call_each_answer_and_each_wait(
    moving: Team, debugged: dict[str, str]
) -> None:
    finished = moving.check("--format", "json", **debugged)
    assert finished.exit_code == 0
    assert json.loads(finished.out)["verdict"] == "FRESH"
    assert re.search(r"lambda GetFunction: HTTP 200 in \d+\.\d{3} s", finished.err)
    assert re.search(r"lambda UpdateAlias: HTTP 200 in", finished.err)
    assert not re.search(r"lambda Invoke", finished.err)
    probes = re.findall(
        r"live version 2: fresh, breadcrumb \(container .*, build b2\)", finished.err
    )
    assert len(probes) == 7
    assert re.search(r"waiting \d\.\d s: ", finished.err)


def test_colours_in_a_log_are_for_who_asks_and_the_json_has_none(moving: Team) -> None:
    finished = moving.run("verify", moving.name, "--format", "json", FORCE_COLOR="1")
    assert json.loads(finished.out)
    assert "\x1b" not in finished.out
    finished = moving.run("verify", moving.name, FORCE_COLOR="1")
    assert "\x1b[" in finished.out


def test_verbose_tells_why_a_call_is_repeated(moving: Team) -> None:
    moving.lab.fault(operation="GetAlias", kind="throttle")
    finished = moving.check("--verbose")
    assert finished.exit_code == 0
    assert re.search(r"lambda GetAlias: HTTP 429 in .* s\n", finished.err)
    assert re.search(r"could not read alias .*: throttled; trying again", finished.err)
