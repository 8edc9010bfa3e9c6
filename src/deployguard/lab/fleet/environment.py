"""What a container's process gets to see: its variables, its folders and its command line."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from functools import cache
from pathlib import Path, PurePosixPath

from deployguard.lab.nouns import Build

STAMP = "build-stamp.json"
TASK = "/var/task"
# The interpreter is the lab's own, so an image's settings for finding its own do not apply.
NOT_FROM_IMAGE = ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME", "PYTHONPATH")
AWS_RUNTIME = (sys.executable, "-m", "awslambdaric")
PLAIN_RUNTIME = (sys.executable, str(Path(__file__).with_name("plain_runtime.py")))
NODE_CLIENT = "aws-lambda-ric"  # AWS's runtime client for Node.js, as npm installs it
NODE_PRELOAD = str(Path(__file__).with_name("node_client.cjs"))
NODE_WORDS = {"node", "npx", NODE_CLIENT}
TOOLS = Path(sys.prefix, "npm", "node_modules", ".bin")  # where `make tools` puts programs
NO_NODE = (
    f"the lab runs this image with node and {NODE_CLIENT}, and one of them is not installed: try "
    f"`npm install --global --ignore-scripts {NODE_CLIENT}@3`"
)


INTERPRETER = {  # what every container's interpreter starts with, unless its image says otherwise
    "LANG": "en_US.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",  # an image's files never change
}


@cache
def default_runtime() -> tuple[str, ...]:
    """Return the command of AWS's own runtime client, or of the plain one where it is missing."""
    found = all(importlib.util.find_spec(name) for name in ("awslambdaric", "runtime_client"))
    return AWS_RUNTIME if found else PLAIN_RUNTIME


def runtime(build: Build, python: tuple[str, ...]) -> tuple[str, ...]:
    """Return the runtime client for a build's language, or nothing where it is not installed."""
    *words, _ = (*build.entrypoint, *build.command)
    if not NODE_WORDS & {PurePosixPath(word).name for word in words}:
        return python
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(TOOLS)))
    node, client = shutil.which("node"), shutil.which(NODE_CLIENT, path=path)
    return (node, "--require", NODE_PRELOAD, str(Path(client).resolve())) if node and client else ()


def handler(build: Build) -> str | None:
    """Return what an image's command names as its handler."""
    words = (*build.entrypoint, *build.command)
    return words[-1] if words else None


def command(build: Build, runtime: tuple[str, ...]) -> list[str]:
    """Return the process's command line."""
    return [*leash(), *runtime, handler(build) or ""]


def leash() -> list[str]:
    """Return what makes a command die with the lab, where the system can do that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def stamp_path(build: Build) -> Path:
    """Return where a build's stamp lies on this machine."""
    named = build.environment.get("DEPLOYGUARD_STAMP") or f"{TASK}/{STAMP}"
    return _rebase(build, named)


def working_dir(build: Build) -> Path:
    """Return the folder that a process starts in."""
    folder = build.root / build.working_dir.lstrip("/")
    return folder if folder.is_dir() else build.root / TASK.lstrip("/")


def variables(
    build: Build,
    *,
    port: int,
    stream: str,
    initialization_type: str,
    tmp: Path,
) -> dict[str, str]:
    """Return a process's environment: what its image and function say, then what Lambda says."""
    task = build.root / TASK.lstrip("/")
    image = {name: value for name, value in build.environment.items() if name not in NOT_FROM_IMAGE}
    paths = [str(task), *_search_path(build)]
    is_json = build.log_format == "JSON"
    level = {"AWS_LAMBDA_LOG_LEVEL": build.application_level} if is_json else {}
    return {
        "PATH": os.defpath,
        **INTERPRETER,
        "TZ": ":UTC",
        "TMPDIR": str(tmp),
        **image,
        "PYTHONPATH": os.pathsep.join(paths),
        "DEPLOYGUARD_STAMP": str(stamp_path(build)),
        "_HANDLER": handler(build) or "",
        "LAMBDA_TASK_ROOT": str(task),
        "LAMBDA_RUNTIME_DIR": str(build.root / "var" / "runtime"),
        "AWS_REGION": build.region,
        "AWS_DEFAULT_REGION": build.region,
        "AWS_LAMBDA_FUNCTION_NAME": build.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": build.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(build.memory_mb),
        "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": build.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_LOG_FORMAT": build.log_format,
        **level,
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
    }


def _search_path(build: Build) -> list[str]:
    """Return an image's own PYTHONPATH, as far as it lies inside the image."""
    words = build.environment.get("PYTHONPATH", "").split(os.pathsep)
    inside = [build.root / word.lstrip("/") for word in words if word]
    return [str(path) for path in inside if path.exists()]


def _rebase(build: Build, path: str) -> Path:
    """Find an image's absolute path under its root: processes are not confined to their root."""
    inside = build.root / path.lstrip("/")
    return inside if path.startswith(TASK + "/") or inside.exists() else Path(path)
