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
