"""A state machine that checks functions inside AWS: the example's own, with the guard in Lambda."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import deployguard
from deployguard.lab import images
from tests.guard.crew import Crew
from tests.guard.world import ROLE, Finished, Team, eventually
from tests.lab.state_machines import Stage

PACKAGE = Path(deployguard.__file__).parent
EXAMPLE = PACKAGE.parents[1] / "examples" / "step-functions" / "check.asl.json"
BUCKET = "deployguard-reports"
SETTINGS = {
    "DEPLOYGUARD_GRACE": "0",
    "DEPLOYGUARD_HOLD_MS": "50",
    "DEPLOYGUARD_ROUTES": "off",
}
GUARD = "arn:aws:lambda:eu-west-1:123456789012:function:guard"
PLAN = {
    "id": "abc",
    "command": "check",
    "shards": 1,
    "at_once": 1,
    "reports": f"s3://{BUCKET}/reports/1",
}
# What Lambda does with a handler, with so many seconds left.
CALL = """
import json, sys
from types import SimpleNamespace
from deployguard.hooks import lambda_handler

left_ms = int(sys.argv[2]) * 1000
lambda_handler(
    json.loads(sys.argv[1]), SimpleNamespace(get_remaining_time_in_millis=lambda: left_ms)
)
"""


@dataclass(frozen=True)
class Executed:
    """How an execution of the state machine ended."""

    status: str
    error: str
    cause: str
    report: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """Return the verdict of each function in the report, by its bare name."""
        return {each["function"].split(":")[-1]: each["verdict"] for each in self.functions}

    @property
    def functions(self) -> list[dict[str, Any]]:
        """Return what the report tells of each function."""
        return list(self.report["functions"])


class Inside:
    """A crew that is checked by the state machine of the example."""

    def __init__(self, crew: Crew) -> None:
        """Deploy the guard to a function of its own, and the state machine beside it."""
        self.crew, self.lab = crew, crew.team.lab
        self.stage = Stage(self.lab)
        self.store = bucket(crew.team)
        self.lab.set(virtual=False)
        self._deploy()
        text = EXAMPLE.read_text().replace("${Guard}", GUARD).replace("${Bucket}", BUCKET)
        made = self.stage.states.create_state_machine(
            name="checks", definition=text, roleArn="arn:aws:iam::123456789012:role/checks"
        )
        self.machine = made["stateMachineArn"]

    def _deploy(self) -> None:
        """Deploy the guard as an image of its own sources."""
        sources = {
            f"deployguard/{path.relative_to(PACKAGE)}": path.read_bytes()
            for path in PACKAGE.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts and "lab" not in path.parts
        }
        image = images.of_files(sources, command=("deployguard.hooks.lambda_handler",))
        functions = self.crew.team.functions
        functions.create_function(
            FunctionName="guard",
            PackageType="Image",
            Code={"ImageUri": images.push(image, repository="guard", ecr=self.crew.team.ecr)},
            Role=ROLE,
            Timeout=60,
            MemorySize=512,
            Environment={"Variables": SETTINGS},
        )
        functions.get_waiter("function_active_v2").wait(
            FunctionName="guard", WaiterConfig={"Delay": 0.01, "MaxAttempts": 2000}
        )

    def start(self, settings: Mapping[str, Any]) -> str:
        """Start an execution."""
        return self.stage.start(self.machine, settings)

    def ended(self, execution: str) -> Executed:
        """Wait for the end of an execution, and read the report of all."""
        ask = partial(self.stage.states.describe_execution, executionArn=execution)
        eventually(lambda: ask()["status"] != "RUNNING", within_s=60, look_s=0.1)
        end = ask()
        told = [
            json.loads(self.store.get_object(Bucket=BUCKET, Key=key)["Body"].read())
            for key in self.keys
            if key.endswith("/report.json")
        ]
        report = told[-1] if told else {}
        return Executed(end["status"], end.get("error", ""), end.get("cause", ""), report)

    def run(self, settings: Mapping[str, Any]) -> Executed:
        """Run an execution to its end."""
        return self.ended(self.start(settings))

    def kill(self) -> None:
        """Kill the sandbox of the guard that is at work, as Lambda does at a time-out."""
        (pid,) = [
            each["pid"]
            for each in self.lab.containers()
            if (each["function"], each["state"]) == ("guard", "busy")
        ]
        os.kill(pid, signal.SIGKILL)

    def download(self) -> list[str]:
        """Download the report of each function; return their names in the team's folder."""
        shards = [key for key in self.keys if not key.endswith("/report.json")]
        for key in shards:
            name = self.crew.team.folder / Path(key).name
            self.store.download_file(BUCKET, key, str(name))
        return [Path(key).name for key in shards]

    @property
    def keys(self) -> list[str]:
        """Return the names of all reports, the latest last."""
        found = self.store.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in sorted(found, key=lambda each: each["LastModified"])]


def bucket(team: Team) -> Any:
    """Make a bucket for reports, and return the client of S3."""
    client = team.lab.client("s3")
    place = {"LocationConstraint": "eu-west-1"}
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=place)
    return client


def call(team: Team, event: Mapping[str, Any], *, left_s: int) -> Finished:
    """Call the handler in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CALL, json.dumps(event), str(left_s)],
        env=team.surroundings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout, done.stderr, None)
