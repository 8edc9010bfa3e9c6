"""Who may import whom: decisions stay pure, AWS and CI stay at the edges."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "deployguard"
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = {
    "aging",
    "breadcrumb",
    "conformance/judges",
    "conformance/nouns",
    "conformance/rules",
    "conformance/script",
    "conformance/show",
    "coverage",
    "diagnosis",
    "doctor/check",
    "doctor/checks",
    "doctor/facts",
    "doctor/function",
    "doctor/iam",
    "doctor/lifecycle",
    "doctor/route",
    "exact",
    "executions/builds",
    "executions/compare",
    "executions/crumbs",
    "executions/definition",
    "executions/document_comparison",
    "executions/document_explanation",
    "executions/events",
    "executions/explain",
    "executions/failures",
    "executions/history",
    "executions/hypotheses",
    "executions/join",
    "executions/lines",
    "executions/marks",
    "executions/names",
    "executions/nouns",
    "executions/render_comparison",
    "executions/render_explanation",
    "executions/said",
    "executions/separate",
    "executions/settings",
    "findings",
    "fleet/file",
    "fleet/matrix",
    "fleet/plan",
    "history/chart",
    "history/kept",
    "history/page",
    "history/render",
    "history/served",
    "hazards",
    "hold",
    "hooks/appspec",
    "hooks/task",
    "judge",
    "lease",
    "live",
    "manual",
    "model",
    "pages",
    "permissions",
    "plan",
    "progress",
    "prune",
    "report/badge",
    "report/forms",
    "report/html",
    "report/words",
    "report/text",
    "resources",
    "safe",
    "scope",
    "routes/definitions",
    "routes/names",
    "routes/nouns",
    "routes/policies",
    "routes/render",
    "routes/resolve",
    "routes/stages",
    "shape",
    "style",
    "traffic",
}
IMPURE_STDLIB = {"os", "socket", "subprocess", "time", "random", "secrets", "pathlib", "logging"}
EDGES = {
    "boto3": {"aws", "lab"},
    "botocore": {"aws", "lab"},
    "requests": {"aws", "lab", "webhook"},
    "tenacity": {"discover", "webhook"},
    "h11": {"burst"},
    "pydantic_settings": {"config"},
    "moto": {"lab"},
    "jsonata": {"lab"},
    "jsonpath_ng": {"lab"},
    "uvicorn": {"lab"},
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def chapter(path: Path) -> str:
    return module_name(path).split(".")[0]


def imports(path: Path) -> Iterator[str]:
    """Yield every module that a file imports when it runs, however late."""
    tree = ast.parse(path.read_text())
    only_for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in only_for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_third_parties_stay_at_their_edge(path: Path) -> None:
    for name in imports(path):
        allowed = EDGES.get(name.split(".")[0])
        assert allowed is None or chapter(path) in allowed, f"imports {name}"


@pytest.mark.parametrize("name", sorted(PURE))
def test_decisions_do_no_io(name: str) -> None:
    folder = PACKAGE / name
    files = folder.glob("*.py") if folder.is_dir() else (folder.with_suffix(".py"),)
    for imported in (each for path in files for each in imports(path)):
        parts = imported.split(".")
        if parts[0] == "deployguard":
            inner = {parts[1], "/".join(parts[1:3])}
            assert inner & (PURE | {"errors", "stamp"}), f"imports {imported}"
        else:
            assert parts[0] not in IMPURE_STDLIB, f"imports {imported}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "lab").rglob("*.py")), ids=module_name)
def test_the_lab_shares_no_mistakes_with_the_guard(path: Path) -> None:
    allowed = {"lab", "canary"}
    for imported in imports(path):
        parts = imported.split(".")
        assert parts[0] != "deployguard" or parts[1] in allowed, f"imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_the_console_prints_and_only_the_program_exits(path: Path) -> None:
    # The canary runs in the image, and the hooks do in Lambda, where stdout is the log.
    if chapter(path) in {"console", "__main__", "lab", "canary", "hooks"}:
        return
    called = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }
    assert not called & {"print", "sys.exit", "exit", "sys.stdout.write", "sys.stderr.write"}


def test_the_canary_imports_nothing_of_ours_and_nothing_third_party() -> None:
    roots = {name.split(".")[0] for name in imports(PACKAGE / "canary.py")}
    assert roots <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_starting_up_imports_no_aws(option: str) -> None:
    code = (
        "import sys; from deployguard.__main__ import main\n"
        f"sys.argv = ['deployguard', {option!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(' '.join(sorted(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {"boto3", "botocore", "requests", "moto", "tenacity", "pydantic"}
    if option == "--version":
        heavy |= {"argparse", "json"}
    assert not heavy & set(run.stderr.split())
    assert "deployguard" in run.stdout


def test_the_lab_loads_a_query_language_when_a_machine_needs_it() -> None:
    code = "import sys, deployguard.lab.app; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(run.stdout.split())
    assert "deployguard.lab.states.jsonata" in loaded
    assert not {"jsonata", "jsonpath_ng"} & loaded
