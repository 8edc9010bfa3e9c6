"""The report as JUnit XML, which most CI services show as tests.

What is told stands in the body of an element, because GitLab reads no attribute of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

from deployguard import safe
from deployguard.report import checks, words
from deployguard.report.checks import Check, Outcome

# NOTE: what another deploy overtook is skipped: nothing is wrong with this build, nor is it proven,
# and only "skipped" says neither. The exit code tells the rest of the pipeline.
ELEMENTS = {
    Outcome.PASSED: "",
    Outcome.WARNED: "system-out",
    Outcome.FAILED: "failure",
    Outcome.UNPROVEN: "error",
    Outcome.OVERTAKEN: "skipped",
}


def render(document: Mapping[str, Any]) -> str:
    """Return the report as XML."""
    found = checks.of(document)
    suite = ET.Element("testsuite", _totals(document, found))
    suite.set("timestamp", safe.xml(document["started"]))
    judged = words.common(map(words.name_of, document["functions"])) or "deployguard"
    for check in found:
        suite.append(_case(check, classname=judged, seconds=document["seconds"]))
    root = ET.Element("testsuites", _totals(document, found))
    root.append(suite)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _totals(document: Mapping[str, Any], found: Sequence[Check]) -> dict[str, str]:
    ended = Counter(ELEMENTS[check.outcome] for check in found)
    return {
        "name": "deployguard",
        "tests": str(len(found)),
        "failures": str(ended["failure"]),
        "errors": str(ended["error"]),
        "skipped": str(ended["skipped"]),
        "time": f"{document['seconds']:.3f}",
    }


def _case(check: Check, *, classname: str, seconds: float) -> ET.Element:
    case = ET.Element("testcase", classname=_attribute(classname), name=_attribute(check.name))
    case.set("time", f"{seconds if check.name == 'verdict' else 0:.3f}")
    if element := ELEMENTS[check.outcome]:
        told = ET.SubElement(case, element)
        told.text = safe.xml(check.told)
        if element != "system-out":
            told.set("message", _attribute(check.told.splitlines()[0]))
    return case


def _attribute(text: str) -> str:
    return safe.xml(safe.line(text))
