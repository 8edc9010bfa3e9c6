"""The lab holds every call against the policy that it is given, and says no in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployguard.lab.client import Client
from deployguard.lab.images import of_files, push

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:echo"
ECR = "arn:aws:ecr:eu-west-1:123456789012:repository/echo"
HANDLER = b"def handler(event, context):\n    return event\n"
ONCE = Config(retries={"total_max_attempts": 1})
USER = "User: arn:aws:iam::123456789012:user/lab is not authorized to perform:"


@pytest.fixture
def echo(lab: Client) -> Client:
    """Have a function with a version and an alias."""
    uri = push(of_files({"app.py": HANDLER}), repository="echo", ecr=lab.client("ecr"))
    functions = lab.client("lambda")
    functions.create_function(
        FunctionName="echo",
        PackageType="Image",
        Code={"ImageUri": uri},
        Role="arn:aws:iam::123456789012:role/echo",
    )
    functions.publish_version(FunctionName="echo")
    functions.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    return lab


def allow(lab: Client, *statements: tuple[str, str], effect: str = "Allow") -> None:
    """Give the lab a policy of (action, resource) statements."""
    made = [{"Effect": effect, "Action": a, "Resource": r} for a, r in statements]
    lab.set(policy={"Version": "2012-10-17", "Statement": made})


def denied(call: Any, **named: Any) -> str:
    """Return what a call that is denied is told."""
    with pytest.raises(ClientError) as caught:
        call(**named)
    error = caught.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException")
    return str(error["Message"])


def test_what_nothing_allows_is_denied_with_the_action_and_the_resource(echo: Client) -> None:
    allow(echo, ("lambda:GetAlias", ARN))
    functions = echo.client("lambda", config=ONCE)
    functions.get_alias(FunctionName="echo", Name="live")
    action = "lambda:GetFunction"
    why = f"because no identity-based policy allows the {action} action"
    assert denied(functions.get_function, FunctionName="echo") == (
        f"{USER} {action} on resource: {ARN} {why}"
    )


def test_a_function_and_its_qualifiers_are_allowed_apart(echo: Client) -> None:
    functions = echo.client("lambda", config=ONCE)
    allow(echo, ("lambda:InvokeFunction", ARN))
    functions.invoke(FunctionName="echo")
    assert f"{ARN}:live " in denied(functions.invoke, FunctionName="echo", Qualifier="live")
    allow(echo, ("lambda:InvokeFunction", f"{ARN}:*"))
    functions.invoke(FunctionName="echo", Qualifier="live")
    assert f"{ARN} " in denied(functions.invoke, FunctionName="echo")


def test_an_alias_is_written_by_the_permission_on_the_function(echo: Client) -> None:
    functions = echo.client("lambda", config=ONCE)
    move = {"FunctionName": "echo", "Name": "live", "FunctionVersion": "1"}
    allow(echo, ("lambda:UpdateAlias", f"{ARN}:live"))
    assert f"on resource: {ARN} " in denied(functions.update_alias, **move)
    allow(echo, ("lambda:UpdateAlias", ARN))
    functions.update_alias(**move)


def test_stars_match_and_an_explicit_deny_outweighs_them(echo: Client) -> None:
    functions = echo.client("lambda", config=ONCE)
    allow(echo, ("LAMBDA:get*", "*"))
    functions.get_function(FunctionName="echo")
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["lambda:GetFunction"], "Resource": [ARN]},
    ]
    echo.set(policy={"Statement": statements})
    told = denied(functions.get_function, FunctionName="echo")
    assert told.endswith("with an explicit deny in an identity-based policy")
    functions.get_function(FunctionName="echo", Qualifier="live")


def test_other_services_are_held_to_it_too(echo: Client) -> None:
    allow(echo, ("ecr:BatchGetImage", ECR))
    registry, metrics = echo.client("ecr", config=ONCE), echo.client("cloudwatch", config=ONCE)
    registry.batch_get_image(repositoryName="echo", imageIds=[{"imageTag": "v1"}])
    assert "ecr:DescribeImages on" in denied(registry.describe_images, repositoryName="echo")
    assert "cloudwatch:ListMetrics on resource: *" in denied(metrics.list_metrics)
    echo.set(policy=None)
    metrics.list_metrics()


def test_who_calls_needs_no_permission_and_iam_says_what_the_policy_allows(echo: Client) -> None:
    allow(echo, ("iam:SimulatePrincipalPolicy", "*"), ("lambda:GetAlias", ARN))
    who = echo.client("sts", config=ONCE).get_caller_identity()
    assert (who["Account"], who["Arn"]) == (
        "123456789012",
        "arn:aws:iam::123456789012:user/lab",
    )
    answer = echo.client("iam", config=ONCE).simulate_principal_policy(
        PolicySourceArn=who["Arn"],
        ActionNames=["lambda:GetAlias", "lambda:UpdateAlias"],
        ResourceArns=[ARN],
    )
    decisions = {r["EvalActionName"]: r["EvalDecision"] for r in answer["EvaluationResults"]}
    assert decisions == {"lambda:GetAlias": "allowed", "lambda:UpdateAlias": "implicitDeny"}
