"""Faults of every kind and phase, as an SDK or a whole client process meets them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from deployguard.lab import images
from deployguard.lab.client import Client

ONCE = Config(
    retries={"total_max_attempts": 1}, read_timeout=60
)  # moto loads a service at its first call
ROLE = "arn:aws:iam::123456789012:role/lab"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:echo"
BUSY = "The operation cannot be performed at this time. An update is in progress for resource: "


@pytest.fixture
def echo(lab: Client) -> Client:
    """A lab whose virtual function `echo` is active."""
    lab.set(virtual=True)
    uri = images.push(images.of_files({"app.py": b""}), repository="echo", ecr=lab.client("ecr"))
    lab.client("lambda").create_function(
        FunctionName="echo", PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
    )
    return lab


def reserve(lab: Client, count: int) -> Any:
    return lab.client("lambda", config=ONCE).put_function_concurrency(
        FunctionName="echo", ReservedConcurrentExecutions=count
    )


def reserved(lab: Client) -> int | None:
    answer = lab.client("lambda").get_function_concurrency(FunctionName="echo")
    found: int | None = answer.get("ReservedConcurrentExecutions")
    return found


ACTION = "lambda:PutFunctionConcurrency"
DENIED = (
    f"User: arn:aws:iam::123456789012:user/lab is not authorized to perform: {ACTION} on resource: "
    f"{ARN} because no identity-based policy allows the {ACTION} action"
)
FAILED = "An error occurred and the request cannot be processed."
KINDS = {
    "throttle": (429, "TooManyRequestsException", "Rate exceeded"),
    "error": (500, "ServiceException", FAILED),
    "conflict": (409, "ResourceConflictException", BUSY + ARN),
    "deny": (403, "AccessDeniedException", DENIED),
}


@pytest.mark.parametrize(("phase", "after"), [("before", None), ("after", 7)])
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_replaces_the_answer_before_or_after_the_change(
    echo: Client, kind: str, phase: str, after: int | None
) -> None:
    status, code, message = KINDS[kind]
    echo.fault(operation="PutFunctionConcurrency", kind=kind, phase=phase)
    with pytest.raises(ClientError) as caught:
        reserve(echo, 7)
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"] == answer["Error"] | {"Code": code, "Message": message}
    assert reserved(echo) == after
    reserve(echo, 8)
    assert reserved(echo) == 8


@pytest.mark.parametrize(("phase", "after"), [("before", None), ("after", 7)])
def test_a_lost_answer_closes_the_connection(echo: Client, phase: str, after: int | None) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="lose", phase=phase)
    with pytest.raises(ConnectionClosedError):
        reserve(echo, 7)
    assert reserved(echo) == after


def test_a_refused_revision_is_a_412(echo: Client) -> None:
    echo.fault(operation="UpdateFunctionConfiguration", kind="refuse")
    with pytest.raises(ClientError, match="The Revision Id provided does not match") as caught:
        echo.client("lambda").update_function_configuration(FunctionName="echo", Timeout=9)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_delay_holds_the_answer_up(echo: Client, phase: str) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="delay", phase=phase, seconds=0.5)
    started = time.monotonic()
    reserve(echo, 7)
    assert time.monotonic() - started >= 0.5
    assert reserved(echo) == 7


def test_status_code_and_message_can_be_chosen(echo: Client) -> None:
    echo.fault(operation="Invoke", kind="error", status=502, code="KMSDisabled", message="why")
    with pytest.raises(ClientError, match="why") as caught:
        echo.client("lambda", config=ONCE).invoke(FunctionName="echo")
    answer = caught.value.response
    assert answer["Error"]["Code"] == "KMSDisabled"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 502


def test_the_sdk_retries_a_throttled_call_by_itself(echo: Client) -> None:
    echo.fault(operation="GetFunction", kind="throttle")
    echo.client("lambda").get_function(FunctionName="echo")
    assert echo.calls()["lambda.GetFunction"] == 2
    assert [(fault["calls"], fault["hits"]) for fault in echo.faults()] == [(2, 1)]
    echo.clear_faults()
    assert echo.faults() == []


CALLS: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("ecr", "DescribeRepositories", lambda ecr: ecr.describe_repositories()),
    ("sqs", "CreateQueue", lambda sqs: sqs.create_queue(QueueName="q")),
    ("sts", "GetCallerIdentity", lambda sts: sts.get_caller_identity()),
    ("cloudwatch", "ListMetrics", lambda watch: watch.list_metrics()),
    ("s3", "ListBuckets", lambda s3: s3.list_buckets()),
    ("ec2", "DescribeRegions", lambda ec2: ec2.describe_regions()),
    ("pipes", "ListPipes", lambda pipes: pipes.list_pipes()),
]


@pytest.mark.parametrize(("service", "operation", "call"), CALLS)
def test_faults_reach_every_protocol(
    lab: Client, service: str, operation: str, call: Callable[[Any], Any]
) -> None:
    lab.fault(operation=operation, kind="throttle")
    client = lab.client(service, config=ONCE)
    with pytest.raises(ClientError, match="Rate exceeded") as caught:
        call(client)
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    call(client)


def test_a_denied_invoke_names_its_own_permission(echo: Client) -> None:
    echo.fault(operation="Invoke", kind="deny", function="other")
    echo.fault(operation="Invoke", kind="deny", function="echo")
    with pytest.raises(ClientError, match=r"perform: lambda:InvokeFunction on resource: "):
        echo.client("lambda", config=ONCE).invoke(FunctionName=f"{ARN}:$LATEST")
    assert [fault["hits"] for fault in echo.faults()] == [0, 1]


CHILD = """
import boto3, sys
client = boto3.client("lambda")
print("ready", flush=True)
sys.stdin.readline()
client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=7)
print("answered", flush=True)
sys.stdin.readline()
"""


@pytest.mark.parametrize(
    ("phase", "after"), [("before", None), ("after", 7), ("reply", 7)], ids=str
)
def test_a_client_is_killed_at_the_chosen_moment(
    echo: Client, phase: str, after: int | None
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        env=os.environ | echo.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        echo.fault(operation="PutFunctionConcurrency", kind="kill", phase=phase, pid=child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.wait(timeout=20) == -signal.SIGKILL
    assert reserved(echo) == after
    assert echo.calls()["lambda.PutFunctionConcurrency"] == 1


def test_a_connection_can_be_lost_after_the_reply(lab: Client) -> None:
    lab.fault(operation="GetAccountSettings", kind="lose", phase="reply", nth=2)
    host, port = lab.endpoint.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    for _ in range(2):
        connection.request("GET", "/2016-08-19/account-settings/")
        answer = connection.getresponse()
        assert (answer.status, "AccountLimit" in json.load(answer)) == (200, True)
    assert connection.sock.recv(1) == b""
    connection.close()


def test_the_write_log_has_the_applied_changes_in_order(echo: Client) -> None:
    seen = len(echo.writes())
    echo.fault(operation="PutFunctionConcurrency", kind="lose", phase="before")
    echo.fault(operation="PutFunctionConcurrency", kind="lose", phase="after", nth=3)
    for count in (5, 6, 7):
        try:
            reserve(echo, count)
        except HTTPClientError:
            continue
    echo.client("lambda").delete_function_concurrency(FunctionName="echo")
    writes = echo.writes()[seen:]
    assert [(write["operation"], write["resource"]) for write in writes] == [
        ("PutFunctionConcurrency", ARN),
        ("PutFunctionConcurrency", ARN),
        ("DeleteFunctionConcurrency", ARN),
    ]
    changes = [(write["before"], write["after"]) for write in writes]
    assert changes[0][1] == changes[1][0]
    assert changes[1][1] == changes[2][0]
    assert changes[0][1] != changes[1][1]
    assert all(write["access_key"] == "LABDEPLOYGUARDACCESS" for write in writes)
    assert len({write["request_id"] for write in writes}) == 3
