"""Measure what `deployguard routes` costs in accounts of 5, 50 and 500 functions, in the lab.

python -m benchmarks.routes
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config

from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

SIZES = (5, 50, 500)
FILLERS = 4  # threads
REST_API_EVERY = 5  # functions
ROLE = "arn:aws:iam::123456789012:role/bench"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:f{}"
INVOKED = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{}/invocations"
# The kernel counts a process's peak from its parent's size, so the parent has to be a small one.
MEASURED = """
import resource, subprocess, sys
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
ended = subprocess.run([sys.executable, "-m", "deployguard", "routes", "f0"], **quiet)
print(ended.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
KINDS = {"EventBridge rule", "HTTP API", "REST API", "event source mapping", "schedule"}
KINDS |= {"state machine"}


@dataclass(frozen=True)
class Cost:
    """What one audit took."""

    functions: int  # that the account holds
    seconds: float
    peak_mb: float
    calls: Counter[str]  # by service

    @property
    def total(self) -> int:
        """Return the calls of all services."""
        return self.calls.total()


def main() -> None:
    """Fill an account further and further, audit one of its functions each time, and compare."""
    costs = []
    with running_lab(knobs={"virtual": True}) as lab, tempfile.TemporaryDirectory() as folder:
        account = Account(lab)
        for size in SIZES:
            account.fill(size)
            costs.append(audit(lab, Path(folder), functions=size))
            show(costs[-1])
    for fewer, more in itertools.pairwise(costs):
        times = more.functions / fewer.functions
        assert more.total <= 1.2 * times * fewer.total, f"{fewer.total} calls became {more.total}"


class Account:
    """The account of a lab, with so many functions and what calls each of them."""

    def __init__(self, lab: Client) -> None:
        """Start without any."""
        self.size = 0
        self.image = images.push(
            images.of_files({"app.py": b""}), repository="bench", ecr=lab.client("ecr")
        )
        config = Config(max_pool_connections=FILLERS, retries={"total_max_attempts": 1})
        names = ("apigateway", "apigatewayv2", "events", "lambda", "scheduler", "stepfunctions")
        self.clients = {name: lab.client(name, config=config) for name in names}

    def fill(self, size: int) -> None:
        """Add functions until there are so many."""
        with ThreadPoolExecutor(FILLERS) as pool:
            list(pool.map(self.add, range(self.size, size)))
        self.size = size

    def add(self, number: int) -> None:
        """Add one function, and a caller of each kind."""
        name, called = f"f{number}", FUNCTION.format(number) + ":live"
        self.function(name)
        events, states = self.clients["events"], self.clients["stepfunctions"]
        events.put_rule(Name=name, ScheduleExpression="rate(1 hour)")
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": called}])
        self.clients["scheduler"].create_schedule(
            Name=name,
            ScheduleExpression="rate(1 hour)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"RoleArn": ROLE, "Arn": called},
        )
        task = {"Type": "Task", "Resource": called, "End": True}
        definition = json.dumps({"StartAt": "work", "States": {"work": task}})
        states.create_state_machine(name=name, definition=definition, roleArn=ROLE)
        self.http_api(name, called)
        if number % REST_API_EVERY == 0:
            self.rest_api(name, INVOKED.format(called))

    def function(self, name: str) -> None:
        """Create a function with an alias, to which a stream is mapped."""
        client = self.clients["lambda"]
        client.create_function(
            FunctionName=name,
            PackageType="Image",
            Code={"ImageUri": self.image},
            Role=ROLE,
            Publish=True,
        )
        client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        client.create_event_source_mapping(
            FunctionName=f"{name}:live",
            EventSourceArn=f"arn:aws:kinesis:eu-west-1:123456789012:stream/{name}",
            StartingPosition="LATEST",
        )

    def http_api(self, name: str, called: str) -> None:
        """Create an HTTP API with one integration and a stage."""
        client = self.clients["apigatewayv2"]
        api = client.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
        client.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=called)
        client.create_stage(ApiId=api, StageName="prod")

    def rest_api(self, name: str, uri: str) -> None:
        """Create a REST API with one method, deployed to one stage."""
        client = self.clients["apigateway"]
        api = client.create_rest_api(name=name)["id"]
        (root,) = client.get_resources(restApiId=api)["items"]
        method: dict[str, Any] = {"restApiId": api, "resourceId": root["id"], "httpMethod": "GET"}
        client.put_method(**method, authorizationType="NONE")
        client.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        client.create_deployment(restApiId=api, stageName="prod")


def audit(lab: Client, folder: Path, *, functions: int) -> Cost:
    """Audit one function by the command line; each of its callers must be found."""
    before = Counter(lab.calls())
    started = time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", MEASURED],
        cwd=folder,
        env=os.environ | lab.environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.perf_counter() - started
    exit_code, peak_kb = map(int, told.stdout.split())
    found = json.loads((folder / "deployguard-report" / "routes.json").read_text())
    assert (exit_code, found["unread"]) == (0, []), found
    assert {route["kind"] for route in found["routes"]} == KINDS, found
    calls: Counter[str] = Counter()
    for operation, count in (Counter(lab.calls()) - before).items():
        calls[operation.split(".")[0]] += count
    return Cost(functions, seconds, peak_kb / 1024, calls)


def show(cost: Cost) -> None:
    """Print the figures of one audit."""
    by_service = ", ".join(f"{name} {count}" for name, count in cost.calls.most_common())
    print(
        f"{cost.functions:4} functions: {cost.seconds:5.1f} s, {cost.peak_mb:3.0f} MB, "
        f"{cost.total} calls ({cost.total / cost.functions:.1f} each): {by_service}",
        flush=True,
    )


if __name__ == "__main__":
    main()
