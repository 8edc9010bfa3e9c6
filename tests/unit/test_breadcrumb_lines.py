"""A container tells its log who it is, and only what it wrote whole is believed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.executions import crumbs
from deployguard.executions.nouns import Moment

STREAM = "2026/01/02/[42]0123456789abcdef0123456789abcdef"
FIELDS = {
    "line": 1,
    "event": "birth",
    "build_id": "20260102T185749Z-8fbaa108",
    "container": "0123456789abcdef0123456789abcdef",
    "born": 1767380269.25,
    "invocation": 1,
    "function_version": "42",
    "invoked_arn": "arn:aws:lambda:eu-west-1:123456789012:function:reports:live",
    "log_stream": STREAM,
    "request_id": "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    "at": 1767380269.5,
    "uptime_s": 0.25,
    "canary": False,
    "logs": "birth",
}
PROGRAM = """
import sys
from deployguard.canary import canary

class Context:
    function_version = "42"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:reports:live"
    log_stream_name = sys.argv[1]
    aws_request_id = "request"

@canary
def handler(event, context):
    print("handled", event)

ask = {"deployguard": {"canary": 1, "nonce": "0" * 32}}
events = {"canary first": (ask, 1, 2)}.get(sys.argv[-1], (1, 2, ask))
for event in events:
    handler(event, Context())
"""


def line(**changes: Any) -> str:
    return json.dumps({"deployguard": {**FIELDS, **changes}})


def written(*arguments: str, **environment: str) -> list[str]:
    """Return what a container prints that serves two events and a canary."""
    inside = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", **environment}
    source = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, STREAM, *arguments],
        env={**source, **{name: value for name, value in inside.items() if value}},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    return run.stdout.splitlines()


# What a container writes


def test_a_container_writes_one_line_when_it_begins_to_serve() -> None:
    birth, *rest = written()

    assert rest == ["handled 1", "handled 2"]
    crumb = crumbs.parse(birth, stream=STREAM)
    assert crumb is not None
    assert (crumb.event, crumb.invocation, crumb.is_canary) == (Moment.BIRTH, 1, False)
    assert (crumb.version, crumb.qualifier, crumb.request_id) == ("42", "live", "request")
    assert crumb.born <= crumb.at
    assert crumb.build_id is None
    assert not crumb.tells_each


def test_a_container_that_a_canary_started_tells_its_first_call_too() -> None:
    birth, call, *rest = written("canary first")

    assert rest == ["handled 1", "handled 2"]
    crumbs_of = [crumbs.parse(each, stream=STREAM) for each in (birth, call)]
    told = [(c.event.value, c.invocation, c.is_canary) for c in crumbs_of if c is not None]
    assert told == [("birth", 1, True), ("invocation", 2, False)]


def test_each_invocation_is_told_when_that_is_asked_for() -> None:
    lines = [crumbs.parse(each, stream=STREAM) for each in written(DEPLOYGUARD_LOG="invocation")]

    told = [(c.event.value, c.invocation, c.is_canary) for c in lines if c is not None]
    assert told == [("birth", 1, False), ("invocation", 2, False), ("invocation", 3, True)]
    assert len({c.container for c in lines if c is not None}) == 1
    assert all(c.tells_each for c in lines if c is not None)


@pytest.mark.parametrize(
    "environment", [{"DEPLOYGUARD_LOG": "off"}, {"AWS_LAMBDA_RUNTIME_API": ""}]
)
def test_nothing_is_written_when_it_is_off_or_outside_lambda(environment: dict[str, str]) -> None:
    assert written(**environment) == ["handled 1", "handled 2"]


def test_a_log_that_cannot_be_written_breaks_no_invocation() -> None:
    source = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    program = "import sys; sys.stdout.close(); sys.stdout = None\n" + PROGRAM.replace(
        'print("handled", event)', "sys.stderr.write('handled ')"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, STREAM],
        env={**source, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == "handled handled "


# What is believed


def test_members_that_lambda_adds_do_no_harm() -> None:
    added = {"timestamp": "2026-01-02T18:57:49.500Z", "level": "INFO", **json.loads(line())}

    assert crumbs.parse(json.dumps(added, indent=1), stream=STREAM) == crumbs.parse(
        line(more=[1]), stream=STREAM
    )


def test_a_line_without_a_build_id_tells_the_rest() -> None:
    whole = crumbs.parse(line(), stream=STREAM)
    assert whole is not None
    assert crumbs.parse(line(build_id=None), stream=STREAM) == replace(whole, build_id=None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"deployguard": 1}',
        line()[:-1],
        "INFO " + line(),
        line(line=2),
        line(line=True),
        line(event="death"),
        line(container="0" * 31),
        line(container=None),
        line(build_id="a b"),
        line(build_id=7),
        line(function_version="43"),
        line(function_version="[42]"),
        line(log_stream=STREAM.replace("42", "43"), function_version="43"),
        line(born="yesterday"),
        line(born=float("nan")),
        line(at=-1),
        line(at=1e300),
        line(invocation=True),
        line(invoked_arn="a\x1b[2Jb"),
        line(request_id=None),
        line(request_id="x" * 10_000),
        '{"deployguard":' * 10_000,
        '{"deployguard": {"line": ' + "9" * 5_000 + "}}",
    ],
)
def test_what_is_out_of_place_is_no_breadcrumb_line(text: str) -> None:
    assert crumbs.parse(line(), stream=STREAM) is not None
    assert crumbs.parse(text, stream=STREAM) is None


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), VALUES), st.text())
def test_no_line_is_too_odd_to_be_looked_at(changes: dict[str, Any], text: str) -> None:
    crumbs.parse(text, stream=STREAM)
    crumb = crumbs.parse(line(**changes), stream=STREAM)

    assert crumb is None or crumb.stream == STREAM


@pytest.mark.parametrize(
    ("invoked", "qualifier"),
    [("reports", None), ("reports:live", "live"), ("reports:$LATEST", "$LATEST")],
)
def test_the_qualifier_is_the_one_that_was_called(invoked: str, qualifier: str | None) -> None:
    arn = f"arn:aws:lambda:eu-west-1:123456789012:function:{invoked}"
    crumb = crumbs.parse(line(invoked_arn=arn), stream=STREAM)

    assert crumb is not None
    assert crumb.qualifier == qualifier
