"""The examples for other CI services: valid, and their own shell steps run against a lab.

What each service does with such a file is acted here in a few lines: its variables, its shell, and
which steps run in any case.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deployguard.config import Settings
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from deployguard.report.forms import FORMS
from tests.ci import cloud, programs, tools

pytestmark = pytest.mark.timeout(300)

EXAMPLES = tools.ROOT / "examples"
SHA = "5f2c1e"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
TOKEN = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}  # it signs in by an id token


@dataclass(frozen=True)
class Step:
    """Some lines of shell."""

    script: str
    always: bool = False  # whatever became of those before


@dataclass(frozen=True)
class Example:
    """A pipeline as its service would run it."""

    steps: list[Step]
    variables: Mapping[str, str]
    interpreter: tuple[str, ...] = BASH
    folder: str = "deployguard-report"


def load(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((EXAMPLES / name).read_text())


def circleci() -> Example:
    steps = [s["run"] for s in load("circleci/config.yml")["jobs"]["deploy"]["steps"] if "run" in s]
    return Example(
        [Step(step["command"], always=step.get("when") == "always") for step in steps],
        {"CIRCLE_SHA1": SHA, "CIRCLE_OIDC_TOKEN_V2": "token", "BASH_ENV": "bash.env", **TOKEN},
    )


def azure() -> Example:
    document = load("azure-pipelines/azure-pipelines.yml")
    steps = [step for step in document["steps"] if "bash" in step]
    return Example(
        [Step(step["bash"], always=step.get("condition") == "always()") for step in steps],
        {
            name: text.replace("$(Build.SourceVersion)", SHA)
            for name, text in document["variables"].items()
        },
    )


def bitbucket() -> Example:
    (step,) = load("bitbucket/bitbucket-pipelines.yml")["pipelines"]["branches"]["main"]
    return Example(
        [
            Step("\n".join(step["step"]["script"])),
            Step("\n".join(step["step"]["after-script"]), always=True),
        ],
        {"BITBUCKET_COMMIT": SHA, "BITBUCKET_STEP_OIDC_TOKEN": "token", **TOKEN},
        folder="test-results",
    )


def jenkins() -> Example:
    text = (EXAMPLES / "jenkins" / "Jenkinsfile").read_text()
    before, _, after = text.partition("    post {\n")
    shell = re.compile(r"sh '''\n(.*?)'''", re.DOTALL)
    environment = dict(re.findall(r"(?m)^ {8}([A-Z_]+) = [\"'](.*)[\"']$", before))
    return Example(
        [
            *(Step(textwrap.dedent(script)) for script in shell.findall(before)),
            *(Step(textwrap.dedent(script), always=True) for script in shell.findall(after)),
        ],
        {
            name: value.replace("${env.GIT_COMMIT}", SHA).replace("${env.", "${")
            for name, value in environment.items()
        },
        interpreter=("sh", "-xec"),
    )


def codebuild() -> Example:
    document = load("codebuild/buildspec.yml")
    phases = document["phases"]
    commands = [line for phase in phases.values() for line in phase["commands"]]
    return Example(
        [
            Step("\n".join(commands)),
            *(Step(line, always=True) for line in phases["build"]["finally"]),
        ],
        {"CODEBUILD_RESOLVED_SOURCE_VERSION": SHA, **document["env"]["variables"]},
        interpreter=("sh", "-ec"),
        folder=document["reports"]["deployguard"]["base-directory"],
    )


SERVICES: dict[str, Callable[[], Example]] = {
    "circleci": circleci,
    "azure": azure,
    "bitbucket": bitbucket,
    "jenkins": jenkins,
    "codebuild": codebuild,
}


@dataclass(frozen=True)
class Ended:
    """How a pipeline ended: the exit code of each step that ran, and what they said."""

    codes: list[int]
    said: str
    folder: Path


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    with running_lab() as client:
        client.set(virtual=True)
        yield client


@pytest.fixture
def play(lab: Client, tmp_path: Path) -> Callable[..., Ended]:
    """Play a pipeline of a function of its own, whose live build is build-1."""

    def run(service: str, function: str, **environment: str) -> Ended:
        cloud.begin(lab, function)
        example = SERVICES[service]()
        stand_ins = programs.install(tmp_path / "bin", *programs.PROGRAMS)
        workspace = tmp_path / "workspace"
        workspace.mkdir()
        environ = tools.clean_environment(tmp_path / "home") | lab.environment | environment
        environ["PATH"] = os.pathsep.join([str(stand_ins), environ["PATH"]])
        environ["WORKSPACE"] = str(workspace)
        expanded = {
            name: re.sub(r"\$\{(\w+)\}", lambda word: environ[word[1]], value)
            for name, value in example.variables.items()
        }
        codes: list[int] = []
        said = ""
        for step in example.steps:
            if any(codes) and not step.always:
                continue
            script = re.sub(r"\breports\b", function, step.script)
            done = subprocess.run(
                [*example.interpreter, script.replace("/tmp/token", str(tmp_path / "token"))],
                cwd=workspace,
                env=environ | expanded,
                capture_output=True,
                text=True,
                check=False,
            )
            codes.append(done.returncode)
            said += done.stdout + done.stderr
        return Ended(codes, said, workspace / example.folder)

    return run


@pytest.mark.parametrize("service", SERVICES)
def test_a_good_build_takes_the_traffic_and_its_report_is_where_it_is_collected(
    service: str, play: Callable[..., Ended], lab: Client
) -> None:
    ended = play(service, f"{service}-good")
    assert not any(ended.codes), ended.said
    assert cloud.live_version(lab, f"{service}-good") == "2"
    assert "no run has left anything behind" in ended.said
    for name in ("json", *Settings.model_fields["reports"].default):
        assert (ended.folder / FORMS[name].file).exists()


def test_a_build_with_an_old_layer_fails_the_pipeline_and_takes_no_traffic(
    play: Callable[..., Ended], lab: Client
) -> None:
    ended = play("azure", "stale", STALE_LAYER="1")
    assert ended.codes == [0, 10, 0], ended.said
    assert cloud.live_version(lab, "stale") == "1"


def test_what_a_killed_check_left_is_put_back_by_the_step_that_always_runs(
    play: Callable[..., Ended], lab: Client
) -> None:
    with cloud.killing_the_check_of(lab, "killed"):
        ended = play("jenkins", "killed")
    assert ended.codes[-2:] == [-9, 0], ended.said
    assert "put alias live back to version 1" in ended.said
    assert cloud.live_version(lab, "killed") == "1"


# Their form


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("github/deploy.yml", ["vendor.github-workflows"]),
        ("github/fleet.yml", ["vendor.github-workflows"]),
        ("gitlab/.gitlab-ci.yml", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
        ("gitlab/fleet.gitlab-ci.yml", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
        ("gitlab/.gitlab/deployguard.yml", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
        ("circleci/config.yml", ["vendor.circle-ci"]),
        (
            "azure-pipelines/azure-pipelines.yml",
            [
                "vendor.azure-pipelines",
                *("--data-transform", "azure-pipelines", "--regex-variant", "python"),
            ],
        ),
        (
            "bitbucket/bitbucket-pipelines.yml",
            ["vendor.bitbucket-pipelines", "--regex-variant", "python"],
        ),
    ],
)
def test_an_example_is_valid(name: str, options: list[str]) -> None:
    schema, *more = options
    checked = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", *more),
            *("--builtin-schema", schema, str(EXAMPLES / name)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_buildspec_has_the_members_that_codebuild_knows() -> None:
    document = load("codebuild/buildspec.yml")
    assert document["version"] == 0.2
    assert document.keys() <= {"version", "env", "phases", "reports", "artifacts"}
    assert document["phases"].keys() <= {"install", "pre_build", "build", "post_build"}
    for phase in document["phases"].values():
        assert phase.keys() <= {"runtime-versions", "commands", "finally"}
    (group,) = document["reports"].values()
    assert group["file-format"] == "JUNITXML"
    assert group["files"] == [FORMS["junit"].file] if "junit" in FORMS else True


def test_the_braces_of_the_jenkinsfile_match_and_its_sections_are_known() -> None:
    text = (EXAMPLES / "jenkins" / "Jenkinsfile").read_text()
    bare = re.sub(r"'''.*?'''|'[^']*'|\"[^\"]*\"|//[^\n]*", "", text, flags=re.DOTALL)
    depth, sections = 0, []
    for word in re.findall(r"[{}]|\w+(?= *\{)", re.sub(r"\([^)]*\)", "", bare)):
        depth += {"{": 1, "}": -1}.get(word, 0)
        assert depth >= 0
        sections += [word] if word.isalpha() and depth == 1 else []
    assert depth == 0
    assert sections == ["agent", "options", "environment", "stages", "post"]
