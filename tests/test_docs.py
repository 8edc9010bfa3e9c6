"""What the documentation says is what the code does."""

from __future__ import annotations

import argparse
import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from ruamel.yaml import YAML

from deployguard import cli, errors, run
from deployguard.commands import begin
from deployguard.doctor import arguments
from deployguard.findings import HELP, KINDS
from deployguard.option import ASKING, CONFORMING, INVESTIGATING
from deployguard.permissions import COMMANDS, HOOK, NEEDS
from deployguard.report import arguments as report_arguments

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)
README = (ROOT / "README.md").read_text()
HANG_UP, BROKEN_PIPE = 129, 141
SERVICES = {"lambda": "lambda", "ecr": "ecr", "cloudwatch": "cloudwatch", "sqs": "sqs"}
CLI = {"deploy": "codedeploy"}  # services that the AWS CLI names otherwise
FREE = "sts:GetCallerIdentity"  # which needs no permission
PREFIXES = {
    "apigatewayv2": "apigateway",
    "elbv2": "elasticloadbalancing",
    "stepfunctions": "states",
}
OTHERWISE_NAMED = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language, without their indentation."""
    found = re.findall(rf"(?ms)^( *)```{language}\n(.*?)^ *```$", page.read_text())
    return [re.sub(rf"(?m)^{indent}", "", text) for indent, text in found]


def section(text: str, title: str) -> str:
    """Return what stands below a heading of the second level."""
    return text.split(f"\n## {title}\n")[1].split("\n## ", maxsplit=1)[0]


def first_cells(table: str) -> list[str]:
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    return [row for row in rows if row not in ("---", "code", "flag", "id")]


def load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "docs" / "generate.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


# What is generated


def test_every_generated_part_is_up_to_date() -> None:
    found = generate(ROOT, "--check")
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_a_part_that_is_behind_is_named_and_brought_up_to_date(tmp_path: Path) -> None:
    for kept in ("README.md", "action.yml"):
        shutil.copy(ROOT / kept, tmp_path)
    for kept in ("docs", "examples"):
        shutil.copytree(ROOT / kept, tmp_path / kept)
    page = tmp_path / "docs" / "findings.md"
    written = page.read_text()
    page.write_text(written.replace("## DG201\n", "## DG299\n"))
    found = generate(tmp_path, "--check")
    assert (found.returncode, found.stdout) == (
        1,
        "docs/findings.md is behind: run `make docs`\n",
    )
    assert generate(tmp_path).returncode == 0
    assert page.read_text() == written


def shape(output: str) -> list[str]:
    """Mask what differs from run to run; a series of like lines becomes one."""
    masks = {
        r"\b[0-9]{8}T[0-9]{6}Z(-[0-9a-f]{8})?-[0-9]{6}\b": "BUILD",
        r"\b[0-9-]{10}T[0-9:]{8}Z": "TIME",
        r"\b[0-9a-f]{64}\b": "DIGEST",
        r"\b[0-9a-f]{12,20}\b": "ID",
        r"(?m)^\d\d:\d\d:\d\d round .*$": "ROUND",
        r"(?m)^ +and \d+ more in report.json\n": "",
        r"(, commit \w+)|(, \d+ cold starts)": "",
        r"\b\d+ rounds?\b": "N rounds",
        r"\d+(\.\d+)?": "N",
    }
    for pattern, mask in masks.items():
        output = re.sub(pattern, mask, output)
    return [line for line, _ in groupby(output.strip().splitlines())]


@pytest.mark.xdist_group("demo")
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    demo = subprocess.run(
        [sys.executable, "-m", "deployguard", "lab", "demo"],
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
        check=False,
        timeout=110,
    )
    assert demo.returncode == 0, demo.stdout
    (shown,) = [text for text in blocks(ROOT / "README.md", "console") if "make demo" in text]
    assert shape(demo.stdout) == shape(shown.removeprefix("$ make demo\n"))


def test_the_readme_shows_no_tests_that_failed() -> None:
    shown = [text for text in blocks(ROOT / "README.md", "console") if "make test" in text]
    passed = re.compile(r"\$ make test\n=+ \d+ passed(, \d+ skipped)? in .*s.* =+\n")
    assert [text for text in shown if not passed.fullmatch(text)] == []


# Links


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"(?ms)^ *```.*?^ *```$", "", page.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert ROOT in target.parents, link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"(?m)^#+ (.*)$", page.read_text())
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


# Findings


def test_every_finding_that_the_code_names_is_in_the_table_and_used() -> None:
    table = ROOT / "src" / "deployguard" / "findings"
    used = {
        found
        for path in SOURCES
        if path.parent != table
        for found in re.findall(r"\bDG\d{3}\b", path.read_text())
    }
    assert used == KINDS.keys()


@pytest.mark.parametrize("identifier", sorted(KINDS))
def test_the_help_of_a_finding_leads_to_its_section(identifier: str) -> None:
    page = ROOT / HELP.split("/blob/main/")[1]
    assert identifier.lower() in anchors(page)
    told = section(page.read_text(), identifier)
    sample = told.split("```text\n")[1].split("\n```\n")[0]
    assert re.search(
        rf"(?m)^((error|warning)\[{identifier}\]:|  [a-z]+ +.+  {identifier}) \S", sample
    )
    assert re.search(r"(?m)^ +run: ", sample)


@pytest.mark.parametrize("identifier", sorted(KINDS))
def test_the_command_of_a_finding_exists_with_its_options(identifier: str) -> None:
    words = shlex.split(KINDS[identifier].command)
    if words[0] == "deployguard":
        cli.parsers().parse_args([word.replace("NUMBER", "1") for word in words[1:]])
    elif words[0] == "aws" and words[1:3] != ["lambda", "wait"]:
        client = botocore.session.get_session().get_service_model(CLI.get(words[1], words[1]))
        operations = {xform_name(each, "-"): each for each in client.operation_names}
        taken = client.operation_model(operations[words[2]]).input_shape
        options = {f"--{xform_name(each, '-')}" for each in (taken.members if taken else ())}
        assert {word for word in words if word.startswith("--")} - {"--query"} <= options
    else:
        assert words[0] in ("aws", "docker", "unset")


# Commands and settings


@pytest.mark.parametrize(
    "command",
    [
        "check",
        "verify",
        "rollback",
        "recover",
        "prune",
        "plan",
        "doctor",
        "routes",
        "history",
        "stamp",
        "canary",
        "canary-test",
        "report",
    ],
)
def test_every_option_of_a_command_is_in_its_table(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    told = re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)(?:, (--[\w-]+))?", capsys.readouterr().out)
    page = section((ROOT / "docs" / "settings.md").read_text(), "Commands")
    table = page.split(f"\n### {command}\n")[1].split("\n### ")[0]
    shown = {name for cell in first_cells(table) for name in cell.strip("`").split(", ")}
    flags = {flag for pair in told for flag in pair if flag}
    positional = {"FUNCTION", "EXECUTION", "IMPLEMENTATION", "LANGUAGE"}
    assert shown - positional == flags - {"--help"} - typed_only(command)


def typed_only(command: str) -> set[str]:
    """Return the options of a command that are no settings; its own page tells of them."""
    parser = argparse.ArgumentParser(add_help=False)
    add, pages = {
        "doctor": (arguments.add, ("doctor", "ci")),
        "report": (report_arguments.add, ("report",)),
    }.get(command, (None, ()))
    if add:
        add(parser)
    page = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in pages)
    options = {option for action in parser._actions for option in action.option_strings}
    assert [option for option in sorted(options) if option not in page] == []
    return options


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_is_shown_can_be_parsed(page: Path) -> None:
    for block in blocks(page, "sh") + blocks(page, "yaml"):
        for line in re.findall(r"(?<![\w/])deployguard ((?:\w.*)(?:\\\n.*)*)", block):
            typed = re.split(r"\$\(| \$[a-z]|[)&>|]|\"$", line.split("#")[0])[0]
            cli.parsers().parse_args(shlex.split(typed))


def test_the_index_of_the_documentation_leads_to_every_page() -> None:
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text()
    linked = {(docs / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)", index)}
    pages = {page for page in docs.rglob("*.md") if page.parent.name != "adr"}
    assert pages - linked == {docs / "README.md"}


def codes_of_errors() -> Iterator[int]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.DeployguardError):
            yield kind.exit_code


def test_the_table_of_exit_codes_is_the_codes() -> None:
    (handled,) = re.findall(r"numbers = \((.*)\)", Path(begin.__file__).read_text())
    signals = {f"SIG{each}" for each in re.findall(r"signal\.SIG(\w+)", handled)}
    assert signals == {"SIGHUP", "SIGINT", "SIGTERM"}
    interrupted = {errors.Interrupted(number).exit_code for number in (1, 2, 15)}
    assert cli.BROKEN_PIPE == BROKEN_PIPE
    codes = {*codes_of_errors(), *run.EXIT_CODES.values(), *interrupted, BROKEN_PIPE}
    cells = ",".join(first_cells(section(README, "Exit codes")))
    assert sorted(map(int, cells.split(","))) == sorted(codes)


def test_the_table_of_exit_codes_names_the_verdicts() -> None:
    for verdict, code in run.EXIT_CODES.items():
        assert f"\n| {code} | {verdict}: " in README


# The report


def members(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from members(inner)


def test_every_member_of_the_report_is_described() -> None:
    schema = json.loads((ROOT / "src" / "deployguard" / "report" / "schema.json").read_text())
    schema["properties"].pop("tool")  # its members say what they are
    page = (ROOT / "docs" / "report.md").read_text()
    assert [each for each in members(schema) if f"`{each}`" not in page] == []


# Permissions


def words(path: Path) -> set[str]:
    """Return every attribute and every text that a file names."""
    return {
        word
        for node in ast.walk(ast.parse(path.read_text()))
        for word in (getattr(node, "attr", None), getattr(node, "value", None))
        if isinstance(word, str)
    }


def actions_called() -> set[str]:
    """Return the IAM action of each SDK method that the edge to AWS names."""
    session = botocore.session.get_session()
    called = set()
    for path in (ROOT / "src" / "deployguard" / "aws").rglob("*.py"):
        asked = re.findall(r'\.client\(\s*"(\w+)"', path.read_text())
        named = words(path)
        called |= {
            f"{PREFIXES.get(service, service)}:{operation}"
            for service in asked or SERVICES
            for operation in session.get_service_model(service).operation_names
            if xform_name(operation) in named
        }
    return {
        "apigateway:GET"
        if action.startswith("apigateway:Get")
        else OTHERWISE_NAMED.get(action, action)
        for action in called
    }


def test_the_table_of_needs_names_the_calls_and_nothing_else() -> None:
    assert {need.action for need in NEEDS} == actions_called() - {FREE}


def test_every_command_that_speaks_to_aws_has_needs() -> None:
    assert set(COMMANDS) == {*ASKING, *INVESTIGATING, *CONFORMING, HOOK, "plan", "map"}


def test_every_service_that_is_called_is_known_to_these_tests() -> None:
    session = (ROOT / "src" / "deployguard" / "aws" / "session.py").read_text()
    assert set(re.findall(r'_client\("(\w+)"', session)) == set(SERVICES)


# CI


def pipelines(kind: str) -> list[Any]:
    pages = (ROOT / "README.md", ROOT / "docs" / "ci.md")
    documents = [load(text) for page in pages for text in blocks(page, "yaml")]
    return [document for document in documents if kind in document]


def test_the_github_jobs_are_valid_and_pass_inputs_that_exist(tmp_path: Path) -> None:
    action = load((ROOT / "action.yml").read_text())
    workflows = pipelines("jobs")
    assert len(workflows) == 2
    for number, workflow in enumerate(workflows):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({"on": "push", **workflow}))
        valid_for("vendor.github-workflows", path)
        (job,) = workflow["jobs"].values()
        (guard,) = [step for step in job["steps"] if "/deployguard@" in step.get("uses", "")]
        assert guard["with"].keys() <= action["inputs"].keys()


def test_the_gitlab_jobs_are_valid_and_pass_inputs_that_exist(tmp_path: Path) -> None:
    included = pipelines("include")
    assert len(included) == 2
    for number, pipeline in enumerate(included):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(pipeline))
        valid_for("vendor.gitlab-ci", path)
        (template,) = pipeline["include"]
        path = template.get("file", "templates/deployguard/template.yml")
        assert "file" in template or template["component"].endswith("/deployguard@SHA")
        spec = load((ROOT / path).read_text().split("\n---\n")[0])
        required = {name for name, each in spec["spec"]["inputs"].items() if "default" not in each}
        assert required <= template["inputs"].keys() <= spec["spec"]["inputs"].keys()


def valid_for(schema: str, path: Path) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
