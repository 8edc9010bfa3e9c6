"""A report that was edited shows nothing in any form that its evidence does not support."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployguard.errors import ConfigurationError
from deployguard.report import saved
from deployguard.report.replaying import judged_again
from tests.unit.form_cases import FRESH, REPORTS, built, record
from tests.unit.report_cases import EVIDENCE, probe, rounds
from tests.values import ARN

Edit = Callable[[dict[str, Any]], None]


def told(report: dict[str, Any], folder: Path, form: str) -> str:
    """Render a report as one that was saved."""
    path = folder / "report.json"
    path.write_text(json.dumps(report))
    return saved.only(saved.render(path, [form], complain=lambda _: None))


def read_back(ending: str) -> dict[str, Any]:
    """Make a report as it is read from its file."""
    report: dict[str, Any] = json.loads(json.dumps(REPORTS[ending]()))
    return report


@pytest.mark.parametrize("ending", REPORTS)
def test_a_report_that_nobody_edited_says_what_it_said(ending: str) -> None:
    assert judged_again(read_back(ending)) == read_back(ending)


@pytest.mark.parametrize("code", [0, 10, 256, -256, 0.4, "0", False, True, None, [], 12, 999])
def test_an_exit_code_that_no_error_has_is_refused(code: Any) -> None:
    report = read_back("error")
    report["exit_code"] = code
    with pytest.raises(ConfigurationError, match="no evidence that can be replayed"):
        judged_again(report)


@pytest.mark.parametrize(("ending", "code"), [("overtaken", 1), ("out of time", 12)])
def test_an_exit_code_of_another_verdict_is_refused(ending: str, code: int) -> None:
    report = read_back(ending)
    report["exit_code"] = code
    with pytest.raises(ConfigurationError, match="no evidence that can be replayed"):
        judged_again(report)


@pytest.mark.parametrize("form", ["junit", "text", "markdown", "html"])
@pytest.mark.parametrize("keeps_evidence", [True, False])
def test_beside_an_error_only_what_the_evidence_supports_is_shown(
    tmp_path: Path, form: str, keeps_evidence: bool
) -> None:
    report = read_back("fresh")
    (function,) = report["functions"]
    report |= {key: read_back("not put back")[key] for key in ("verdict", "exit_code", "error")}
    evidence = read_back("stale")["functions"][0]["evidence"]
    function["evidence"] = evidence if keeps_evidence else []
    assert "FRESH" not in told(report, tmp_path, form)


def _no_name(report: dict[str, Any]) -> None:
    del report["functions"][0]["function"]


def _no_date(report: dict[str, Any]) -> None:
    gone = {"remedy": "drain", "at": 1e300, "containers": []}
    report["functions"][0]["evidence"][0]["replacement"] = gone


@pytest.mark.parametrize("edit", [_no_name, _no_date])
def test_what_cannot_be_judged_is_refused_and_is_no_bug(tmp_path: Path, edit: Edit) -> None:
    report = read_back("fresh")
    edit(report)
    with pytest.raises(ConfigurationError, match="lacks what a report holds"):
        told(report, tmp_path, "text")
    with pytest.raises(ConfigurationError, match="lacks what a report holds"):
        saved.replay(tmp_path / "report.json")


def _other_function(report: dict[str, Any]) -> None:
    report["functions"][0]["function"] = f"{ARN}-other"


def _other_alias(report: dict[str, Any]) -> None:
    report["functions"][0]["alias"] = "prod"


@pytest.mark.parametrize("edit", [_other_function, _other_alias])
def test_the_evidence_of_one_function_proves_nothing_of_another(edit: Edit) -> None:
    seen = rounds([probe(20.0 + number, number) for number in range(5)])
    report = built(record(EVIDENCE.__class__(**{**vars(FRESH), "rounds": seen})))
    report = json.loads(json.dumps(report))
    assert judged_again(report)["verdict"] == "FRESH"
    edit(report)
    with pytest.raises(ConfigurationError, match="no evidence that can be replayed"):
        judged_again(report)


def test_no_link_leads_where_an_editor_wants(tmp_path: Path) -> None:
    report = read_back("not put back")
    assert "https://github.com/" in told(report, tmp_path, "gitlab")
    report["error"]["help"] = "https://example.com/"
    assert "https://example.com/" not in told(report, tmp_path, "gitlab")
