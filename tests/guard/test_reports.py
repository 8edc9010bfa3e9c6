"""The report: valid by its schema, replayable offline, free of what must not be in it."""

from __future__ import annotations

import json
import os
from importlib import resources
from typing import Any

import jsonschema
import pytest

from tests.guard.world import Team
from tests.unit.markup import Look

SCHEMA = json.loads(resources.files("deployguard.report").joinpath("schema.json").read_text())
FULL_AT = 4096  # bytes
FORGING = b"""
import json, helper

def handler(event, context):
    crumb = helper.breadcrumb(event, context)
    if crumb is not None:
        crumb["deployguard"]["log_stream"] = "\\n::error::forged"
        crumb["deployguard"]["stamp"]["source"] = "::set-output name=verdict::FRESH"
        raise ValueError("\\n::error title=x::forged\\n##[error]forged\\x1b[2J")
    return None
"""


def valid(report: Any) -> None:
    """Assert that a report follows the schema."""
    jsonschema.validate(report, SCHEMA, format_checker=jsonschema.FormatChecker())


@pytest.fixture
def stale(team: Team) -> Team:
    """Have old containers of $LATEST that stay."""
    team.ship("b1")
    team.warm(2)
    team.lab.set(linger=[{"function": team.name, "count": None, "seconds": None}])
    team.ship("b2")
    return team


def test_reports_of_every_ending_are_valid(stale: Team) -> None:
    endings = {
        0: stale.check(),
        10: stale.check("--also", "$LATEST"),
        3: stale.run("check", "nothing"),
    }
    for exit_code, finished in endings.items():
        assert finished.exit_code == exit_code, finished.err
        valid(finished.report)


def test_json_on_stdout_is_the_report_and_nothing_else(stale: Team) -> None:
    finished = stale.check("--format", "json")
    assert json.loads(finished.out) == finished.report
    valid(json.loads(finished.out))


@pytest.mark.parametrize("also", [[], ["--also", "$LATEST"]])
def test_replay_reaches_the_same_verdict_offline(stale: Team, also: list[str]) -> None:
    finished = stale.check(*also)
    path = "deployguard-report/report.json"
    offline = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": ""}
    replayed = stale.run("report", "--replay", path, "--format", "json", **offline)
    assert replayed.exit_code == finished.exit_code
    document = json.loads(replayed.out)
    valid(document)
    for member in ("verdict", "routes", "coverage", "findings", "containers"):
        assert document["functions"][0][member] == finished.function[member]


def test_replay_judges_the_evidence_and_not_the_claim(stale: Team) -> None:
    finished = stale.check("--also", "$LATEST")
    assert finished.report is not None
    forged = json.loads(json.dumps(finished.report))
    forged["verdict"] = forged["functions"][0]["verdict"] = "FRESH"
    forged["exit_code"] = 0
    (stale.folder / "forged.json").write_text(json.dumps(forged))
    replayed = stale.run("report", "--replay", "forged.json", "--format", "json")
    assert replayed.exit_code == 10
    assert json.loads(replayed.out)["verdict"] == "STALE"


def test_secrets_stay_out_of_every_output(team: Team) -> None:
    team.ship("b1")
    team.functions.update_function_configuration(
        FunctionName=team.name, Environment={"Variables": {"TOKEN": "s3cr3t-value"}}
    )
    finished = team.check()
    assert finished.exit_code == 0
    secret_key = team.lab.environment["AWS_SECRET_ACCESS_KEY"]
    everything = finished.out + finished.err + json.dumps(finished.report)
    assert "s3cr3t-value" not in everything
    assert secret_key not in everything


def test_text_of_the_function_forms_no_workflow_command(team: Team) -> None:
    team.ship("b1", handler=FORGING)
    finished = team.check(GITHUB_ACTIONS="true")
    assert finished.exit_code == 11
    for line in (finished.out + finished.err).splitlines():
        if line.lstrip().startswith("::"):
            ours = ("::error title=DG302", "::warning title=DG405", "::group::", "::endgroup::")
            assert line.startswith(ours)
        assert "##[" not in line
        assert "\x1b" not in line


def test_github_gets_outputs_annotation_and_summary(stale: Team) -> None:
    outputs, summary = stale.folder / "outputs", stale.folder / "summary"
    outputs.touch()
    summary.touch()
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(outputs),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    finished = stale.check("--also", "$LATEST", **github)
    assert finished.exit_code == 10
    written = outputs.read_text().splitlines()
    assert {"STALE", "10", "b2", "deployguard-report/junit.xml"} <= set(written)
    assert "failure" in (stale.folder / "deployguard-report" / "junit.xml").read_text()
    assert summary.read_text().startswith("# ❌ STALE\n")
    assert "### DG201 " in summary.read_text()
    assert "::error title=DG201" in finished.err


def test_the_summary_can_be_left_out(team: Team) -> None:
    summary = team.folder / "summary"
    summary.touch()
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    finished = team.run("verify", "nothing", "--no-summary", **github)
    assert finished.exit_code == 3
    assert summary.read_text() == ""


def test_what_a_full_disk_cannot_hold_is_told_all_the_same(team: Team) -> None:
    team.ship("b1")
    few = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({FULL_AT}, {FULL_AT}))"
    (team.folder / "sitecustomize.py").write_text(few)
    path = os.pathsep.join(filter(None, (str(team.folder), os.environ.get("PYTHONPATH"))))
    # Python would leave compiled modules that are cut off, for all that run after it.
    about = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    process = team.start("check", team.name, "--grace", "0", **about)
    finished = team.ended(process)
    assert finished.exit_code == 2, finished.err
    assert "FRESH" in finished.out
    assert "report.json could not be written: File too large" in finished.err
    assert list((team.folder / "deployguard-report").iterdir()) == []


def test_a_page_is_written_beside_the_report_and_shows_what_other_commands_left(
    stale: Team,
) -> None:
    assert stale.run("history", stale.name).exit_code == 0
    assert stale.run("routes", stale.name).exit_code == 0
    finished = stale.check("--also", "$LATEST", "--reports", "html")
    assert finished.exit_code == 10
    assert "warning" not in finished.err

    look = Look((stale.folder / "deployguard-report" / "report.html").read_text())
    assert {"timeline", "routes", "findings", "history", "audit"} <= set(look.all("id"))
    assert "containers that answered run build b1, and not b2, which was shipped" in look.text
    again = stale.run("report", "--to", "html")
    assert (again.exit_code, Look(again.out).made) == (0, look.made)


def test_a_run_ends_as_it_did_where_something_broken_lies_beside(stale: Team) -> None:
    (stale.folder / "deployguard-report").mkdir()
    (stale.folder / "deployguard-report" / "history.json").write_text('{"function": []}')
    finished = stale.check("--reports", "html")
    assert finished.exit_code == 0
    assert "history.json is left out of the page" in finished.err
    assert (stale.folder / "deployguard-report" / "report.html").exists()


def test_hostile_text_of_a_function_stays_text_on_the_page(team: Team) -> None:
    markup = "</script><script>alert(1)</script>"
    raising = f"def handler(event, context):\n    raise type({markup!r}, (Exception,), {{}})\n"
    team.ship("b1", handler=raising.encode())
    assert team.check("--reports", "html").exit_code == 11

    look = Look((team.folder / "deployguard-report" / "report.html").read_text())
    assert markup in look.text
    assert look.tags["script"] == 1


def test_a_run_that_changed_something_leaves_its_report_where_nobody_reads_stdout(
    team: Team,
) -> None:
    team.ship("b1")
    process = team.start("check", team.name, "--grace", "0")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    finished = team.ended(process)
    assert finished.exit_code == 141
    assert finished.report is not None
    assert [move["version"] for move in finished.report["history"]] == ["1"]


def test_text_that_stdout_has_no_characters_for_breaks_nothing(team: Team) -> None:
    team.ship("b1")
    assert team.check().exit_code == 0
    to_markdown = ("report", "--to", "markdown")
    finished = team.ended(team.start(*to_markdown, PYTHONIOENCODING="ascii:strict"))
    assert (finished.exit_code, finished.err) == (0, "")
    assert finished.out.startswith("# \\u2705 FRESH")


def test_what_an_earlier_run_left_is_not_taken_for_this_ones(team: Team) -> None:
    team.ship("b1")
    forms = ("--reports", "in-toto,junit,badge")
    assert team.check(*forms, GITLAB_CI="true").exit_code == 0
    folder = team.folder / "deployguard-report"
    left = {"statement.json", "junit.xml", "badge.svg", "deployguard.env"}
    assert left <= {path.name for path in folder.iterdir()}
    assert team.run("check", "nothing", *forms).exit_code == 3
    assert not (folder / "statement.json").exists()
    assert not (folder / "deployguard.env").exists()
    for name in ("junit.xml", "badge.svg"):
        assert "ERROR" in (folder / name).read_text()
