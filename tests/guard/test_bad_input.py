"""What a person or a pipeline can get wrong: a clear message, and nothing is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.guard.world import Finished, Team


def refused(finished: Finished, *said: str, exit_code: int = 2) -> None:
    """Assert the exit code and that the message names what is wrong."""
    shown = finished.out + finished.err
    assert finished.exit_code == exit_code, shown
    assert "Traceback" not in shown
    for words in said:
        assert words in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "no function is named"),
        (["canary-test"], "nothing is named to be tested"),
        (["check", "bad name"], "bad name"),
        (["check", "reports:"], "reports:"),
        (["check", "arn:aws:s3:::bucket"], "not the ARN of a Lambda function"),
        (["check", "arn:aws:lambda:eu-west-1:12:function:f"], "expected arn:aws:lambda:REGION"),
        (["check", "reports:$LATEST"], "deployguard verify"),
        (["check", "reports:42"], "is no alias"),
        (["check", "reports", "--alias", "42"], "not all digits"),
        (["check", "reports", "--alias", "$LATEST"], "--alias"),
        (["check", "reports", "--also", "a b c;"], "is no qualifier"),
        (["check", "reports", "--timeout", "soon"], "--timeout"),
        (["check", "reports", "--timeout", "nan"], "--timeout"),
        (["check", "reports", "--timeout", "-1"], "--timeout"),
        (["check", "reports", "--hold-ms", "10001"], "--hold-ms"),
        (["check", "reports", "--on-stale", "shrug"], "--on-stale: 'shrug' is none of fail,"),
        (["check", "reports", "--on-stale", "refrsh"], "did you mean refresh?"),
        (["check", "reports", "--on-stale", "refrsh"], "it was given on the command line"),
        (["check", "reports", "--no-such-flag"], "--no-such-flag"),
        (["check", "reports", "--timeoutt=5"], "did you mean --timeout?"),
        (["chek"], "did you mean check?"),
        (["report", "--replay", "nowhere.json"], "nowhere.json"),
        (["conquer"], "conquer"),
        ([], "COMMAND"),
    ],
)
def test_arguments_that_make_no_sense(team: Team, arguments: list[str], said: str) -> None:
    refused(team.run(*arguments), said)


def test_an_image_that_is_no_ecr_uri(team: Team) -> None:
    team.ship("b1")
    refused(team.check("--image", "docker.io/library/python:3"), "not an ECR image URI")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('alais = "live"', "did you mean alias?"),
        ("timeout = 'soon'", "deployguard.toml: timeout"),
        ("timeout = 'soon'", "it stands in deployguard.toml"),
        ("on-stale = 'rolback'", "did you mean rollback?"),
        ("timeout = ", "deployguard.toml cannot be read"),
        ("[tool]", "unknown key 'tool'"),
    ],
)
def test_a_settings_file_with_a_mistake(team: Team, content: str, said: str) -> None:
    (team.folder / "deployguard.toml").write_text(content)
    refused(team.run("check", "reports"), said)


def test_a_settings_table_in_pyproject_counts_too(team: Team) -> None:
    (team.folder / "pyproject.toml").write_text('[tool.deployguard]\nalias = "42"\n')
    refused(team.run("check", "reports"), "not all digits", "it stands in pyproject.toml")


def test_an_unknown_environment_name(team: Team) -> None:
    finished = team.run("check", "reports", DEPLOYGUARD_TIMEOTU="5")
    refused(finished, "DEPLOYGUARD_TIMEOTU", "did you mean DEPLOYGUARD_TIMEOUT?")
    finished = team.run("check", "reports", DEPLOYGUARD_ON_STALE="fial")
    refused(finished, "got 'fial'", "it comes from the environment", "did you mean fail?")


def test_flags_outrank_the_environment_which_outranks_the_file(team: Team) -> None:
    (team.folder / "deployguard.toml").write_text('alias = "1"')
    refused(team.run("check", "reports"), "deployguard.toml: alias")
    refused(team.run("check", "reports", DEPLOYGUARD_ALIAS="2"), "DEPLOYGUARD_ALIAS")
    refused(team.run("check", "reports", "--alias", "3", DEPLOYGUARD_ALIAS="x"), "--alias")


def test_an_empty_environment_value_means_not_set(team: Team) -> None:
    team.ship("b1")
    finished = team.check(DEPLOYGUARD_ALIAS="", DEPLOYGUARD_TIMEOUT="", DEPLOYGUARD_DRY_RUN="")
    assert finished.exit_code == 0, finished.err
    assert team.alias() == "1"


@pytest.mark.parametrize(
    "content",
    [
        b"x" * (16 * 1024 + 1),
        b"not json",
        b'{"schema": "other/v1", "build_id": "b1"}',
        b'{"schema": "deployguard/stamp/v1"}',
        b'{"schema": "deployguard/stamp/v1", "build_id": "two words"}',
        b'{"schema": "deployguard/stamp/v1", "build_id": "b1", "source": "\\u001b[2J"}',
        b"[" * 10_000,
    ],
)
def test_a_stamp_file_that_is_none(team: Team, content: bytes) -> None:
    team.ship("b1")
    (team.folder / "stamp.json").write_bytes(content)
    refused(team.check("--stamp", "stamp.json"), "stamp.json")
    assert team.alias() is None


def test_a_hold_that_the_functions_timeout_cuts_short(team: Team) -> None:
    team.ship("b1")
    refused(team.check("--hold-ms", "6000"), "6000", "5 s", exit_code=3)
    assert team.alias() is None


def test_a_zip_function_is_refused(team: Team, tmp_path: Path) -> None:
    import io
    import zipfile

    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("app.py", "def handler(event, context): return 1")
    team.functions.create_function(
        FunctionName=team.name,
        Runtime="python3.11",
        Handler="app.handler",
        Code={"ZipFile": archive.getvalue()},
        Role="arn:aws:iam::123456789012:role/reports",
    )
    refused(team.check(), "not a container image", exit_code=3)


def test_a_report_folder_that_is_a_link_or_cannot_be_made(team: Team) -> None:
    team.ship("b1")
    (team.folder / "elsewhere").mkdir()
    (team.folder / "link").symlink_to(team.folder / "elsewhere")
    refused(team.check("--report-dir", "link"), "symbolic link")
    (team.folder / "file").write_text("")
    refused(team.check("--report-dir", "file/inside"), "cannot be written")
    assert team.writes() == ["CreateFunction20150331"] or team.alias() is None


def test_no_region_and_no_credentials_are_said(team: Team) -> None:
    refused(team.run("check", "reports", AWS_DEFAULT_REGION=""), "no AWS region")
    nobody = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    refused(team.run("check", "reports", **nobody), "no usable AWS credentials")


def test_an_edited_report_is_no_evidence(team: Team) -> None:
    team.ship("b1")
    finished = team.check()
    assert finished.report is not None
    path = team.folder / "edited.json"
    finished.report["functions"][0]["evidence"][0]["rounds"] = "many"
    path.write_text(json.dumps(finished.report))
    refused(team.run("report", "--replay", "edited.json"), "no evidence that can be replayed")
    path.write_text("[" * 100_000)
    refused(team.run("report", "--replay", "edited.json"), "cannot be read as a report")
    path.write_text('{"schema": "deployguard/report/v9"}')
    refused(team.run("report", "--replay", "edited.json"), "deployguard/report/v9")
