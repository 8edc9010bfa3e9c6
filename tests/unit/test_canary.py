"""The helper inside the image: what it answers, and that it never stands in anybody's way."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import canary as helper
from deployguard.canary import breadcrumb, canary

HELPER = Path(helper.__file__)
NONCE = "0123456789abcdef0123456789abcdef"
STAMP = {
    "schema": "deployguard/stamp/v1",
    "build_id": "20260102T185749Z-8fbaa108",
    "revision": "8fbaa10875b4",
    "version": "v1.4.2-3-g8fbaa10",
    "created": "2026-01-02T18:57:49Z",
    "source": "https://github.com/acme/reports",
}
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

# Runs in each interpreter, with a copy of the helper under another name and nothing else.
PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from crumbs import breadcrumb, canary

class Context:
    function_version = "42"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:reports:live"
    log_stream_name = "2026/01/02/[42]abc"
    aws_request_id = "request"
    def get_remaining_time_in_millis(self):
        return 30000

@canary
def handler(event, context):
    return {"handled": event}

async def coroutine(event, context):
    pass

ask = {"deployguard": {"canary": 1, "nonce": sys.argv[2], "hold_ms": 1}}
json.dump({
    "name": handler.__name__,
    "ordinary": handler({"order": 7}, Context()),
    "crumb": handler(ask, Context()),
    "called": breadcrumb(ask, None),
    "untouched": canary(coroutine) is coroutine,
}, sys.stdout)
"""


@dataclass
class Context:
    """A Lambda context with as much time left as a test wants."""

    remaining_ms: int = 30_000
    function_version: str = "42"
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:reports:live"
    log_stream_name: str = "2026/01/02/[42]abc"
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def ask(**changes: Any) -> dict[str, Any]:
    return {"deployguard": {"canary": 1, "nonce": NONCE, "hold_ms": 0, **changes}}


def crumb(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    answer = breadcrumb(event, context or Context())
    assert answer is not None
    fields = answer["deployguard"]
    assert isinstance(fields, dict)
    return fields


def echo(event: Any, context: Any) -> Any:
    return event


def interpreter(version: str) -> str:
    """Return a working Python of this version, or skip."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [str(path) for path in root.glob(f"versions/{version}.*/bin/python")]
    for candidate in [*found, shutil.which(f"python{version}")]:
        if (
            candidate
            and not subprocess.run(
                [candidate, "-I", "-S", "-c", ""], capture_output=True, check=False
            ).returncode
        ):
            return candidate
    pytest.skip(f"no Python {version} on this machine")


# The answer


def test_answers_with_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "build-stamp.json"
    file.write_text(json.dumps({**STAMP, "unknown": "ignored"}))
    monkeypatch.setenv("DEPLOYGUARD_STAMP", str(file))
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")

    fields = crumb(ask(hold_ms=30))

    assert set(fields) == {
        *("breadcrumb", "nonce", "stamp", "container", "born", "received", "released"),
        *("invocation", "function_version", "invoked_arn", "log_stream", "request_id"),
        *("initialization_type", "uptime_s", "remaining_ms"),
    }
    assert fields["breadcrumb"] == 1
    assert fields["nonce"] == NONCE
    assert fields["stamp"] == STAMP
    assert len(fields["container"]) == 32
    int(fields["container"], 16)
    assert fields["born"] <= fields["received"] <= fields["released"] - 0.03
    assert fields["function_version"] == "42"
    assert fields["invoked_arn"].endswith(":reports:live")
    assert fields["log_stream"] == "2026/01/02/[42]abc"
    assert fields["request_id"] == "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    assert fields["initialization_type"] == "on-demand"
    assert fields["uptime_s"] >= 0.03
    assert fields["remaining_ms"] == 30_000
    json.dumps(fields, allow_nan=False)


def test_one_process_is_one_container_and_counts_every_invocation() -> None:
    handler = canary(echo)
    first = crumb(ask())
    handler({"order": 1}, Context())
    breadcrumb({"order": 2}, Context())
    second = handler(ask(), Context())["deployguard"]

    assert second["container"] == first["container"]
    assert second["born"] == first["born"]
    assert second["invocation"] == first["invocation"] + 3
    assert second["uptime_s"] >= first["uptime_s"]


def test_another_process_is_another_container() -> None:
    program = (
        "from deployguard.canary import breadcrumb\n"
        f"print(breadcrumb({ask()!r}, None)['deployguard']['container'])"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    assert len({run.stdout for run in runs}) == 2


@pytest.mark.parametrize(
    ("hold_ms", "remaining_ms", "least", "most"),
    [
        (60, 30_000, 0.06, 5),
        (10_000_000, 560, 0.06, 5),  # the margin of the remaining time wins
        (5_000, 400, 0, 2),
        (5_000, -20, 0, 2),
        (-5_000, 30_000, 0, 2),
        (0.5, 30_000, 0, 2),
        (float("nan"), 30_000, 0, 2),
        (float("inf"), 560, 0.06, 5),
        ("5000", 30_000, 0, 2),
        (True, 30_000, 0, 2),
        ([5_000], 30_000, 0, 2),
        (None, 30_000, 0, 2),
    ],
)
def test_holds_as_long_as_asked_within_bounds(
    hold_ms: object, remaining_ms: int, least: float, most: float
) -> None:
    fields = crumb(ask(hold_ms=hold_ms), Context(remaining_ms=remaining_ms))

    assert least <= fields["released"] - fields["received"] <= most


@given(st.one_of(st.integers(), st.floats()), st.one_of(st.none(), st.integers()))
def test_no_hold_is_longer_than_the_cap_or_the_time_left(wanted: float, left: int | None) -> None:
    hold = helper._within(wanted, 10_000, left)

    assert 0 <= hold <= 10_000
    assert hold == 0 or left is None or hold < left


def test_falls_back_to_the_environment_without_a_lambda_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Hostile:
        def __getattr__(self, name: str) -> Any:
            raise OSError(name)

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    monkeypatch.setenv("AWS_LAMBDA_LOG_STREAM_NAME", "stream")

    for context in (Hostile(), object(), {"function_version": "42"}):
        fields = crumb(ask(), context)
        assert (fields["function_version"], fields["log_stream"]) == ("7", "stream")
        assert (fields["request_id"], fields["remaining_ms"]) == ("", None)


# The stamp


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (None, "missing"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 16_000, "not JSON"),
        (b'{"a":"' + b"x" * 16_384 + b'"}', "larger than 16 KiB"),
        (b"[]", "not a JSON object"),
        (b'{"build_id": "a"}', "schema"),
        (b'{"schema": "deployguard/stamp/v2", "build_id": "a"}', "schema"),
        (b'{"schema": "deployguard/stamp/v1"}', "build_id"),
        (b'{"schema": "deployguard/stamp/v1", "build_id": ""}', "build_id"),
        (b'{"schema": "deployguard/stamp/v1", "build_id": 7}', "build_id"),
        (b'{"schema": "deployguard/stamp/v1", "build_id": "a b"}', "build_id"),
        (b'{"schema": "deployguard/stamp/v1", "build_id": "\\u00e9"}', "build_id"),
        (json.dumps({**STAMP, "build_id": "a" * 129}).encode(), "build_id"),
    ],
)
def test_says_why_a_stamp_is_unusable(
    content: bytes | None, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "build-stamp.json"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("DEPLOYGUARD_STAMP", str(file))

    fields = crumb(ask())

    assert fields["stamp"] is None
    assert error in fields["stamp_error"]
    assert len(fields["stamp_error"]) < 80
    assert str(tmp_path) not in fields["stamp_error"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_or_folder_for_a_stamp_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        monkeypatch.setenv("DEPLOYGUARD_STAMP", str(path))
        fields = crumb(ask())
        assert (fields["stamp"], fields["stamp_error"]) == (None, "not a regular file")


def test_fields_that_a_report_could_not_carry_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "build-stamp.json"
    odd = {"revision": 7, "version": "a\x1b[2J", "created": "x" * 513, "source": "\ud800"}
    file.write_text(json.dumps({**STAMP, **odd}))
    monkeypatch.setenv("DEPLOYGUARD_STAMP", str(file))

    kept = {"schema": STAMP["schema"], "build_id": STAMP["build_id"]}
    assert crumb(ask())["stamp"] == kept


def test_the_stamp_of_a_process_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "build-stamp.json"
    file.write_text(json.dumps(STAMP))
    monkeypatch.setenv("DEPLOYGUARD_STAMP", str(file))
    before = crumb(ask())["stamp"]
    file.write_text(json.dumps({**STAMP, "build_id": "another"}))

    assert crumb(ask())["stamp"] == before == STAMP


# The user's handler

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
NAMES = st.one_of(st.text(), st.sampled_from(["deployguard", "canary", "nonce", "headers"]))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20
)


@given(JSON)
def test_any_ordinary_event_reaches_the_handler_untouched(event: Any) -> None:
    before = json.dumps(event)

    assert canary(echo)(event, Context()) is event
    assert breadcrumb(event, Context()) is None
    assert json.dumps(event) == before


@pytest.mark.parametrize(
    "event",
    [
        ask(canary=2),
        ask(canary=True),
        ask(canary=1.0),
        ask(canary="1"),
        ask(nonce=NONCE[1:]),
        ask(nonce=NONCE[1:] + "g"),
        ask(nonce=[NONCE]),
        {"deployguard": {"canary": 1}},
        {"deployguard": [ask()]},
        {"body": json.dumps(ask())},
        [ask()],
        json.dumps(ask()),
    ],
)
def test_what_only_resembles_a_canary_is_an_ordinary_event(event: Any) -> None:
    assert canary(echo)(event, Context()) is event


@pytest.mark.parametrize(
    "key",
    ["requestContext", "httpMethod", "rawPath", "headers", "body", "Records", "detail", "version"],
)
def test_an_event_of_another_service_is_never_a_canary(key: str) -> None:
    event = {**ask(), key: {}}

    assert canary(echo)(event, Context()) is event


def test_the_handler_is_not_called_for_a_canary() -> None:
    def handler(event: Any, context: Any) -> Any:
        raise AssertionError("called")

    assert canary(handler)(ask(), Context())["deployguard"]["nonce"] == NONCE


def test_exceptions_and_names_pass_through() -> None:
    class Broken(Exception):
        pass

    error = Broken("theirs")

    @canary
    def handler(event: Any, context: Any) -> Any:
        """Theirs."""
        raise error

    assert (handler.__name__, handler.__doc__) == ("handler", "Theirs.")
    with pytest.raises(Broken) as caught:
        handler({"order": 7}, Context())
    assert caught.value is error


def test_keyword_and_further_arguments_pass_through() -> None:
    @canary
    def handler(event: Any, context: Any = None, *, dry: bool = False) -> Any:
        return event, context, dry

    assert handler(event=1, context=2) == (1, 2, False)
    assert handler(1, 2, dry=True) == (1, 2, True)
    assert handler(1) == (1, None, False)


def test_bound_methods_and_callable_objects_can_be_handlers() -> None:
    class Application:
        def __call__(self, event: Any, context: Any) -> Any:
            return event

        def handle(self, event: Any, context: Any) -> Any:
            return event

    for handler in (canary(Application()), canary(Application().handle)):
        assert handler({"order": 7}, Context()) == {"order": 7}
        assert handler(ask(), Context())["deployguard"]["breadcrumb"] == 1


def test_coroutine_handlers_are_left_alone() -> None:
    async def handler(event: Any, context: Any) -> Any:
        return event

    assert canary(handler) is handler


# The file


def test_is_written_in_python_3_9_and_its_standard_library() -> None:
    tree = ast.parse(HELPER.read_text(encoding="utf-8"), feature_version=(3, 9))

    plain = {n.name for i in ast.walk(tree) if isinstance(i, ast.Import) for n in i.names}
    parts = {str(i.module) for i in ast.walk(tree) if isinstance(i, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in plain | parts} <= sys.stdlib_module_names


@pytest.mark.parametrize("version", PYTHONS)
def test_works_alone_under_another_name(version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    shutil.copy(HELPER, tmp_path / "crumbs.py")

    run = subprocess.run(
        [python, "-I", "-S", "-W", "error", "-c", PROGRAM, str(tmp_path), NONCE],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    result = json.loads(run.stdout)
    assert result["name"] == "handler"
    assert result["ordinary"] == {"handled": {"order": 7}}
    assert result["untouched"] is True
    fields = result["crumb"]["deployguard"]
    assert (fields["nonce"], fields["invocation"]) == (NONCE, 2)
    assert (fields["stamp"], fields["stamp_error"]) == (None, "missing")
    assert fields["remaining_ms"] == 30_000
    called = result["called"]["deployguard"]
    assert (called["container"], called["invocation"]) == (fields["container"], 3)


def test_a_cold_start_pays_for_no_further_modules() -> None:
    loaded = "import json, functools, sys; before = set(sys.modules); "
    program = f"{loaded} import deployguard.canary; print(*set(sys.modules) - before)"

    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "deployguard.canary" in run.stdout.split()
    assert set(run.stdout.split()) <= {"__future__", "deployguard", "deployguard.canary"}


def test_the_example_image_says_which_build_it_is(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "image"
    shutil.copy(example / "handler.py", tmp_path)
    shutil.copy(HELPER, tmp_path / "deployguard_canary.py")
    (tmp_path / "build-stamp.json").write_text(json.dumps(STAMP))
    copied = {
        word
        for line in (example / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ")
        for word in line.split()[1:-1]
    }
    program = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from handler import handler;"
        f"print(json.dumps([handler({{'name': 'Ada'}}, None), handler({ask()!r}, None)]))"
    )

    run = subprocess.run(
        [sys.executable, "-I", "-c", program, str(tmp_path)],
        env={"DEPLOYGUARD_STAMP": str(tmp_path / "build-stamp.json")},
        capture_output=True,
        text=True,
        check=True,
    )

    greeting, answer = json.loads(run.stdout)
    assert copied == {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert greeting == {"greeting": "Hello, Ada!"}
    assert answer["deployguard"]["stamp"] == STAMP
