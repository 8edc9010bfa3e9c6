"""A lab with two deploys that nobody has checked yet; as a program, for the selftest workflow."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployguard.lab import images
from deployguard.lab.calls import REGION
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from tests.ci import programs
from tests.guard.world import eventually

ROLE = "arn:aws:iam::123456789012:role/lambda"
WAIT: Any = {"Delay": 0.05, "MaxAttempts": 1200}


def begin(lab: Client, function: str, *, region: str = REGION, repository: str = "") -> None:
    """Put build-1 behind the alias live; the repository has the function's name, or another."""
    functions = lab.client("lambda", region=region)
    uri = _push(lab, repository or function, programs.image("build-1", "build-1"), region)
    functions.create_function(
        FunctionName=function,
        PackageType="Image",
        Role=ROLE,
        Timeout=30,
        Publish=True,
        Code={"ImageUri": uri},
    )
    functions.get_waiter("function_active_v2").wait(FunctionName=function, WaiterConfig=WAIT)
    functions.create_alias(FunctionName=function, Name="live", FunctionVersion="1")


def ship(
    lab: Client, function: str, *, stamped: str, region: str = REGION, repository: str = ""
) -> None:
    """Put build-1 behind the alias live, then update the function to build-2."""
    begin(lab, function, region=region, repository=repository)
    functions = lab.client("lambda", region=region)
    uri = _push(lab, repository or function, programs.image("build-2", stamped), region)
    functions.update_function_code(FunctionName=function, ImageUri=uri)
    functions.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig=WAIT)


def _push(lab: Client, repository: str, built: images.OciImage, region: str) -> str:
    return images.push(built, repository=repository, ecr=lab.client("ecr", region=region))


def ship_good_and_bad(lab: Client) -> None:
    """Ship `good`, and `bad`, whose image kept an old stamp, as from a cached layer.

    And `killed`, which is good, but whose check a test may kill.
    """
    ship(lab, "good", stamped="build-2")
    ship(lab, "bad", stamped="build-1")
    ship(lab, "killed", stamped="build-2")


@contextmanager
def killing_the_check_of(lab: Client, function: str, *, shard: str = "") -> Iterator[None]:
    """Kill the check of a function, while the block runs, once it has moved the alias.

    Where it is one of many, the shard names the process that checks it.
    """
    named = f"DEPLOYGUARD_SHARD={shard}" if shard else f"DEPLOYGUARD_FUNCTION={function}"
    lab.clear_faults()
    lab.fault(operation="UpdateAlias", function=function, alias="live", phase="after", kind="hold")

    def kill() -> None:
        eventually(lambda: any(fault["hits"] for fault in lab.faults()), within_s=600, look_s=0.2)
        os.kill(_process_of(lab, function, named), signal.SIGKILL)
        lab.set(clock_step_s=120.0)  # its lease runs out
        lab.release()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    yield
    killer.join(timeout=1)


def _process_of(lab: Client, function: str, variable: str) -> int:
    """Return the process of the guard that checks a function of this lab: others are tested too."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().decode(errors="replace").split("\0")
            command = (process / "cmdline").read_bytes().split(b"\0")
            named = variable in variables or function.encode() in command
            if b"check" in command and named and f"AWS_ENDPOINT_URL={lab.endpoint}" in variables:
                return int(process.name)
    raise AssertionError(f"no process checks {function}")


def live_version(lab: Client, function: str, *, region: str = REGION) -> str:
    """Return the version that real traffic gets."""
    functions = lab.client("lambda", region=region)
    alias: dict[str, Any] = functions.get_alias(FunctionName=function, Name="live")
    return str(alias["FunctionVersion"])


def main() -> None:
    """Serve until killed; the variables that lead to the lab go into the file that is named."""
    with running_lab() as lab:
        ship_good_and_bad(lab)
        lines = (f"{name}={value}\n" for name, value in lab.environment.items())
        Path(sys.argv[1]).write_text("".join(lines))
        signal.pause()


if __name__ == "__main__":
    main()
