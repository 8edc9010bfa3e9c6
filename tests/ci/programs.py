"""Stand-ins for docker, the AWS CLI and what installs programs, run from links of their names.

An image that is built says what the stamp file in the folder says; with STALE_LAYER set it says
what the first build said, as where a layer came from a cache.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import deployguard.canary
from deployguard.lab import images

LABEL = "dev.deployguard.build-id"
HANDLER = b"""\
from deployguard_canary import canary


@canary
def handler(event, context):
    return {"ok": True}
"""
ROOT = Path(__file__).resolve().parents[2]
BUILT = Path(".built-images")  # in the folder of the job
ARCHIVE = re.compile(r"https://github\.com/\w+/deployguard/archive/\w+\.zip")


def install(folder: Path, *names: str) -> Path:
    """Put stand-ins of these names into a folder, for a PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(ROOT / "src"), str(ROOT)]
    for name in names:
        program = folder / name
        program.write_text(
            f"#!{sys.executable}\n"
            f"import sys\nsys.path[:0] = {paths}\n"
            f"from tests.ci import programs\nsys.exit(programs.PROGRAMS[{name!r}](sys.argv[1:]))\n"
        )
        program.chmod(0o755)
    return folder


def image(build_id: str, stamped: str) -> images.OciImage:
    """Build an image whose label says one build id, and whose stamp file another or the same."""
    stamp = {"schema": "deployguard/stamp/v1", "build_id": stamped}
    return images.of_files(
        {
            "app.py": HANDLER,
            "deployguard_canary.py": Path(deployguard.canary.__file__).read_bytes(),
            "build-stamp.json": json.dumps(stamp).encode(),
        },
        labels={LABEL: build_id},
    )


def docker(arguments: list[str]) -> int:
    """Build, push and log in."""
    command, *rest = arguments
    if command == "build":
        assert "--provenance=false" in rest
        labels = [rest[at + 1] for at, word in enumerate(rest) if word == "--label"]
        stamped = json.loads(Path("build-stamp.json").read_text())["build_id"]
        stamped = "build-1" if os.environ.get("STALE_LAYER") else stamped
        named = dict(label.split("=", 1) for label in labels)
        built = image(named[LABEL], stamped)
        BUILT.mkdir(exist_ok=True)
        (BUILT / _file(rest[rest.index("--tag") + 1])).write_bytes(pickle.dumps(built))
    elif command == "push":
        repository, _, tag = rest[0].partition("/")[2].partition(":")
        import boto3

        built = pickle.loads((BUILT / _file(rest[0])).read_bytes())  # noqa: S301 - written above
        images.push(built, repository=repository, tags=[tag], ecr=boto3.client("ecr"))
    else:
        assert command == "login"
        assert sys.stdin.read() == "password"
    return 0


def _file(image: str) -> str:
    return image.replace("/", "_")


def aws(arguments: list[str]) -> int:
    """Update a function's code, and give out a password."""
    if arguments == ["ecr", "get-login-password"]:
        sys.stdout.write("password")
        return 0
    assert arguments[:3] == ["lambda", "update-function-code", "--function-name"]
    name, option, uri = arguments[3:]
    assert option == "--image-uri"
    import boto3

    boto3.client("lambda").update_function_code(FunctionName=name, ImageUri=uri)
    return 0


def guard(arguments: list[str]) -> int:
    """Run deployguard from this checkout, in this process: a signal has to reach it."""
    sys.argv = ["deployguard", *arguments]
    runpy.run_module("deployguard", run_name="__main__")
    return 0


def installer(arguments: list[str]) -> int:
    """Install nothing: it is here already; but what the examples name has to be named."""
    assert arguments[0] == "install"
    (archive,) = set(arguments[1:]) - {"awscli"}
    assert ARCHIVE.fullmatch(archive)
    return 0


def uv(arguments: list[str]) -> int:
    """Make a virtual environment with deployguard in it, and install nothing more."""
    if "venv" in arguments:
        install(Path(arguments[-1], "bin"), "pip", "python", "deployguard")
    return 0


def python(arguments: list[str]) -> int:
    """Make a virtual environment, be the deployguard in one, or say what Python this is.

    Where INSTALL_FOR_REAL is set, it gives way to Python itself.
    """
    if os.environ.get("INSTALL_FOR_REAL"):
        return subprocess.call([Path(sys.base_prefix, "bin", "python3"), *arguments])
    module = arguments[arguments.index("-m") + 1] if "-m" in arguments else ""
    if module in ("venv", "pip"):
        return uv(arguments)
    if module == "deployguard":
        return guard(arguments[arguments.index("-m") + 2 :])
    sys.stdout.write(f"{sys.argv[0]}\n")
    return 0


def jq(arguments: list[str]) -> int:
    """Take one member out of a document."""
    _, member, path = arguments
    found = json.loads(Path(path).read_text())[member.removeprefix(".")]
    sys.stdout.write(found if isinstance(found, str) else json.dumps(found))
    return 0


PROGRAMS: dict[str, Callable[[list[str]], int]] = {
    "docker": docker,
    "aws": aws,
    "deployguard": guard,
    "apk": lambda _: 0,
    "pip": installer,
    "pipx": installer,
    "python": python,
    "python3": python,
    "uv": uv,
    "jq": jq,
}
