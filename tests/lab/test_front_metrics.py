"""What CloudWatch has counted of the lab's invocations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.state_machines import Stage, eventually


def read(
    stage: Stage, metric: str, resource: str | None = None, *, statistic: str = "Sum"
) -> list[float]:
    """Return the points of one metric of the function in the last ten minutes."""
    dimensions = [{"Name": "FunctionName", "Value": "fn"}]
    if resource is not None:
        dimensions.append({"Name": "Resource", "Value": resource})
    now = datetime.now(UTC)
    told = stage.lab.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=dimensions,
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=[statistic],
    )
    return [point[statistic] for point in told["Datapoints"]]


def test_invocations_errors_and_throttles_are_counted_by_what_was_called(stage: Stage) -> None:
    stage.function("return 1 // event")
    stage.functions.publish_version(FunctionName="fn")
    stage.functions.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    for qualifier, payload in (("live", b"1"), ("live", b"0"), ("1", b"1")):
        stage.functions.invoke(FunctionName="fn", Qualifier=qualifier, Payload=payload)
    stage.functions.invoke(FunctionName="fn", Payload=b"1")
    stage.functions.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="Rate Exceeded"):
        stage.functions.invoke(FunctionName="fn", Qualifier="live", Payload=b"1")
    assert read(stage, "Invocations") == [4.0]
    assert read(stage, "Invocations", "fn:live") == [2.0]
    assert read(stage, "Invocations", "fn:1") == [1.0]
    assert read(stage, "Invocations", "fn") == [1.0]
    assert read(stage, "Errors") == read(stage, "Errors", "fn:live") == [1.0]
    assert read(stage, "Errors", "fn:1") == [0.0]
    assert read(stage, "Throttles") == read(stage, "Throttles", "fn:live") == [1.0]
    assert read(stage, "Errors", "fn:2") == []


def test_how_long_and_how_many_at_once_is_measured(stage: Stage) -> None:
    stage.function("time.sleep(0.3)")

    def call(_number: int) -> Any:
        return stage.functions.invoke(FunctionName="fn")

    with ThreadPoolExecutor(3) as callers:
        list(callers.map(call, range(3)))
    assert read(stage, "ConcurrentExecutions", statistic="Maximum") == [3.0]
    (longest,) = read(stage, "Duration", statistic="Maximum")
    assert 300 <= longest < 3000
    assert read(stage, "Duration", statistic="SampleCount") == [3.0]


def test_asynchronous_attempts_are_counted(stage: Stage) -> None:
    stage.lab.set(async_retry_s=0.01)
    stage.function("raise ValueError")
    stage.functions.invoke(FunctionName="fn", InvocationType="Event")
    eventually(lambda: read(stage, "Errors") == [3.0])


def test_queries_and_lists_show_the_same(stage: Stage) -> None:
    stage.function("return 1")
    stage.functions.invoke(FunctionName="fn")
    watch = stage.lab.client("cloudwatch")
    dimensions = [{"Name": "FunctionName", "Value": "fn"}]
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": dimensions}
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    now = datetime.now(UTC)
    told = watch.get_metric_data(
        MetricDataQueries=[query],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
    )
    assert told["MetricDataResults"][0]["Values"] == [1.0]
    stage.functions.invoke(FunctionName="fn")
    assert read(stage, "Invocations") == [2.0]
    listed = watch.list_metrics(Namespace="AWS/Lambda", MetricName="Invocations")["Metrics"]
    names = [[each["Name"] for each in metric["Dimensions"]] for metric in listed]
    assert sorted(names) == [["FunctionName"], ["FunctionName", "Resource"]]


def test_what_was_put_by_others_is_added(stage: Stage) -> None:
    stage.function("return 1")
    stage.functions.invoke(FunctionName="fn")
    datum = {
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "FunctionName", "Value": "fn"}],
        "Value": 5.0,
        "Timestamp": datetime.now(UTC),
    }
    stage.lab.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])
    assert sum(read(stage, "Invocations")) == 6.0


def test_metrics_appear_after_their_delay(stage: Stage) -> None:
    stage.lab.set(metric_delay_s=3600)
    stage.function("return 1")
    stage.functions.invoke(FunctionName="fn")
    assert read(stage, "Invocations") == []
    stage.lab.set(metric_delay_s=0)
    assert read(stage, "Invocations") == [1.0]
