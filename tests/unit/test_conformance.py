"""A program that breaks a rule of the protocol fails the case of that rule."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from deployguard import cli
from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.conformance import rules, show, story
from deployguard.conformance.nouns import Case, Result
from deployguard.conformance.subject import Command, Url, subject_of
from deployguard.errors import ConfigurationError
from deployguard.run import Record, Run
from deployguard.target import Target
from tests.ci.tools import need
from tests.unit.broken_canary import CHANGES
from tests.unit.node import HELPER

BROKEN = Path(__file__).with_name("broken_canary.py")
NODE = """
const { createInterface } = require("node:readline");
const { canary } = require(process.argv[1]);
const handler = canary(async (event) => ({ handled: event }));
const began = Date.now();
(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const ends = Date.now() + 1000;
    const context = { getRemainingTimeInMillis: () => ends - Date.now() };
    console.log(JSON.stringify(await handler(JSON.parse(line), context)));
  }
})();
"""


def examined(*words: str, timeout_s: float = 60.0, **settings: Any) -> dict[str, Case]:
    """Return the case of each rule."""
    run = Run(Session(), Record("canary-test"), timeout_s=timeout_s)
    found = story.examine(run, Settings(**settings), Command(words))
    return {case.name: case for case in found}


def broken(name: str, **settings: Any) -> dict[str, Case]:
    return examined(sys.executable, str(BROKEN), name, **settings)


def failing(cases: dict[str, Case]) -> set[str]:
    return {name for name, case in cases.items() if case.result is Result.FAIL}


@pytest.mark.parametrize("language", ["python", "node"])
def test_both_helpers_keep_every_rule(language: str) -> None:
    if language == "python":
        cases = broken("nothing", expect='{"handled": true}')
    else:
        cases = examined(need("node"), "-e", NODE, str(HELPER), expect='{"handled": {"order": 7}}')

    assert {name: case.got for name, case in cases.items() if case.result is not Result.PASS} == {}
    assert rules.exit_code(tuple(cases.values())) == 0


BREAKS = {
    "another number": {"breadcrumb", "fields"},
    "another nonce": {"nonce"},
    "both": {"stamp"},
    "neither": {"stamp"},
    "a bad build id": {"stamp"},
    "an id of each answer": {"container"},
    "a birth of each answer": {"container"},
    "capitals": {"container"},
    "no container": {"container"},
    "a text for a number": {"fields", "times"},
    "no log stream": {"fields"},
    "a broken text": {"fields"},
    "milliseconds": {"times"},
    "local time": {"times"},
    "released before": {"times", "hold"},
    "uptime back": {"order", "times"},
    "no count": {"count", "ordinary counted"},
    "canaries only": {"ordinary counted"},
    "twice": {"count", "ordinary counted"},
    "unheld": {"hold"},
    "claimed": {"hold", "order", "times"},
    "to the end": {"hold capped"},
    "strict": {"unknown fields"},
    "small": {"large"},
    "a bad self-test": {"self-test"},
    "unasked self-test": {"self-test"},
    "ordinary too": {"ordinary"},
    "beside": {"keys beside", "other services"},
    "any nonce": {"form of the nonce"},
    "any number": {"number of the canary"},
    "in a list": {"form of the event"},
    "in a body": {"http"},
    "in records": {"other services"},
    "deaf": {"alive", "hold capped"},
}


@pytest.mark.parametrize("change", BREAKS)
def test_a_rule_that_is_broken_fails(change: str) -> None:
    cases = broken(change)

    assert failing(cases) == BREAKS[change]
    assert all(case.got and case.fix for case in cases.values() if case.result is Result.FAIL)
    assert rules.exit_code(tuple(cases.values())) == 10


def test_every_rule_is_broken_by_some_program() -> None:
    elsewhere = {"quick", "version"}  # broken below, and in the lab
    assert set().union(*BREAKS.values()) | elsewhere == {rule.name for rule in rules.RULES}
    assert {"nothing", "slow", "uncapped"} < CHANGES.keys() - BREAKS.keys()


def test_a_hold_without_end_is_found() -> None:
    assert failing(broken("uncapped")) == {"hold capped"}


def test_one_that_is_slow_fails_the_case_of_that() -> None:
    assert failing(broken("slow", answer_within=0.15)) == {"quick"}


def test_another_answer_than_expected_fails_and_is_shown() -> None:
    case = broken("nothing", expect='{"handled": false}')["ordinary"]

    assert case.result is Result.FAIL
    assert case.got == '{"handled": true}, not {"handled": false}'


def test_without_a_breadcrumb_nothing_more_is_sent() -> None:
    cases = broken("no breadcrumb")

    assert failing(cases) == {"breadcrumb"}
    assert cases["breadcrumb"].got == '{"handled": true}'
    assert "the first canary was not answered" in cases["http"].got


def test_one_that_ends_fails_there_and_the_rest_is_undecided() -> None:
    cases = broken("crashing")

    assert failing(cases) == {"form of the event"}
    assert cases["form of the event"].got.endswith("it said: it is a list")
    assert cases["alive"].result is Result.UNDECIDED


def test_one_that_does_not_answer_is_left_in_time() -> None:
    cases = broken("hanging")

    assert failing(cases) == {"breadcrumb"}
    assert "no line within" in cases["breadcrumb"].got


def test_without_the_time_to_wait_for_an_answer_nothing_is_decided() -> None:
    cases = broken("nothing", timeout_s=19.0)

    assert {case.result for case in cases.values()} == {Result.UNDECIDED}
    assert "too little time" in cases["breadcrumb"].got
    assert rules.exit_code(tuple(cases.values())) == 11


def test_one_that_nests_without_end_is_judged() -> None:
    assert failing(broken("nested")) == {"stamp"}


def test_one_that_writes_more_than_its_answers_is_stopped() -> None:
    cases = broken("chatty")

    assert failing(cases) == {"breadcrumb"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("reports", Target),
        ("reports:live", Target),
        ("reports:$LATEST", Target),
        ("arn:aws:lambda:eu-west-1:123456789012:function:reports:live", Target),
        ("http://localhost:9000/2015-03-31/functions/function/invocations", Url),
        ("HTTPS://localhost:9000/", Url),
        ("./adapter", Command),
        ("node adapter.cjs", Command),
        ("'a b' 'c d'", Command),
    ],
)
def test_functions_urls_and_commands_are_told_apart(text: str, kind: type) -> None:
    assert isinstance(subject_of(text), kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "'unclosed quote",
        "arn:aws:s3:::bucket",
        "http://",
        "http://user:secret@localhost/",
        "http://localhost:port/",
        "http://localhost:99999/",
        "http://localhost/a b",
        "http://localhost/\r\nX: 1",
    ],
)
def test_what_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        subject_of(text)


def test_words_are_split_as_a_shell_does() -> None:
    assert subject_of("'a b' c") == Command(tuple(shlex.split("'a b' c")))


def test_in_brief_only_what_makes_doubt_is_shown() -> None:
    cases = tuple(
        Case(name, Result(name), "expected", f"{name} got", "fix") for name in ("pass", "fail")
    )
    told = show.shown("name", cases, form="text", brief=True)
    assert "got: fail got" in told
    assert "pass got" not in told
    assert "1 pass, 1 fail (exit code " in told
    words = ["canary-test", "greeter", "-q"]
    assert cli.parsers().parse_args(words).verbosity == "quiet"
