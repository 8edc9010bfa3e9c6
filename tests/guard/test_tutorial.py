"""The tutorial is done as it is written, and ends as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from deployguard.lab.client import Client

DOCS = Path(__file__).parents[2] / "docs"
STEP = re.compile(r"(?s)<!-- exit: (\d+) -->\n```sh\n(.*?)```\n(.*?)(?=\n## |<!-- exit:)")
AWS = Path(__file__).parent / "aws_cli.py"


def test_each_step_of_the_tutorial_ends_as_it_says(lab: Client, tmp_path: Path) -> None:
    steps = STEP.findall((DOCS / "tutorial.md").read_text())
    assert len(steps) >= 8
    folder = tmp_path
    for exit_code, commands, told in steps:
        done = typed(commands, lab=lab, folder=folder)
        folder = tmp_path / "greeter"
        assert done.returncode == int(exit_code), done.stdout + done.stderr
        for finding in re.findall(r"(?m)^error\[DG\d+\]: .+", told):
            assert finding in done.stdout
    assert "<svg" in (folder / "deployguard-report" / "report.html").read_text()


def typed(commands: str, *, lab: Client, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the commands as a shell does that has deployguard and the AWS CLI."""
    tools = folder.parent / "tools"
    tools.mkdir(exist_ok=True)
    for name, words in (("deployguard", ["-m", "deployguard"]), ("aws", [str(AWS)])):
        program = tools / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {" ".join(words)} "$@"\n')
        program.chmod(0o755)
    inherited = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-ec", commands],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), **inherited, **lab.environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
