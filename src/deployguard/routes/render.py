"""An audit as people read it: a table, and a graph."""

from __future__ import annotations

from collections.abc import Iterator

from deployguard import safe
from deployguard.routes.nouns import Audit, End, Path
from deployguard.traffic import Use

HEAD = ("caller", "qualifier", "serves", "build and digest", "ends at")
SHORT = len("sha256:") + 12


def text(audit: Audit) -> str:
    """Return an audit as a table for people: the worst first, and what is unknown at the end."""
    return "\n".join(_lines(audit)) + "\n"


def mermaid(audit: Audit) -> str:
    """Return an audit as a graph: callers, qualifiers, versions and images."""
    return "\n".join(("flowchart LR", *dict.fromkeys(_graph(audit)))) + "\n"


def _lines(audit: Audit) -> Iterator[str]:
    yield safe.line(audit.function)
    yield f"  expected    build {audit.expected.build_id or 'unknown'}"
    yield f"              {audit.expected.digest}"
    yield ""
    rows = [HEAD, *(row(path) for path in audit.paths)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for told in rows if audit.paths else ():
        cells = (cell.ljust(width) for cell, width in zip(told, widths, strict=True))
        yield "  ".join(cells).rstrip()
    if not audit.paths:
        yield "nothing was found that calls it"
    if audit.unread:
        yield ""
        yield "unknown, because it could not be read:"
    for unread in audit.unread:
        yield f"- {safe.line(unread.what)}: {safe.line(unread.why)}"
        yield f"  {safe.line(unread.fix)}"


def row(path: Path) -> tuple[str, ...]:
    """Return one way as a line of a table, under HEAD."""
    caller = path.caller
    use = "" if caller.use is Use.CALLS else f", {caller.use.value}"
    return (
        safe.line(str(caller)),
        safe.line(caller.qualifier or "known at run time only"),
        " + ".join(map(_serves, path.ends)) or "-",
        " + ".join(dict.fromkeys(map(_image, path.ends))) or "-",
        path.outcome.value + use,
    )


def _serves(end: End) -> str:
    return end.version if end.share == 1 else f"{end.share:.0%} {end.version}"


def _image(end: End) -> str:
    return safe.line(f"{end.build_id or 'unknown'} {end.digest[:SHORT]}")


def _graph(audit: Audit) -> Iterator[str]:
    nodes: dict[str, str] = {}

    def node(key: str, label: str) -> str:
        known = nodes.setdefault(key, f"n{len(nodes)}")
        return f'{known}["{safe.mermaid(label)}"]'

    for path in audit.paths:
        caller = path.caller
        arrow = "-->" if caller.use is Use.CALLS else "-.->"
        called = caller.qualifier or "known at run time only"
        start, qualifier = node(f"c {caller}", str(caller)), node(f"q {called}", called)
        yield f"  {start} {arrow} {qualifier}"
        for end in path.ends:
            version = node(f"v {end.version}", f"version {end.version}")
            is_expected = end.digest == audit.expected.digest
            image = node(
                f"d {end.digest}",
                f"build {_image(end)}" + ("" if is_expected else ", not the expected"),
            )
            yield f'  {qualifier} -- "{end.share:.0%}" --> {version}'
            yield f"  {version} --> {image}"
        if not path.ends:
            nothing = node(f"o {path.outcome}", path.outcome.value)
            yield f"  {qualifier} --> {nothing}"
