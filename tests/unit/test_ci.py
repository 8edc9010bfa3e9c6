"""Nothing foreign reaches the CI service as anything but text, and its limits are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import ci
from deployguard.errors import ConfigurationError
from deployguard.model import Finding, Severity
from deployguard.report import github
from tests.unit import runner
from tests.unit.hostile import foreign

GITHUB = {"GITHUB_ACTIONS": "true"}


def finding(number: int = 201, **parts: Any) -> Finding:
    words: dict[str, Any] = {
        "title": "t",
        "seen": "s",
        "expected": "e",
        "cause": "c",
        "fix": "f",
        "help": "h",
    }
    return Finding(id=f"DG{number}", **{**words, **parts})


def annotated(findings: Iterable[Finding], *, has_failed: bool) -> list[str]:
    return github.commands(findings, has_failed=has_failed).splitlines()


def test_outputs_are_added_to_the_file_that_github_names(tmp_path: Path) -> None:
    file = tmp_path / "output"
    file.write_text("earlier=1\n")
    environ = GITHUB | {"GITHUB_OUTPUT": str(file)}
    ci.write_outputs(environ, {"verdict": "STALE", "exit-code": "10"}, report_dir=tmp_path)
    expected = {"earlier": "1", "verdict": "STALE", "exit-code": "10"}
    assert runner.outputs(file.read_text()) == expected


def test_each_run_ends_its_outputs_in_another_way(tmp_path: Path) -> None:
    files = [tmp_path / "first", tmp_path / "second"]
    for file in files:
        environ = GITHUB | {"GITHUB_OUTPUT": str(file)}
        ci.write_outputs(environ, {"verdict": "FRESH"}, report_dir=tmp_path)
    assert files[0].read_text() != files[1].read_text()


def test_an_unknown_output_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such output: digest"):
        ci.write_outputs({}, {"digest": "x"}, report_dir=tmp_path)


def test_outputs_become_a_dotenv_report_on_gitlab(tmp_path: Path) -> None:
    outputs = {"verdict": "STALE", "exit-code": "10", "image-digest": "sha256:ab", "build-id": ""}
    for _ in range(2):  # a second run replaces the first one's
        ci.write_outputs({"GITLAB_CI": "true"}, outputs, report_dir=tmp_path / "report")
    assert (tmp_path / "report" / "deployguard.env").read_text().splitlines() == [
        "GUARD_VERDICT=STALE",
        "GUARD_EXIT_CODE=10",
        "GUARD_IMAGE_DIGEST=sha256:ab",
    ]


@given(st.dictionaries(st.sampled_from(ci.OUTPUTS), foreign() | st.text("ab:.", max_size=900)))
def test_dotenv_keeps_to_gitlabs_rules(outputs: dict[str, str]) -> None:
    text = ci.dotenv(outputs)
    assert len(text.encode()) <= 5_000
    for line in text.splitlines():
        name, _, value = line.partition("=")
        assert name.replace("_", "").isalnum()
        assert value in outputs.values()
        assert value
        assert not set(value) & set(" \t\r\n'\"#$`\\")


def test_nothing_is_written_outside_a_known_service(tmp_path: Path) -> None:
    environ = {"GITHUB_OUTPUT": str(tmp_path / "o"), "GITHUB_STEP_SUMMARY": str(tmp_path / "s")}
    ci.write_outputs(environ, {"verdict": "FRESH"}, report_dir=tmp_path / "report")
    ci.summary(environ, "# Fresh")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("environ", "provider"),
    [
        ({"GITHUB_ACTIONS": "true"}, ci.Provider.GITHUB),
        ({"GITHUB_ACTIONS": "", "GITLAB_CI": "true"}, ci.Provider.GITLAB),
        ({"GITLAB_CI": "", "CI": "true"}, ci.Provider.PLAIN),
        ({}, ci.Provider.PLAIN),
    ],
)
def test_the_service_is_known_by_its_environment(
    environ: dict[str, str], provider: ci.Provider
) -> None:
    assert ci.detect(environ) is provider


def test_a_finding_becomes_one_annotation() -> None:
    found = finding(title="old, still: 100%", seen="a\nb")
    (line,) = annotated([found], has_failed=False)
    assert line == (
        "::warning title=DG201 old%2C still%3A 100%25::"
        "seen: a%0Ab%0Aexpected: e%0Acause: c%0Afix: f%0Ahelp: h"
    )


def test_a_warning_stays_one_and_comes_after_what_is_graver() -> None:
    warning = replace(finding(405), severity=Severity.WARNING)
    lines = annotated([warning, finding(201)], has_failed=True)
    told = [runner.commands(line)[0] for line in lines]
    assert [(each.name, each.properties["title"][:5]) for each in told] == [
        ("error", "DG201"),
        ("warning", "DG405"),
    ]


@given(st.lists(st.builds(finding, st.integers(100, 999), title=foreign(), seen=foreign())))
def test_annotations_are_few_short_and_only_ours(findings: list[Finding]) -> None:
    lines = annotated(findings, has_failed=True)
    read = runner.commands("\n".join(lines))
    assert [command.name for command in read] == ["error"] * len(lines)
    assert len(lines) <= 9
    assert bool(lines) == bool(findings)
    assert all(set(command.properties) == {"title"} for command in read)
    assert not any(runner.commands(command.data) for command in read)
    assert not any(runner.commands(command.properties["title"]) for command in read)


def test_a_long_message_is_cut_before_github_cuts_it() -> None:
    (line,) = annotated([finding(seen="%\n" * 5_000)], has_failed=True)
    (command,) = runner.commands(line)
    assert len(command.data) == 4_000
    assert command.data.endswith("…")


def test_equal_findings_are_annotated_once_and_many_are_rolled_up() -> None:
    findings = [finding(n, seen="x") for n in [*range(200, 211), 200, 210]]
    lines = annotated(findings, has_failed=True)
    last = runner.commands(lines[-1])[0]
    assert len(lines) == 9
    assert last.properties["title"] == "and 3 more findings"
    assert last.data.startswith("DG208, DG209, DG210;")


def test_the_summary_is_added_to_the_file_that_github_names(tmp_path: Path) -> None:
    environ = GITHUB | {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    ci.summary(environ, "# one")
    ci.summary(environ, "# two\n")
    assert (tmp_path / "summary").read_text() == "# one\n# two\n"


def test_a_long_summary_loses_whole_sections() -> None:
    text = "# head\n" + "".join(f"## part {n}\n{'é' * 50}\n" for n in range(10))
    short = ci.capped(text, 500)
    assert len(short.encode()) <= 500
    assert short.count("## part") == short.count("é" * 50) == 3
    assert "_Cut here" in short


@given(st.text(), st.integers(200, 400))
def test_a_summary_never_exceeds_the_limit(text: str, limit: int) -> None:
    assert len(ci.capped(text * 20, limit).encode(errors="backslashreplace")) <= limit


def test_five_thousand_containers_fit_the_summary(tmp_path: Path) -> None:
    file = tmp_path / "summary"
    row = f"| {'c' * 32} | {'b' * 128} | sha256:{'d' * 64} | stale |\n"
    ci.summary(GITHUB | {"GITHUB_STEP_SUMMARY": str(file)}, "## Containers\n" + row * 5_000)
    assert 800_000 < file.stat().st_size <= 900_000
    assert file.read_text().splitlines()[1] == row.rstrip()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "output"
    with pytest.raises(ConfigurationError, match="missing/output"):
        ci.write_outputs(
            GITHUB | {"GITHUB_OUTPUT": str(missing)}, {"verdict": "FRESH"}, report_dir=tmp_path
        )
