"""The helper for Node.js does what the one for Python does, event by event and stamp by stamp."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import breadcrumb
from deployguard import canary as python
from deployguard.conformance import script
from deployguard.conformance.nouns import Kind
from tests.ci.tools import need
from tests.unit.node import HELPER, Node, evaluate, running
from tests.unit.test_canary import JSON, NONCE, STAMP, Context, ask


def is_finite(value: Any) -> bool:
    """Tell whether a value is JSON to others than Python, too."""
    return "Infinity" not in json.dumps(value)


EVENTS = JSON.filter(is_finite)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with running() as process:
        yield process


def crumb(answer: Any) -> dict[str, Any]:
    return dict(answer["deployguard"])


def as_numbers(value: Any) -> Any:
    """Return JSON as JavaScript knows it, where every number is a float."""
    return json.loads(json.dumps(value), parse_int=float)


# The answer


def test_answers_with_the_fields_of_the_other_helper(tmp_path: Path) -> None:
    stamp = tmp_path / "build-stamp.json"
    stamp.write_text(json.dumps({**STAMP, "unknown": "ignored"}))
    with running(DEPLOYGUARD_STAMP=str(stamp), AWS_LAMBDA_INITIALIZATION_TYPE="on-demand") as node:
        first, second = node.ask(ask(hold_ms=30)), node.ask(ask())
    fields = crumb(first)

    assert breadcrumb.parse(json.dumps(first).encode(), nonce=NONCE).invocation == 1
    theirs = python.breadcrumb(ask(), Context())
    assert theirs is not None
    assert fields.keys() | {"stamp_error"} == crumb(theirs).keys() | {"stamp_error"}
    assert (fields["stamp"], fields["nonce"], fields["breadcrumb"]) == (STAMP, NONCE, 1)
    assert fields["born"] <= fields["received"] <= fields["released"] - 0.025
    assert (fields["function_version"], fields["initialization_type"]) == ("42", "on-demand")
    assert fields["invoked_arn"].endswith(":reports:live")
    assert fields["log_stream"] == "2026/01/02/[42]abc"
    assert fields["request_id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    assert (fields["remaining_ms"], fields["uptime_s"] >= 0.025) == (30_000, True)
    assert crumb(second)["container"] == fields["container"]
    assert crumb(second)["invocation"] == 2


def test_every_invocation_is_counted(node: Node) -> None:
    before = crumb(node.ask(ask()))["invocation"]
    node.ask({"order": 7})
    node.ask(None)

    assert crumb(node.ask(ask()))["invocation"] == before + 3


def test_what_code_of_the_process_adds_to_every_object_makes_no_event_a_canary() -> None:
    program = """
    const { breadcrumb } = require(process.argv[1]);
    Object.prototype.deployguard = { canary: 1, nonce: "0".repeat(32) };
    console.log(breadcrumb({ order: 7 }, {}));
    """
    assert evaluate(program) == "null\n"


@pytest.mark.parametrize(
    ("hold_ms", "remaining_ms", "least", "most"),
    [
        (60_000, 530, 0.025, 0.3),
        (60_000, 400, 0.0, 0.1),
        (60_000, -5, 0.0, 0.1),
        (-5, 30_000, 0.0, 0.1),
        ("500", 30_000, 0.0, 0.1),
        (True, 30_000, 0.0, 0.1),
        (None, 30_000, 0.0, 0.1),
        (30.9, 30_000, 0.025, 0.3),
    ],
)
def test_holds_in_bounds_and_in_time(
    node: Node, hold_ms: Any, remaining_ms: int, least: float, most: float
) -> None:
    fields = crumb(node.ask(ask(hold_ms=hold_ms), left=remaining_ms))

    assert least <= fields["released"] - fields["received"] <= most


def test_falls_back_to_the_environment_without_a_lambda_context() -> None:
    lambdas = {"AWS_LAMBDA_FUNCTION_VERSION": "7", "AWS_LAMBDA_LOG_STREAM_NAME": "stream"}
    with running(**lambdas) as node:
        for how, left in (("none", None), ("hostile context", 1.0)):
            fields = crumb(node.ask(ask(), how=how, left=left))
            assert (fields["function_version"], fields["log_stream"]) == ("7", "stream")
            assert (fields["request_id"], fields["remaining_ms"]) == ("", None)


# Which events are canaries


@given(st.lists(EVENTS, min_size=1, max_size=20))
def test_any_ordinary_event_reaches_the_handler_untouched(node: Node, events: list[Any]) -> None:
    for event in events:
        assert as_numbers(node.ask(event)) == as_numbers({"handled": event, "given": 1})


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "canary": st.sampled_from([1, 2, "1", True, None, [1]]),
            "nonce": st.sampled_from([NONCE, NONCE.upper(), NONCE[1:], NONCE + "0", "g" * 32, 7]),
            "hold_ms": st.just(0),
            "extra": EVENTS,
        },
    ),
    st.dictionaries(st.sampled_from(["headers", "Records", ""]), st.none(), max_size=1),
)
def test_takes_for_a_canary_what_the_other_helper_does(
    node: Node, request_: dict[str, Any], beside: dict[str, Any]
) -> None:
    for event in ({"deployguard": request_, **beside}, {"deployguard": [request_]}, [request_]):
        answered = "deployguard" in node.ask(event)
        assert answered == (python.breadcrumb(event, Context()) is not None)


def test_none_of_the_lookalikes_is_answered(node: Node) -> None:
    for step in script.steps(repeat(NONCE), event={"order": 7}, reaches_handler=True):
        answered = "deployguard" in node.ask(json.loads(step.event), left=0)
        assert answered == (step.kind is Kind.CANARY), step.name


# The stamp

STAMPS = [
    None,
    b"",
    b"\xff\xfe",
    b'\xef\xbb\xbf{"schema": "deployguard/stamp/v1", "build_id": "a"}',
    b'{"schema": "deployguard/stamp/v1", "build_id": "a", "x": "\xff"}',
    b"[" * 16_000,
    b'{"a":"' + b"x" * 16_384 + b'"}',
    b"[]",
    b"null",
    b'{"build_id": "a"}',
    b'{"schema": "deployguard/stamp/v2", "build_id": "a"}',
    b'{"schema": "deployguard/stamp/v1"}',
    b'{"schema": "deployguard/stamp/v1", "build_id": ""}',
    b'{"schema": "deployguard/stamp/v1", "build_id": "a\\n"}',
    b'{"schema": "deployguard/stamp/v1", "build_id": "\\u00e9"}',
    json.dumps({**STAMP, "build_id": "a" * 129}).encode(),
    json.dumps({**STAMP, "revision": 7, "version": "a\x1b[2J", "source": "\ud800"}).encode(),
    json.dumps(
        {**STAMP, "created": "x" * 513, "version": "é " * 256, "source": "\U0001f600"}
    ).encode(),
    json.dumps({**STAMP, "created": "a\u00a0b", "version": "\u2028", "source": ""}).encode(),
]


@pytest.mark.parametrize("content", STAMPS)
def test_reads_a_stamp_as_the_other_helper_does(content: bytes | None, tmp_path: Path) -> None:
    stamp = tmp_path / "stamp.json"
    if content is not None:
        stamp.write_bytes(content)
    with running(DEPLOYGUARD_STAMP=str(stamp)) as node:
        fields = crumb(node.ask(ask()))

    theirs, error = python._stamp(str(stamp))
    assert (fields["stamp"], fields.get("stamp_error")) == (theirs, error)
    assert str(tmp_path) not in json.dumps(fields)


def test_the_stamp_of_a_process_does_not_change(tmp_path: Path) -> None:
    stamp = tmp_path / "build-stamp.json"
    stamp.write_text(json.dumps(STAMP))
    with running(DEPLOYGUARD_STAMP=str(stamp)) as node:
        before = crumb(node.ask(ask()))["stamp"]
        stamp.write_text(json.dumps({**STAMP, "build_id": "another"}))
        assert crumb(node.ask(ask()))["stamp"] == before == STAMP


def test_a_pipe_or_folder_for_a_stamp_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with running(DEPLOYGUARD_STAMP=str(path)) as node:
            assert crumb(node.ask(ask()))["stamp_error"] == "not a regular file"


# The self-test


@pytest.mark.parametrize(
    ("how", "ok", "detail"),
    [
        ("true", True, ""),
        ("nothing", True, ""),
        ("false", False, ""),
        ("text", True, "12 fonts"),
        ("long", True, "x" * 1_000),
        ("object", True, '{"left_s":12}'),
        ("bad", False, '{"ok":false,"left_s":-1}'),
        ("null", False, '{"ok":null}'),
        ("large", True, "too long"),
        ("circle", True, "not JSON"),
        ("number", None, "returned a number"),
        ("list", None, "returned a list"),
        ("throws", False, "TypeError"),
        ("rejects", False, "RangeError"),
        ("strange", False, "object"),
        ("hostile", False, "Error"),
    ],
)
def test_what_a_self_test_does_is_told_in_bounds(
    node: Node, how: str, ok: object, detail: str
) -> None:
    told = crumb(node.ask(ask(self_test=True), how=how))["self_test"]

    assert (told["ok"], told["detail"]) == (ok, detail)
    assert 0 <= told["seconds"] < 5
    assert "self_test" not in crumb(node.ask(ask(self_test=1), how=how))


def test_one_that_hangs_is_left_in_time_and_none_is_started_beside_it() -> None:
    with running() as node:
        first = crumb(node.ask(ask(self_test=True), how="hangs", left=600))["self_test"]
        second = crumb(node.ask(ask(self_test=True), how="true"))["self_test"]

    assert (first["ok"], first["detail"], first["seconds"] < 3) == (None, "timed out", True)
    assert (second["ok"], second["detail"]) == (None, "an earlier self-test has not ended")


def test_nothing_is_left_to_wait_for_after_a_self_test_that_ends() -> None:
    program = (
        "const { breadcrumb } = require(process.argv[1]);"
        'const ask = { deployguard: { canary: 1, nonce: "0".repeat(32), self_test: true } };'
        "breadcrumb(ask, {}, { selfTest: async () => true })"
        '.then(() => console.log(process.getActiveResourcesInfo().includes("Timeout")));'
    )
    assert evaluate(program) == "false\n"


# The user's handler

WRAPPED = """
const { canary } = require(process.argv[1]);
const assert = require("node:assert");
const ask = { deployguard: { canary: 1, nonce: "0".repeat(32) } };
const streaming = Symbol.for("aws.lambda.runtime.handler.streaming");

function named(event, context, callback) { callback(null, { event, self: this }); }
named.mark = 7;
const guarded = canary(named);
assert.deepEqual([guarded.name, guarded.length, guarded.mark], ["named", 3, 7]);
const self = {};
guarded.call(self, { order: 7 }, {}, (error, result) => {
  assert.strictEqual(error, null);
  assert.strictEqual(result.self, self);
});
assert.strictEqual(canary(() => 7)({}), 7);
assert.strictEqual(canary((...given) => given.length)({}, 2, 3, 4), 4);

const theirs = new Error("theirs");
assert.throws(() => canary(() => { throw theirs; })({}), (error) => error === theirs);
assert.rejects(canary(async () => { throw theirs; })({}), (error) => error === theirs);

const streamed = () => {};
streamed[streaming] = "response";
assert.strictEqual(canary(streamed), streamed);
const stream = { write() {}, end() {} };
assert.strictEqual(canary((event, given) => given)(ask, stream, {}), stream);
assert.strictEqual(canary(undefined), undefined);

let called = 0;
const application = canary(() => { called += 1; });
application(ask, {}).then((answer) => {
  assert.strictEqual(answer.deployguard.nonce, ask.deployguard.nonce);
  assert.strictEqual(called, 0);
  console.log("well");
});
"""


def test_wraps_handlers_of_every_kind() -> None:
    assert evaluate(WRAPPED) == "well\n"


def test_is_imported_and_required_under_any_name(tmp_path: Path) -> None:
    (tmp_path / "crumbs.cjs").write_bytes(HELPER.read_bytes())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "app.js").write_text(
        'import { breadcrumb, canary } from "./crumbs.cjs";\n'
        'import { createRequire } from "node:module";\n'
        'const again = createRequire(import.meta.url)("./crumbs.cjs");\n'
        "console.log(again.canary === canary, breadcrumb({ order: 7 }, {}));\n"
    )
    run = subprocess.run(
        [need("node"), "app.js"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == ("true null\n", "")


def test_prints_nothing_outside_lambda_and_breaks_nothing_where_it_cannot() -> None:
    program = (
        "const { breadcrumb } = require(process.argv[1]);"
        'const ask = { deployguard: { canary: 1, nonce: "0".repeat(32) } };'
        'if (process.argv[2] === "close") require("fs").closeSync(1);'
        "if (breadcrumb(ask, {}) === null) process.exitCode = 1;"
    )
    lambdas = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}
    assert evaluate(program, "keep") == ""
    assert evaluate(program, "keep", environ=lambdas).startswith('{"deployguard":{"line":1,')
    assert evaluate(program, "close", environ=lambdas) == ""
