"""Try it: the local cloud, and a shell that knows the commands."""

from __future__ import annotations

import argparse

from deployguard import console


def lab(parsed: argparse.Namespace) -> int:
    """Use the local cloud."""
    from deployguard.lab import arguments

    return arguments.run(parsed, say=console.say, complain=console.talk)


def completion(parsed: argparse.Namespace) -> int:
    """Print what a shell completes words with."""
    from deployguard import completion

    console.write(completion.script(parsed.shell))
    return 0
