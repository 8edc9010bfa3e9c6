"""The GitLab template, run by gitlab-ci-local from a pipeline that includes it, on a real lab."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deployguard.lab.client import Client
from tests.ci import cloud, programs, tools

pytestmark = pytest.mark.timeout(600)

KEYLESS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
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
stages: [deploy, verify, check-again, after]
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


# What the documentation and the example show, of functions named as these jobs.
SHOWN = {
    "readme": tools.block("README.md", "include:"),
    "docs": tools.block("docs/ci.md", "stages:"),
    "example": (tools.ROOT / "examples" / "gitlab" / ".gitlab-ci.yml").read_text(),
}
LAST = "check-again"


def load(text: str) -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return document


def shown(job: str, *, sha: str) -> dict[str, Any]:
    """Return what is shown as a part of one pipeline, whose included job has a name of its own."""
    text = re.sub(r"\bSHA\b", sha, SHOWN[job].replace("OWNER", "acme"))
    text = text.replace("/tmp/token", "token")
    part = load(text.replace("reports:$CI", f"{job}:$CI").replace("-name reports", f"-name {job}"))
    part.get("deploy", {}).pop("services", None)  # a shell has none
    (template,) = part["include"]
    template["inputs"] |= {"job-name": f"check-{job}", "function": job, "package": "."}
    if "project" in template:  # which would be fetched from a GitLab
        part["include"] = [{"local": template["file"], "inputs": template["inputs"]}]
    return part


def pipeline(*, sha: str) -> dict[str, Any]:
    """Return everything as one pipeline."""
    parts = [shown(job, sha=sha) for job in SHOWN]
    whole = load(PIPELINE)
    whole["include"] += [template for part in parts for template in part["include"]]
    whole["variables"] = {k: v for part in parts for k, v in part.get("variables", {}).items()}
    # The one in the README checks the image that the example deploys, once that was checked.
    for template in whole["include"]:
        if template["inputs"]["job-name"] == "check-readme":
            template["inputs"] |= {"function": "example", "stage": LAST}
    for part in parts:
        whole |= {k: v for k, v in part.items() if k not in ("stages", "include", "variables")}
    whole["check-good"] = {"variables": {"INSTALL_FOR_REAL": "1"}}
    # This one signs in by an id token, which gitlab-ci-local makes none of, and has no keys.
    whole["check-docs"] = {"variables": {"GUARD_ID_TOKEN": "token", **KEYLESS}}
    return whole


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
    tools.need("gitlab-ci-local")
    template = project / "templates" / "deployguard" / "template.yml"
    # gitlab-ci-local knows only plain values in a job's variables.
    plain = re.sub(r"\{value: (\".*\"), expand: false\}", r"\1", template.read_text())
    template.write_text(plain)
    tools.git(project, "commit", "-q", "-a", "-m", "plain")
    whole = pipeline(sha=tools.git(project, "rev-parse", "HEAD"))
    whole["variables"] |= {"GOOD": "good", **lab.environment}
    (project / ".gitlab-ci.yml").write_text(json.dumps(whole))
    tools.git(project, "add", "-A")
    folder = tmp_path_factory.mktemp("gitlab")
    environ = tools.clean_environment(folder / "home")
    stand_ins = programs.install(folder / "bin", *programs.PROGRAMS)
    environ["PATH"] = os.pathsep.join([str(stand_ins), environ["PATH"]])
    cloud.ship(lab, "docs", stamped="build-2")
    cloud.begin(lab, "example")
    with cloud.killing_the_check_of(lab, "killed"):
        text = tools.gitlab_ci_local(project, environ)
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


def test_the_pipeline_of_the_example_builds_deploys_and_takes_the_traffic(
    run: Run, lab: Client
) -> None:
    assert run.result("check-example") == "PASS", run.text
    assert cloud.live_version(lab, "example") == "2"
    assert run.report("check-example")["functions"][0]["expected"]["link"] == "verified"


def test_the_job_of_the_readme_passes_for_what_is_live_already(run: Run) -> None:
    assert run.result("check-readme") == "PASS", run.text


def test_a_role_is_signed_in_to_by_the_jobs_id_token_and_nothing_of_it_is_left(
    run: Run, lab: Client
) -> None:
    assert run.result("check-docs") == "PASS", run.text
    assert [call for call in lab.calls() if "AssumeRoleWithWebIdentity" in call], lab.calls()
    assert not list(Path("/tmp").glob("deployguard-*/token"))


def test_the_report_is_collected_as_tests_and_links(run: Run) -> None:
    found = {path.name for path in (run.artifacts / "check-docs").rglob("*") if path.is_file()}
    assert {"deployguard.env", "junit.xml", "gl-annotations.json", "report.json"} <= found
