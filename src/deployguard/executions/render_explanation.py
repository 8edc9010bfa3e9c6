"""An explanation as people read it: what failed and why, what to do, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

CHANGED = ", after the execution began: what it was then is not known"
SHORT = len("sha256:") + 12


def text(document: Mapping[str, Any]) -> str:
    """Return the text of an explanation's document."""
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    for number, failure in enumerate(document["failures"]):
        if number:
            yield ""
        yield from _verdict(failure)
    if not document["failures"]:
        yield "unknown: nothing has failed so far"
    if document["more_failures"]:
        yield f"and {document['more_failures']} other failures, which are not explained"
    yield ""
    yield from _execution(document)
    for failure in document["failures"]:
        yield from _timeline(failure)
    yield from _surroundings(document)
    for failure in document["failures"]:
        yield from _reasoning(failure)
    if document["unread"]:
        yield ""
        yield "unknown, because it could not be read:"
    for unread in document["unread"]:
        yield f"- {unread['what']}: {unread['why']}"
        yield f"  {unread['fix']}"


def _verdict(failure: Mapping[str, Any]) -> Iterator[str]:
    standing = failure["standing"]
    yield f"{standing}: {_named(failure)}"
    message = f': "{failure["message"]}"' if failure["message"] else ""
    if failure["attempts"]:
        name = failure["function"].rpartition(":")[2] or "a function that is hidden"
        count = _counted(failure["attempts"], "attempt")
        yield f"  failed      {count} of {name} with {failure['error'] or 'no error'}{message}"
    elif failure["error"]:
        yield f"  failed      the execution with {failure['error']}{message}"
    if standing != "unknown":
        yield f"  seen        {failure['seen']}"
        yield f"  because     {failure['decided_by']}"
    for note in failure["notes"]:
        yield f"  note        {note}"
    if failure["prediction"]:
        yield f"  foretells   {failure['prediction']}"
    if standing != "unknown":
        yield f"  do          {failure['fix']}"
    for experiment in failure["next"]:
        yield f"  try         {experiment}"


def _named(failure: Mapping[str, Any]) -> str:
    if failure["standing"] == "unknown":
        left = [each for each in failure["hypotheses"] if each["standing"] == "possible"]
        names = ", or ".join(f"{each['title']} ({each['id']})" for each in left[:3])
        return f"nothing that was seen decides; it may be {names}" if left else "nothing fits"
    return f"{failure['title']} ({failure['hypothesis']})"


def _execution(document: Mapping[str, Any]) -> Iterator[str]:
    execution = document["execution"]
    ended = "" if execution["seconds"] is None else f" after {execution['seconds']:g} s"
    error = f" with {execution['error']}" if execution["error"] else ""
    yield execution["arn"]
    yield f"  {execution['status']}{ended}{error}, started {execution['started']}"
    ends = ", ".join(f"{count} {end}" for end, count in document["attempts"].items() if count)
    yield f"  attempts    {ends or 'none'}"
    if execution["children"]:
        yield f"  children    {execution['children_read']} of {execution['children']} read"
    if execution["redrives"]:
        yield f"  redrives    {execution['redrives']}"
    yield f"  AWS calls   {document['calls']}"


def _timeline(failure: Mapping[str, Any]) -> Iterator[str]:
    if not failure["timeline"]:
        return
    yield ""
    yield f"attempts that failed with {failure['error'] or 'no error'}:"
    for attempt in failure["timeline"]:
        where = attempt["state"] + (f" {attempt['item']}" if attempt["item"] else "")
        took = "" if attempt["seconds"] is None else f" after {attempt['seconds']:g} s"
        yield (
            f"  +{attempt['at_s']:.3f} s  {where}, try {attempt['number']}: "
            f"{attempt['end']}{took}; {_ran(attempt)}"
        )
        yield from (f"      | {line}" for line in attempt["lines"])
    if failure["timeline_left_out"]:
        yield f"  and {failure['timeline_left_out']} more"


def _ran(attempt: Mapping[str, Any]) -> str:
    version = attempt["version"]
    words = [
        f"version {version} by {attempt['version_known']}" if version else "version unknown",
        f"image {attempt['digest'][:SHORT]}" if attempt["digest"] else "image unknown",
    ]
    if attempt["build_id"]:
        words.append(f"build {attempt['build_id']}")
    if attempt["is_cold"] is not None:
        words.append("cold" if attempt["is_cold"] else "warm")
    if attempt["container_age_s"] is not None:
        words.append(f"{attempt['container_age_s']:.4g} s old")
    if attempt["ordinal"] is not None:
        words.append(f"invocation {attempt['ordinal']} of its container")
    return ", ".join(words)


def _surroundings(document: Mapping[str, Any]) -> Iterator[str]:
    for known in document["configurations"]:
        yield ""
        yield f"configuration of {known['function'].rpartition(':')[2]} version {known['version']}:"
        yield (
            f"  {known['timeout_s']} s, {known['memory_mb']} MB, {known['architecture']}, "
            f"changed {known['modified']}{'' if known['is_of_then'] else CHANGED}"
        )
        for name in ("environment", "layers", "vpc"):
            if known[name]:
                yield f"  {name}: {', '.join(known[name])}"
    for metrics in document["metrics"]:
        if metrics["minutes"]:
            yield ""
            yield f"metrics of {metrics['function'].rpartition(':')[2]}, by the minute:"
        for minute in metrics["minutes"]:
            counts = [
                f"{_n(minute[name])} {name}" for name in ("invocations", "errors", "throttles")
            ]
            longest = f"longest {_n(minute['duration_ms'])} ms"
            at_once = f"{_n(minute['concurrency'])} at once"
            yield f"  {minute['at'][11:16]}  {', '.join((*counts, longest, at_once))}"


def _reasoning(failure: Mapping[str, Any]) -> Iterator[str]:
    if failure["separations"]:
        yield ""
        yield f"what separates {failure['error'] or 'failures'} from successes:"
    for each in failure["separations"]:
        perfect = ", a perfect separation" if each["is_perfect"] else ""
        chance = f" (by chance {each['chance']:.2g}{perfect})" if each["chance"] < 1 else ""
        yield f"  {each['factor']}: {each['seen']}{chance}"
    yield ""
    yield f"hypotheses for {failure['error'] or failure['title']}:"
    for each in failure["hypotheses"]:
        yield f"  {each['id']:<4}{each['standing']:<10}{each['title']}"
        yield f"      predicts  {each['predicts']}"
        yield f"      seen      {each['seen']}"
        yield f"      decided   {each['decided_by']}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _n(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
