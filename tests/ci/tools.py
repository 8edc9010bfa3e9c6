"""The programs that stand in for GitHub and GitLab, and a copy of this project for them to run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = (Path(sys.executable).parent, ROOT / ".venv" / "npm" / "node_modules" / ".bin")
WHEELS = ROOT / ".venv" / "wheels"
PROJECT = (
    ".github",
    ".gitignore",
    "LICENSE",
    "README.md",
    "action.yml",
    "pyproject.toml",
    "requirements",
    "src",
    "templates",
)


def need(tool: str, *others: str) -> str:
    """Return the path of a program, or of one like it; without, skip the test, but in CI fail."""
    path = os.pathsep.join([*map(str, PLACES), os.environ["PATH"]])
    found = next(filter(None, (shutil.which(name, path=path) for name in (tool, *others))), None)
    if found:
        return found
    message = f"{tool} is not installed: run `make tools`; rsync, chromium and shells are packages"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def copy_project(folder: Path) -> None:
    """Make a git repository of what a user of the action or the template gets."""
    folder.mkdir()
    for name in PROJECT:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    commit(folder)


def commit(folder: Path) -> None:
    """Make a git repository of a folder, as one that was cloned from GitLab."""
    for command in (
        "init -q -b main",
        "remote add origin https://gitlab.example/acme/deployguard.git",
        "config user.email tests@example.com",
        "config user.name tests",
        "add -A",
        "commit -q -m all",
    ):
        git(folder, *command.split())


def git(folder: Path, *arguments: str) -> str:
    """Run git with nothing of this machine's own configuration; return what it says."""
    environ = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    run = ["git", *arguments]
    done = subprocess.run(
        run, cwd=folder, env=environ, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def clean_environment(home: Path) -> dict[str, str]:
    """Return an environment as a CI job starts with: its own home, nothing of ours or AWS's."""
    home.mkdir()
    ours = ("DEPLOYGUARD_", "GUARD_", "AWS_", "GITHUB_", "GITLAB_", "CI", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # The Python that the test environment was made with: in that one deployguard is not installed.
    path = [str(Path(sys.base_prefix) / "bin")]
    path += [part for part in kept["PATH"].split(os.pathsep) if Path(part) != PLACES[0]]
    return kept | _from_wheels() | {"HOME": str(home), "PATH": os.pathsep.join(path)}


def _from_wheels() -> dict[str, str]:
    """Let pip install from what `make tools` has downloaded: reading an index takes it longer."""
    if not WHEELS.is_dir():
        return {}
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS), "PIP_COMPILE": "0"}


def block(page: str, start: str) -> str:
    """Return the one YAML block of a page that begins so."""
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```$", (ROOT / page).read_text())
    (found,) = [text for text in blocks if text.startswith(start)]
    return str(found)


def gitlab_ci_local(folder: Path, environ: Mapping[str, str]) -> str:
    """Let gitlab-ci-local run the pipeline of a project in the shell; return what it prints."""
    need("rsync")
    done = subprocess.run(
        [need("gitlab-ci-local"), "--force-shell-executor"],
        timeout=300,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
