"""The page of a report: whole for every ending, small, safe, and and the same in words as drawn."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from deployguard import safe
from deployguard.errors import DeployguardError
from deployguard.findings import HELP
from deployguard.history import render as histories
from deployguard.history.served import Counted, History, Span
from deployguard.model import LATEST, State
from deployguard.pages import builds
from deployguard.report import beside, files, saved
from deployguard.report.html import lives
from deployguard.report.html.page import Beside
from tests.unit import hostile
from tests.unit import report_cases as cases
from tests.unit.markup import Look
from tests.values import ARN

# A longer one leaves no room for the raw evidence.
SHORT = [text for text in hostile.TEXTS if len(text) < 1_000]
MARKUP = [
    "</script><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><svg onload=alert(1)>",
    "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "javascript:alert(1)",
    "<!-- ",
    "--><b>",
    "]]><script>alert(1)</script>",
    "<![CDATA[x]]>",
    "&lt;script&gt;",
    "&#60;script&#62;",
    "<a href=//evil.example>x</a>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<svg><use href=data:image/svg+xml,x>",
    "</p></main></body></html>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "{{constructor.constructor('alert(1)')()}}",
]


@pytest.fixture(params=cases.CASES)
def report(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Hand out a report of each kind."""
    return cases.CASES[request.param]()


def test_every_report_becomes_a_page_that_begins_with_the_verdict(report: dict[str, Any]) -> None:
    look = Look(cases.page(report))

    assert look.tags["h1"] == 1
    heading = look.text.index(report["verdict"], len(report["verdict"]) + 2)
    assert heading < 120
    assert str(report["exit_code"]) in look.text[:160]


def test_every_picture_is_well_formed_and_is_told_in_words(report: dict[str, Any]) -> None:
    pictures = re.findall(r"(?s)<svg.*?</svg>", cases.page(report))
    assert pictures
    for picture in pictures:
        root = ElementTree.fromstring(picture)  # noqa: S314 - our own
        assert root.get("aria-label") if root.get("role") == "img" else root.get("class")
        for text in root.iter("text"):
            assert text.text


def test_every_page_is_in_order_for_who_does_not_see_it(report: dict[str, Any]) -> None:
    look = Look(cases.page(report))

    levels = [int(tag[1]) for tag, _ in look.made if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert look.tags["caption"] == look.tags["table"]
    assert look.tags["summary"] == look.tags["details"]
    assert all("scope" in cell for cell in look.of("th"))
    assert all(each.get("aria-label") for each in look.of("div") if "tabindex" in each)
    assert look.of("html") == [{"lang": "en"}]
    ids = look.all("id")
    assert len(set(ids)) == len(ids)
    links = [each for each in look.all("href") if each.startswith("#")]
    assert {link[1:] for link in links} <= set(ids)


def test_a_page_loads_nothing_and_runs_and_applies_only_what_its_policy_names(
    report: dict[str, Any],
) -> None:
    look = Look(cases.page(report))

    assert not {"src", "style", "srcset", "action", "data"} & {
        n for _, names in look.made for n in names
    }
    assert not [name for _, names in look.made for name in names if name.startswith("on")]
    assert all(link.startswith(("#", HELP)) for link in look.all("href"))
    (policy,) = (each["content"] for each in look.of("meta") if "http-equiv" in each)
    hashed = {kind: hashed_as(text) for kind, text in look.raw.items()}
    assert policy == (
        f"default-src 'none'; style-src {hashed['style']}; script-src {hashed['script']}; "
        "base-uri 'none'; form-action 'none'"
    )


def hashed_as(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_page_of_a_fleet_names_every_function_and_shows_the_worst() -> None:
    page = cases.page(cases.CASES["fleet"]())

    assert "ERROR: 3 functions" in page
    assert "Of 3 functions: 1 ERROR, 1 STALE, 1 FRESH." in page
    assert [f"reports-{number}:live" in page for number in range(3)] == [True] * 3
    assert "reports-1:live: " in page  # what is wrong with another one than the worst
    assert 'id="timeline"' not in page  # the worst one has none
    fresh = cases.page(cases.CASES["fresh-fleet"]())
    assert "each of them is" in fresh
    assert 'id="timeline"' in fresh


@pytest.mark.parametrize("payload", ["x" * 9_000, "<" * 9_000])
@pytest.mark.parametrize("kind", ["called", "silent", "out-of-time"])
def test_long_text_is_cut(kind: str, payload: str) -> None:
    assert len(cases.page(cases.spoiled(cases.CASES[kind](), payload)).encode()) < 1 << 20


@pytest.mark.parametrize("payload", [*SHORT, *MARKUP])
@pytest.mark.parametrize("kind", ["called", "silent", "out-of-time"])
def test_hostile_text_stays_text(kind: str, payload: str) -> None:
    harmless = Look(cases.page(cases.spoiled(cases.CASES[kind](), "x")))
    written = cases.page(cases.spoiled(cases.CASES[kind](), payload))

    look = Look(written)
    assert look.made == harmless.made
    assert look.raw == harmless.raw
    assert safe.xml(payload)[:3_000] in look.text
    assert written.encode().decode() == written


def test_a_help_that_is_not_ours_is_no_link() -> None:
    report = cases.CASES["stale"]()
    for address in (
        "javascript:alert(1)",
        "https://evil.example",
        f"{HELP}.evil/#dg1",
        f"{HELP}#a/b",
    ):
        report["functions"][0]["findings"][0]["help"] = address
        assert address not in Look(cases.page(report)).all("href")


@pytest.mark.parametrize("count", [1_000, 2_000])
def test_thousands_of_containers_fit_into_a_mebibyte(count: int) -> None:
    evidence = cases.stale_evidence(count // 2, count // 2, build="b" * 100)
    written = cases.page(cases.report(evidence))

    assert len(written.encode()) < 1 << 20
    look = Look(written)
    rows = [each for each in look.all("id") if re.fullmatch(r"t\d+", each)]
    assert (
        len(rows) == len([each for each in look.all("id") if re.fullmatch(r"r\d+", each)]) == 1_000
    )
    assert ("1000 containers more not listed here" in look.text) == (count == 2_000)
    assert "Left out to keep this file small" in look.text


def test_the_worst_comes_first_where_not_all_are_drawn() -> None:
    evidence = cases.stale_evidence(3, 1_500)
    assert Look(cases.page(cases.report(evidence))).text.count("build b1") >= 3


def text_of(report: dict[str, Any], told: Beside | None = None) -> str:
    return " ".join(Look(cases.page(report, told)).text.split())


def test_a_stale_page_says_what_runs_where_and_what_to_do() -> None:
    text = text_of(cases.CASES["stale"]())

    assert "10 of 15 containers that answered run build b1, and not b2, which was shipped." in text
    assert "They answer callers of $LATEST." in text
    assert "deployguard refresh arn:aws:lambda:eu-west-1:123456789012:function:reports" in text


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("fresh", "Callers of live reach the build that was shipped, b2, and no other."),
        ("fresh", "Alias live serves version 2 now; before, it served version 1."),
        ("another-digest", "Traffic of live ends at another image than the one that was shipped"),
        ("silent", "It is not shown that callers of live reach the build that was shipped, b2"),
        ("superseded", "Somebody else changed the function meanwhile"),
        ("refreshed", "should have been replaced and were not"),
        ("no-function", "could not read it"),
        ("out-of-time", "the time is over"),
        ("interrupted", "interrupted by signal 15"),
        ("aged", "2 of 2 containers were seen 4 s old; their self-tests: 4 passed"),
        ("called", "pipes: the role may not read them; grant pipes:ListPipes"),
        ("silent", "throttled: 2"),
    ],
)
def test_the_page_says(kind: str, said: str) -> None:
    assert said in text_of(cases.CASES[kind]())


def test_containers_from_before_have_an_arrow_and_their_age_in_words() -> None:
    written = cases.page(cases.CASES["stale"]())

    assert written.count('href="#old"') == 10 + 1  # and the key
    assert "10.0 min before" not in written  # two digits are enough
    assert "10 min before" in written
    assert written.count('class="birth"') == 5 + 1


@pytest.mark.parametrize("count", [10, 100])
def test_the_key_explains_every_mark_of_the_picture(count: int) -> None:
    moves = (*cases.CHANGES, cases.change("UpdateAlias", 5.8, version="1"))
    unclear = [cases.probe(4.5, 20_000, build=None), cases.probe(4.6, 20_001, born=4.0)]
    told = cases.stale_evidence(count)
    told = replace(told, rounds=(*told.rounds, *cases.rounds(unclear)))
    written = cases.page(cases.report(told, changes=moves))
    picture, key = written.split('aria-label="Timeline of')[1].split('<ul class="key">')
    marks = re.compile(r'(?:href="#(?:f|s|u|old)"|class="(?:held|low|birth|round|change)[^"]*")')
    explained = set(marks.findall(key.split("</ul>")[0]))
    assert {re.sub("(held) .", r"\1 f", mark) for mark in marks.findall(picture)} == explained


def test_a_birth_is_put_on_our_clock_whatever_the_containers_clock_says() -> None:
    (told,) = lives.lives(
        replace(cases.EVIDENCE, rounds=cases.rounds([cases.probe(2.0, born=1.0)]))
    )
    late = cases.probe(2.0, born=1.0)
    assert late.breadcrumb is not None
    shifted = replace(
        late.breadcrumb,
        born=late.breadcrumb.born + 3600,
        received=late.breadcrumb.received + 3600,
        released=late.breadcrumb.released + 3600,
    )
    burst = cases.rounds([replace(late, breadcrumb=shifted)])
    (other,) = lives.lives(replace(cases.EVIDENCE, rounds=burst))
    assert told.born == pytest.approx(1.0, abs=0.05)
    assert other.born == pytest.approx(told.born)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2.44, "2.4 s"), (59.6, "60 s"), (600, "10 min"), (7_300, "2 h"), (400_000, "5 days")],
)
def test_a_span_is_said_as_people_say_it(seconds: float, words: str) -> None:
    assert lives.span(seconds) == words


def test_moves_and_rounds_are_drawn_where_they_happened() -> None:
    picture = re.findall(
        r'(?s)<svg viewBox[^>]*aria-label="Timeline.*?</svg>', cases.page(cases.CASES["stale"]())
    )[0]
    root = ElementTree.fromstring(picture)  # noqa: S314 - our own
    moves = [each.get("d", "") for each in root.iter("path") if each.get("class") == "change move"]
    labels = [each.text for each in root.iter("text") if each.get("class") == "flag"]
    assert len(moves) == 2
    assert labels == ["PublishVersion", "alias → 2", "alias → 1"]
    x = [float(move[1:].split()[0]) for move in moves]
    assert x[0] < x[1] <= 946
    assert len([each for each in root.iter("rect") if each.get("class") == "round"]) == 2


def test_builds_differ_in_colour_and_in_pattern() -> None:
    assert len(set(builds.COLOURS)) == len(set(builds.PATTERNS)) == len(builds.COLOURS)
    told = builds.Builds.of(["b2", "b1", None, "b2"])
    assert [told.fill(name) for name in ("b2", "b1", None)] == [
        "url(#b0)",
        "url(#b1)",
        builds.OTHERS,
    ]


# What lies beside the report


SPAN = Span(cases.UNIX - 3_600, cases.UNIX)
PAST = History(ARN, SPAN, Counted.CONTAINERS, ())
AUDIT: dict[str, Any] = {
    "schema": "deployguard/routes/v1",
    "function": ARN,
    "expected": {"digest": cases.NEW, "build_id": "b2", "link": "verified"},
    "routes": [
        {
            "kind": "rule",
            "caller": "nightly",
            "via": "",
            "use": "calls",
            "qualifier": LATEST,
            "ends": [{"version": LATEST, "share": 1.0, "digest": cases.OLD, "build_id": "b1"}],
            "outcome": "another image",
        }
    ],
    "unread": [],
}


def saved_page(folder: Path, **documents: Any) -> tuple[str, list[str]]:
    """Save a report with other documents beside it; return its page, and what was complained of."""
    files.keep(files.dump(cases.CASES["stale"]()), folder, name="report.json")
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / f"{name}.json").write_text(text)
    problems: list[DeployguardError] = []
    forms = saved.render(folder / "report.json", ["html"], complain=problems.append)
    return forms["report.html"], [each.happened for each in problems]


def test_the_page_shows_the_past_and_the_audit_that_lie_beside(tmp_path: Path) -> None:
    written, problems = saved_page(tmp_path, history=histories.document(PAST), routes=AUDIT)

    look = Look(written)
    assert problems == []
    assert {"history", "audit"} <= set(look.all("id"))
    assert "no breadcrumb line was found" in look.text
    assert "rule nightly" in look.text


@pytest.mark.parametrize("name", ["history", "routes"])
@pytest.mark.parametrize(
    "broken",
    [
        "",
        "[]",
        "7",
        "{}",
        "[" * 100_000,
        '{"function": 1}',
        {"function": ARN},
        {**histories.document(PAST), "schema": "deployguard/history/v9"},
        {**histories.document(PAST), "until": "2020-01-01T00:00:00Z"},
        {**histories.document(PAST), "since": "yesterday"},
        {**histories.document(PAST), "counted": "sheep"},
        {**histories.document(PAST), "routes": [{"qualifier": "live", "served": []}]},
        {**AUDIT, "routes": [{}]},
        {**AUDIT, "unread": [7]},
        {**AUDIT, "function": ARN + "s"},
    ],
)
def test_what_is_broken_or_of_another_function_is_left_out_and_said(
    tmp_path: Path, name: str, broken: Any
) -> None:
    written, problems = saved_page(tmp_path, **{name: broken})

    assert len(problems) == 1
    assert f"{name}.json is left out of the page" in problems[0]
    assert not {"history", "audit"} & set(Look(written).all("id"))


def test_counts_that_do_not_add_up_are_no_history(tmp_path: Path) -> None:
    served = {
        "version": "1", "build_id": None, "share": 1.0, "count": 2, "containers": 1,
        "first": "2026-01-02T18:00:00Z", "last": "2026-01-02T18:00:00Z", "slots": {"3": 1},
    }  # fmt: skip
    route = {"qualifier": "live", "count": 2, "served": [served]}
    past = {**histories.document(PAST), "routes": [route]}
    assert "do not add up" in saved_page(tmp_path, history=past)[1][0]
    whole = {**past, "routes": [{**route, "served": [{**served, "slots": {"3": 2}}]}]}
    assert saved_page(tmp_path, history=whole)[1] == []


def test_other_forms_do_not_look_beside(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text("broken")
    problems: list[DeployguardError] = []
    told = beside.read(tmp_path, cases.CASES["stale"](), forms=["json"], complain=problems.append)
    assert (told, problems) == (Beside(), [])


def test_states_of_containers_are_those_of_the_report() -> None:
    report = cases.CASES["called"]()
    states: Sequence[str] = [each["state"] for each in report["functions"][0]["containers"]]
    told = lives.lives(cases.stale_evidence())
    assert sorted(states) == sorted(life.state for life in told)
    assert told[0].state is State.STALE
