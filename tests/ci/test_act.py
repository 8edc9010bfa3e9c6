"""The action, run by act from the selftest workflow, against a real lab."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.client import Client
from tests.ci import cloud, tools

pytestmark = pytest.mark.timeout(600)

# What a user writes; act takes this checkout for the repository acme/deployguard.
WORKFLOW = """\
on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - id: no-python
        continue-on-error: true
        uses: acme/deployguard@v1
        with: {function: good, python: "false"}
      - id: hostile
        continue-on-error: true
        uses: acme/deployguard@v1
        with:
          function: '"; touch "$GITHUB_WORKSPACE/pwned"; # $(touch "$GITHUB_WORKSPACE/pwned")'
      - id: untouched
        run: test ! -e "$GITHUB_WORKSPACE/pwned"
      - id: from-env
        uses: acme/deployguard@v1
        with: {command: verify}
        env: {DEPLOYGUARD_FUNCTION: "good:live"}
      - id: killed
        continue-on-error: true
        uses: acme/deployguard@v1
        with: {function: killed}
      - id: bad
        uses: acme/deployguard@v1
        with: {function: bad}
"""


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

    def of(self, step: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("stepID") == [step]]


Act = Callable[..., Run]


@pytest.fixture(scope="module")
def act(lab: Client, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Act:
    program = tools.need("act")
    folder = tmp_path_factory.mktemp("act")
    environ = tools.clean_environment(folder / "home") | {"ACT_DISABLE_VERSION_CHECK": "1"}

    def run(workflow: str, *options: str) -> Run:
        command = [program, "push", "-W", workflow, "-P", "ubuntu-latest=-self-hosted", "--json"]
        command += ["--no-cache-server", "--action-cache-path", str(folder / "cache"), *options]
        for name, value in lab.environment.items():
            command += ["--env", f"{name}={value}"]
        done = subprocess.run(
            command, cwd=project, env=environ, capture_output=True, text=True, check=False
        )
        lines = (done.stdout + done.stderr).splitlines()
        return Run(done.returncode, [json.loads(line) for line in lines if line.startswith("{")])

    return run


@pytest.fixture(scope="module")
def selftest(act: Act) -> Run:
    return act(".github/workflows/selftest.yml")


@pytest.fixture(scope="module")
def user(act: Act, project: Path, lab: Client) -> Run:
    (project / "user.yml").write_text(WORKFLOW)
    with cloud.killing_the_check_of(lab, "killed"):
        return act("user.yml", "--local-repository", f"acme/deployguard@v1={project}")


def test_the_selftest_workflow_passes(selftest: Run) -> None:
    assert selftest.code == 0, selftest.text


def test_a_good_deploy_passes_and_takes_the_traffic(selftest: Run, lab: Client) -> None:
    assert selftest.result("good") == "success", selftest.text
    assert cloud.live_version(lab, "good") == "2"
    outputs = selftest.outputs("good")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", outputs.pop("image-digest"))
    assert Path(outputs.pop("report-path")).name == "report.json"
    assert outputs == {
        "verdict": "FRESH",
        "exit-code": "0",
        "build-id": "build-2",
        "version": "2",
    }


def test_a_bad_deploy_fails_its_step_and_takes_no_traffic(selftest: Run, lab: Client) -> None:
    assert selftest.result("bad") == "failure", selftest.text
    assert cloud.live_version(lab, "bad") == "1"
    outputs = selftest.outputs("bad")
    assert outputs["verdict"] == "STALE"
    assert outputs["exit-code"] == "10"


def test_a_bad_deploy_is_annotated_with_its_findings(selftest: Run) -> None:
    errors = selftest.errors("bad")
    assert 1 <= len(errors) <= 9, selftest.text
    assert all(re.match(r"DG\d+ ", event["kvPairs"]["title"]) for event in errors)
    assert not selftest.errors("good")


@pytest.mark.parametrize(("step", "verdict"), [("good", "FRESH"), ("bad", "STALE")])
def test_the_verdict_stands_in_the_step_summary(selftest: Run, step: str, verdict: str) -> None:
    pages = [e["content"] for e in selftest.of(step) if e.get("command") == "summary"]
    assert pages, selftest.text
    assert verdict in pages[0]


def test_a_bad_deploy_fails_a_users_job(user: Run) -> None:
    assert user.code == 1
    assert user.result("bad") == "failure", user.text
    assert user.outputs("bad")["verdict"] == "STALE"


def test_an_input_is_data_and_never_a_command(user: Run) -> None:
    assert user.result("hostile") == "failure", user.text
    assert "exit status 2" in user.text
    assert user.result("untouched") == "success"


def test_an_input_that_is_not_set_leaves_the_jobs_environment_in_force(user: Run) -> None:
    assert user.result("from-env") == "success", user.text
    assert user.outputs("from-env")["verdict"] == "FRESH"


def test_a_python_that_cannot_be_used_is_named_as_the_cause(user: Run) -> None:
    assert user.result("no-python") == "failure", user.text
    (error,) = user.errors("no-python")
    assert "Python 3.11" in error["arg"]


def test_what_a_killed_run_left_is_put_back_in_the_same_job(user: Run, lab: Client) -> None:
    assert user.result("killed") == "failure", user.text
    assert "put alias live back to version 1" in user.text
    assert cloud.live_version(lab, "killed") == "1"
