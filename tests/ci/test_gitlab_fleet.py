"""The pipelines of a fleet, run by gitlab-ci-local from the example: plan, child pipeline, verdict.

It runs the child pipeline that the job `plan` printed, but takes the trigger job for passed
whatever became of it: `strategy: depend` is GitLab's own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from tests.ci import cloud, fleets, programs, tools
from tests.ci.fleets import Fleet

pytestmark = pytest.mark.timeout(300)

EXAMPLES = tools.ROOT / "examples" / "gitlab"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")  # its jobs sign in by an id token
FINISHED = re.compile(r"(?m)(plan|check \d/\d|verdict) +finished in .*?(?:FAIL (\d+))?\s*$")


@dataclass(frozen=True)
class Ended:
    """What gitlab-ci-local printed, and the folder where it put the jobs' artifacts."""

    text: str
    artifacts: Path

    @property
    def codes(self) -> dict[str, int]:
        """Return the exit code of each job that ran."""
        return {job: int(code or 0) for job, code in FINISHED.findall(self.text)}

    @property
    def report(self) -> dict[str, Any]:
        """Return the report of all shards."""
        path = self.artifacts / "verdict" / "deployguard-report" / "report.json"
        report: dict[str, Any] = json.loads(path.read_text())
        return report


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    with running_lab() as client:
        yield client


def example(name: str) -> str:
    """Return a file of the example, for an owner and a commit, with a token in the job's folder."""
    text = (EXAMPLES / name).read_text().replace("OWNER", "acme").replace("SHA.zip", "5f2c1e.zip")
    return text.replace("/tmp/token", "token")


def play(fleet: Fleet, lab: Client, folder: Path) -> Ended:
    """Ship a fleet, and let gitlab-ci-local run the pipelines for it."""
    whole = YAML(typ="safe", pure=True).load(example("fleet.gitlab-ci.yml"))
    aws = {name: text for name, text in lab.environment.items() if name not in KEYS}
    whole["variables"] = {**aws, "GUARD_ID_TOKEN": "token"}
    base = ".gitlab/deployguard.yml"
    files = {".gitlab-ci.yml": json.dumps(whole), base: example(base)}
    project = fleet.make(folder / "project", files)
    environ = tools.clean_environment(folder / "home")
    stand_ins = programs.install(folder / "bin", *programs.PROGRAMS)
    environ["PATH"] = os.pathsep.join([str(stand_ins), environ["PATH"]])
    fleet.ship(lab)
    text = tools.gitlab_ci_local(project, environ)
    return Ended(text, project / ".gitlab-ci-local" / "artifacts")


@pytest.fixture(scope="module")
def fresh(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return play(fleets.FRESH, lab, tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def stale(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return play(fleets.STALE, lab, tmp_path_factory.mktemp("stale"))


@pytest.fixture(scope="module")
def killed(lab: Client, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    with cloud.killing_the_check_of(lab, fleets.KILLED_FUNCTION, shard=fleets.KILLED_SHARD):
        return play(fleets.KILLED, lab, tmp_path_factory.mktemp("killed"))


def test_a_child_pipeline_of_eight_jobs_checks_the_functions_of_two_regions(
    fresh: Ended, lab: Client
) -> None:
    checks = {f"check {number}/8": 0 for number in range(1, 9)}
    assert fresh.codes == {"plan": 0, **checks, "verdict": 0}, fresh.text
    assert fresh.report["verdict"] == "FRESH"
    assert len(fresh.report["functions"]) == 10
    assert set(fleets.FRESH.live(lab).values()) == {"2"}
    assert (fresh.artifacts / "verdict" / "deployguard-report" / "junit.xml").exists()
    assert [call for call in lab.calls() if "AssumeRoleWithWebIdentity" in call]


def test_a_stale_function_fails_the_verdict_and_only_its_alias_is_put_back(
    stale: Ended, lab: Client
) -> None:
    assert stale.codes == {"plan": 0, "check 1/2": 0, "check 2/2": 10, "verdict": 10}, stale.text
    assert stale.report["verdict"] == "STALE"
    assert len(stale.report["functions"]) == 2
    assert [*fleets.STALE.live(lab).values()] == ["2", "1"]


def test_the_verdict_without_a_shard_is_doubt_and_what_its_killed_run_left_is_put_back(
    killed: Ended, lab: Client
) -> None:
    assert killed.codes == {"plan": 0, "check 1/2": 0, "check 2/2": 137, "verdict": 11}, killed.text
    assert killed.report["verdict"] == "INCONCLUSIVE"
    assert "DG314" in [each["id"] for each in killed.report["fleet"]["findings"]]
    assert [*fleets.KILLED.live(lab).values()] == ["2", "1"]
