"""A report in a few words: the verdict as one sentence, and what its coverage is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

MARKS = {
    "FRESH": "✅",
    "STALE": "❌",
    "INCONCLUSIVE": "❔",
    "SUPERSEDED": "⏭️",
    "ERROR": "⚠️",
}
SENTENCES = {
    "FRESH": "Every route that was judged runs the shipped build{build}.",
    "STALE": "Not every route runs the shipped build{build}.",
    "INCONCLUSIVE": "It could not be shown that every route runs the shipped build{build}.",
    "SUPERSEDED": "Another deploy moved on, so the shipped build{build} is no longer in question.",
    "ERROR": "The run ended before it could judge anything.",
}


def verdict(document: Mapping[str, Any]) -> str:
    """Return the verdict, or what stands for it where nothing was to be judged."""
    return document["verdict"] or "DONE"


def sentence(document: Mapping[str, Any]) -> str:
    """Return what the verdict says, as one sentence; a build id in it is foreign text."""
    if document.get("fleet") is not None:
        return _of_several(document)
    build = build_of(document)
    said = SENTENCES.get(document["verdict"], "What was to be done is done.")
    return said.format(build=f" {build}" if build else "")


def _of_several(document: Mapping[str, Any]) -> str:
    """Count how functions ended, and say what is wrong beside that."""
    ended = Counter(each["verdict"] or "DONE" for each in document["functions"])
    order = (*reversed(MARKS), *ended)
    counted = [f"{ended[each]} {each}" for each in dict.fromkeys(order) if ended[each]]
    said = f"Of {_count(ended.total(), 'function')}: {', '.join(counted) or 'none was read'}."
    wrong = [each["title"] for each in document["fleet"]["findings"] if _is_grave(each)]
    if document["error"] is not None:
        wrong.append(document["error"]["happened"])
    return " ".join((said, *(f"{each}." for each in dict.fromkeys(wrong))))


def _is_grave(found: Mapping[str, Any]) -> bool:
    return bool(found.get("severity", "error") == "error")


def build_of(document: Mapping[str, Any]) -> str | None:
    """Return the build id that was expected; of several functions one that all of them share."""
    return common(each["expected"]["build_id"] for each in document["functions"])


def common(values: Iterable[str | None]) -> str | None:
    """Return what all have in common, if they do."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def name_of(function: Mapping[str, Any]) -> str:
    """Return a function's name without its account, and the alias that was judged."""
    name = function["function"].rpartition(":")[2]
    return f"{name}:{function['alias']}" if function["alias"] else name


def names(document: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], str]:
    """Return what names each function of a report, as briefly as no other one is named."""
    counts = [(shape, Counter(map(shape, document["functions"]))) for shape in (name_of, _placed)]

    def name(function: Mapping[str, Any]) -> str:
        told = (shape(function) for shape, count in counts if count[shape(function)] == 1)
        return next(told, f"{function['function']}:{function['alias']}")

    return name


def _placed(function: Mapping[str, Any]) -> str:
    region = function["function"].split(":")[3:4]
    return "/".join((*region, name_of(function)))


def coverage(of: Mapping[str, Any]) -> str:
    """Say how much evidence there is, and what is claimed with it."""
    counted = (
        f"{_count(of['probes'], 'probe')} in {_count(of['rounds'], 'round')} reached "
        f"{_count(of['containers'], 'container')}"
    )
    cold = f", {_count(of['cold_starts'], 'cold start')} among them" if of["cold_starts"] else ""
    return f"{counted}{cold}; claim: {of['claim']}"


def serves(versions: Mapping[str, float]) -> str:
    """Say which versions a qualifier serves, and with which share."""
    return " + ".join(
        version if share == 1 else f"{share:.0%} {version}" for version, share in versions.items()
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
