"""Every form that a report can be given, and the file that each usually goes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Form(NamedTuple):
    """One row."""

    about: str
    file: str


FORMS: Mapping[str, Form] = {
    "text": Form("what a person reads in a log", "report.txt"),
    "json": Form("the report itself", "report.json"),
    "markdown": Form("the summary page of a CI run", "summary.md"),
    "html": Form("a page with pictures, which opens anywhere", "report.html"),
    "github": Form("annotations, as workflow commands", "annotations.txt"),
    "gitlab": Form("the links that GitLab shows beside a job", "gl-annotations.json"),
    "junit": Form("tests, for what shows tests", "junit.xml"),
    "badge": Form("the verdict as a small picture", "badge.svg"),
    "cdevents": Form("what happened, as CDEvents", "cdevents.json"),
    "in-toto": Form("an unsigned attestation of the image", "statement.json"),
    "dotenv": Form("the results as GitLab hands them to later jobs", "deployguard.env"),
}
