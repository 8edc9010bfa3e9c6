"""A team that ships images to the lab, and runs the guard as its pipeline does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.config import Config

import deployguard.canary
from deployguard.lab import images
from deployguard.lab.client import Client
from tests import warm

HELPER = Path(deployguard.canary.__file__).read_bytes()
NODE_HELPER = Path(deployguard.canary.__file__).with_suffix(".cjs").read_bytes()
GUARDED = b"""
from helper import canary

@canary
def handler(event, context):
    return {"ok": True}
"""
LABEL = "dev.deployguard.build-id"
FOR_EVER: dict[str, Any] = {"count": None, "seconds": None}  # how a stale container lingers
ROLE = "arn:aws:iam::123456789012:role/reports"


@dataclass(frozen=True)
class Finished:
    """What a command left behind."""

    exit_code: int
    out: str
    err: str
    report: dict[str, Any] | None

    @property
    def function(self) -> dict[str, Any]:
        """Return the one function of the report."""
        assert self.report is not None, self.err
        (function,) = self.report["functions"]
        return dict(function)

    @property
    def findings(self) -> list[str]:
        """Return the ids of the findings."""
        return [finding["id"] for finding in self.function["findings"]]

    @property
    def rulings(self) -> dict[str, str]:
        """Return the verdict of each qualifier."""
        return {route["qualifier"]: route["verdict"] for route in self.function["routes"]}


@dataclass
class Team:
    """One function, its repository, and the folder that its pipeline works in."""

    lab: Client
    folder: Path
    name: str = "reports"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the clients; invocations are sent once and may overlap."""
        self.ecr = self.lab.client("ecr")
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=50)
        self.functions = self.lab.client("lambda", config=config)

    def build(
        self,
        build_id: str,
        *,
        stamp: str | None = "same",
        label: str | None = "same",
        handler: bytes = GUARDED,
        architecture: str = "amd64",
    ) -> images.OciImage:
        """Build an image; stamp and label say the build id, another one, or nothing (None)."""
        files = {"app.py": handler + f"# {build_id}\n".encode(), "helper.py": HELPER}
        if stamp is not None:
            stamped = build_id if stamp == "same" else stamp
            document = {"schema": "deployguard/stamp/v1", "build_id": stamped}
            files["build-stamp.json"] = json.dumps(document).encode()
        labels = {} if label is None else {LABEL: build_id if label == "same" else label}
        return images.of_files(files, labels=labels, architecture=architecture)

    def push(self, image: images.OciImage, tag: str = "latest") -> str:
        """Push an image and return its URI by digest."""
        return images.push(image, repository="reports", tags=[tag], ecr=self.ecr)

    def ship(self, build_id: str, **how: Any) -> str:
        """Build, push and deploy to $LATEST; return the image's URI by digest."""
        uri = self.push(self.build(build_id, **how))
        self.deploy(uri)
        return uri

    def deploy(self, uri: str, *, wait: bool = True) -> None:
        """Update the function's code, or create it."""
        existing = [f["FunctionName"] for f in self.functions.list_functions()["Functions"]]
        if self.name in existing:
            self.functions.update_function_code(FunctionName=self.name, ImageUri=uri)
        else:
            self.functions.create_function(
                FunctionName=self.name,
                PackageType="Image",
                Code={"ImageUri": uri},
                Role=ROLE,
                Timeout=5,
            )
        if wait:
            waiter = {"Delay": 0.01, "MaxAttempts": 2000}
            self.functions.get_waiter("function_updated_v2").wait(
                FunctionName=self.name, WaiterConfig=waiter
            )
            self.functions.get_waiter("function_active_v2").wait(
                FunctionName=self.name, WaiterConfig=waiter
            )

    def warm(self, count: int = 1, qualifier: str = "$LATEST") -> None:
        """Have `count` warm containers, by invocations that overlap."""
        canary = {"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": 300}}

        def invoke(_: int) -> None:
            self.functions.invoke(
                FunctionName=self.name, Qualifier=qualifier, Payload=json.dumps(canary)
            )

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(invoke, range(count)))

    def publish(self) -> str:
        """Publish $LATEST by hand."""
        return str(self.functions.publish_version(FunctionName=self.name)["Version"])

    def point(
        self, version: str, alias: str = "live", weights: Mapping[str, float] | None = None
    ) -> None:
        """Create or move an alias by hand."""
        routing = {"AdditionalVersionWeights": dict(weights or {})}
        arguments = {"FunctionName": self.name, "Name": alias, "FunctionVersion": version}
        if self.alias(alias) is None:
            self.functions.create_alias(**arguments, RoutingConfig=routing)
        else:
            self.functions.update_alias(**arguments, RoutingConfig=routing)

    def alias(self, alias: str = "live") -> str | None:
        """Return the version that an alias serves, or None where there is no alias."""
        try:
            found = self.functions.get_alias(FunctionName=self.name, Name=alias)
        except self.functions.exceptions.ResourceNotFoundException:
            return None
        assert not found.get("RoutingConfig", {}).get("AdditionalVersionWeights")
        return str(found["FunctionVersion"])

    def writes(self) -> list[str]:
        """Return the names of the writes to the function so far, but for those to the lease."""
        return [
            write["operation"]
            for write in self.lab.writes()
            if write["service"] == "lambda" and not write["resource"].endswith(":deployguard")
        ]

    def lease(self) -> str | None:
        """Return what the lease on the function says, or None where there is none."""
        try:
            found = self.functions.get_alias(FunctionName=self.name, Name="deployguard")
        except self.functions.exceptions.ResourceNotFoundException:
            return None
        return str(found["Description"])

    def run(self, *arguments: str, **environment: str) -> Finished:
        """Run deployguard to its end, in a process that was forked from a warm one."""
        assert not any(name.startswith("PYTHON") for name in environment), (
            "read at a start: `start`"
        )
        with tempfile.TemporaryDirectory() as said:
            variables = self.surroundings(**environment)
            process = warm.Process(warm.Order(arguments, self.folder, variables, Path(said)))
            process.go()
            code = process.wait()
            return Finished(code, process.out, process.err, self._report())

    def check(self, *arguments: str, **environment: str) -> Finished:
        """Run `check` without waiting long for old answers to end."""
        return self.run("check", self.name, "--grace", "0", *arguments, **environment)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start deployguard as a pipeline does, from nothing."""
        return subprocess.Popen(
            [sys.executable, "-m", "deployguard", *arguments],
            cwd=self.folder,
            env=self.surroundings(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self, process: subprocess.Popen[str]) -> Finished:
        """Wait until what was started has ended."""
        out, err = process.communicate(timeout=90)
        return Finished(process.returncode, out, err, self._report())

    def surroundings(self, **more: str) -> dict[str, str]:
        """Return the environment of a command."""
        inherited = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        inherited |= {"DEPLOYGUARD_ROUTES": "off"}  # who calls the function is looked for by few
        source = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
        return inherited | source | self.lab.environment | self.environment | more

    def _report(self) -> dict[str, Any] | None:
        path = self.folder / "deployguard-report" / "report.json"
        return json.loads(path.read_text()) if path.exists() else None


def eventually(
    condition: Callable[[], bool], *, within_s: float = 20.0, look_s: float = 0.01
) -> None:
    """Wait for something observable."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(look_s)


def lines(text: str) -> Sequence[str]:
    """Return the lines of an output without their indentation."""
    return [line.strip() for line in text.splitlines()]
