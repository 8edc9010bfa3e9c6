"""`deployguard lab ...`: what it takes, and which part of the lab does it."""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

USAGE = 2
NEEDED = ("boto3", "dockerfile_parse", "httptools", "moto", "trustme", "uvicorn")
PUSHED = """\
It needs no container engine; what is printed is the image by its digest, as
`aws lambda update-function-code --image-uri` takes it.

example:
  deployguard lab push . --repository reports --tag v42 $(deployguard stamp)
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the lab's own commands."""
    commands = parser.add_subparsers(dest="lab_command", metavar="LAB_COMMAND", required=True)
    up = _command(commands, "up", "keep a lab running and print how a shell reaches it")
    up.add_argument("--host", default="127.0.0.1", help="a loopback address (default 127.0.0.1)")
    up.add_argument("--port", type=int, default=0, help="default: any free one")
    up.add_argument("--tls", action="store_true", help="serve https with an authority of its own")
    run = _command(commands, "run", "run a command inside a lab of its own")
    run.add_argument("--tls", action="store_true", help="serve https with an authority of its own")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    push = _command(commands, "push", "build a folder's Dockerfile and push it to a lab", PUSHED)
    push.add_argument("folder", type=Path, metavar="FOLDER", help="where the Dockerfile is")
    push.add_argument(
        "--repository", required=True, metavar="NAME", help="where to; it is made if it is missing"
    )
    push.add_argument("--tag", metavar="TAG", help="the tag of the image (default: none)")
    push.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a label of the image, as `deployguard stamp` prints them (repeatable)",
    )
    push.add_argument("--endpoint", metavar="URL", help="the lab's (default: AWS_ENDPOINT_URL)")
    _command(commands, "demo", "see a stale deploy found, and the next one pass")


def _command(commands: Any, name: str, does: str, more: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=does,
        description=f"{does[0].upper()}{does[1:]}.",
        epilog=more or None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def run(
    parsed: argparse.Namespace, *, say: Callable[[str], None], complain: Callable[[str], None]
) -> int:
    """Do what the arguments say; return the exit code."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        complain(
            f"error: the lab needs {', '.join(missing)}\n"
            "  fix:   install deployguard with its extra `lab`, from where this one came from"
        )
        return USAGE
    from deployguard.lab import commands, demo

    try:
        match parsed.lab_command:
            case "up":
                commands.up(
                    say=lambda line: say(f"{line}\n"),
                    host=parsed.host,
                    port=parsed.port,
                    tls=parsed.tls,
                )
            case "run":
                return commands.run(_words(parsed.words), tls=parsed.tls)
            case "push":
                say(f"{_push(parsed)}\n")
            case _:
                return demo.play(say=lambda line: say(f"{line}\n"))
    except (ValueError, OSError) as error:
        complain(f"error: {error}")
        return USAGE
    return 0


def _push(parsed: argparse.Namespace) -> str:
    from deployguard.lab import commands
    from deployguard.lab.client import Client

    endpoint = parsed.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        raise ValueError(
            "no lab to push to: set AWS_ENDPOINT_URL as `deployguard lab up` prints it"
        )
    unequal = [label for label in parsed.label if "=" not in label]
    if unequal:
        raise ValueError(f"--label takes KEY=VALUE: got {unequal[0]!r}")
    return commands.push(
        parsed.folder,
        repository=parsed.repository,
        tag=parsed.tag,
        labels=dict(label.split("=", 1) for label in parsed.label),
        lab=Client(endpoint, ca_bundle=os.environ.get("AWS_CA_BUNDLE")),
    )


def _words(words: list[str]) -> list[str]:
    command = words[1:] if words[:1] == ["--"] else words
    if not command:
        raise ValueError("no command to run: expected `deployguard lab run -- COMMAND ...`")
    return command
