"""Put things right: stories about what earlier runs and deploys left."""

from __future__ import annotations

import argparse

from deployguard.commands import function


def recover(parsed: argparse.Namespace) -> int:
    """Finish or undo what a killed run left."""
    return function.run(parsed, "guard", "recover")


def prune(parsed: argparse.Namespace) -> int:
    """Delete what nothing uses."""
    return function.run(parsed, "guard", "prune")
