"""Reserved concurrency and what depends on it, through the lab's port."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from deployguard.lab import images
from deployguard.lab.client import Client

ROLE = "arn:aws:iam::123456789012:role/lab"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:echo"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:jobs"
TOO_MUCH = (
    "Specified ReservedConcurrentExecutions for function decreases account's "
    "UnreservedConcurrentExecution below its minimum value of [100]."
)


@pytest.fixture
def echo(lab: Client) -> Any:
    """A client of a lab with the virtual functions `echo`, which has a version, and `other`."""
    lab.set(virtual=True)
    client = lab.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    uri = images.push(images.of_files({"app.py": b""}), repository="echo", ecr=lab.client("ecr"))
    for name in ("echo", "other"):
        client.create_function(
            FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
        )
    client.publish_version(FunctionName="echo")
    client.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    return client


def reserve(client: Any, count: int, function: str = "echo") -> Any:
    return client.put_function_concurrency(
        FunctionName=function, ReservedConcurrentExecutions=count
    )


def shown(client: Any) -> Any:
    answer = client.get_function_concurrency(FunctionName="echo")
    return answer.get("ReservedConcurrentExecutions", "none")


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def test_none_zero_and_some_are_three_things(echo: Any) -> None:
    seen = [shown(echo)]
    for count in (0, 7):
        reserve(echo, count)
        seen.append(shown(echo))
    echo.delete_function_concurrency(FunctionName="echo")
    assert [*seen, shown(echo)] == ["none", 0, 7, "none"]


def test_a_reservation_cannot_come_back_once_another_function_has_taken_it(echo: Any) -> None:
    reserve(echo, 50)
    reserve(echo, 0)
    reserve(echo, 900, "other")
    with pytest.raises(ClientError) as refused:
        reserve(echo, 50)
    error = refused.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidParameterValueException", TOO_MUCH)
    assert shown(echo) == 0
    reserve(echo, 890, "other")
    with pytest.raises(ClientError):
        reserve(echo, 11)
    reserve(echo, 10)
    assert shown(echo) == 10


def test_nothing_reserved_throttles_callers_and_loses_events(echo: Any, lab: Client) -> None:
    reserve(echo, 0)
    with pytest.raises(ClientError) as refused:
        echo.invoke(FunctionName="echo", Qualifier="live")
    assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
    answer = echo.invoke(
        FunctionName="echo", Qualifier="live", InvocationType="Event", Payload=b'{"job": 1}'
    )
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    eventually(lambda: len(lab.lost()) == 1)
    (lost,) = lab.lost()
    assert lost["condition"] == "ZeroReservedConcurrency"
    assert (lost["function_arn"], json.loads(lost["payload"])) == (f"{ARN}:live", {"job": 1})
    assert lost["request_id"] == answer["ResponseMetadata"]["RequestId"]
    lab.reset()
    assert lab.lost() == []


@pytest.mark.parametrize("destroys", [False, True])
def test_whether_nothing_reserved_ends_idle_containers_is_a_knob(
    echo: Any, lab: Client, destroys: bool
) -> None:
    lab.set(zero_destroys=destroys)
    held = json.dumps({"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": 1000}})
    for parameters in ({}, {"Qualifier": "live"}):
        echo.invoke(FunctionName="echo", **parameters)
    echo.invoke(FunctionName="other")
    before = {one["id"] for one in lab.containers()}
    with ThreadPoolExecutor() as pool:
        busy = pool.submit(echo.invoke, FunctionName="echo", Payload=held)
        eventually(lambda: any(one["state"] == "busy" for one in lab.containers()))
        reserve(echo, 5)
        assert {one["id"] for one in lab.containers()} == before
        reserve(echo, 0)
        left = [(one["function"], one["state"]) for one in lab.containers()]
        assert b"breadcrumb" in busy.result(timeout=20)["Payload"].read()
    echoes = [("echo", "busy")] if destroys else [("echo", "busy"), ("echo", "idle")]
    assert sorted(left) == sorted([*echoes, ("other", "idle")])


def test_what_stands_in_the_way_of_a_reservation_can_be_read(echo: Any) -> None:
    """What a caller-safe use of reservation 0 has to look at first."""
    provisioned = echo.list_provisioned_concurrency_configs(FunctionName="echo")
    assert provisioned["ProvisionedConcurrencyConfigs"] == []
    echo.put_provisioned_concurrency_config(
        FunctionName="echo", Qualifier="live", ProvisionedConcurrentExecutions=2
    )
    (config,) = echo.list_provisioned_concurrency_configs(FunctionName="echo")[
        "ProvisionedConcurrencyConfigs"
    ]
    assert config["FunctionArn"] == f"{ARN}:live"
    assert config["RequestedProvisionedConcurrentExecutions"] == 2
    with pytest.raises(ClientError, match="doesn't have an EventInvokeConfig"):
        echo.get_function_event_invoke_config(FunctionName="echo", Qualifier="live")
    echo.put_function_event_invoke_config(
        FunctionName="echo",
        Qualifier="live",
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    )
    found = echo.get_function_event_invoke_config(FunctionName="echo", Qualifier="live")
    assert found["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
    listed = echo.list_function_event_invoke_configs(FunctionName="echo")
    assert [one["FunctionArn"] for one in listed["FunctionEventInvokeConfigs"]] == [f"{ARN}:live"]
    echo.create_event_source_mapping(FunctionName=f"{ARN}:live", EventSourceArn=QUEUE)
    mappings = echo.list_event_source_mappings(FunctionName=f"{ARN}:live")["EventSourceMappings"]
    assert [(one["FunctionArn"], one["EventSourceArn"]) for one in mappings] == [
        (f"{ARN}:live", QUEUE)
    ]


def test_each_qualifier_has_its_own_policy(echo: Any) -> None:
    echo.add_permission(
        FunctionName="echo",
        Qualifier="live",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    )
    policy = json.loads(echo.get_policy(FunctionName="echo", Qualifier="live")["Policy"])
    assert [statement["Resource"] for statement in policy["Statement"]] == [f"{ARN}:live"]
    for parameters in ({}, {"Qualifier": "1"}):
        with pytest.raises(ClientError) as refused:
            echo.get_policy(FunctionName="echo", **parameters)
        assert refused.value.response["Error"]["Code"] == "ResourceNotFoundException"


def test_a_version_goes_alone_once_no_alias_needs_it(echo: Any) -> None:
    with pytest.raises(ClientError, match=r"aliases reference it: \[live\]"):
        echo.delete_function(FunctionName="echo", Qualifier="1")
    echo.delete_alias(FunctionName="echo", Name="live")
    echo.delete_function(FunctionName="echo", Qualifier="1")
    versions = echo.list_versions_by_function(FunctionName="echo")["Versions"]
    assert [one["Version"] for one in versions] == ["$LATEST"]
