"""The lab's front through real clients: routing, signatures, errors, TLS and loopback."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from deployguard.lab import images
from deployguard.lab.client import Client, LabError
from deployguard.lab.serve import running_lab
from deployguard.lab.signature import ACCESS_KEY, SECRET_KEY

AWS_CLI = Path("/opt/dg/bin/aws")
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=60)
ROLE = "arn:aws:iam::123456789012:role/lab"
INVOKE = "/2015-03-31/functions/echo/invocations"


@pytest.fixture
def echo(lab: Client) -> Client:
    """A lab whose virtual function `echo` is active."""
    lab.set(virtual=True)
    uri = images.push(images.of_files({"app.py": b""}), repository="echo", ecr=lab.client("ecr"))
    lab.client("lambda").create_function(
        FunctionName="echo", PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
    )
    return lab


def refusal(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    answer = caught.value.response
    status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
    return status, answer["Error"]["Code"], answer["Error"]["Message"]


def test_every_service_comes_in_by_one_port(lab: Client) -> None:
    assert lab.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert lab.client("lambda").list_functions()["Functions"] == []
    assert lab.client("ecr").describe_repositories()["repositories"] == []
    lab.client("cloudwatch").put_metric_data(
        Namespace="n", MetricData=[{"MetricName": "m", "Value": 1}]
    )
    assert len(lab.client("cloudwatch").list_metrics(Namespace="n")["Metrics"]) == 1
    lab.client("scheduler").create_schedule_group(Name="g")
    assert lab.calls() == {
        "sts.GetCallerIdentity": 1,
        "lambda.ListFunctions": 1,
        "ecr.DescribeRepositories": 1,
        "monitoring.PutMetricData": 1,
        "monitoring.ListMetrics": 1,
        "scheduler.CreateScheduleGroup": 1,
    }
    assert [write["operation"] for write in lab.writes()] == [
        "PutMetricData",
        "CreateScheduleGroup",
    ]


def test_an_operation_the_lab_does_not_have_is_a_loud_501(lab: Client) -> None:
    status, code, message = refusal(
        lab.client("lambda", config=ONCE).create_code_signing_config,
        AllowedPublishers={"SigningProfileVersionArns": ["arn:aws:signer:eu-west-1:1:/p/a"]},
    )
    assert (status, code) == (501, "NotImplementedByLab")
    assert "CreateCodeSigningConfig" in message


def test_a_path_that_lambda_does_not_have_is_a_501_too(lab: Client) -> None:
    answer = requests.get(f"{lab.endpoint}/2015-03-31/no-such-thing", timeout=10)
    assert answer.status_code == 501
    assert "/2015-03-31/no-such-thing" in answer.json()["message"]


def test_an_error_inside_moto_is_a_500_with_its_text(lab: Client) -> None:
    status, _, message = refusal(lab.client("cloudtrail", config=ONCE).list_channels)
    assert status == 500
    assert "NotImplementedError" in message


def test_a_body_that_is_no_json_is_an_error_and_not_a_hang(lab: Client) -> None:
    answer = requests.post(
        lab.endpoint,
        data=b"{",
        headers={"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeImages"},
        timeout=10,
    )
    assert (answer.status_code, answer.json()["__type"]) == (400, "RepositoryNotFoundException")


def test_invoke_is_verified_for_the_labs_own_key(echo: Client) -> None:
    good = echo.client("lambda", config=ONCE)
    assert good.invoke(FunctionName="echo", Payload=b"{}", Qualifier="$LATEST")["StatusCode"] == 200
    forged = boto3.client(
        "lambda",
        endpoint_url=echo.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key="wrong",
        config=ONCE,
    )
    status, code, message = refusal(forged.invoke, FunctionName="echo")
    assert (status, code) == (403, "InvalidSignatureException")
    assert message.startswith("The request signature we calculated does not match the signature")
    echo.set(signatures=False)
    assert forged.invoke(FunctionName="echo")["StatusCode"] == 200


def test_a_key_that_the_lab_does_not_know_is_let_through(echo: Client) -> None:
    foreign = boto3.client(
        "lambda",
        endpoint_url=echo.endpoint,
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    assert foreign.invoke(FunctionName="echo")["StatusCode"] == 200


def signed(lab: Client, body: bytes) -> AWSRequest:
    request = AWSRequest("POST", lab.endpoint + INVOKE, data=body, headers={"X-Amz-Log-Type": "No"})
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "lambda", "eu-west-1").add_auth(request)
    return request


@pytest.mark.parametrize(
    ("body", "query", "header"),
    [(b"[]", "", "No"), (b"{}", "?Qualifier=1", "No"), (b"{}", "", "Tail")],
    ids=["body", "query", "signed header"],
)
def test_what_was_signed_cannot_be_changed(
    echo: Client, body: bytes, query: str, header: str
) -> None:
    headers = dict(signed(echo, b"{}").headers.items())
    url = echo.endpoint + INVOKE
    assert requests.post(url, data=b"{}", headers=headers, timeout=10).status_code == 200
    changed = requests.post(
        url + query, data=body, headers=headers | {"X-Amz-Log-Type": header}, timeout=10
    )
    assert changed.status_code == 403
    assert changed.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_an_unsigned_or_outdated_invoke_is_refused(echo: Client) -> None:
    unsigned = requests.post(echo.endpoint + INVOKE, data=b"{}", timeout=10)
    assert unsigned.status_code == 403
    assert unsigned.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
    headers = dict(signed(echo, b"{}").headers.items()) | {"X-Amz-Date": "20260101T000000Z"}
    outdated = requests.post(echo.endpoint + INVOKE, data=b"{}", headers=headers, timeout=10)
    assert outdated.status_code == 403
    assert outdated.headers["x-amzn-errortype"] == "InvalidSignatureException"
    assert outdated.json()["message"].startswith("Signature expired:")


@pytest.mark.parametrize("step", [-3600, 0, 3600])
def test_every_answer_tells_the_date_of_the_labs_clock(echo: Client, step: int) -> None:
    echo.set(clock_step_s=step)
    invoke = signed(echo, b"{}")
    answers = [
        requests.get(f"{echo.endpoint}/_lab/health", timeout=10),
        requests.get(f"{echo.endpoint}/2016-08-19/account-settings/", timeout=10),
        requests.get(f"{echo.endpoint}/2015-03-31/functions/none", timeout=10),
        requests.post(echo.endpoint + INVOKE, data=b"{}", headers=dict(invoke.headers), timeout=60),
        requests.post(echo.endpoint, data={"Action": "GetCallerIdentity"}, timeout=60),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 404, 200, 200]
    for answer in answers:
        (date,) = answer.raw.headers.getlist("date")
        told = parsedate_to_datetime(date).timestamp()
        assert told == pytest.approx(time.time() + step, abs=30)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_step_of_the_clock_locks_no_caller_out(echo: Client, step: int) -> None:
    client = echo.client("lambda", config=ONCE)
    for _ in range(2):
        assert client.invoke(FunctionName="echo")["StatusCode"] == 200
        echo.set(clock_step_s=step)
    client.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=1)
    assert echo.writes()[-1]["at"] == pytest.approx(time.time() + step, abs=30)


def test_a_presigned_invoke_works_and_cannot_be_changed(echo: Client) -> None:
    client = echo.client("lambda")
    url = client.generate_presigned_url("invoke", {"FunctionName": "echo"}, HttpMethod="POST")
    assert requests.post(url, timeout=10).status_code == 200
    changed = requests.post(url.replace("/echo/", "/other/"), timeout=10)
    assert changed.headers["x-amzn-errortype"] == "InvalidSignatureException"


def test_knobs_are_shown_set_and_refused(lab: Client) -> None:
    assert lab.set(routing="lru", partitions=3)["routing"] == "lru"
    assert lab.knobs()["partitions"] == 3
    with pytest.raises(LabError, match="unknown knob 'rooting'"):
        lab.set(rooting="lru")
    with pytest.raises(LabError, match="needs the 'pid'"):
        lab.fault(operation="Invoke", kind="kill")
    answer = requests.get(f"{lab.endpoint}/_lab/nothing", timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("the lab has no GET /_lab/nothing; it has ")
    lab.reset()
    assert lab.knobs()["routing"] == "mru"
    assert lab.health() == {"status": "ok"}


def test_a_reset_forgets_everything(echo: Client) -> None:
    echo.client("sqs").create_queue(QueueName="q")
    echo.client("lambda").invoke(FunctionName="echo")
    assert len(echo.containers()) == 1
    echo.reset()
    assert echo.containers() == []
    assert echo.writes() == []
    assert echo.client("lambda").list_functions()["Functions"] == []
    assert echo.client("ecr").describe_repositories()["repositories"] == []
    assert "QueueUrls" not in echo.client("sqs").list_queues()


def test_containers_can_be_killed_by_function(echo: Client) -> None:
    echo.client("lambda").invoke(FunctionName="echo")
    assert echo.kill_containers("other") == 0
    assert echo.kill_containers("echo") == 1
    assert echo.containers() == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])  # noqa: S104
def test_any_host_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="loopback only"), running_lab(host=host):
        pass


def test_a_taken_port_is_an_error_and_not_a_hang(lab: Client) -> None:
    port = int(lab.endpoint.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"), running_lab(port=port):
        pass


def test_answers_are_not_held_back_for_acknowledgements(lab: Client) -> None:
    """A listener without TCP_NODELAY costs each call on a kept connection 40 ms."""
    with requests.Session() as session:
        session.get(f"{lab.endpoint}/_lab/health", timeout=10)
        times = [
            session.get(f"{lab.endpoint}/_lab/health", timeout=10).elapsed.total_seconds()
            for _ in range(20)
        ]
    assert sorted(times)[10] < 0.03


def test_with_tls_only_its_own_authority_is_trusted() -> None:
    with running_lab(tls=True, knobs={"routing": "lru"}) as lab:
        assert lab.endpoint.startswith("https://")
        assert lab.knobs()["routing"] == "lru"
        uri = images.push(
            images.of_files({"app.py": b""}), repository="echo", ecr=lab.client("ecr")
        )
        assert "@sha256:" in uri
        assert lab.environment["AWS_CA_BUNDLE"] == lab.ca_bundle
        host, port = "127.0.0.1", int(lab.endpoint.rpartition(":")[2])
        stranger = ssl.create_default_context()
        with (
            socket.create_connection((host, port)) as plain,
            pytest.raises(ssl.SSLCertVerificationError),
        ):
            stranger.wrap_socket(plain, server_hostname=host)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port))


@pytest.mark.skipif(not AWS_CLI.exists(), reason="the AWS CLI is not installed here")
def test_the_aws_cli_talks_to_the_lab(echo: Client, tmp_path: Path) -> None:
    def aws(*words: str) -> Any:
        done = subprocess.run(
            [AWS_CLI, *words, "--output", "json"],
            env={"PATH": os.defpath, "HOME": str(tmp_path), **echo.environment},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    found = aws("lambda", "get-function", "--function-name", "echo")
    assert found["Configuration"]["State"] == "Active"
    out = str(tmp_path / "out")
    invoked = aws("lambda", "invoke", "--function-name", "echo", "--payload", "{}", out)
    assert invoked["ExecutedVersion"] == "$LATEST"
    assert aws("sts", "get-caller-identity")["Account"] == "123456789012"
