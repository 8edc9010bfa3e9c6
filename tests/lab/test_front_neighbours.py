"""What deployguard's users have around a function, in moto behind the lab's port."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployguard.lab.client import Client

DEAD = "arn:aws:sqs:eu-west-1:123456789012:dead"


def test_a_queue_says_where_its_dead_letters_go(lab: Client) -> None:
    sqs = lab.client("sqs")
    sqs.create_queue(QueueName="dead")
    policy = {"deadLetterTargetArn": DEAD, "maxReceiveCount": 5}
    jobs = sqs.create_queue(QueueName="jobs", Attributes={"RedrivePolicy": json.dumps(policy)})[
        "QueueUrl"
    ]
    told = sqs.get_queue_attributes(QueueUrl=jobs, AttributeNames=["RedrivePolicy"])
    assert json.loads(told["Attributes"]["RedrivePolicy"]) == policy
    bare = sqs.get_queue_url(QueueName="dead")["QueueUrl"]
    told = sqs.get_queue_attributes(QueueUrl=bare, AttributeNames=["RedrivePolicy"])
    assert "Attributes" not in told or "RedrivePolicy" not in told["Attributes"]


@pytest.mark.parametrize("values", [[3.0, 4.0], []])
def test_metrics_that_were_put_are_read_as_statistics(lab: Client, values: list[float]) -> None:
    watch = lab.client("cloudwatch")
    now = datetime.now(UTC)
    about: dict[str, Any] = {
        "Namespace": "AWS/Lambda",
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "FunctionName", "Value": "echo"}],
    }
    for value in values:
        datum = {**about, "Value": value, "Timestamp": now - timedelta(minutes=5)}
        watch.put_metric_data(Namespace=datum.pop("Namespace"), MetricData=[datum])
    read = watch.get_metric_statistics(
        **about,
        StartTime=now - timedelta(hours=1),
        EndTime=now,
        Period=3600,
        Statistics=["Sum", "Maximum"],
    )
    points = [(point["Sum"], point["Maximum"]) for point in read["Datapoints"]]
    assert points == ([(7.0, 4.0)] if values else [])


def test_a_stage_exports_what_was_deployed_and_not_what_is_edited(lab: Client) -> None:
    web = lab.client("apigateway")
    api = web.create_rest_api(name="web")["id"]
    (root,) = web.get_resources(restApiId=api)["items"]
    method = {"restApiId": api, "resourceId": root["id"], "httpMethod": "GET"}
    web.put_method(**method, authorizationType="NONE")

    def integrate(uri: str) -> None:
        web.put_integration(**method, type="HTTP", integrationHttpMethod="GET", uri=uri)

    def exported(stage: str) -> Any:
        answer = web.get_export(restApiId=api, stageName=stage, exportType="swagger")
        document = json.loads(answer["body"].read())
        return document["paths"]["/"]["get"]["x-amazon-apigateway-integration"]["uri"]

    integrate("http://old.example.com")
    web.create_deployment(restApiId=api, stageName="old")
    integrate("http://new.example.com")
    assert exported("old") == "http://old.example.com"
    web.create_deployment(restApiId=api, stageName="new")
    assert exported("new") == "http://new.example.com"
    with pytest.raises(web.exceptions.NotFoundException):
        exported("none")


def test_versions_of_a_state_machine_are_listed_newest_first(lab: Client) -> None:
    states = lab.client("stepfunctions")
    definition = {"StartAt": "s", "States": {"s": {"Type": "Succeed"}}}
    machine = states.create_state_machine(
        name="m", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/m"
    )["stateMachineArn"]
    assert states.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"] == []
    made = [states.publish_state_machine_version(stateMachineArn=machine) for _ in range(2)]
    listed = states.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    assert [each["stateMachineVersionArn"] for each in listed] == [
        each["stateMachineVersionArn"] for each in reversed(made)
    ]
    with pytest.raises(states.exceptions.StateMachineDoesNotExist):
        states.publish_state_machine_version(stateMachineArn=f"{machine}x")
