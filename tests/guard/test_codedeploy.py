"""The hook of CodeDeploy: whatever happens it answers, and Succeeded only where that is proven."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Event
from typing import Any

import pytest

import deployguard
from deployguard.hooks import appspec
from deployguard.hooks.intime import ended, one_line
from deployguard.lab import images
from deployguard.model import Change
from deployguard.run import Record
from tests.guard.account import rule
from tests.guard.hook import AFTER, ANSWER, ARN, BEFORE, answers, begin, call, spec
from tests.guard.world import ROLE, Team

PACKAGE = Path(deployguard.__file__).parent
APPSPEC_YAML = """\
version: 0.0
Resources:
  - reports:
      Type: AWS::Lambda::Function
      Properties:
        Name: "reports"
        Alias: "live"
        CurrentVersion: "1"
        TargetVersion: "2"
Hooks:
  - BeforeAllowTraffic: "{}"
  - AfterAllowTraffic: "other"
"""


@pytest.fixture
def before(reports: Team) -> Team:
    """Have CodeDeploy about to move `live` from b1, version 1, to b2, version 2."""
    return reports


@pytest.fixture
def after(reports: Team) -> Team:
    """Have CodeDeploy just having moved `live` from b1, version 1, to b2, version 2."""
    reports.point("2")
    return reports


def test_before_traffic_a_new_version_that_runs_its_image_lets_the_deployment_go_on(
    before: Team,
) -> None:
    called = call(before, begin(before, BEFORE))
    assert called.answers == ["Succeeded"], called.out + called.err
    (function,) = called.report["functions"]
    assert [route["qualifier"] for route in function["routes"]] == ["2"]
    assert function["expected"]["build_id"] == "b2"


def test_before_traffic_callers_of_the_alias_that_has_not_moved_do_not_count(before: Team) -> None:
    rule(before, "hourly", "arn:aws:lambda:eu-west-1:123456789012:function:reports:live")
    called = call(before, begin(before, BEFORE), DEPLOYGUARD_ROUTES="required")
    assert called.answers == ["Succeeded"], called.out + called.err


def test_that_somebody_updates_the_function_meanwhile_does_not_matter(before: Team) -> None:
    before.ship("b3")
    assert call(before, begin(before, BEFORE)).answers == ["Succeeded"]


def test_after_traffic_an_alias_that_serves_the_new_version_lets_the_deployment_end(
    after: Team,
) -> None:
    called = call(after, begin(after, AFTER))
    assert called.answers == ["Succeeded"], called.out + called.err
    assert [route["qualifier"] for route in called.report["functions"][0]["routes"]] == ["live"]


def test_an_appspec_in_yaml_is_understood(before: Team) -> None:
    assert call(before, begin(before, APPSPEC_YAML.format("gate"))).answers == ["Succeeded"]


def test_the_documented_appspec_is_understood() -> None:
    page = (PACKAGE.parents[1] / "docs" / "codedeploy.md").read_text()
    (shown,) = [text for text in page.split("```") if text.startswith("yaml\nversion: 0.0")]
    assert appspec.parse(shown) == (
        "reports",
        "live",
        "42",
        {
            "BeforeAllowTraffic": "CodeDeployHook_reports_before",
            "AfterAllowTraffic": "CodeDeployHook_reports_after",
        },
    )


def test_an_alias_that_still_serves_the_old_version_fails_the_deployment(before: Team) -> None:
    called = call(before, begin(before, AFTER))
    assert (called.answers, called.report["verdict"]) == (["Failed"], "STALE")


def test_a_version_whose_containers_name_another_build_fails_the_deployment(live: Team) -> None:
    live.ship("b2", stamp="b1")
    live.publish()
    called = call(live, begin(live, BEFORE))
    assert (called.answers, called.report["verdict"]) == (["Failed"], "STALE")


def test_the_settings_can_say_what_to_judge_without_the_appspec(before: Team) -> None:
    event = begin(before, "in S3")
    called = call(before, event, DEPLOYGUARD_FUNCTION="reports:2")
    assert called.answers == ["Succeeded"], called.out + called.err


def test_an_appspec_that_may_not_be_read_leaves_it_to_the_settings(before: Team) -> None:
    before.lab.fault(operation="GetDeployment", kind="deny")
    called = call(before, begin(before, BEFORE), DEPLOYGUARD_FUNCTION="reports:2")
    assert called.answers == ["Succeeded"], called.out + called.err


def test_settings_of_an_earlier_deployment_do_not_answer_for_this_one(before: Team) -> None:
    called = call(before, begin(before, BEFORE), DEPLOYGUARD_FUNCTION="reports:1")
    assert (called.answers, called.report["verdict"]) == (["Failed"], "ERROR")
    assert "the deployment is of version 2" in called.report["error"]["happened"]


def test_an_alias_that_has_not_moved_does_not_answer_for_the_new_version(before: Team) -> None:
    before.deploy(before.functions.get_function(FunctionName="reports:1")["Code"]["ImageUri"])
    called = call(before, begin(before, BEFORE), DEPLOYGUARD_FUNCTION="reports:live")
    assert (called.answers, called.report["verdict"]) == (["Failed"], "STALE")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (spec(), "for no event"),
        (spec(BeforeAllowTraffic="gate", AfterAllowTraffic="gate"), "for BeforeAllowTraffic and"),
        (BEFORE.replace("reports", "orders"), "the deployment is of orders"),
        ("", "it names no Name"),
        (BEFORE.replace('"2"', '"live"'), "its TargetVersion is live"),
        (APPSPEC_YAML.format("gate") + '        TargetVersion: "3"\n', "TargetVersion twice: 2"),
        ("[" * 100_000, "it names no Name"),
    ],
)
def test_an_appspec_that_does_not_tell_what_to_judge_fails_the_deployment(
    before: Team, content: str, said: str
) -> None:
    called = call(before, begin(before, content), DEPLOYGUARD_FUNCTION="reports")
    assert called.answers == ["Failed"], called.out + called.err
    assert said in called.report["error"]["happened"]


@pytest.mark.parametrize(
    "environment",
    [
        {"DEPLOYGUARD_TIMEOUT": "soon"},
        {"DEPLOYGUARD_NONSENSE": "1"},
        {"DEPLOYGUARD_FUNCTION": "no function"},
        {"DEPLOYGUARD_EXPECT_ACCOUNT": "999999999999"},
    ],
)
def test_a_bad_configuration_fails_the_deployment(
    before: Team, environment: dict[str, Any]
) -> None:
    called = call(before, begin(before, BEFORE), **environment)
    assert (called.answers, called.report["verdict"]) == (["Failed"], "ERROR")


def test_aws_failing_fails_the_deployment(before: Team) -> None:
    before.lab.fault(operation="GetFunction", kind="error", times=None)
    called = call(before, begin(before, BEFORE), left_s=20)
    assert (called.answers, called.report["verdict"]) == (["Failed"], "ERROR")


def test_a_crash_fails_the_deployment(before: Team) -> None:
    vanish = "import os; os.rmdir(os.getcwd())"
    called = call(before, begin(before, BEFORE), first=vanish)
    assert called.answers == ["Failed"], called.out + called.err
    assert "a bug in deployguard: FileNotFoundError" in called.report["error"]["happened"]


def test_a_log_that_takes_nothing_fails_the_deployment(before: Team) -> None:
    called = call(before, begin(before, BEFORE), first="import sys; sys.stdout.close()")
    assert called.answers == ["Failed"], called.err


def test_a_call_that_hangs_is_not_waited_for_longer_than_lambda_allows(before: Team) -> None:
    before.lab.fault(operation="GetFunction", kind="hang", times=None)
    called = call(before, begin(before, BEFORE), left_s=13)
    assert called.answers == ["Failed"], called.out + called.err
    assert called.report["verdict"] in ("INCONCLUSIVE", "ERROR")


def test_a_judge_that_never_ends_is_left_alone_when_its_time_is_up() -> None:
    def judge(_: Record) -> None:
        Event().wait()

    report, is_over = ended(Record("verify"), judge, within_s=0.05)
    assert (report["verdict"], is_over) == ("INCONCLUSIVE", False)


def test_what_one_that_hangs_has_changed_is_told_with_the_command_that_puts_it_back() -> None:
    def judge(record: Record) -> None:
        record.alias, record.published = "live", "42"
        record.changes.append(Change("2026-01-02T03:04:05Z", "UpdateAlias"))
        Event().wait()

    report, _ = ended(Record("check", asked="orders"), judge, within_s=0.5)
    assert report["error"]["command"] == "deployguard recover orders"
    (told,) = report["functions"]
    assert (told["alias"], told["version"]["published"]) == ("live", "42")


def test_where_no_time_is_left_to_judge_it_is_still_answered(before: Team) -> None:
    called = call(before, begin(before, BEFORE), left_s=3)
    assert (called.answers, called.report["verdict"]) == (["Failed"], "INCONCLUSIVE")
    assert "time-out of 300 s" in called.report["error"]["fix"]


@pytest.mark.parametrize(
    "fault", [{"kind": "throttle"}, {"kind": "lose"}, {"kind": "lose", "phase": "after"}]
)
def test_an_answer_that_does_not_arrive_is_sent_again(before: Team, fault: dict[str, Any]) -> None:
    before.lab.fault(operation=ANSWER, **fault)
    called = call(before, begin(before, BEFORE))
    assert (called.code, called.answers) == (0, ["Succeeded"]), called.out + called.err
    assert before.lab.calls()[f"codedeploy.{ANSWER}"] == 2
    assert "answered before" not in called.out


def test_an_event_that_was_answered_before_stays_so(before: Team) -> None:
    event = begin(before, BEFORE)
    before.lab.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="Failed",
    )
    called = call(before, event)
    assert (called.code, called.answers) == (0, ["Failed"])
    assert "CodeDeploy has been answered before" in called.out


def test_an_answer_that_is_denied_names_the_permission(before: Team) -> None:
    before.lab.fault(operation=ANSWER, kind="deny")
    called = call(before, begin(before, BEFORE))
    assert called.code == 1
    assert f"codedeploy:{ANSWER}" in called.err


def test_an_event_that_is_not_codedeploys_is_refused(before: Team) -> None:
    called = call(before, {"DeploymentId": None})
    assert (called.code, called.answers) == (1, [])
    assert "no event of a hook of CodeDeploy" in called.err


def test_a_report_too_long_for_one_line_of_the_log_goes_without_its_evidence() -> None:
    probes = ["a probe\n"] * 30_000
    report = {"verdict": "FRESH", "functions": [{"arn": ARN, "evidence": probes}]}
    assert json.loads(one_line(report)) == {
        "verdict": "FRESH",
        "functions": [{"arn": ARN, "evidence": []}],
    }
    report["functions"] = [{"arn": ARN, "evidence": probes[:10]}]
    assert json.loads(one_line(report)) == report
    assert "\n" not in one_line(report)


def test_in_lambda_it_answers_within_its_own_time(before: Team) -> None:
    before.lab.set(virtual=False)
    sources = {
        f"deployguard/{path.relative_to(PACKAGE)}": path.read_bytes()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    image = images.of_files(sources, command=("deployguard.hooks.codedeploy.handler",))
    before.functions.create_function(
        FunctionName="gate",
        PackageType="Image",
        Code={"ImageUri": images.push(image, repository="gate", ecr=before.ecr)},
        Role=ROLE,
        Timeout=60,
        MemorySize=512,
        Environment={"Variables": {"DEPLOYGUARD_GRACE": "0", "DEPLOYGUARD_ROUTES": "off"}},
    )
    before.functions.get_waiter("function_active_v2").wait(FunctionName="gate")
    payload = json.dumps(begin(before, BEFORE))
    answered = before.functions.invoke(FunctionName="gate", Payload=payload)
    told = json.loads(answered["Payload"].read())
    assert told == {"status": "Succeeded", "verdict": "FRESH"}
    assert answers(before) == ["Succeeded"]
