"""The action, run by act from the selftest workflow, against a real lab."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deployguard.lab.client import Client
from tests.ci import acting, cloud, programs, tools
from tests.ci.acting import ANY_SHA, Run

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


ATTEST = """\
cp -- "$PREDICATE_PATH" "$UPLOADS/predicate"
printf '%s %s' "$SUBJECT_DIGEST" "$PREDICATE_TYPE" > "$UPLOADS/attested"
"""
# The actions of others that the documentation names, as far as it uses them.
OTHERS = {
    "actions/upload-artifact": (("name", "path"), 'cp -R -- "$PATH_" "$UPLOADS/$GITHUB_JOB"'),
    "actions/attest": (
        ("subject-name", "subject-digest", "predicate-type", "predicate-path"),
        ATTEST,
    ),
    "aws-actions/configure-aws-credentials": (
        ("role-to-assume", "aws-region"),
        'echo "AWS_DEFAULT_REGION=$AWS_REGION" >> "$GITHUB_ENV"',
    ),
    "aws-actions/amazon-ecr-login": ((), "true"),
}


def shown(text: str, job: str) -> dict[str, Any]:
    """Return a workflow of the documentation with one job, of a function named as it."""
    text = re.sub(r"OWNER/deployguard@\w+", "acme/deployguard@v1", text)
    text = re.sub(r"@(SHA|[0-9a-f]{40})\b", f"@{ANY_SHA}", text)
    text = re.sub(r"(function(?:-name)?:? |amazonaws.com/)reports\b", rf"\g<1>{job}", text)
    workflow: dict[str, Any] = {"on": "push", **YAML(typ="safe", pure=True).load(text)}
    (found,) = workflow["jobs"].values()
    found["steps"].insert(0, {"run": 'echo "$STAND_INS" >> "$GITHUB_PATH"'})
    return {**workflow, "jobs": {job: found}}


Act = Callable[..., Run]


@pytest.fixture(scope="module")
def act(lab: Client, project: Path, tmp_path_factory: pytest.TempPathFactory) -> Act:
    tools.need("act")
    folder = tmp_path_factory.mktemp("act")
    environ = tools.clean_environment(folder / "home")

    def run(workflow: str, *options: str) -> Run:
        return acting.run(
            "push",
            workflow,
            *options,
            folder=project,
            environ=environ,
            lab=lab,
            cache=folder / "cache",
        )

    return run


@pytest.fixture(scope="module")
def selftest(act: Act) -> Run:
    return act(".github/workflows/selftest.yml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold what stands for other programs and actions, and what those were given."""
    folder = tmp_path_factory.mktemp("stand-ins")
    programs.install(folder / "bin", *programs.PROGRAMS)
    (folder / "uploads").mkdir()
    for name, (inputs, command) in OTHERS.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "action.yml").write_text(json.dumps(acting.other(inputs, command)))
    return folder


@pytest.fixture(scope="module")
def user(act: Act, project: Path, lab: Client, folder: Path) -> Run:
    """Run what a user wrote, and all that the documentation shows."""
    cloud.begin(lab, "readme")
    cloud.begin(lab, "example")
    cloud.ship(lab, "docs", stamped="build-1")
    texts = {
        "readme": tools.block("README.md", "jobs:"),
        "docs": tools.block("docs/ci.md", "name: deploy"),
        "example": (tools.ROOT / "examples" / "github" / "deploy.yml").read_text(),
    }
    workflows = project / "workflows"
    workflows.mkdir()
    (workflows / "user.yml").write_text(WORKFLOW)
    for job, text in texts.items():
        (workflows / f"{job}.yml").write_text(json.dumps(shown(text, job)))
    options = ["--local-repository", f"acme/deployguard@v1={project}"]
    for name in OTHERS:
        options += ["--local-repository", f"{name}@{ANY_SHA}={folder / name}"]
    options += ["--env", f"STAND_INS={folder / 'bin'}", "--env", f"UPLOADS={folder / 'uploads'}"]
    with cloud.killing_the_check_of(lab, "killed"):
        return act("workflows", *options)


def test_the_selftest_workflow_passes(selftest: Run) -> None:
    assert selftest.code == 0, selftest.text


def test_a_good_deploy_passes_and_takes_the_traffic(selftest: Run, lab: Client) -> None:
    assert selftest.result("good") == "success", selftest.text
    assert cloud.live_version(lab, "good") == "2"
    outputs = selftest.outputs("good")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", outputs.pop("image-digest"))
    assert Path(outputs["report-path"]).name == "report.json"
    assert {name: text for name, text in outputs.items() if not name.endswith("-path")} == {
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


@pytest.mark.parametrize("job", ["readme", "example"])
def test_a_job_of_the_documentation_builds_deploys_and_takes_the_traffic(
    user: Run, lab: Client, job: str
) -> None:
    assert user.ended(job) == "success", user.text
    assert cloud.live_version(lab, job) == "2"


def test_a_job_of_the_documentation_fails_for_a_stale_deploy_and_uploads_the_report(
    user: Run, lab: Client, folder: Path
) -> None:
    assert user.ended("docs") == "failure", user.text
    assert cloud.live_version(lab, "docs") == "1"
    report = json.loads((folder / "uploads" / "docs").read_text())
    assert report["verdict"] == "STALE"


def test_the_example_attests_that_the_image_was_seen_to_run(user: Run, folder: Path) -> None:
    assert user.ended("example") == "success", user.text
    digest, kind = (folder / "uploads" / "attested").read_text().split()
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert kind.startswith("https://in-toto.io/attestation/test-result/")
    predicate = json.loads((folder / "uploads" / "predicate").read_text())
    assert predicate["result"] == "PASSED"
