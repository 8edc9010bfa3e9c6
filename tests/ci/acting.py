"""Workflows run by act on this machine, and what it logs of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployguard.lab.client import Client
from tests.ci import tools

ANY_SHA = "0" * 40


def other(inputs: Iterable[str], command: str, *, outputs: Iterable[str] = ()) -> dict[str, Any]:
    """Return an action that stands for another's."""
    step = {
        "id": "only",
        "shell": "bash",
        "run": command,
        "env": {
            {"path": "PATH_"}.get(name, name.upper().replace("-", "_")): f"${{{{ inputs.{name} }}}}"
            for name in inputs
        },
    }
    return {
        "name": "other",
        "description": "other",
        "inputs": {name: {"description": name, "required": False} for name in inputs},
        "outputs": {
            name: {"description": name, "value": f"${{{{ steps.only.outputs.{name} }}}}"}
            for name in outputs
        },
        "runs": {"using": "composite", "steps": [step]},
    }


@dataclass(frozen=True)
class Run:
    """What act did, by its log of events."""

    code: int
    events: list[dict[str, Any]]

    @property
    def text(self) -> str:
        return "\n".join(event["msg"].rstrip() for event in self.events)

    def result(self, step: str) -> str:
        """Return how a step ended."""
        (result,) = [
            event["stepResult"]
            for event in self.of(step)
            if "stepResult" in event and event["stage"] == "Main"
        ]
        return str(result)

    def outputs(self, step: str) -> dict[str, str]:
        """Return what a step hands to those that follow."""
        return {e["name"]: e["arg"] for e in self.of(step) if e.get("command") == "set-output"}

    def errors(self, step: str) -> list[dict[str, Any]]:
        """Return a step's annotations, those of the steps inside it too."""
        return [
            event
            for event in self.events
            if event.get("command") == "error" and event["stepID"][0] == step
        ]

    def ended(self, job: str) -> str:
        """Return how a job ended."""
        (result,) = [
            e["jobResult"] for e in self.events if e.get("jobID") == job and "jobResult" in e
        ]
        return str(result)

    def failures(self, job: str) -> list[str]:
        """Return how each failed step of a job ended."""
        of = (e["msg"] for e in self.events if e.get("jobID") == job and e.get("level") == "error")
        return [text for text in of if text.startswith("exit status")]

    def of(self, step: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("stepID") == [step]]


def run(
    event: str,
    workflow: str,
    *options: str,
    folder: Path,
    environ: Mapping[str, str],
    lab: Client,
    cache: Path,
) -> Run:
    """Let act run a workflow, or all of a folder, of the project in `folder`, against the lab."""
    command = [tools.need("act"), event, "-W", workflow, "--json"]
    command += ["-P", "ubuntu-latest=-self-hosted"]
    command += ["--no-cache-server", "--action-cache-path", str(cache), *options]
    for name, value in lab.environment.items():
        command += ["--env", f"{name}={value}"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environ, "ACT_DISABLE_VERSION_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    return Run(done.returncode, [json.loads(line) for line in lines if line.startswith("{")])
