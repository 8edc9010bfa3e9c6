"""Nothing foreign reaches the CI service as anything but text, and its limits are kept."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import ci, safe
from deployguard.errors import ConfigurationError
from deployguard.model import Finding, Severity
from deployguard.report import github
from tests.unit import runner

GITHUB = {"GITHUB_ACTIONS": "true"}

# Each holds a command or an escape for some CI service or terminal.
HOSTILE = [
    "::error::x",
    "::error title=a,file=b::x",
    "::set-output name=verdict::FRESH",
    "::set-env name=PATH::/tmp/evil",
    "::add-path::/tmp/evil",
    "::add-mask::a",
    "::stop-commands::token",
    "::debug::x",
    "::group::x",
    "::endgroup::",
    ":::error::x",
    "::::error::x",
    "  ::error::x",
    "\t::error::x",
    "\u00a0\u2003\u3000::error::x",
    "harmless\n::error::x",
    "harmless\r::error::x",
    "harmless\r\n::error::x",
    "harmless\u2028::error::x",
    "harmless\u2029::error::x",
    "harmless\u0085::error::x",
    "harmless\x0b::error::x",
    "harmless\x0c::error::x",
    "\x00::error::x",
    "\ufeff::error::x",
    "\u200b::error::x",
    ":\x00:error::x",
    ":\u200b:error::x",
    "##[error]x",
    "text ##[set-env name=PATH;]/tmp/evil",
    "###[error]x",
    "##[##[error]x",
    "#\x00#[error]x",
    "##\u200d[error]x",
    "##vso[task.setvariable variable=a]b",
    "##teamcity[buildProblem description='x']",
    "\x1b[31mred\x1b[0m",
    "\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1bP+q544e\x1b\\",
    "\x9b31mred",
    "\x9d8;;https://evil.example\x9c",
    "\x1b[0Ksection_start:1:x\r\x1b[0Kx",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\x08\x08b",
    "%0A::error::x",
    "%250A::error::x",
    "\ud800lone",
    "\U000e0041tag",
]


@st.composite
def foreign(draw: st.DrawFn) -> str:
    """Text with many of the characters that commands are made of."""
    atoms = st.one_of(
        st.sampled_from(
            ["::", ":", "##", "#", "[", "]", "\n", "\r", " ", "\t", "\x1b", "%0A", "\u2028"]
        ),
        st.sampled_from(["error", "set-output name=a", "vso", "stop-commands", "-", "\u200b"]),
        st.characters(),
    )
    return "".join(draw(st.lists(atoms, max_size=30)))


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


@pytest.mark.parametrize("payload", HOSTILE)
def test_hostile_text_forms_no_command(payload: str) -> None:
    assert_harmless(payload)


@given(foreign())
def test_no_text_forms_a_command(text: str) -> None:
    assert_harmless(text)


def assert_harmless(text: str) -> None:
    clean = safe.log(text)
    assert not runner.commands(clean)
    assert not [char for char in clean if unicodedata.category(char) in {"Cf", "Cs", "Zl", "Zp"}]
    assert not [char for char in clean if unicodedata.category(char) == "Cc" and char not in "\n\t"]
    assert "##[" not in clean
    assert "##vso[" not in clean
    # Wrapping breaks lines at spaces; each word may come to stand at the start of one.
    assert not runner.commands("\n".join(clean.split()))
    assert safe.log(clean) == clean


@pytest.mark.parametrize("payload", ["::error::x", " ::debug::x", "a\r::error::x", "b ##[error]x"])
def test_the_runner_here_acts_on_what_is_not_neutralised(payload: str) -> None:
    assert runner.commands(payload)


@pytest.mark.parametrize(
    "text",
    [
        "arn:aws:iam::123456789012:role/deploy",
        "sha256:0123 at 12:30:01\nnext line\ttabbed",
        "# heading [link](x) ## more",
        "Ünïcödé, 日本語 and 🚀",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert safe.log(text) == text


@given(st.dictionaries(st.sampled_from(ci.OUTPUTS), foreign()))
def test_outputs_reach_the_next_step_unchanged(outputs: dict[str, str]) -> None:
    text = safe.outputs(outputs, token="0123456789abcdef")
    assert runner.outputs(text) == outputs


def test_an_output_cannot_add_another() -> None:
    value = "42\nEOF\nverdict=FRESH\nverdict<<EOF\nFRESH\nEOF"
    assert runner.outputs(safe.outputs({"version": value}, token="t0")) == {"version": value}


def test_an_output_that_holds_its_delimiter_is_refused() -> None:
    with pytest.raises(ValueError, match="delimiter"):
        safe.outputs({"version": "x\ndeployguard_t0\ny"}, token="t0")


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
