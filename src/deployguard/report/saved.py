"""A report that was saved: judged again from its evidence, and given other forms."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployguard import webhook
from deployguard.errors import ConfigurationError, DeployguardError
from deployguard.report import beside, files, merged, renderers, replaying, text
from deployguard.report.forms import FORMS


def replay(path: Path) -> dict[str, Any]:
    """Return a saved report with the verdict that its evidence supports."""
    report = files.read(path)
    with _complete(path):
        replayed = replaying.replay(report)
        text.render(replayed)
    return replayed


def render(
    path: Path, forms: Sequence[str], *, complain: Callable[[DeployguardError], None]
) -> dict[str, str]:
    """Return a saved report in other forms, each under the name of its usual file.

    Its verdict is reached again first: none shows one that the evidence does not support.
    """
    if not forms:
        raise ConfigurationError(
            "say what to do with the report",
            fix="name a form with --to, or --send it, or judge it again with --replay FILE",
        )
    report = files.read(path)
    with _complete(path):
        judged = replaying.judged_again(report)
        told = beside.read(path.parent, judged, forms=forms, complain=complain)
        return {FORMS[form].file: renderers.render(judged, form, beside=told) for form in forms}


def send(path: Path, url: str, *, environ: Mapping[str, str]) -> None:
    """Send a saved report, with the verdict that its evidence supports."""
    refuse_doubtful(url)
    report = files.read(path)
    with _complete(path):
        judged = replaying.judged_again(report)
        webhook.send(judged, url, environ=environ)


def refuse_doubtful(url: str) -> None:
    """Refuse an address that no report is to be sent to."""
    if problem := webhook.doubt(url):
        raise ConfigurationError(f"--send: {problem}")


def merge(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the reports of shards, or of several functions, as one; each is judged again first."""
    if not paths:
        raise ConfigurationError(
            "nothing to merge", fix="name the report.json of each shard after `merge`"
        )
    return merged.of_shards([part(path) for path in paths])


def part(path: Path) -> dict[str, Any]:
    """Return a report that is to be merged with others, with the verdict that it supports."""
    report = files.read(path)
    with _complete(path):
        judged = replaying.judged_again(report)
        text.render(judged)
        merged.of_shards([judged])
    return judged


def only(rendered: Mapping[str, str]) -> str:
    """Return the one form that was asked for; several need a folder."""
    if len(rendered) > 1:
        raise ConfigurationError(
            f"{len(rendered)} forms do not go to stdout together",
            fix="name a folder for them with --into",
        )
    return next(iter(rendered.values()))


def keep(rendered: Mapping[str, str], folder: Path) -> Iterator[Path]:
    """Write each form into a folder, under its usual name."""
    for name, content in rendered.items():
        yield files.keep(content, folder, name=name)


@contextmanager
def _complete(path: Path) -> Iterator[None]:
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path} lacks what a report holds ({type(error).__name__}: {error})",
            cause="it was edited, or written by another version",
            fix="give the report.json of a check, verify or rollback",
        ) from error
