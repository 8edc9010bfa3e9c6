"""The other forms of a report say what it says, in the way that those who read them expect."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from deployguard import handover
from deployguard.errors import ConfigurationError, DeployguardError, Interrupted
from deployguard.report import badge, cdevents, checks, gitlab, junit, markdown, statement, text
from deployguard.report.forms import FORMS
from deployguard.report.renderers import render
from deployguard.run import REPAIRS, Record
from tests.unit.form_cases import REPORTS, STARTED, built, crowd
from tests.unit.report_cases import CASES
from tests.unit.test_judge import NEW, OLD
from tests.values import ARN

EVENTS = json.loads((Path(__file__).parent / "cdevents.schema.json").read_text())
WITHOUT_VERDICT = {"overtaken", "out of time", "not put back", "interrupted", "error"}
SEVERAL = {"several", "several and fresh"}
ended_somehow = pytest.mark.parametrize("ending", REPORTS)


def suite_of(ending: str) -> ET.Element:
    return ET.fromstring(junit.render(REPORTS[ending]()).encode())  # noqa: S314 - our own


def results(ending: str) -> dict[str, str]:
    """Return how each test of a report ended, by its name."""
    cases = suite_of(ending).iter("testcase")
    return {case.attrib["name"]: "".join(child.tag for child in case) for case in cases}


def events(ending: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cdevents.render(REPORTS[ending]()))
    return found


def service(ending: str) -> dict[str, str]:
    """Return what became of the service in which image, by the report."""
    return {
        event["context"]["type"].split(".")[3]: event["subject"]["content"]["artifactId"]
        for event in events(ending)
        if ".service." in event["context"]["type"]
    }


def attested(report: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(statement.render(report))
    return found


@ended_somehow
def test_every_report_has_every_form(ending: str) -> None:
    report = REPORTS[ending]()
    for form in FORMS.keys() - {"in-toto"}:
        assert render(report, form).endswith("\n") or form == "github"


@ended_somehow
def test_tests_are_counted_and_have_names_of_their_own(ending: str) -> None:
    root = suite_of(ending)
    cases = list(root.iter("testcase"))
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names) == int(root.attrib["tests"])
    for member, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(root.attrib[member]) == len(list(root.iter(tag)))
    for told in (child for case in cases for child in case):
        assert (told.text or "").strip()


def test_two_findings_of_one_kind_are_two_tests() -> None:
    report = REPORTS["stale"]()
    report["functions"][0]["findings"] *= 2
    title = "DG201 Warm containers still run another build"
    names = [check.name for check in checks.of(report)]
    assert names[-2:] == [title, f"{title} (2)"]


def test_a_form_that_cannot_be_made_changes_nothing_else(tmp_path: Path) -> None:
    report = REPORTS["fresh"]()
    del report["functions"][0]["routes"]
    told: list[DeployguardError] = []
    ended = handover.to_folder(
        report, tmp_path, forms=("junit", "in-toto", "badge"), complain=told.append
    )
    assert ended == ({"report-path": str(tmp_path / "report.json")}, 0)
    assert [str(problem) for problem in told] == ["a bug in deployguard: KeyError: 'routes'"]
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"report.json", "badge.svg", "statement.json"}


def test_the_paths_of_forms_are_outputs(tmp_path: Path) -> None:
    paths, _ = handover.to_folder(
        REPORTS["fresh"](), tmp_path, forms=("junit", "badge"), complain=lambda _: None
    )
    assert {name: Path(path).name for name, path in paths.items()} == {
        "report-path": "report.json",
        "junit-path": "junit.xml",
    }


@pytest.mark.parametrize(
    ("ending", "result"),
    [
        ("fresh", ""),
        ("stale", "failure"),
        ("inconclusive", "error"),
        ("superseded", "skipped"),
        ("overtaken", "skipped"),
        ("out of time", "error"),
        ("interrupted", "error"),
        ("error", "error"),
    ],
)
def test_the_verdict_is_a_test(ending: str, result: str) -> None:
    assert results(ending)["verdict"] == result


def test_each_route_and_each_finding_is_a_test() -> None:
    assert results("stale") == {
        "verdict": "failure",
        "route $LATEST of callers of $LATEST": "failure",
        "DG201 Warm containers still run another build": "failure",
    }
    (failure,) = suite_of("stale").iterfind(".//testcase[3]/failure")
    assert "seen: " in str(failure.text)
    assert "deployguard refresh" in str(failure.text)


def test_a_warning_fails_no_test() -> None:
    found = results("fresh with a warning")
    assert [end for name, end in found.items() if name.startswith("DG405")] == ["system-out"]
    assert set(found.values()) == {"", "system-out"}


def test_a_test_belongs_to_the_function_and_the_alias() -> None:
    assert {case.get("classname") for case in suite_of("fresh").iter("testcase")} == {
        "reports:live"
    }
    assert {case.get("classname") for case in suite_of("error").iter("testcase")} == {"deployguard"}


def test_the_page_says_the_verdict_first_and_then_what_to_do() -> None:
    page = markdown.render(REPORTS["stale"]())
    first, _, sentence, *_ = page.splitlines()
    assert first == "# ❌ STALE"
    assert sentence == "**Not every route runs the shipped build b2.**"
    headings = re.findall(r"(?m)^##+ (.*)$", page)
    assert headings[:2] == ["Routes", "Findings"]
    assert "### DG201 Warm containers still run another build" in page
    commands = re.findall(r"(?ms)^~~~text\n(deployguard .*?)\n~~~$", page)
    assert commands == [f"deployguard refresh {ARN}:'$LATEST' --remedy configure"]


def test_the_page_of_a_run_that_found_nothing_has_its_error() -> None:
    page = markdown.render(REPORTS["error"]())
    assert "# ⚠️ ERROR" in page
    assert "no such function" in page


def test_the_page_shows_the_worst_containers_and_counts_the_rest() -> None:
    page = markdown.render(crowd(300))
    rows = [line for line in page.splitlines() if re.match(r"\| <code>[0-9a-f]{12}</code>", line)]
    assert len(rows) == 100
    assert all("| unknown |" in row for row in rows)
    assert "And 200 more in the report." in page


def test_many_containers_stay_below_every_limit() -> None:
    report = crowd(5_000)
    sizes = {form: len(render(report, form).encode()) for form in FORMS.keys() - {"json"}}
    assert sizes["markdown"] < 900_000
    assert sizes["dotenv"] < 5_000
    assert sizes["junit"] < 30_000_000
    assert {form: size for form, size in sizes.items() if size > 1 << 20} == {}


def test_gitlab_gets_links() -> None:
    shown = json.loads(gitlab.render(REPORTS["stale"](), job_url="https://gitlab.example/-/jobs/7"))
    links = {
        each["external_link"]["label"]: each["external_link"]["url"]
        for (each) in shown.pop("deployguard")
    }
    assert shown == {}
    console = "https://eu-west-1.console.aws.amazon.com"
    logs = "logsV2:log-groups/log-group/$252Faws$252Flambda$252Freports"
    assert links == {
        "Report files": "https://gitlab.example/-/jobs/7/artifacts/browse",
        "Function reports": f"{console}/lambda/home?region=eu-west-1#/functions/reports",
        "Log of reports": f"{console}/cloudwatch/home?region=eu-west-1#{logs}",
        "DG201 Warm containers still run another build": (
            "https://github.com/deployguard/deployguard/blob/main/docs/findings.md#dg201"
        ),
    }


@pytest.mark.parametrize("job_url", ["", "javascript:alert(1)"])
def test_gitlab_gets_no_link_that_leads_nowhere(job_url: str) -> None:
    assert json.loads(gitlab.render(REPORTS["error"](), job_url=job_url)) == {"deployguard": []}


@ended_somehow
def test_a_badge_says_in_words_what_it_shows(ending: str) -> None:
    report = REPORTS[ending]()
    root = ET.fromstring(badge.render(report))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    shown = [str(text.text) for text in root.iter(f"{space}text")]
    assert root.get("aria-label") == ": ".join(shown)
    assert shown[1].split()[0] == report["verdict"]
    (title,) = root.iter(f"{space}title")
    assert title.text == root.get("aria-label")


def test_a_badge_cuts_a_long_build_id() -> None:
    report = REPORTS["fresh"]()
    report["functions"][0]["expected"]["build_id"] = "b" * 128
    root = ET.fromstring(badge.render(report))  # noqa: S314 - our own
    assert str(root.get("aria-label")).endswith("bb…")
    assert int(str(root.get("width"))) < 500


@ended_somehow
def test_events_follow_the_specification(ending: str) -> None:
    found = events(ending)
    jsonschema.validate(found, EVENTS, format_checker=jsonschema.FormatChecker())
    assert found[-1]["context"]["type"] == "dev.cdevents.testsuiterun.finished.0.3.0"
    assert len({event["context"]["id"] for event in found}) == len(found)


def test_the_schema_of_events_refuses_what_is_none() -> None:
    found = events("stale")
    found[-1]["subject"]["content"]["outcome"] = "stale"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, EVENTS)


@pytest.mark.parametrize(
    ("ending", "became"),
    [
        ("fresh", {"upgraded": NEW}),
        ("fresh and created", {"deployed": NEW}),
        ("fresh and idle", {}),
        ("stale", {"upgraded": NEW}),
        ("stale and put back", {"rolledback": OLD}),
        ("rolled back", {"rolledback": NEW}),
        ("error", {}),
    ],
)
def test_an_event_says_what_became_of_the_service(ending: str, became: dict[str, str]) -> None:
    expected = {k: f"pkg:oci/reports@{v.replace(':', '%3A')}" for k, v in became.items()}
    assert service(ending) == expected


def test_rendering_again_makes_the_same_events() -> None:
    assert events("stale") == events("stale")
    others = [events(name)[-1]["context"]["id"] for name in ("stale", "rolled back", "error")]
    assert len(set(others)) == len(others)


@pytest.mark.parametrize("ending", sorted(REPORTS.keys() - WITHOUT_VERDICT - SEVERAL))
def test_passed_is_said_of_fresh_alone(ending: str) -> None:
    report = REPORTS[ending]()
    found = attested(report)
    is_fresh = report["verdict"] == "FRESH"
    predicate = found["predicate"]
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert found["subject"] == [
        {"name": "reports:live", "digest": {"sha256": NEW.removeprefix("sha256:")}}
    ]
    assert predicate["result"] == ("PASSED" if is_fresh else "FAILED")
    assert bool(predicate["failedTests"]) != is_fresh
    for descriptor in predicate["configuration"]:
        assert descriptor.keys() & {"uri", "digest", "content"}


@pytest.mark.parametrize("ending", sorted(SEVERAL))
def test_nothing_is_attested_of_several_functions_together(ending: str) -> None:
    with pytest.raises(ConfigurationError, match="several functions"):
        statement.render(REPORTS[ending]())


def test_each_of_several_functions_is_a_test_with_its_own_verdict() -> None:
    found = results("several")
    verdicts = {name: end for name, end in found.items() if name.startswith("verdict")}
    assert verdicts == {
        "verdict": "error",
        "verdict on error": "error",
        "verdict on fresh:live": "",
        "verdict on out-of-time:live": "error",
        "verdict on stale:live": "failure",
    }
    assert found["route live of callers of live on fresh:live"] == ""
    assert found["DG201 Warm containers still run another build"] == "failure"


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"in-toto", "badge", "cdevents", "dotenv"}))
def test_no_form_hides_one_of_several_functions(form: str) -> None:
    told = render(REPORTS["several"](), form)
    wrong = ("stale", "out-of-time") if form in ("github", "gitlab") else ()
    wrong = ("error", *wrong) if form == "github" else wrong
    for name in wrong or ("fresh", "stale", "out-of-time", "error"):
        assert name in told
    if form not in ("gitlab", "html"):
        assert "no such function" in told
        assert "AWS was not ready" in told


def test_functions_of_one_name_are_told_apart_by_their_places() -> None:
    report = REPORTS["several and fresh"]()
    for number, each in enumerate(report["functions"]):
        each["function"] = f"arn:aws:lambda:eu-west-{number}:123456789012:function:reports"
    names = [check.name for check in checks.of(report) if check.name.startswith("verdict on")]
    assert names == ["verdict on eu-west-0/reports:live", "verdict on eu-west-1/reports:live"]
    assert "eu-west-1/reports:live: " in markdown.render(report)
    report["functions"][1]["function"] = report["functions"][0]["function"].replace("12:", "13:")
    assert "123456789013" in render(report, "html")


def test_each_of_several_functions_has_events_of_its_own() -> None:
    found = [event["context"]["id"] for event in events("several and fresh")]
    assert len(set(found)) == len(found) == 3
    assert set(service("several and fresh")) == {"upgraded"}


@pytest.mark.parametrize("ending", sorted(WITHOUT_VERDICT))
def test_nothing_is_attested_of_a_run_that_reached_no_verdict(ending: str) -> None:
    with pytest.raises(ConfigurationError, match="no statement to make"):
        statement.render(REPORTS[ending]())


def test_a_claim_is_not_attested() -> None:
    report = REPORTS["stale"]()
    report["verdict"] = report["functions"][0]["verdict"] = "FRESH"
    report["functions"][0]["findings"] = []
    report["functions"][0]["routes"][0]["verdict"] = "FRESH"
    assert attested(report)["predicate"]["result"] == "FAILED"


def test_another_image_than_that_of_the_evidence_is_not_attested() -> None:
    report = REPORTS["fresh"]()
    report["functions"][0]["expected"]["digest"] = OLD
    assert attested(report) == attested(REPORTS["fresh"]())


def test_evidence_that_was_edited_is_not_attested() -> None:
    report = REPORTS["fresh"]()
    report["functions"][0]["evidence"][0]["policy"]["agreeing_probes"] = 0
    with pytest.raises(ConfigurationError, match="no evidence that can be replayed"):
        statement.render(report)


def test_the_text_says_that_a_route_was_judged_before_its_alias_was_put_back() -> None:
    report = CASES["stale"]()
    told = "judged before the alias was put back to version 1"
    assert told not in text.render(report)
    report["functions"][0]["version"]["after"] = "1"
    lines = text.render(report).splitlines()
    (place,) = (number for number, line in enumerate(lines) if told in line)
    routes = [number for number, line in enumerate(lines) if line.startswith("  route ")]
    assert "live -> 2: " in lines[max(number for number in routes if number < place)]


@pytest.mark.parametrize("command", REPAIRS)
def test_a_repair_leaves_later_steps_its_exit_code_and_what_they_know(
    command: str, tmp_path: Path
) -> None:
    report = built(Record(command, started=STARTED, error=Interrupted(15)))
    told: list[DeployguardError] = []
    file = tmp_path / "outputs"
    for service in ({"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(file)}, {"GITLAB_CI": "true"}):
        handover.to_ci(
            report,
            service,
            outputs={"exit-code": "143", "report-path": "x"},
            folder=tmp_path,
            summary=False,
            complain=told.append,
        )
    assert told == []
    assert file.read_text().startswith("exit-code")
    assert "143" in file.read_text()
    assert not any(name in file.read_text() for name in ("verdict", "report-path"))
    assert [each.name for each in tmp_path.iterdir()] == ["outputs"]
