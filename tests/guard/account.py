"""What calls a team's function in the lab's account, one of each kind, and the audit of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.guard.world import Finished, Team

REGION, ACCOUNT = "eu-west-1", "123456789012"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:reports"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/caller"
PATH = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions"
INVOKE = "arn:aws:states:::lambda:invoke"


def routes(team: Team, *arguments: str, **environment: str) -> tuple[Finished, dict[str, Any]]:
    """Run the command, and return what it left behind, with its document."""
    finished = team.run("routes", team.name, *arguments, **environment)
    path = team.folder / "deployguard-report" / "routes.json"
    return finished, json.loads(path.read_text()) if path.exists() else {}


def machine(team: Team, name: str, *states: dict[str, Any], **how: Any) -> Any:
    """Create a state machine of these tasks, each of which ends it."""
    tasks = {f"s{n}": {"Type": "Task", "End": True, **state} for n, state in enumerate(states)}
    return team.lab.client("stepfunctions").create_state_machine(
        name=name,
        definition=json.dumps({"StartAt": "s0", "States": tasks}),
        roleArn=ROLE,
        **how,
    )


def rest_api(
    team: Team, uri: str, *, name: str = "web", stages: Sequence[str] = ("prod",), **how: Any
) -> None:
    """Deploy a REST API with one method, to stages that share the deployment."""
    client = team.lab.client("apigateway")
    api = client.create_rest_api(name=name)["id"]
    (root,) = client.get_resources(restApiId=api)["items"]
    method = {"restApiId": api, "resourceId": root["id"], "httpMethod": "GET"}
    client.put_method(**method, authorizationType="NONE")
    client.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    deployment = client.create_deployment(restApiId=api)["id"]
    for stage in stages:
        client.create_stage(restApiId=api, stageName=stage, deploymentId=deployment, **how)


def subscribe(team: Team) -> None:
    """Subscribe an alias to a topic, and let it call."""
    client = team.lab.client("sns")
    topic = client.create_topic(Name="news")["TopicArn"]
    client.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=f"{FUNCTION}:live")
    allow(team, "sns.amazonaws.com", topic, "live")


def notify(team: Team) -> None:
    """Have a bucket notify an alias, and let it call."""
    client = team.lab.client("s3")
    location: Any = {"LocationConstraint": REGION}
    client.create_bucket(Bucket="uploads", CreateBucketConfiguration=location)
    told = {"LambdaFunctionArn": f"{FUNCTION}:live", "Events": ["s3:ObjectCreated:*"]}
    client.put_bucket_notification_configuration(
        Bucket="uploads", NotificationConfiguration={"LambdaFunctionConfigurations": [told]}
    )
    allow(team, "s3.amazonaws.com", "arn:aws:s3:::uploads", "live")


def allow(team: Team, principal: str, source: str | None, qualifier: str | None = None) -> None:
    """Let a service call a qualifier."""
    extra = {"Qualifier": qualifier} if qualifier else {}
    extra |= {"SourceArn": source} if source else {}
    team.functions.add_permission(
        FunctionName=team.name,
        StatementId=f"s{principal.split('.', maxsplit=1)[0]}",
        Action="lambda:InvokeFunction",
        Principal=principal,
        **extra,
    )


def rule(
    team: Team, name: str, target: str, *, bus: str = "default", state: str = "ENABLED"
) -> None:
    """Create a rule with one target."""
    events = team.lab.client("events")
    events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["orders"]}', State=state)
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "1", "Arn": target}])


def schedule(team: Team, name: str, target: dict[str, Any]) -> None:
    """Create a schedule."""
    team.lab.client("scheduler").create_schedule(
        Name=name,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"RoleArn": ROLE, **target},
    )


def pipe(team: Team, name: str, *, target: str, enrichment: str = "") -> None:
    """Create a pipe from a queue."""
    team.lab.client("pipes").create_pipe(
        Name=name,
        Source=f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs",
        Target=target,
        RoleArn=ROLE,
        **({"Enrichment": enrichment} if enrichment else {}),
    )


def count(team: Team, invocations: float, resource: str | None = None) -> None:
    """Let CloudWatch have counted invocations, in all or of one resource."""
    dimensions = [{"Name": "FunctionName", "Value": team.name}]
    if resource:
        dimensions.append({"Name": "Resource", "Value": resource})
    datum: dict[str, Any] = {
        "MetricName": "Invocations",
        "Dimensions": dimensions,
        "Value": invocations,
        "Timestamp": datetime.now(UTC) - timedelta(days=3),
    }
    team.lab.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])
