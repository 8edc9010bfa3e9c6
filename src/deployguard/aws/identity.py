"""Who calls, where the calls go, and what the caller may do: asked, or tried without effect."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from deployguard import lease
from deployguard.aws.session import Session
from deployguard.errors import AccessDenied, AwsFailure, Trouble
from deployguard.model import Place

NOTHING = f"sha256:{'0' * 64}"  # a digest that no image and no layer has
ALLOWED = (Trouble.MISSING, Trouble.CONFLICT, Trouble.PRECONDITION, Trouble.PERMANENT)
ASSUMED = re.compile(
    r"arn:(?P<partition>[\w-]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/"
)
Trial = Callable[[Session, str], Any]  # given a resource's ARN


def place(session: Session, *, account: str | None = None) -> Place:
    """Say where calls go, and by whom; who it is is not asked where the account is known."""
    who = {"Account": account, "Arn": ""} if account is not None else _caller(session)
    endpoints = [session.endpoint(service) for service in ("lambda", "sts")]
    endpoint, is_aws = next((each for each in endpoints if not each[1]), endpoints[0])
    return Place(who["Account"] or "", who["Arn"] or "", session.region, endpoint, is_aws)


def _caller(session: Session) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = session.read(
        "ask AWS whose credentials these are", session.client("sts").get_caller_identity
    )
    return answer


def simulated(session: Session, caller: str, resource: str, actions: Iterable[str]) -> set[str]:
    """Return which of the actions the caller may not do on a resource, as IAM says.

    Raises: AwsFailure where IAM is not to be asked, or does not know the caller by this name.
    """
    client = session.client("iam")
    denied: set[str] = set()
    named: dict[str, Any] = {
        "PolicySourceArn": _principal(caller),
        "ActionNames": sorted(actions),
        "ResourceArns": [resource],
    }
    while True:
        page = session.read(
            "ask IAM what the role may do", client.simulate_principal_policy, **named
        )
        results = page["EvaluationResults"]
        denied |= {each["EvalActionName"] for each in results if each["EvalDecision"] != "allowed"}
        if not page.get("IsTruncated"):
            return denied
        named["Marker"] = page["Marker"]


def _principal(caller: str) -> str:
    """Return whose policies apply: a session's are its role's.

    NOTE: the path of a role is not in its session's name; IAM then knows no role of that name.
    """
    found = ASSUMED.match(caller)
    return f"arn:{found[1]}:iam::{found[2]}:role/{found[3]}" if found else caller


def tried(session: Session, action: str, resource: str) -> bool | None:
    """Try an action where that changes nothing; None where no harmless call tells."""
    trial = TRIALS.get(action)
    if trial is None:
        return None
    try:
        session.read(f"try {action}", lambda: trial(session, resource))
    except AccessDenied:
        return False
    except AwsFailure as failure:
        return True if failure.trouble in ALLOWED else None
    return True


def _of_function(operation: str, **named: Any) -> Trial:
    def call(session: Session, resource: str) -> Any:
        parts = resource.split(":")
        extra = {"Qualifier": parts[7]} if len(parts) > 7 else {}
        name = ":".join(parts[:7])
        return getattr(session.functions, operation)(FunctionName=name, **extra, **named)

    return call


def _of_repository(operation: str, **named: Any) -> Trial:
    def call(session: Session, resource: str) -> Any:
        account, name = resource.split(":")[4], resource.partition(":repository/")[2]
        return getattr(session.registry, operation)(
            registryId=account, repositoryName=name, **named
        )

    return call


def _of_account(service: str, operation: str, **named: Any) -> Trial:
    return lambda session, _: getattr(session.client(service), operation)(**named)


TRIALS: Mapping[str, Trial] = {
    "cloudwatch:GetMetricStatistics": _of_account(
        "cloudwatch",
        "get_metric_statistics",
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        StartTime=0,
        EndTime=60,
        Period=60,
        Statistics=["Sum"],
    ),
    "codedeploy:BatchGetDeployments": _of_account(
        "codedeploy", "batch_get_deployments", deploymentIds=["d-000000000"]
    ),
    "codedeploy:ListDeployments": _of_account("codedeploy", "list_deployments"),
    "ecr:BatchGetImage": _of_repository("batch_get_image", imageIds=[{"imageDigest": NOTHING}]),
    "ecr:DescribeImages": _of_repository("describe_images", maxResults=1),
    "ecr:GetDownloadUrlForLayer": _of_repository("get_download_url_for_layer", layerDigest=NOTHING),
    "ecr:GetLifecyclePolicy": _of_repository("get_lifecycle_policy"),
    "lambda:GetAccountSettings": _of_account("lambda", "get_account_settings"),
    "lambda:GetAlias": _of_function("get_alias", Name=lease.ALIAS),
    "lambda:GetFunction": _of_function("get_function"),
    "lambda:GetFunctionConcurrency": _of_function("get_function_concurrency"),
    "lambda:GetFunctionConfiguration": _of_function("get_function_configuration"),
    "lambda:GetPolicy": _of_function("get_policy"),
    "lambda:GetProvisionedConcurrencyConfig": _of_function("get_provisioned_concurrency_config"),
    "lambda:InvokeFunction": _of_function("invoke", InvocationType="DryRun"),
    "lambda:ListAliases": _of_function("list_aliases", MaxItems=1),
    "lambda:ListEventSourceMappings": _of_account(
        "lambda", "list_event_source_mappings", MaxItems=1
    ),
    "lambda:ListFunctionEventInvokeConfigs": _of_function(
        "list_function_event_invoke_configs", MaxItems=1
    ),
    "lambda:ListProvisionedConcurrencyConfigs": _of_function(
        "list_provisioned_concurrency_configs", MaxItems=1
    ),
    "lambda:ListVersionsByFunction": _of_function("list_versions_by_function", MaxItems=1),
}
