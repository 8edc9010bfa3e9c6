"""Words are completed as the command line takes them, by the shells themselves."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from deployguard import cli, completion, manual
from deployguard.config import Settings
from deployguard.option import GROUPS
from tests.ci.tools import need

README = Path(__file__).parents[2] / "README.md"
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
spec=$(complete -p deployguard)
function=${spec##*-F }; function=${function%% *}
"$function" deployguard "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def printed(*arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "deployguard", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return run.stdout


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write bash's script as a person does."""
    path = tmp_path_factory.mktemp("completion") / "deployguard"
    path.write_text(printed("completion", "bash"))
    return path


def completed(script: Path, *words: str) -> set[str]:
    """Ask bash what it would offer for the last word."""
    run = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", str(script), "deployguard", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=script.parent,
    )
    assert run.stderr == ""
    return set(run.stdout.split())


def test_bash_offers_every_command(script: Path) -> None:
    assert completed(script, "") == set(manual.HELPS)
    assert completed(script, "re") == {"refresh", "rollback", "recover", "report"} - {"rollback"}


def test_bash_offers_the_options_of_a_command_and_their_values(script: Path) -> None:
    assert completed(script, "check", "greeter", "--on") == {"--on-stale"}
    assert completed(script, "check", "--on-stale", "") == {"fail", "rollback", "refresh"}
    assert completed(script, "refresh", "--on") == set()
    assert completed(script, "lab", "d") == {"demo"}
    assert completed(script, "completion", "") == set(completion.SHELLS)


def test_bash_offers_files_where_a_file_is_asked_for(script: Path) -> None:
    assert completed(script, "check", "greeter", "--stamp", "dep") == {"deployguard"}


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_is_one_that_its_shell_reads(shell: str) -> None:
    need(shell)
    run = subprocess.run(
        [shell, "-n"], input=completion.script(shell), capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_a_script_knows_every_option_of_check(shell: str) -> None:
    text = completion.script(shell)
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        flag = str(extra["flag"] or f"--{name.replace('_', '-')}")
        if "check" in str(extra["commands"]) and name not in ("function", "verbosity"):
            assert flag.removeprefix("--") in text


def test_help_shows_each_command_once_under_its_purpose() -> None:
    listed = [name for purpose in manual.PURPOSES for name in purpose.commands]
    assert len(set(listed)) == len(listed)
    help_text = printed("--help")
    for purpose in manual.PURPOSES:
        part = help_text.split(f"\n{purpose.title}:\n")[1].split("\n\n")[0]
        assert part.split("\n") == [f"  {n:<12}{text}" for n, text in purpose.commands.items()]


@pytest.mark.parametrize("command", sorted(manual.HELPS))
def test_each_command_is_done_by_what_is_called_like_it(command: str) -> None:
    assert cli.command(command).__name__ == command.replace("-", "_")


@pytest.mark.parametrize("command", sorted(manual.HELPS))
def test_each_example_is_taken_by_the_command_line(command: str) -> None:
    for words in manual.EXAMPLES[command]:
        parsed = cli.parsers().parse_args(shlex.split(words))
        assert parsed.command == command
        assert f"  deployguard {words}\n" in cli.parsers().commands[command].format_help()


def test_each_setting_is_in_a_group_of_help() -> None:
    groups = {str(f.json_schema_extra["group"]) for f in Settings.model_fields.values()}  # type: ignore[index]
    assert groups == set(GROUPS)


def test_help_of_a_command_shows_options_by_group_with_variable_and_default() -> None:
    text = printed("check", "--help")
    assert text.startswith("usage: deployguard check FUNCTION [options]\n")
    parts = [text.index(f"\n{group}:\n") for group in GROUPS if f"\n{group}:\n" in text]
    assert len(parts) == 5
    assert parts == sorted(parts)
    assert "[DEPLOYGUARD_GRACE," in text
    assert "default 15]" in text


def test_without_any_word_the_help_is_shown_as_a_mistake() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "deployguard"], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == printed("--help")


def test_help_has_every_exit_code_of_the_readme() -> None:
    codes = [code for codes in manual.EXIT_CODES for code in codes.split()]
    section = README.read_text().split("\n## Exit codes\n")[1].split("\n## ")[0]
    assert codes == re.findall(r"\d+", " ".join(re.findall(r"(?m)^\| ([\d, ]+) \|", section)))


def test_help_of_lab_push_says_what_it_does_and_shows_it() -> None:
    text = printed("lab", "push", "--help")
    assert "Build a folder's Dockerfile and push it to a lab." in text
    words = text.split("\nexample:\n  deployguard ")[1].splitlines()[0]
    typed = shlex.split(words.replace("$(deployguard stamp)", "--label a=b"))
    assert cli.parsers().parse_args(typed).label == ["a=b"]
