"""A lab with two deploys that nobody has checked yet; as a program, for the selftest workflow."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

import deployguard.canary
from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

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
    """Ship `good`, and `bad`, whose image kept an old stamp, as from a cached layer."""
    ship(lab, "good", stamped="build-2")
    ship(lab, "bad", stamped="build-1")


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
