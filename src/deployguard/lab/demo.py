"""The main job for real, on one machine: a stale deploy is found, and the next one passes."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployguard.lab import commands
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

FUNCTION = "greeter"
ROLE = "arn:aws:iam::123456789012:role/greeter"
WARM = 4
STALE, FRESH = 10, 0
DOCKERFILE = """\
FROM public.ecr.aws/lambda/python:3.13
COPY canary.py handler.py build-stamp.json ${LAMBDA_TASK_ROOT}/
CMD ["handler.handler"]
"""
HANDLER = """\
from canary import canary

@canary
def handler(event, context):
    return {"greeting": GREETING}
"""

Say = Callable[[str], None]


def play(*, say: Say) -> int:
    """Tell the story in the lab; return 0 if every step ended as it should."""
    with tempfile.TemporaryDirectory() as folder, running_lab() as lab:
        shop = _Shop(lab, Path(folder), say)
        say("# A first build is deployed, checked, and serves callers of the alias and of $LATEST.")
        shop.ship("hello")
        first = shop.check()
        shop.warm()
        say(
            "\n# The second build is deployed. Its pipeline is green, but old containers stay warm."
        )
        lab.set(linger=[{"function": FUNCTION, "count": None, "seconds": None}])
        shop.ship("good morning")
        second = shop.check()
        say("\n# The old containers are gone now. The third build is deployed.")
        lab.set(linger=[])
        shop.ship("good evening")
        third = shop.check()
    return 0 if (first, second, third) == (FRESH, STALE, FRESH) else 1


class _Shop:
    """A folder with a handler, and the commands that its pipeline runs."""

    def __init__(self, lab: Client, folder: Path, say: Say) -> None:
        self.lab, self.folder, self.say = lab, folder, say
        self.functions = lab.client("lambda")
        helper = importlib.util.find_spec("deployguard.canary")
        assert helper is not None
        assert helper.origin is not None
        shutil.copy(helper.origin, folder / "canary.py")
        (folder / "Dockerfile").write_text(DOCKERFILE)

    def ship(self, greeting: str) -> None:
        """Build, push and deploy, as a pipeline does."""
        (self.folder / "handler.py").write_text(f"GREETING = {greeting!r}\n{HANDLER}")
        printed = self._run("stamp")
        words = [word for word in shlex.split(printed) if word != "--label"]
        labels = dict(word.split("=", 1) for word in words)
        uri = commands.push(self.folder, repository=FUNCTION, labels=labels, lab=self.lab)
        self.say(f"$ docker build $(deployguard stamp) . && docker push   # {uri[-20:]}")
        self._deploy(uri)
        self.say(f"$ aws lambda update-function-code --function-name {FUNCTION} --image-uri ...")

    def check(self) -> int:
        """Run the guard as the pipeline's last step."""
        arguments = ["check", FUNCTION, "--also", "$LATEST", "--grace", "3"]
        self.say(f"$ deployguard {shlex.join(arguments)}")
        finished = self._start(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.say(finished.stdout.rstrip())
        return finished.returncode

    def warm(self) -> None:
        """Send requests that overlap, so that several containers are warm."""
        self.say(f"$ # {WARM} callers invoke {FUNCTION} at once")
        hold = {"deployguard": {"canary": 1, "nonce": "0" * 32, "hold_ms": 200}}

        def invoke(_: int) -> None:
            self.functions.invoke(FunctionName=FUNCTION, Payload=json.dumps(hold))

        with ThreadPoolExecutor(WARM) as callers:
            list(callers.map(invoke, range(WARM)))

    def _deploy(self, uri: str) -> None:
        try:
            self.functions.update_function_code(FunctionName=FUNCTION, ImageUri=uri)
        except self.functions.exceptions.ResourceNotFoundException:
            self.functions.create_function(
                FunctionName=FUNCTION, PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
            )

    def _run(self, *arguments: str) -> str:
        finished = self._start(list(arguments), stdout=subprocess.PIPE)
        finished.check_returncode()
        return finished.stdout

    def _start(self, arguments: list[str], **how: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployguard", *arguments],
            cwd=self.folder,
            env=os.environ | self.lab.environment,
            text=True,
            check=False,
            **how,
        )
