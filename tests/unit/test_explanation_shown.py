"""How an explanation reads, as text and as a document: bounded, and never in a stranger's words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.executions import (
    document_explanation,
    explain,
    nouns,
    render_explanation,
    said,
)
from deployguard.executions.nouns import Case, Configuration, End, Invocation, Minute, State, Step
from deployguard.traffic import Unread
from tests.unit.execution_cases import (
    BEGAN,
    CONFIGURATION,
    EXCEEDED,
    FUNCTION,
    MACHINE,
    attempt,
    case,
    incident_b,
    lines,
    raised,
    step,
    warm,
    without_logs,
)

SCHEMA = json.loads((Path(nouns.__file__).parent / "explanation.json").read_text())
HOSTILE = "\x1b[31m::error::owned\r\n##[group]\u202e" + "x" * 50_000


def shown(known: Case) -> tuple[dict[str, Any], str]:
    """Return the document and the text of an explanation; the document is valid."""
    document = document_explanation.build(explain.of(known))
    jsonschema.validate(document, SCHEMA)
    assert json.loads(json.dumps(document)) == document
    return document, render_explanation.text(document)


def full() -> Case:
    """Return incident B with all that may be known around it."""
    known = incident_b()
    configuration = replace(
        CONFIGURATION, environment=("TABLE",), environment_hash="secret", vpc=("subnet-1",)
    )
    minutes = (Minute(BEGAN, 27, 10, 0, 5.0, 27), Minute(BEGAN + 60))
    states = {
        (MACHINE, "Work"): State("Task", retried=("Lambda.ServiceException",)),
        (MACHINE, "Map"): State("Map", max_concurrency=0),
    }
    return replace(
        known,
        configurations={(FUNCTION, "1"): configuration, (FUNCTION, "2"): CONFIGURATION},
        metrics={FUNCTION: minutes},
        states=states,
        unread=(Unread("log lines", "denied", "allow logs:FilterLogEvents"),),
    )


def test_the_verdict_comes_first_and_what_is_unknown_last() -> None:
    _, text = shown(full())
    told = text.splitlines()
    assert told[0] == "proven: stale state in warm containers (H1)"
    assert told[1].startswith("  failed      10 attempts of greeter with OperationTimeout")
    assert told[-2:] == ["- log lines: denied", "  allow logs:FilterLogEvents"]


def test_a_map_is_said_to_be_a_race() -> None:
    document, _ = shown(full())
    notes = document["failures"][0]["notes"]
    assert "timer of the application" in notes[0]
    assert notes[1].startswith("10 failed, and 17 were aborted with them: that is how a race")
    assert notes[2] == "Work tries once where it fails with OperationTimeout"
    assert notes[3] == "Map runs all at once and tolerates no failure, so the first ended it"


def test_attempts_without_log_lines_are_counted() -> None:
    document, _ = shown(without_logs(full()))
    assert (
        "of 10 of the 10 no log line was found, which proves nothing"
        in (document["failures"][0]["notes"])
    )


def test_what_it_ran_on_is_told_without_any_value() -> None:
    document, text = shown(full())
    (ran,) = document["configurations"]
    assert (ran["version"], ran["environment"]) == ("1", ["TABLE"])
    assert "secret" not in text + json.dumps(document)
    assert "18:53  27 invocations, 10 errors, 0 throttles, longest 5 ms, 27 at once" in text
    assert len(document["metrics"][0]["minutes"]) == 1, "a minute without a number is not told"


def test_a_configuration_that_was_changed_since_is_none_of_then() -> None:
    failed = step(attempt(End.FAILED, error="E", cause=raised("E")), warm("one", version="$LATEST"))
    latest = replace(failed, build=replace(failed.build, version="$LATEST"))
    changed = replace(CONFIGURATION, version="$LATEST", modified=BEGAN + 60)
    known = case([latest], configurations={(FUNCTION, "$LATEST"): changed})
    assert "after the execution began: what it was then is not known" in shown(known)[1]
    before = replace(changed, modified=BEGAN - 60)
    same = replace(known, configurations={(FUNCTION, "$LATEST"): before})
    assert "what it was then" not in shown(same)[1]


def test_foreign_text_is_cut_and_forms_no_command() -> None:
    cause = raised(HOSTILE, HOSTILE)
    failed = step(
        attempt(End.FAILED, error=HOSTILE[:256], cause=cause, item="Map[0]"),
        warm("one", status="error", lines=lines(*[HOSTILE] * 100)),
    )
    _, text = shown(case([failed]))
    assert len(text) < 20_000
    assert not any(char in text for char in "\x1b\r\u202e")
    assert all(not line.lstrip().startswith("::") for line in text.splitlines())


def test_many_attempts_are_counted_and_some_are_shown() -> None:
    failed = step(attempt(End.FAILED, error="E", cause=raised("E")), warm("one", status="error"))
    document, text = shown(case([failed] * 500))
    assert (len(document["failures"][0]["timeline"]), document["failures"][0]["attempts"]) == (
        20,
        500,
    )
    assert "  and 480 more" in text


def test_kinds_of_failures_beyond_five_are_counted() -> None:
    failed = [step(attempt(End.FAILED, error=f"E{n}", cause=raised(f"E{n}"))) for n in range(8)]
    document, text = shown(case(failed))
    assert (len(document["failures"]), document["more_failures"]) == (5, 3)
    assert "and 3 other failures, which are not explained" in text


def test_what_is_unknown_names_what_is_left_and_what_would_decide() -> None:
    _, text = shown(
        case([step(attempt(End.FAILED, error="ValueError", cause=raised("ValueError")))])
    )
    assert text.startswith("unknown: nothing that was seen decides; it may be stale state in warm")
    assert "  try         H1: invoke a warm container now" in text
    assert "  do  " not in text


@pytest.mark.parametrize("status", ["RUNNING", "ABORTED"])
def test_an_execution_without_a_failed_attempt_is_shown(status: str) -> None:
    document, text = shown(case([step(attempt(End.RUNNING))], status=status))
    assert document["execution"]["status"] == status
    assert "\n  attempts    1 running\n" in text


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (EXCEEDED, "OperationTimeout", "Operation exceeded timeout limits"),
        (EXCEEDED[:48], "E", "Operation exceeded timeout lim"),
        ("", "E", ""),
        ("not JSON", "E", "not JSON"),
        ("[" * 32_768, "E", "[" * 32_768),
        ('{"errorType": 1, "errorMessage": [], "stackTrace": [1, "x"]}', "E", ""),
        (
            'Because of no type. Returned payload: {"errorMessage":"Task timed out after 3.00 s"}',
            "E",
            "Task timed out after 3.00 s",
        ),
    ],
)
def test_a_cause_is_read_whatever_it_is(cause: str, kind: str, message: str) -> None:
    told = said.said("E", cause)
    assert (told.kind, told.message) == (kind, message)


def test_every_configuration_field_is_told_or_left_out_on_purpose() -> None:
    told = set(SCHEMA["$defs"]["configuration"]["properties"]) - {"function", "is_of_then"}
    kept = set(Configuration.__dataclass_fields__) - {"environment_hash", "revision"}
    assert told == kept


MAYBE = st.none() | st.floats(0, 1e6)
INVOCATIONS = st.none() | st.builds(
    Invocation,
    request_id=st.text(max_size=5),
    stream=st.sampled_from(["a", "b", ""]),
    version=st.sampled_from([None, "1", "2", "$LATEST"]),
    started=MAYBE,
    ended=MAYBE,
    duration_ms=MAYBE,
    init_ms=MAYBE,
    has_report=st.booleans(),
    memory_mb=st.none() | st.integers(0, 128),
    used_mb=st.none() | st.integers(0, 256),
    status=st.sampled_from(["", "success", "error", "timeout"]),
    error_type=st.sampled_from(["", "E", "Runtime.ExitError"]),
    init_status=st.sampled_from(["", "timeout", "error"]),
    ordinal=st.none() | st.integers(1, 9),
    container_age_s=MAYBE,
    born=MAYBE,
)
STEPS = st.builds(
    lambda end, error, cause, number, item, version, invocation: step(
        attempt(end, error=error, cause=cause, number=number, input_hash=item, timeout_s=number),
        invocation,
        version=version,
    ),
    st.sampled_from(End),
    st.sampled_from(["", "E", "States.Timeout", "Lambda.Unknown", "Sandbox.Timedout"]),
    st.sampled_from(["", "{", EXCEEDED, raised("E", "Task timed out after 0.00 seconds")])
    | st.text(),
    st.integers(1, 3),
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(["", "1", "2", "$LATEST"]),
    INVOCATIONS,
)


@given(st.lists(STEPS, max_size=8), st.lists(INVOCATIONS, max_size=4), st.booleans())
def test_whatever_was_read_is_explained_without_a_word_too_much(
    steps: list[Step], others: list[Invocation | None], is_known: bool
) -> None:
    known = case(
        steps,
        others={FUNCTION: tuple(each for each in others if each is not None)},
        configurations={(FUNCTION, "1"): CONFIGURATION} if is_known else {},
    )
    document, text = shown(known)
    assert text.startswith(document["verdict"])
    for failure in document["failures"]:
        standings = [each["standing"] for each in failure["hypotheses"]]
        assert standings == sorted(
            standings, key=["proven", "likely", "possible", "excluded"].index
        )
        is_silent = all(
            not each["lines"] and each["is_cold"] is None for each in failure["timeline"]
        )
        stale = next((each for each in failure["hypotheses"] if each["id"] == "H1"), None)
        assert not (is_silent and stale and stale["standing"] == "proven")
