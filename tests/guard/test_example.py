"""The example image is checked by the very commands that its README gives."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from tests.guard.world import HELPER, ROLE, Team

EXAMPLE = Path(__file__).parents[2] / "examples" / "image"


def test_the_example_image_is_fresh(team: Team) -> None:
    shutil.copytree(EXAMPLE, team.folder, dirs_exist_ok=True)
    (team.folder / "deployguard_canary.py").write_bytes(HELPER)
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
    assert answer["Payload"].read() == b'{"greeting": "Hello, Ada!"}'
