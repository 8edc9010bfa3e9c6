"""A lab with two deploys that nobody has checked yet; as a program, for the selftest workflow."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import deployguard.canary
from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from tests.guard.world import eventually

ROLE = "arn:aws:iam::123456789012:role/lambda"
HANDLER = b"""\
from deployguard_canary import canary


@canary
def handler(event, context):
    return {"ok": True}
"""


def ship(lab: Client, function: str, *, stamped: str) -> None:
    """Put build-1 behind the alias live, then update the function to build-2."""
    functions, registry = lab.client("lambda"), lab.client("ecr")

    def push(build_id: str, stamped: str) -> str:
        return images.push(_image(build_id, stamped), repository=function, ecr=registry)

    functions.create_function(
        FunctionName=function,
        PackageType="Image",
        Role=ROLE,
        Timeout=30,
        Publish=True,
        Code={"ImageUri": push("build-1", "build-1")},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=function)
    functions.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    functions.update_function_code(FunctionName=function, ImageUri=push("build-2", stamped))
    functions.get_waiter("function_updated_v2").wait(FunctionName=function)


def ship_good_and_bad(lab: Client) -> None:
    """Ship `good`, and `bad`, whose image kept an old stamp, as from a cached layer.

    And `killed`, which is good, but whose check a test may kill.
    """
    ship(lab, "good", stamped="build-2")
    ship(lab, "bad", stamped="build-1")
    ship(lab, "killed", stamped="build-2")


@contextmanager
def killing_the_check_of(lab: Client, function: str) -> Iterator[None]:
    """Kill the check of a function, while the block runs, once it has moved the alias."""
    lab.fault(operation="UpdateAlias", function=function, alias="live", phase="after", kind="hold")

    def kill() -> None:
        eventually(lambda: any(fault["hits"] for fault in lab.faults()), within_s=600, look_s=0.2)
        os.kill(_process_of(lab, function), signal.SIGKILL)
        lab.set(clock_step_s=120.0)  # its lease runs out
        lab.release()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    yield
    killer.join(timeout=1)


def _process_of(lab: Client, function: str) -> int:
    """Return the process of the guard that checks a function of this lab: others are tested too."""
    wanted = {f"DEPLOYGUARD_FUNCTION={function}", f"AWS_ENDPOINT_URL={lab.endpoint}"}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            command = (process / "cmdline").read_bytes().split(b"\0")
            if wanted <= {*variables} and b"check" in command:
                return int(process.name)
    raise AssertionError(f"no process checks {function}")


def live_version(lab: Client, function: str) -> str:
    """Return the version that real traffic gets."""
    alias: dict[str, Any] = lab.client("lambda").get_alias(FunctionName=function, Name="live")
    return str(alias["FunctionVersion"])


def _image(build_id: str, stamped: str) -> images.OciImage:
    stamp = {"schema": "deployguard/stamp/v1", "build_id": stamped}
    return images.of_files(
        {
            "app.py": HANDLER,
            "deployguard_canary.py": Path(deployguard.canary.__file__).read_bytes(),
            "build-stamp.json": json.dumps(stamp).encode(),
        },
        labels={"dev.deployguard.build-id": build_id},
    )


def main() -> None:
    """Serve until killed; the variables that lead to the lab go into the file that is named."""
    with running_lab() as lab:
        ship_good_and_bad(lab)
        lines = (f"{name}={value}\n" for name, value in lab.environment.items())
        Path(sys.argv[1]).write_text("".join(lines))
        signal.pause()


if __name__ == "__main__":
    main()
