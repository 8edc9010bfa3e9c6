"""The example images are checked by the very commands that their READMEs give."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pytest

from tests.ci.tools import need
from tests.guard.world import ROLE, Team

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("example", "language", "helper"),
    [
        ("image", "python", "deployguard_canary.py"),
        ("image-node", "node", "deployguard-canary.cjs"),
    ],
)
def test_the_example_images_are_fresh(team: Team, example: str, language: str, helper: str) -> None:
    if language == "node":
        need("aws-lambda-ric")
    shutil.copytree(EXAMPLES / example, team.folder, dirs_exist_ok=True)
    (team.folder / helper).write_text(team.run("canary", language).out)
    words = shlex.split(team.run("stamp").out)
    labels = [part for word in words if word != "--label" for part in ("--label", word)]
    pushed = team.run("lab", "push", ".", "--repository", "greeter", "--tag", "v1", *labels)
    assert pushed.exit_code == 0, pushed.err + pushed.out
    image = pushed.out.strip()
    team.functions.create_function(
        FunctionName="greeter", PackageType="Image", Code={"ImageUri": image}, Role=ROLE
    )
    finished = team.run("check", "greeter", "--image", image, "--stamp", "build-stamp.json")
    assert finished.exit_code == 0, finished.err + finished.out
    answer = team.functions.invoke(FunctionName="greeter", Payload=b'{"name": "Ada"}')
    assert json.loads(answer["Payload"].read()) == {"greeting": "Hello, Ada!"}
