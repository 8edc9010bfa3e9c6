"""The options of `report`, which are about files and no settings."""

from __future__ import annotations

import argparse

from deployguard.report.forms import FORMS


def add(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        default="deployguard-report/report.json",
        help="the report to render, default %(default)s; or `merge`, and the FILES to make one of",
    )
    parser.add_argument("files", nargs="*", metavar="FILES", help=argparse.SUPPRESS)
    parser.add_argument(
        "--to",
        dest="forms",
        action="append",
        choices=FORMS,
        default=[],
        help="render it, on stdout (repeatable with --into): "
        + "; ".join(f"{name}, {form.about}" for name, form in FORMS.items()),
    )
    parser.add_argument(
        "--into",
        metavar="DIR",
        help="write each form, and what was merged, into a folder, under its usual name",
    )
    parser.add_argument(
        "--send", metavar="URL", help="post it to a web hook; see docs/report.md#webhook"
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        help="reach a saved report's verdict again from its evidence, offline, and exit with it",
    )
