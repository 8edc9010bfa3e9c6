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
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
)

from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

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


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


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
EXPIRED = "The security token included in the request is expired"
FAILED = "An error occurred and the request cannot be processed."
KINDS = {
    "throttle": (429, "TooManyRequestsException", "Rate exceeded"),
    "error": (500, "ServiceException", FAILED),
    "conflict": (409, "ResourceConflictException", BUSY + ARN),
    "deny": (403, "AccessDeniedException", DENIED),
    "expire": (403, "ExpiredTokenException", EXPIRED),
    "gone": (404, "ResourceNotFoundException", f"Function not found: {ARN}"),
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


@pytest.mark.parametrize(("service", "operation", "call"), CALLS)
def test_expired_credentials_have_the_code_of_each_protocol(
    lab: Client, service: str, operation: str, call: Callable[[Any], Any]
) -> None:
    lab.fault(operation=operation, kind="expire")
    with pytest.raises(ClientError, match="expired") as caught:
        call(lab.client(service, config=ONCE))
    old = service in ("s3", "sts", "ec2")  # of the protocols that speak XML
    assert caught.value.response["Error"]["Code"] == (
        "ExpiredToken" if old else "ExpiredTokenException"
    )


def test_a_function_that_is_gone_is_named_with_what_it_was_asked_by(echo: Client) -> None:
    echo.fault(operation="*", kind="gone", times=None)
    client = echo.client("lambda")
    for call, parameters, arn in (
        (client.invoke, {}, f"{ARN}:$LATEST"),
        (client.invoke, {"Qualifier": "live"}, f"{ARN}:live"),
        (client.get_function, {}, ARN),
        (client.get_alias, {"Name": "live"}, ARN),
    ):
        with pytest.raises(ClientError) as caught:
            call(FunctionName="echo", **parameters)
        assert caught.value.response["Error"]["Message"] == f"Function not found: {arn}"


def test_a_garbled_answer_has_its_status_and_no_json(echo: Client) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="garble")
    assert "ReservedConcurrentExecutions" not in reserve(echo, 7)  # what the SDK makes of it
    assert reserved(echo) == 7
    entry = next(call for call in echo.log() if call["operation"] == "PutFunctionConcurrency")
    assert entry["status"] == 200


@pytest.mark.parametrize(("phase", "after"), [("before", None), ("after", 7)])
def test_a_call_that_hangs_is_never_answered(echo: Client, phase: str, after: int | None) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="hang", phase=phase)
    impatient = Config(retries={"total_max_attempts": 1}, read_timeout=0.5)
    with pytest.raises(ReadTimeoutError):
        echo.client("lambda", config=impatient).put_function_concurrency(
            FunctionName="echo", ReservedConcurrentExecutions=7
        )
    assert reserved(echo) == after
    assert echo.log()[-2]["status"] is None


def test_a_lab_with_a_hanging_and_a_held_call_still_ends() -> None:
    with ThreadPoolExecutor() as pool:
        with running_lab() as lab:
            lab.fault(operation="ListFunctions", kind="hang")
            lab.fault(operation="GetAccountSettings", kind="hold")
            client = lab.client("lambda", config=ONCE)
            calls = [pool.submit(client.list_functions), pool.submit(client.get_account_settings)]
            eventually(lambda: [fault["hits"] for fault in lab.faults()] == [1, 1])
        for call in calls:
            assert isinstance(call.exception(timeout=20), ConnectionClosedError)


@pytest.mark.parametrize(("phase", "meanwhile"), [("before", None), ("after", 7)])
def test_a_held_call_waits_for_its_release(echo: Client, phase: str, meanwhile: int | None) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="hold", phase=phase)
    with ThreadPoolExecutor() as pool:
        call = pool.submit(reserve, echo, 7)
        eventually(lambda: echo.faults()[0]["hits"] == 1)
        assert reserved(echo) == meanwhile
        assert echo.release("Invoke") == 0
        assert not call.done()
        assert echo.release() == 1
        assert call.result(timeout=20)["ReservedConcurrentExecutions"] == 7
    assert reserved(echo) == 7
    assert echo.release() == 0


def test_a_held_call_is_applied_late_even_if_its_client_is_gone(echo: Client) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="hold")
    impatient = Config(retries={"total_max_attempts": 1}, read_timeout=0.5)
    with pytest.raises(ReadTimeoutError):
        echo.client("lambda", config=impatient).put_function_concurrency(
            FunctionName="echo", ReservedConcurrentExecutions=7
        )
    assert reserved(echo) is None
    assert echo.release() == 1
    eventually(lambda: reserved(echo) == 7)


def test_a_release_can_let_one_operation_go_on_alone(echo: Client) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="hold")
    echo.fault(operation="DeleteFunctionConcurrency", kind="hold")
    client = echo.client("lambda", config=ONCE)
    with ThreadPoolExecutor() as pool:
        put = pool.submit(reserve, echo, 7)
        delete = pool.submit(client.delete_function_concurrency, FunctionName="echo")
        eventually(lambda: [fault["hits"] for fault in echo.faults()] == [1, 1])
        assert echo.release("DeleteFunctionConcurrency") == 1
        delete.result(timeout=20)
        assert not put.done()
        assert echo.release("PutFunctionConcurrency") == 1
        put.result(timeout=20)
    assert [write["operation"] for write in echo.writes()[-2:]] == [
        "DeleteFunctionConcurrency",
        "PutFunctionConcurrency",
    ]


def test_a_reset_loses_what_is_held_and_applies_none_of_it(echo: Client) -> None:
    echo.fault(operation="PutFunctionConcurrency", kind="hold")
    with ThreadPoolExecutor() as pool:
        call = pool.submit(reserve, echo, 7)
        eventually(lambda: echo.faults()[0]["hits"] == 1)
        echo.reset()
        assert isinstance(call.exception(timeout=20), ConnectionClosedError)
    assert echo.writes() == []


def test_a_rule_tells_one_alias_from_another(echo: Client) -> None:
    client = echo.client("lambda", config=ONCE)
    client.publish_version(FunctionName="echo")
    echo.fault(operation="*", kind="error", alias="live", times=None)
    for name in ("live", "deployguard"):
        alias = {"FunctionName": "echo", "Name": name}
        refused = 0
        for call in (
            partial(client.create_alias, FunctionVersion="1"),
            partial(client.update_alias, Description="d"),
            client.get_alias,
            client.delete_alias,
        ):
            try:
                call(**alias)
            except ClientError:
                refused += 1
        assert refused == (4 if name == "live" else 0)


def test_a_rule_tells_one_qualifier_from_another(echo: Client) -> None:
    client = echo.client("lambda", config=ONCE)
    client.publish_version(FunctionName="echo")
    echo.fault(operation="Invoke", kind="error", qualifier="1", times=None)
    client.invoke(FunctionName="echo")
    for parameters in ({"FunctionName": "echo", "Qualifier": "1"}, {"FunctionName": f"{ARN}:1"}):
        with pytest.raises(ClientError, match="ServiceException"):
            client.invoke(**parameters)


def test_one_of_two_callers_is_hit_and_their_writes_are_told_apart(echo: Client) -> None:
    echo.fault(operation="*", kind="expire", access_key="FIRSTGUARD", times=None)
    first = echo.client("lambda", config=ONCE, access_key="FIRSTGUARD")
    second = echo.client("lambda", config=ONCE, access_key="SECONDGUARD")
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        first.invoke(FunctionName="echo")
    second.invoke(FunctionName="echo")
    second.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=7)
    assert echo.writes()[-1]["access_key"] == "SECONDGUARD"
    assert [(call["access_key"], call["status"]) for call in echo.log()[-3:]] == [
        ("FIRSTGUARD", 403),
        ("SECONDGUARD", 200),
        ("SECONDGUARD", 200),
    ]


def test_the_log_has_every_call_by_its_arrival(echo: Client) -> None:
    seen = len(echo.log())
    client = echo.client("lambda", config=ONCE)
    client.publish_version(FunctionName="echo")
    answer = client.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    with pytest.raises(ClientError):
        client.get_alias(FunctionName="echo", Name="none")
    client.invoke(FunctionName="echo", Qualifier="live")
    echo.client("sts").get_caller_identity()
    calls = echo.log()[seen:]
    members = ("service", "operation", "resource", "alias", "qualifier", "status")
    assert [tuple(call[name] for name in members) for call in calls] == [
        ("lambda", "PublishVersion", "echo", "", "", 201),
        ("lambda", "CreateAlias", "echo", "live", "", 201),
        ("lambda", "GetAlias", "echo", "none", "", 404),
        ("lambda", "Invoke", "echo", "", "live", 200),
        ("sts", "GetCallerIdentity", "", "", "", 200),
    ]
    assert [call["seq"] for call in calls] == list(range(seen + 1, seen + 6))
    assert [call["at"] for call in calls] == sorted(call["at"] for call in calls)
    assert calls[1]["request_id"] == answer["ResponseMetadata"]["RequestId"]


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


def test_a_signal_other_than_kill_loses_no_call(echo: Client) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(15, lambda *_: None)\n{CHILD}"],
        env=os.environ | echo.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        echo.fault(operation="*", kind="kill", signal=int(signal.SIGTERM), pid=child.pid)
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "answered\n"
        child.stdin.write("\n")
    assert reserved(echo) == 7


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
