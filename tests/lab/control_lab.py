"""Fixtures of the control plane's tests: real boto3 over HTTP, with stand-ins for the rest."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from deployguard.lab.control import wire
from deployguard.lab.control.state import Cloud
from deployguard.lab.nouns import AwsError, Build, Image

REGION = "eu-central-1"
ARN = f"arn:aws:lambda:{REGION}:123456789012:function"
REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/reports"
ROLE = "arn:aws:iam::123456789012:role/runner"


class ManualClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1_767_380_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


class PlainKnobs:
    """The settings that the control plane reads, and a list of what was written."""

    def __init__(self) -> None:
        self.propagation_s = 0.0
        self.propagation_mode = "step"
        self.update_s = 0.0
        self.update_fails: str | None = None
        self.publish_s = 0.0
        self.provisioning_s = 0.0
        self.virtual = False
        self.zero_destroys = False
        self.account_concurrency = 1000
        self.seed = 7
        self.writes: list[dict[str, Any]] = []

    def record(self, operation: str, resource: str, *, before: Any, after: Any) -> None:
        self.writes.append(
            {"operation": operation, "resource": resource, "before": before, "after": after}
        )


class PlainFleet:
    """A fleet without containers that remembers what it was told."""

    def __init__(self) -> None:
        self.gone: list[tuple[str, str | None]] = []
        self.updates: list[Build] = []
        self.kept: dict[tuple[str, str], int] = {}
        self.failure: str | None = None

    def retired(self, function_arn: str, version: str | None) -> None:
        self.gone.append((function_arn, version))

    def updated(self, build: Build) -> None:
        self.updates.append(build)

    def provision(self, build: Build, count: int) -> None:
        self.kept[build.function_arn, build.version] = count

    def provisioned(self, function_arn: str, version: str) -> tuple[int, str | None]:
        count = 0 if self.failure else self.kept.get((function_arn, version), 0)
        return count, self.failure


class PlainLab:
    """One control plane with its stand-ins."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.knobs = PlainKnobs()
        self.fleet = PlainFleet()
        self.pushed: dict[str, Image] = {}
        self.cloud = Cloud(
            clock=self.clock,  # type: ignore[arg-type]  # a stand-in with the same two methods
            knobs=self.knobs,
            images=self.image,
            fleet=self.fleet,
        )

    def push(self, tag: str, content: str) -> str:
        """Push an image under a tag, and return its URI by digest."""
        digest = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        image = Image(
            repository_uri=REPOSITORY,
            digest=digest,
            media_type="application/vnd.oci.image.manifest.v1+json",
            architecture="amd64",
            root=Path("/images") / digest[7:19],
            entrypoint=("/lambda-entrypoint.sh",),
            command=("app.handler",),
            environment={"FROM_IMAGE": "1", "BOTH": "image"},
        )
        self.pushed[f"{REPOSITORY}:{tag}"] = image
        self.pushed[f"{REPOSITORY}@{digest}"] = image
        return f"{REPOSITORY}@{digest}"

    def image(self, uri: str, _region: str) -> Image:
        if uri not in self.pushed:
            text = f"Source image {uri} does not exist. Provide a valid source image."
            raise AwsError(400, "InvalidParameterValueException", text)
        return self.pushed[uri]


class Server(ThreadingHTTPServer):
    """Hands every request to whichever lab is current."""

    daemon_threads = True
    lab: PlainLab


class Requests(BaseHTTPRequestHandler):
    """HTTP in front of `wire.handle`."""

    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet

    def answer(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        query = parse_qs(parts.query, keep_blank_values=True)
        try:
            operation = wire.operation(self.command, parts.path, query=query)
            assert operation is not None, self.path
            answer = wire.handle(
                self.server.lab.cloud,
                operation=operation,
                region=REGION,
                path=parts.path,
                query=query,
                headers=dict(self.headers),
                body=body,
            )
        except AwsError as problem:
            answer = wire.error(problem)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815  (names of the base class)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def zipped(text: str) -> bytes:
    """Return a zip package whose handler is the text."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("index.py"), text)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def control_server() -> Iterator[Server]:
    """Serve the current lab over HTTP."""
    server = Server(("127.0.0.1", 0), Requests)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def shared_client(control_server: Server) -> Iterator[Any]:
    """Make one boto3 client for all tests, which is slow to make."""
    client = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{control_server.server_port}",
        region_name=REGION,
        aws_access_key_id="lab",
        aws_secret_access_key="lab",
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )
    yield client
    client.close()


@pytest.fixture
def control(control_server: Server) -> Iterator[PlainLab]:
    """Make a new, empty control plane current."""
    control_server.lab = PlainLab()
    yield control_server.lab
    control_server.lab.cloud.close()


@pytest.fixture
def lambda_client(control: PlainLab, shared_client: Any) -> Any:
    """Return a real client whose requests the current lab answers."""
    return shared_client


def create_function(client: Any, name: str = "fn", **more: Any) -> Any:
    """Create a zip function unless told otherwise."""
    zip_members = {"Runtime": "python3.12", "Handler": "index.handler"}
    code = {"Code": {"ZipFile": zipped("v1")}}
    base = {"FunctionName": name, "Role": ROLE}
    extra = {} if more.get("PackageType") == "Image" else zip_members
    return client.create_function(**(base | extra | code | more))


@pytest.fixture
def make_function(lambda_client: Any) -> Any:
    """Return what creates a function with few words."""
    return functools.partial(create_function, lambda_client)


@pytest.fixture
def world(control: PlainLab, lambda_client: Any) -> Any:
    """Set up `fn` with versions 1 and 2 and alias `live` on 1, and the image function `img`."""
    create_function(lambda_client, "fn", Description="first")
    lambda_client.publish_version(FunctionName="fn")
    lambda_client.update_function_code(FunctionName="fn", ZipFile=zipped("v2"))
    lambda_client.publish_version(FunctionName="fn")
    lambda_client.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    control.push("one", "first image")
    control.push("two", "second image")
    create_function(
        lambda_client, "img", PackageType="Image", Code={"ImageUri": f"{REPOSITORY}:one"}
    )
    control.knobs.writes.clear()
    return lambda_client


def filled(value: Any) -> Any:
    """Replace the placeholders of a vector by this lab's values."""
    if isinstance(value, dict):
        return {filled(key): filled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    if value == "@zip":
        return zipped("v1")
    if isinstance(value, str):
        for name, text in {"{arn}": ARN, "{repository}": REPOSITORY, "{role}": ROLE}.items():
            value = value.replace(name, text)
    return value


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes a `vector` once for each of the tables' entries."""
    if "vector" not in metafunc.fixturenames:
        return
    cases = [
        pytest.param(filled(case), id=f"{path.stem}: {case['case']}")
        for path in sorted((Path(__file__).parent / "vectors").glob("*.json"))
        for case in json.loads(path.read_text())
    ]
    metafunc.parametrize("vector", cases)
