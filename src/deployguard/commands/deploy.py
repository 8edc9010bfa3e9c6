"""Deploy, and judge what runs: stories about a function, or about each one of the fleet."""

from __future__ import annotations

import argparse

from deployguard.commands import function


def check(parsed: argparse.Namespace) -> int:
    """Deploy a version, judge it, and put everything back unless it is FRESH."""
    return function.run(parsed, "guard", "check")


def verify(parsed: argparse.Namespace) -> int:
    """Judge what runs."""
    return function.run(parsed, "guard", "verify")


def refresh(parsed: argparse.Namespace) -> int:
    """Replace containers."""
    return function.run(parsed, "refresh", "refresh")


def rollback(parsed: argparse.Namespace) -> int:
    """Deploy what was live before."""
    return function.run(parsed, "guard", "rollback")
