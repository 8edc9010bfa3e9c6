"""What a function, its image and its log say stays text on every surface of a real run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from deployguard.lab.client import Client
from deployguard.report.forms import FORMS
from tests.guard.test_explain import Case, body
from tests.guard.world import FOR_EVER, Finished, Team
from tests.unit import runner
from tests.unit.runner import is_hidden
from tests.unit.test_safe import READERS, read_markdown

# A legal build id, and texts that a stamp may hold and that a function may answer.
BUILD = "::error::x"
PRINTABLE = "##[error]x </script><img src=x onerror=alert(1)> |`a`@b ]]> ![x](y)"
TEXT = f"\n::error title=x::forged\r{PRINTABLE}\x1b[2J\u202e\x00\u2028::set-output name=a::b"
LYING = f"""
import helper

def handler(event, context):
    crumb = helper.breadcrumb(event, context)
    if crumb is not None:
        said = crumb["deployguard"]
        said["stamp"], said["stamp_error"] = None, {TEXT!a} + chr(0xD800)
        for name in ("log_stream", "container", "function_version", "invoked_arn"):
            said[name] = {TEXT!a}
        return crumb
    return None
""".encode()
RAISING = f"""
import helper

def handler(event, context):
    raise type({PRINTABLE!a}, (Exception,), {{}})({TEXT!a})
""".encode()
STAMPED = f"""
from helper import canary

SOURCE = {PRINTABLE!a}

@canary
def handler(event, context):
    return None
""".encode()


@pytest.fixture
def github(team: Team) -> dict[str, str]:
    """Have the files that GitHub reads."""
    files = {"GITHUB_OUTPUT": "outputs", "GITHUB_STEP_SUMMARY": "summary"}
    for name in files.values():
        (team.folder / name).touch()
    named = {variable: str(team.folder / name) for variable, name in files.items()}
    return {"GITHUB_ACTIONS": "true", **named}


def checked(team: Team, github: dict[str, str], *arguments: str, said: str) -> Finished:
    """Check with every form, and read all that it left as those do for whom it is."""
    finished = team.check(*arguments, "--reports", ",".join(FORMS), **github)
    assert said in finished.out + json.dumps(finished.report), finished.out
    assert "Traceback" not in finished.err
    assert_plain(finished.out, finished.err)
    written = {
        path.name: path.read_text() for path in (team.folder / "deployguard-report").iterdir()
    }
    assert "report.json" in written
    for name, text in written.items():
        assert not [char for char in text if is_hidden(char)], name
        READERS[Path(name).suffix](text, text)
    read_markdown((team.folder / "summary").read_text(), "")
    outputs = runner.outputs((team.folder / "outputs").read_text())
    assert outputs["exit-code"] == str(finished.exit_code)
    assert outputs["verdict"] in ("FRESH", "STALE", "INCONCLUSIVE", "ERROR")
    return finished


def assert_plain(*outputs: str) -> None:
    """Assert that an output holds no command but annotations, and nothing that is not shown."""
    for text in outputs:
        assert not [char for char in text if is_hidden(char)]
        assert not re.search(r"##\w*\[", text)
        for command in runner.commands(text):
            assert command.name in ("error", "warning", "group", "endgroup")
            if command.name in ("error", "warning"):
                assert command.properties["title"].startswith(("DG", "deployguard "))
            else:
                assert re.fullmatch(r"[\w $,-]*", command.data)


def test_a_build_id_and_labels_stay_text(team: Team, github: dict[str, str]) -> None:
    team.ship("b1")
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, **FOR_EVER}])
    team.ship(BUILD, handler=STAMPED)
    finished = checked(team, github, "--also", "$LATEST", said=f"build {BUILD}")
    assert finished.exit_code == 10, finished.err
    assert finished.function["expected"]["build_id"] == BUILD


@pytest.mark.parametrize(
    ("handler", "said"), [(LYING, "forged"), (RAISING, "onerror")], ids=["answer", "error"]
)
def test_what_a_function_answers_stays_text(
    team: Team, github: dict[str, str], handler: bytes, said: str
) -> None:
    team.ship("b1", handler=handler)
    finished = checked(team, github, said=said)
    assert finished.exit_code == 11, finished.err


def test_a_label_stays_text(team: Team, github: dict[str, str]) -> None:
    team.ship("b1", label=TEXT)
    finished = checked(team, github, said="::error ti")
    assert finished.exit_code == 2, finished.err


@pytest.mark.parametrize("tag", [TEXT.replace("\x00", ""), PRINTABLE])
def test_the_tag_of_an_image_stays_text(team: Team, github: dict[str, str], tag: str) -> None:
    uri = team.ship("b1").partition("@")[0]
    finished = checked(team, github, "--image", f"{uri}:{tag}", said="onerror")
    assert finished.exit_code == 2


def test_a_log_and_an_error_stay_text_in_an_explanation(lab: Client, tmp_path: Path) -> None:
    case = Case(lab, tmp_path)
    case.publish(body(f"print({PRINTABLE!a})", f"raise ValueError({TEXT!a})"))
    execution = case.run()
    case.reports(1)
    for form in ("text", "json"):
        finished = case.team.run("explain", execution, "--format", form)
        assert "forged" in finished.out, finished.out
        assert_plain(finished.out, finished.err)
    json.loads(finished.out)
