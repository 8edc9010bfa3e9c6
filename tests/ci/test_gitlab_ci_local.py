"""The GitLab template, run by gitlab-ci-local from a pipeline that includes it, on a real lab."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.client import Client
from tests.ci import cloud, tools

pytestmark = pytest.mark.timeout(600)

PIPELINE = """\
include:
  - local: templates/deployguard/template.yml
    inputs: {job-name: check-good, function: $GOOD, package: ".", report-dir: report-good}
  - local: templates/deployguard/template.yml
    inputs: {job-name: check-bad, function: bad, package: ".", report-dir: report-bad}
  - local: templates/deployguard/template.yml
    inputs:
      job-name: check-hostile
      function: "'; touch pwned; `touch pwned`; #$(touch pwned)"
      package: "."
  - local: templates/deployguard/template.yml
    inputs: {job-name: check-killed, function: killed, package: ".", report-dir: report-killed}
stages: [deploy, after]
after-good:
  stage: after
  needs: [check-good]
  script: &print
    - set -- "$GUARD_VERDICT" "$GUARD_EXIT_CODE" "$GUARD_BUILD_ID" "$GUARD_VERSION"
    - echo "results $* $GUARD_IMAGE_DIGEST"
after-bad:
  stage: after
  needs: [check-bad]
  when: always
  script: *print
"""


@dataclass(frozen=True)
class Run:
    """What gitlab-ci-local printed, and the folder where it put the jobs' artifacts."""

    text: str
    artifacts: Path

    def result(self, job: str) -> str:
        """Return the word that stands before a job in the summary."""
        words = re.findall(rf"^ (PASS|FAIL|WARN) +{job}\b", self.text, re.MULTILINE)
        assert len(words) == 1, self.text
        return str(words[0])

    def exit_code(self, job: str) -> int:
        """Return the exit code in a job's closing line."""
        found = re.search(rf"^{job} +finished in .*?FAIL (\d+)", self.text, re.MULTILINE)
        return int(found[1]) if found else 0

    def printed(self, job: str) -> str:
        """Return what a later job saw of the results."""
        found = re.search(rf"^{job} +> results (.*)$", self.text, re.MULTILINE)
        assert found, self.text
        return found[1].strip()

    def report(self, job: str) -> dict[str, Any]:
        """Return the report among a job's artifacts."""
        (path,) = (self.artifacts / job).rglob("report.json")
        report: dict[str, Any] = json.loads(path.read_text())
        return report


@pytest.fixture(scope="module")
def run(lab: Client, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    tools.need("rsync")
    program = tools.need("gitlab-ci-local")
    (project / ".gitlab-ci.yml").write_text(PIPELINE)
    template = project / "templates" / "deployguard" / "template.yml"
    # gitlab-ci-local knows only plain values in a job's variables.
    plain = re.sub(r"\{value: (\".*\"), expand: false\}", r"\1", template.read_text())
    template.write_text(plain)
    tools.git(project, "add", "-A")
    command = [program, "--force-shell-executor", "--variable", "GOOD=good"]
    for name, value in lab.environment.items():
        command += ["--variable", f"{name}={value}"]
    environ = tools.clean_environment(tmp_path_factory.mktemp("gitlab") / "home")
    with cloud.killing_the_check_of(lab, "killed"):
        done = subprocess.run(
            command, cwd=project, env=environ, capture_output=True, text=True, check=False
        )
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    return Run(text, project / ".gitlab-ci-local" / "artifacts")


def test_a_good_deploy_passes_and_takes_the_traffic(run: Run, lab: Client) -> None:
    assert run.result("check-good") == "PASS"
    assert cloud.live_version(lab, "good") == "2"
    assert run.report("check-good")["verdict"] == "FRESH"
    assert re.fullmatch(r"FRESH 0 build-2 2 sha256:[0-9a-f]{64}", run.printed("after-good"))


def test_a_bad_deploy_fails_its_job_and_takes_no_traffic(run: Run, lab: Client) -> None:
    assert run.result("check-bad") == "FAIL"
    assert run.exit_code("check-bad") == 10
    assert cloud.live_version(lab, "bad") == "1"
    assert run.report("check-bad")["verdict"] == "STALE"
    assert re.fullmatch(r"STALE 10 build-2 1 sha256:[0-9a-f]{64}", run.printed("after-bad"))


def test_an_input_is_data_and_never_a_command(run: Run, project: Path) -> None:
    assert run.exit_code("check-hostile") == 2
    assert not [name for _, _, names in os.walk(project) for name in names if name == "pwned"]


def test_what_a_killed_run_left_is_put_back_after_the_script(run: Run, lab: Client) -> None:
    assert run.exit_code("check-killed") == 137
    assert "put alias live back to version 1" in run.text
    assert cloud.live_version(lab, "killed") == "1"
