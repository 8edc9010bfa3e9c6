"""The action, the template and the workflows say what the settings say, and keep to the rules."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from deployguard import ci
from deployguard.config import Settings
from deployguard.option import RUNNING
from tests.ci.tools import ROOT

TEMPLATE = ROOT / "templates" / "deployguard" / "template.yml"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# They choose what a person reads: results travel in files; DEPLOYGUARD_VERBOSITY of a job counts.
NOT_INPUTS = {"format"}


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def settings_of_check() -> set[str]:
    extras = {name: field.json_schema_extra for name, field in Settings.model_fields.items()}
    taken = {n for n, extra in extras.items() if isinstance(extra, dict) and takes(extra, "check")}
    return taken - NOT_INPUTS


def takes(extra: dict[str, Any], command: str) -> bool:
    return command in extra["commands"]


THE_TEMPLATES_OWN = {
    "job-name",
    "stage",
    "job-image",
    "package",
    "command",
    "environment",
    "resource-group",
    "role-arn",
    "aud",
    "region",
    "allow-failure",
}

ACTION = load((ROOT / "action.yml").read_text())
SPEC, JOB = (load(document) for document in TEMPLATE.read_text().split("\n---\n"))
(JOB,) = JOB.values()
INPUTS = sorted(name.replace("_", "-") for name in settings_of_check())


def variable(name: str) -> str:
    return "DEPLOYGUARD_" + name.upper().replace("-", "_")


def named(action_input: dict[str, Any]) -> set[str]:
    """Return the choices that a description lists in parentheses."""
    (words,) = re.findall(r"\((.*)\)", action_input["description"])
    return set(re.split(r", | or ", words))


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every step of a workflow or of a composite action."""
    for job in [*document.get("jobs", {}).values(), document.get("runs", {})]:
        yield from job.get("steps", [])


def test_every_setting_of_check_is_an_input_of_the_action_and_nothing_else_is() -> None:
    assert sorted(ACTION["inputs"].keys() - {"command", "python"}) == INPUTS


def test_every_setting_of_check_is_an_input_of_the_template_and_nothing_else_is() -> None:
    assert sorted(SPEC["spec"]["inputs"].keys() - THE_TEMPLATES_OWN) == INPUTS


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_of_the_action_reaches_its_setting(name: str) -> None:
    (step,) = (step for step in steps(ACTION) if step["id"] == "run")
    expected = f"${{{{ inputs.{name} || env.{variable(name)} }}}}"
    assert step["env"][variable(name)] == expected


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in INPUTS if name.startswith("expect-")),
        *("function", "all", "shard", "durations", "summary"),
    ],
)
def test_what_is_put_back_is_so_only_where_the_run_was_to_be_and_as_quietly(name: str) -> None:
    (step,) = (step for step in steps(ACTION) if step["id"] == "recover")
    expected = f"${{{{ inputs.{name} || env.{variable(name)} }}}}"
    assert step["env"].get(variable(name)) == expected


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_of_the_template_reaches_its_setting(name: str) -> None:
    value = JOB["variables"][variable(name)]
    text = value["value"] if isinstance(value, dict) else value
    assert text == f"$[[ inputs.{name} ]]"


def test_nothing_else_is_set_that_the_settings_would_refuse() -> None:
    (step,) = (step for step in steps(ACTION) if step["id"] == "run")
    for names in (step["env"], JOB["variables"]):
        ours = sorted(name for name in names if name.startswith("DEPLOYGUARD_"))
        assert ours == sorted(map(variable, INPUTS))


def test_no_input_of_the_action_has_a_default_of_its_own() -> None:
    defaults = {name: text["default"] for name, text in ACTION["inputs"].items()}
    assert {name: text for name, text in defaults.items() if text} == {
        "command": "check",
        "python": "python3",
    }


def test_the_choices_are_the_settings_choices() -> None:
    choices = get_args(Settings.model_fields["on_stale"].annotation)
    assert SPEC["spec"]["inputs"]["on-stale"]["options"] == ["", *choices]
    assert named(ACTION["inputs"]["on-stale"]) == set(choices)
    commands = {*RUNNING, "doctor"}
    assert named(ACTION["inputs"]["command"]) == commands
    assert set(SPEC["spec"]["inputs"]["command"]["options"]) == commands


def test_the_templates_report_folder_is_the_default_one() -> None:
    default = Settings.model_fields["report_dir"].default
    assert SPEC["spec"]["inputs"]["report-dir"]["default"] == default


def test_a_qualifier_with_a_dollar_sign_is_not_expanded() -> None:
    assert JOB["variables"]["DEPLOYGUARD_ALSO"]["expand"] is False


def test_the_actions_outputs_are_those_that_are_written() -> None:
    assert {name: output["value"] for name, output in ACTION["outputs"].items()} == {
        name: f"${{{{ steps.run.outputs.{name} }}}}" for name in ci.OUTPUTS
    }


def test_the_reports_of_the_template_are_the_files_that_are_written() -> None:
    names = {"dotenv": ci.DOTENV_FILE, "junit": "junit.xml", "annotations": "gl-annotations.json"}
    expected = {kind: f"$[[ inputs.report-dir ]]/{name}" for kind, name in names.items()}
    assert JOB["artifacts"]["reports"] == expected
    assert JOB["artifacts"]["when"] == "always"


def test_the_templates_job_verifies_an_environment_and_deploys_none() -> None:
    assert JOB["environment"] == {"name": "$[[ inputs.environment ]]", "action": "verify"}


def test_no_exit_code_of_deployguard_is_only_a_warning_unless_that_is_asked_for() -> None:
    (code,) = SPEC["spec"]["inputs"]["allow-failure"]["default"]
    readme = (ROOT / "README.md").read_text()
    assert f"\n| {code} " not in readme


def test_no_input_is_pasted_into_the_templates_script() -> None:
    assert "[[" not in " ".join([*JOB["script"], *JOB["after_script"]])


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=lambda path: path.name)
def test_no_expression_is_pasted_into_a_shell(path: Any) -> None:
    runs = [step["run"] for step in steps(load(path.read_text())) if "run" in step]
    assert runs
    assert not [run for run in runs if "${{" in run]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_pins_what_it_uses_and_grants_nothing_by_default(path: Any) -> None:
    text = path.read_text()
    workflow = load(text)
    assert workflow["permissions"] == {}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    lines = [line.strip().removeprefix("- ") for line in text.splitlines() if "uses: " in line]
    pinned = re.compile(r"uses: (\./|[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)")
    assert lines
    assert not [line for line in lines if not pinned.fullmatch(line)]
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize(
    "command", [list(steps(ACTION))[-1]["run"], JOB["script"][-1]], ids=["action", "template"]
)
def test_the_last_command_becomes_deployguard_and_imports_nothing_from_the_workspace(
    command: str,
) -> None:
    last = command.strip().splitlines()[-1]
    assert re.match(r'exec "\$\w+(/bin)?/python" -I -m deployguard ', last)


def test_what_the_action_installs_is_locked() -> None:
    lock = (ROOT / "requirements" / "action.txt").read_text()
    locked = dict(re.findall(r"^([\w.-]+)==(\S+?)(?: ;.*)? \\$", lock, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = project["project"]["dependencies"] + project["build-system"]["requires"]
    for text in needed:
        requirement = Requirement(text)
        assert requirement.specifier.contains(locked[requirement.name]), text
    assert "http" not in re.sub(r"#.*", "", lock)
