"""The lab from end to end through boto3: build, push, create, invoke, read the logs."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from deployguard.lab import commands, images
from deployguard.lab.client import Client
from deployguard.lab.images import OciImage
from deployguard.lab.serve import running_lab
from deployguard.lab.signature import ACCESS_KEY, SECRET_KEY

ROLE = "arn:aws:iam::123456789012:role/lab"
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=60)
HANDLER = """
import json, os, uuid
CONTAINER = uuid.uuid4().hex
STAMP = json.load(open(os.environ["DEPLOYGUARD_STAMP"]))

def handler(event, context):
    print("marker", event["text"])
    return {"container": CONTAINER, "build_id": STAMP["build_id"], "mode": os.environ["MODE"]}
"""
DOCKERFILE = """
FROM public.ecr.aws/lambda/python:3.12
ENV MODE=careful
COPY app.py build-stamp.json ${LAMBDA_TASK_ROOT}/
CMD ["app.handler"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a handler, a Dockerfile and a stamp."""
    stamp = {"schema": "deployguard/stamp/v1", "build_id": "b1"}
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "build-stamp.json").write_text(json.dumps(stamp))
    return tmp_path


def push(lab: Client, image: OciImage, **more: Any) -> str:
    return images.push(image, repository="reports", ecr=lab.client("ecr"), **more)


def create(lab: Client, uri: str, *, name: str = "reports", **more: Any) -> Any:
    client = lab.client("lambda", config=ONCE)
    client.create_function(
        FunctionName=name, PackageType="Image", Code={"ImageUri": uri}, Role=ROLE, **more
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name)
    return client


def settled(look: Callable[[], Any], wanted: Any, *, limit_s: float = 10) -> None:
    deadline = time.monotonic() + limit_s
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, f"still {seen!r}, not {wanted!r}"
        time.sleep(0.02)


def test_from_a_folder_to_the_log_lines(lab: Client, folder: Path) -> None:
    uri = commands.push(
        folder,
        repository="reports",
        tag="v1",
        labels={"dev.deployguard.build-id": "b1"},
        lab=lab,
    )
    client = create(lab, uri)
    digest = uri.rpartition("@sha256:")[2]
    found = client.get_function(FunctionName="reports")
    assert found["Configuration"]["CodeSha256"] == digest
    assert found["Code"]["ResolvedImageUri"] == uri
    replies = []
    for text in ("one", "two"):
        answer = client.invoke(
            FunctionName="reports", Payload=json.dumps({"text": text}), LogType="Tail"
        )
        assert "FunctionError" not in answer
        assert answer["ExecutedVersion"] == "$LATEST"
        assert f"marker {text}" in base64.b64decode(answer["LogResult"]).decode()
        replies.append(json.load(answer["Payload"]))
    assert replies[0] == replies[1]
    assert replies[0]["build_id"] == "b1"
    assert replies[0]["mode"] == "careful"
    container = lab.containers()[0]
    logs = lab.client("logs")
    events = logs.filter_log_events(
        logGroupName="/aws/lambda/reports", logStreamNames=[container["log_stream"]]
    )["events"]
    assert [e["message"].strip() for e in events if "marker" in e["message"]] == [
        "marker one",
        "marker two",
    ]
    assert sum(e["message"].startswith("REPORT") for e in events) == 2
    assert sum("Init Duration" in e["message"] for e in events) == 1
    assert all(abs(e["timestamp"] / 1000 - time.time()) < 60 for e in events)


def test_log_lines_can_arrive_late(lab: Client) -> None:
    lab.set(virtual=True, log_delay_s=1)
    client = create(lab, push(lab, images.of_files({"app.py": b""})))
    client.invoke(FunctionName="reports")
    logs = lab.client("logs")
    assert logs.describe_log_groups()["logGroups"] == []
    lab.set(log_delay_s=0)
    assert [g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]] == [
        "/aws/lambda/reports"
    ]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("reports:v9", "Source image {} does not exist. Provide a valid source image."),
        ("other:v1", "Source image {} does not exist. Provide a valid source image."),
        (
            "reports@sha256:" + "0" * 64,
            "Source image {} does not exist. Provide a valid source image.",
        ),
        ("reports", "Source image {} is not valid. Provide a valid source image."),
        (
            "reports:multi",
            (
                "The image manifest, config or layer media type for the source image {} is "
                "not supported."
            ),
        ),
    ],
)
def test_lambda_refuses_images_in_its_own_words(lab: Client, uri: str, message: str) -> None:
    image = images.of_files({"app.py": b""})
    push(lab, image, tags=["v1"])
    push(lab, images.index([image]), tags=["multi"])
    full = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{uri}"
    with pytest.raises(ClientError) as caught:
        create(lab, full)
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == (
        "InvalidParameterValueException",
        message.format(full),
    )


def test_an_image_of_another_region_is_refused(lab: Client) -> None:
    uri = push(lab, images.of_files({"app.py": b""}))
    with pytest.raises(ClientError, match=r"is not valid\. Provide a valid source image"):
        lab.client("lambda", region="us-east-1").create_function(
            FunctionName="reports", PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
        )


def test_docker_media_types_run_as_well(lab: Client) -> None:
    handler = b"def handler(event, context): return 7"
    image = images.as_docker(images.of_files({"app.py": handler}))
    client = create(lab, push(lab, image, tags=["v1"]))
    assert client.invoke(FunctionName="reports")["Payload"].read() == b"7"


def canary(lab: Client, number: int, *, hold_ms: int) -> bytes:
    """Return a signed canary as it goes over the wire."""
    event = {"deployguard": {"canary": 1, "nonce": f"{number:032x}", "hold_ms": hold_ms}}
    body = json.dumps(event).encode()
    url = f"{lab.endpoint}/2015-03-31/functions/reports/invocations"
    request = AWSRequest("POST", url, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "lambda", "eu-west-1").add_auth(request)
    head = [
        f"POST {url.removeprefix(lab.endpoint)} HTTP/1.1",
        f"Host: {lab.endpoint.removeprefix('http://')}",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in request.headers.items()),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def burst(lab: Client, count: int, *, hold_ms: int) -> list[dict[str, Any]]:
    """Open all connections first, then send all canaries, and return the breadcrumbs."""
    host, port = lab.endpoint.removeprefix("http://").split(":")
    requests = [canary(lab, number, hold_ms=hold_ms) for number in range(count)]
    streams = [await asyncio.open_connection(host, int(port)) for _ in requests]
    for request, (_, writer) in zip(requests, streams, strict=True):
        writer.write(request)
    answers = await asyncio.gather(*(reader.read() for reader, _ in streams))
    for _, writer in streams:
        writer.close()
    return [json.loads(each.partition(b"\r\n\r\n")[2])["deployguard"] for each in answers]


def test_500_overlapping_invocations_meet_500_containers(lab: Client) -> None:
    lab.set(virtual=True)
    stamp = json.dumps({"schema": "deployguard/stamp/v1", "build_id": "b7"}).encode()
    create(lab, push(lab, images.of_files({"app.py": b"", "build-stamp.json": stamp})), Timeout=20)
    breadcrumbs = asyncio.run(burst(lab, 500, hold_ms=3000))
    assert len({crumb["container"] for crumb in breadcrumbs}) == 500
    assert [int(crumb["nonce"], 16) for crumb in breadcrumbs] == list(range(500))
    assert {crumb["stamp"]["build_id"] for crumb in breadcrumbs} == {"b7"}
    latest = max(crumb["received"] for crumb in breadcrumbs)
    assert latest < min(crumb["released"] for crumb in breadcrumbs)
    assert len(lab.containers()) == 500


def test_over_tls_containers_are_real_and_reach_the_lab() -> None:
    handler = b"""
import boto3
def handler(event, context):
    return boto3.client("lambda").get_function(FunctionName="reports")["Configuration"]["Version"]
"""
    with running_lab(tls=True) as lab:
        client = create(lab, push(lab, images.of_files({"app.py": handler})), Timeout=20)
        answer = client.invoke(FunctionName="reports")
        assert json.load(answer["Payload"]) == "$LATEST"


def test_a_step_functions_task_runs_in_the_labs_container(lab: Client) -> None:
    handler = b"def handler(event, context): return {'seen': event['x']}"
    create(lab, push(lab, images.of_files({"app.py": handler})))
    states = lab.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "reports", "Payload": {"x": 4}},
        "End": True,
    }
    machine = states.create_state_machine(
        name="m",
        definition=json.dumps({"StartAt": "T", "States": {"T": task}}),
        roleArn=ROLE,
    )["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine, name="e")["executionArn"]
    settled(lambda: states.describe_execution(executionArn=execution)["status"], "SUCCEEDED")
    output = json.loads(states.describe_execution(executionArn=execution)["output"])
    assert output["Payload"] == {"seen": 4}
    assert output["ExecutedVersion"] == "$LATEST"
    headers = output["SdkHttpMetadata"]["HttpHeaders"]
    assert headers["X-Amz-Executed-Version"] == "$LATEST"
    assert headers["x-amzn-RequestId"] == output["SdkResponseMetadata"]["RequestId"]
    assert lab.calls()["lambda.Invoke"] == 1
