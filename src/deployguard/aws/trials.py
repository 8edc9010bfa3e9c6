"""What the role may do, as calls show that change nothing: reads, and a dry run of Invoke."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deployguard import lease
from deployguard.aws.session import Session
from deployguard.errors import AccessDenied, AwsFailure, Trouble

NOTHING = f"sha256:{'0' * 64}"  # a digest that no image and no layer has
NOBODY = "deployguard-asks-for-what-nobody-has"
ALLOWED = (Trouble.MISSING, Trouble.CONFLICT, Trouble.PRECONDITION, Trouble.PERMANENT)
Trial = Callable[[Session, str], Any]  # given a resource's ARN


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
        name = NOBODY if resource == "*" else ":".join(parts[:7])
        return getattr(session.functions, operation)(FunctionName=name, **extra, **named)

    return call


def _of_repository(operation: str, **named: Any) -> Trial:
    def call(session: Session, resource: str) -> Any:
        account, name = resource.split(":")[4], resource.partition(":repository/")[2]
        return getattr(session.registry, operation)(
            registryId=account, repositoryName=name, **named
        )

    return call


def _of_log_group(service: str, operation: str, **named: Any) -> Trial:
    def call(session: Session, resource: str) -> Any:
        group = NOBODY if resource == "*" else resource.split(":")[6]
        return getattr(session.client(service), operation)(logGroupName=group, **named)

    return call


def _of_account(service: str, operation: str, **named: Any) -> Trial:
    return lambda session, _: getattr(session.client(service), operation)(**named)


TRIALS: Mapping[str, Trial] = {
    "apigateway:GET": _of_account("apigateway", "get_rest_apis", limit=1),
    "cloudtrail:LookupEvents": _of_account("cloudtrail", "lookup_events", MaxResults=1),
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
    "cloudwatch:ListMetrics": _of_account("cloudwatch", "list_metrics", Namespace=NOBODY),
    "codedeploy:BatchGetDeployments": _of_account(
        "codedeploy", "batch_get_deployments", deploymentIds=["d-000000000"]
    ),
    "codedeploy:ListDeployments": _of_account("codedeploy", "list_deployments"),
    "ecr:BatchGetImage": _of_repository("batch_get_image", imageIds=[{"imageDigest": NOTHING}]),
    "ecr:DescribeImages": _of_repository("describe_images", maxResults=1),
    "ecr:GetDownloadUrlForLayer": _of_repository("get_download_url_for_layer", layerDigest=NOTHING),
    "ecr:GetLifecyclePolicy": _of_repository("get_lifecycle_policy"),
    "elasticloadbalancing:DescribeTargetGroups": _of_account(
        "elbv2", "describe_target_groups", PageSize=1
    ),
    "events:ListEventBuses": _of_account("events", "list_event_buses", Limit=1),
    "events:ListRules": _of_account("events", "list_rules", Limit=1),
    "events:ListTargetsByRule": _of_account("events", "list_targets_by_rule", Rule=NOBODY),
    "iam:GetRole": _of_account("iam", "get_role", RoleName=NOBODY),
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
    "lambda:ListFunctionUrlConfigs": _of_function("list_function_url_configs", MaxItems=1),
    "lambda:ListFunctions": _of_account("lambda", "list_functions", MaxItems=1),
    "lambda:ListProvisionedConcurrencyConfigs": _of_function(
        "list_provisioned_concurrency_configs", MaxItems=1
    ),
    "lambda:ListVersionsByFunction": _of_function("list_versions_by_function", MaxItems=1),
    "logs:FilterLogEvents": _of_log_group(
        "logs", "filter_log_events", startTime=0, endTime=1, limit=1
    ),
    "pipes:ListPipes": _of_account("pipes", "list_pipes", Limit=1),
    "scheduler:GetSchedule": _of_account("scheduler", "get_schedule", Name=NOBODY),
    "scheduler:ListSchedules": _of_account("scheduler", "list_schedules", MaxResults=1),
    "sns:ListSubscriptions": _of_account("sns", "list_subscriptions"),
    "states:ListStateMachines": _of_account("stepfunctions", "list_state_machines", maxResults=1),
}
