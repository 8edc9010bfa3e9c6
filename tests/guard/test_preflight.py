"""The preflight names what would stand in the way, and writes nothing; pins refuse other places."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from deployguard.lab import images
from tests.guard.world import Finished, Team

LIFECYCLE = {
    "rules": [
        {
            "rulePriority": 1,
            "selection": {
                "tagStatus": "any",
                "countType": "imageCountMoreThan",
                "countNumber": 1,
            },
            "action": {"type": "expire"},
        }
    ]
}
APPSPEC = """
version: 0.0
Resources:
  - Function: {Type: AWS::Lambda::Function, Properties: {Name: %s, Alias: live}}
"""


SERVICES = {
    "BatchGetImage": "ecr",
    "DescribeImages": "ecr",
    "GetLifecyclePolicy": "ecr",
    "GetMetricStatistics": "cloudwatch",
    "ListDeployments": "codedeploy",
}


@dataclass(frozen=True)
class Examined:
    """What doctor said."""

    finished: Finished
    checks: dict[str, dict[str, str]]

    def severity(self, name: str) -> str:
        """Return how bad one thing is."""
        return self.checks[name]["severity"]


def doctor(team: Team, *arguments: str, exit_code: int = 0, **environment: str) -> Examined:
    """Run doctor, and see that it wrote nothing."""
    before = team.lab.writes()
    finished = team.run("doctor", team.name, "--format", "json", *arguments, **environment)
    assert finished.exit_code == exit_code, finished.out + finished.err
    assert team.lab.writes() == before
    found = json.loads(finished.out)
    assert found["exit_code"] == exit_code
    named = {check["name"]: check for check in found["checks"] if check["severity"] != "ok"}
    return Examined(finished, named)


def test_a_sound_function_has_nothing_but_the_lab_s_endpoint_said_of_it(live: Team) -> None:
    examined = doctor(live)
    assert set(examined.checks) == {"endpoint"}
    assert live.lab.calls()["lambda.Invoke"] == 1
    assert not (live.folder / "deployguard-report").exists()


def test_people_get_a_table_by_topic(live: Team) -> None:
    finished = live.run("doctor", live.name, "--no-canary")
    assert finished.exit_code == 0
    topics = [line for line in finished.out.splitlines() if line and not line.startswith(" ")]
    assert topics[1:-1] == [
        "place",
        "function",
        "image",
        "alias",
        "room",
        "canary",
        "permissions",
    ]
    assert topics[-1].endswith("1 warning, 1 note (exit code 0)") or "1 note" in topics[-1]
    assert "lambda.Invoke" not in live.lab.calls()


def test_a_function_that_does_not_exist_is_refused(team: Team) -> None:
    finished = team.run("doctor", "nowhere")
    assert finished.exit_code == 3
    assert "Function not found" in finished.err


def test_an_image_that_is_gone_is_worse_than_a_refusal(moving: Team) -> None:
    digest = moving.functions.get_function(FunctionName=moving.name, Qualifier="1")["Code"]
    identifier = {"imageDigest": digest["ResolvedImageUri"].split("@")[1]}
    moving.ecr.batch_delete_image(repositoryName="reports", imageIds=[identifier])
    examined = doctor(moving, exit_code=10)
    assert examined.severity("of version 1") == "broken"


def test_an_image_that_is_not_deployed_and_for_another_processor_is_named(live: Team) -> None:
    uri = live.push(live.build("b2", architecture="arm64"), "other")
    examined = doctor(live, "--image", uri, exit_code=10)
    assert examined.severity("digest") == "broken"
    assert examined.severity("architecture") == "broken"


def test_an_index_is_no_image_that_could_run(live: Team) -> None:
    index = images.index([live.build("b2"), live.build("b2", architecture="arm64")])
    live.push(index, tag="multi")
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/reports:multi"
    examined = doctor(live, "--image", uri, exit_code=10)
    assert "is an image index" in examined.checks["registry"]["seen"]


def test_a_lifecycle_rule_that_deletes_the_way_back_is_told_of(moving: Team) -> None:
    moving.ecr.put_lifecycle_policy(
        repositoryName="reports", lifecyclePolicyText=json.dumps(LIFECYCLE)
    )
    examined = doctor(moving)
    assert examined.severity("of version 1, in time") == "warning"
    assert examined.severity("of $LATEST, in time") == "note"


def of_function(name: str) -> dict[str, Any]:
    """Return a revision that says which function it is of."""
    content = {"content": APPSPEC % name}
    return {"revisionType": "AppSpecContent", "appSpecContent": content}


def begin(team: Team, revision: dict[str, Any]) -> None:
    """Have a deployment of CodeDeploy in progress."""
    client = team.lab.client("codedeploy")
    if not client.list_applications()["applications"]:
        client.create_application(applicationName="app", computePlatform="Lambda")
        client.create_deployment_group(
            applicationName="app",
            deploymentGroupName="group",
            serviceRoleArn="arn:aws:iam::123456789012:role/deploy",
        )
    client.create_deployment(
        applicationName="app",
        deploymentGroupName="group",
        revision=revision,
    )


def test_a_deployment_of_codedeploy_is_in_the_way_if_it_is_of_this_function(live: Team) -> None:
    begin(live, of_function("reports-of-another-team"))
    doctor(live)
    begin(live, of_function(live.name))
    examined = doctor(live, exit_code=3)
    assert "of app is" in examined.checks["CodeDeploy"]["seen"]


def test_a_deployment_whose_appspec_lies_in_s3_may_be_of_this_function(live: Team) -> None:
    place = {"bucket": "specs", "key": "app.yaml", "bundleType": "YAML"}
    begin(live, {"revisionType": "S3", "s3Location": place})
    found = doctor(live).checks["CodeDeploy"]
    assert (found["id"], found["severity"]) == ("DG410", "warning")
    assert found["seen"].endswith("its AppSpec lies in S3")


def test_who_holds_the_lease_is_told_until_when(live: Team) -> None:
    lease = "deployguard/1 owner=0123abcd by=github/77 until=2099-01-02T18:57:49Z alias=live:1>2"
    live.functions.create_alias(
        FunctionName=live.name, Name="deployguard", FunctionVersion="$LATEST", Description=lease
    )
    assert doctor(live).checks["lease"]["seen"] == "github/77 holds it until 2099-01-02T18:57:49Z"
    live.functions.update_alias(
        FunctionName=live.name, Name="deployguard", Description=lease.replace("2099", "2020")
    )
    left = doctor(live).checks["lease"]
    assert (left["id"], left["command"].split()[1]) == ("DG407", "recover")
    live.functions.update_alias(
        FunctionName=live.name, Name="deployguard", Description="ours, hands off"
    )
    assert doctor(live, exit_code=3).severity("lease") == "refused"


def test_a_function_that_was_forgotten_with_an_older_image_is_told_of(live: Team) -> None:
    billing = Team(live.lab, live.folder, name="billing")
    billing.deploy(live.push(live.build("b1")))
    assert "siblings" not in doctor(live).checks
    live.ship("b2")
    assert "billing (sha256:" in doctor(live).checks["siblings"]["seen"]


def test_what_may_look_like_old_code_is_told_of(team: Team) -> None:
    team.functions.create_function(
        FunctionName=team.name,
        PackageType="Image",
        Code={"ImageUri": team.push(team.build("b1"))},
        Role="arn:aws:iam::123456789012:role/reports",
        SnapStart={"ApplyOn": "PublishedVersions"},
        DurableConfig={"ExecutionTimeout": 60},
    )
    found = doctor(team).checks
    assert [found[name]["id"] for name in ("snapshots", "durable")] == ["DG505", "DG506"]


def test_a_handler_that_is_replaced_and_logs_that_are_left_out_are_told_of(live: Team) -> None:
    live.functions.update_function_configuration(
        FunctionName=live.name,
        ImageConfig={"Command": ["app.handler"]},
        LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": "WARN"},
    )
    examined = doctor(live)
    assert 'Command ["app.handler"]' in examined.checks["handler"]["seen"]
    assert "system lines below WARN" in examined.checks["logs"]["seen"]


def test_a_function_that_is_switched_off_is_not_invoked(live: Team) -> None:
    live.functions.put_function_concurrency(FunctionName=live.name, ReservedConcurrentExecutions=0)
    examined = doctor(live, exit_code=3)
    assert examined.severity("reserved") == "refused"
    assert "lambda.Invoke" not in live.lab.calls()


def test_a_container_without_a_canary_is_told_of(team: Team) -> None:
    team.ship("b1", handler=b"def handler(event, context):\n    return 1\n")
    examined = doctor(team)
    assert examined.checks["answer"]["seen"].startswith("no-breadcrumb")
    assert examined.severity("live") == "note"


def test_weights_that_were_left_are_told_of(moving: Team) -> None:
    moving.publish()
    moving.point("1", weights={"2": 0.25})
    assert doctor(moving).checks["weights"]["seen"] == "25% to version 2"


@pytest.mark.parametrize(
    ("operation", "name", "exit_code"),
    [
        ("GetFunction", "state", 3),
        ("GetAlias", "live", 3),
        ("BatchGetImage", "registry", 0),
        ("DescribeImages", "of version 1", 0),
        ("GetLifecyclePolicy", "of version 1, in time", 0),
        ("GetProvisionedConcurrencyConfig", "provisioned", 0),
        ("ListDeployments", "CodeDeploy", 0),
        ("ListFunctions", "siblings", 0),
        ("GetMetricStatistics", "free", 0),
    ],
)
def test_what_may_not_be_read_is_said_with_the_action_that_is_missing(
    moving: Team, operation: str, name: str, exit_code: int
) -> None:
    service = SERVICES.get(operation, "lambda")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    nothing = {"Effect": "Deny", "Action": f"{service}:{operation}", "Resource": "*"}
    moving.lab.set(policy={"Statement": [everything, nothing]})
    examined = doctor(moving, exit_code=exit_code)
    assert examined.severity(name) == "warning"
    assert f"{service}:{operation} on" in examined.checks[name]["seen"]


# Pins

PINS: list[tuple[dict[str, Any], str]] = [
    ({"expect_account": "999999999999"}, "the account is 123456789012, but 999999999999 is"),
    ({"expect_region": "us-east-1"}, "the region is eu-west-1, but us-east-1 is expected"),
    ({"expect_account": "123456789012"}, "but AWS's own is expected"),
    ({"expect_endpoint": "https://vpce.example"}, "but https://vpce.example is expected"),
]


@pytest.mark.parametrize(
    ("command", "pins", "told"),
    [
        *(("check", pins, told) for pins, told in PINS),
        *((each, *PINS[0]) for each in ("verify", "refresh", "rollback", "recover", "prune")),
        *((each, *PINS[0]) for each in ("doctor", "routes")),
    ],
)
def test_every_command_refuses_a_place_that_is_not_pinned(
    moving: Team, command: str, pins: dict[str, str], told: str
) -> None:
    environment = {f"DEPLOYGUARD_{name.upper()}": value for name, value in pins.items()}
    before = moving.lab.writes()
    finished = moving.run(command, moving.name, **environment)
    assert finished.exit_code == 3
    assert told in finished.out + finished.err
    assert moving.lab.writes() == before


def test_an_endpoint_that_is_named_is_taken(moving: Team) -> None:
    finished = moving.check(
        "--expect-account", "123456789012", "--expect-endpoint", moving.lab.endpoint
    )
    assert finished.exit_code == 0, finished.out + finished.err
    assert doctor(moving, "--expect-endpoint", moving.lab.endpoint).checks == {}


def test_the_account_of_an_arn_is_the_one_that_is_held_against_the_pin(live: Team) -> None:
    arn = f"arn:aws:lambda:eu-west-1:999999999999:function:{live.name}"
    named = {
        "DEPLOYGUARD_EXPECT_ACCOUNT": "123456789012",
        "DEPLOYGUARD_EXPECT_ENDPOINT": live.lab.endpoint,
    }
    finished = live.run("check", arn, **named)
    assert finished.exit_code == 3
    assert "the account is 999999999999" in finished.out


# Documents


def test_with_an_arn_a_policy_is_printed_without_asking_aws(team: Team) -> None:
    arn = "arn:aws-cn:lambda:cn-north-1:999999999999:function:reports"
    printed = team.run("doctor", arn, "--policy", "--commands", "verify")
    assert f'"{arn}:*"' in printed.out
    assert '"arn:aws-cn:ecr:cn-north-1:999999999999:repository/*"' in printed.out
    assert team.lab.log() == []


def test_with_a_name_a_policy_is_for_the_account_of_the_credentials(team: Team) -> None:
    printed = team.run("doctor", "reports", "--policy", "--as", "terraform")
    assert '"arn:aws:lambda:eu-west-1:123456789012:function:reports"' in printed.out
    assert list(team.lab.calls()) == ["sts.GetCallerIdentity"]


def test_a_trust_policy_is_printed_for_a_repository_and_refused_without(team: Team) -> None:
    trusted = team.run("doctor", "--trust", "github", "--repository", "acme@1/reports@2")
    assert "repo:acme@1/reports@2:ref:refs/heads/main" in trusted.out
    for repository in ((), ("--repository", "acme"), ("--repository", "acme/*")):
        refused = team.run("doctor", "--trust", "gitlab", *repository)
        assert refused.exit_code == 2
        assert "--repository names none" in refused.err


def test_a_command_that_does_not_exist_has_no_policy(team: Team) -> None:
    refused = team.run("doctor", "reports", "--policy", "--commands", "check,fly")
    assert refused.exit_code == 2
    assert "'fly' is none of check" in refused.err
