"""The conformance test against real functions, real HTTP and real programs, by its command."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from deployguard.canary import breadcrumb
from tests.ci.tools import need
from tests.guard import test_node
from tests.guard.world import Finished, Team
from tests.unit import broken_canary

PROGRAM = f"{sys.executable} {broken_canary.__file__}"
REACH = "--reach-handler"
VERSIONED = b"""
from helper import canary

@canary
def inner(event, context):
    return {"ok": True}

def handler(event, context):
    answer = inner(event, context)
    answer.get("deployguard", {})["function_version"] = "7"
    return answer
"""


def held(team: Team, *arguments: str) -> tuple[Finished, dict[str, str]]:
    """Run the command; return how it ended and the result of each case."""
    finished = team.run("canary-test", *arguments, "--format", "json")
    cases = json.loads(finished.out)["cases"] if finished.out else []
    return finished, {case["name"]: case["result"] for case in cases}


def results(cases: dict[str, str], result: str) -> set[str]:
    return {name for name, each in cases.items() if each == result}


# Functions


def test_a_function_in_python_keeps_every_rule(live: Team) -> None:
    finished, cases = held(live, "reports:live", REACH, "--expect", '{"ok": true}')

    assert (finished.exit_code, set(cases.values())) == (0, {"pass"}), finished.out


def test_a_function_in_node_keeps_every_rule(team: Team) -> None:
    need("aws-lambda-ric")
    test_node.ship(team, "n1")
    arguments = ("--event", "[1]", "--expect", '{"ok": true, "event": [1]}')
    finished, cases = held(team, "reports", REACH, *arguments)

    assert (finished.exit_code, set(cases.values())) == (0, {"pass"}), finished.out


def test_the_handler_of_a_function_is_reached_only_where_that_is_allowed(live: Team) -> None:
    finished, cases = held(live, "reports:live")

    assert finished.exit_code == 0
    assert {"ordinary", "ordinary counted", "http", "keys beside"} < results(cases, "skipped")
    assert results(cases, "fail") == results(cases, "undecided") == set()
    lines = live.lab.client("logs").filter_log_events(logGroupName="/aws/lambda/reports")["events"]
    crumbs = [line["message"] for line in lines if line["message"].startswith("{")]
    assert [json.loads(crumb)["deployguard"]["canary"] for crumb in crumbs] == [True]


def test_a_function_without_the_canary_is_asked_once(team: Team) -> None:
    team.ship("b1", handler=b"def handler(event, context): return {}")
    finished, cases = held(team, "reports", REACH)

    assert (finished.exit_code, results(cases, "fail")) == (10, {"breadcrumb"})
    assert team.lab.calls()["lambda.Invoke"] == 1


def test_another_version_than_the_one_that_ran_is_found(team: Team) -> None:
    team.ship("b1", handler=VERSIONED)
    finished, cases = held(team, "reports")

    assert (finished.exit_code, results(cases, "fail")) == (10, {"version"})


def test_other_callers_leave_the_count_undecided(live: Team) -> None:
    live.lab.set(routing="lru")
    live.warm(2, "live")
    finished, cases = held(live, "reports:live", REACH)

    assert (finished.exit_code, results(cases, "fail")) == (11, set())
    assert {"container", "count", "order"} <= results(cases, "undecided")


@pytest.mark.parametrize("kind", ["lose", "throttle", "error"])
def test_an_invocation_that_fails_is_not_sent_again(live: Team, kind: str) -> None:
    live.lab.fault(operation="Invoke", kind=kind, phase="after" if kind == "lose" else "before")
    finished, cases = held(live, "reports:live")

    assert (finished.exit_code, results(cases, "fail")) == (11, set())
    assert live.lab.calls()["lambda.Invoke"] == 1


@pytest.mark.parametrize(("name", "code"), [("nowhere", 3), ("reports:nowhere", 3)])
def test_what_does_not_exist_is_said_to_be_missing(live: Team, name: str, code: int) -> None:
    finished, cases = held(live, name)

    assert (finished.exit_code, cases) == (code, {})
    assert "could not invoke" in finished.err


def test_a_function_of_another_account_is_refused(live: Team) -> None:
    finished, cases = held(live, "reports:live", "--expect-account", "999999999999")

    assert (finished.exit_code, cases) == (3, {})
    assert "lambda.Invoke" not in live.lab.calls()


# An emulator


def right(event: Any) -> tuple[int, bytes]:
    return 200, json.dumps(broken_canary.right(event)).encode()


@contextmanager
def serving(answer: Callable[[Any], tuple[int, bytes]]) -> Iterator[str]:
    """Answer events over HTTP; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, content = answer(json.loads(body))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - theirs
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/2015-03-31/functions/function/invocations"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_emulator_keeps_every_rule(team: Team) -> None:
    with serving(right) as url:
        finished, cases = held(team, url)

    assert (finished.exit_code, set(cases.values())) == (0, {"pass"}), finished.out
    assert breadcrumb({}, None) is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _: (302, b"{}"), "HTTP 302"),
        (lambda _: (500, b"{}"), "HTTP 500"),
        (lambda _: (200, b"x" * (2**23 + 1)), "larger than"),
        (lambda _: (200, b"<html>"), "<html>"),
    ],
)
def test_what_is_no_answer_fails(
    team: Team, answer: Callable[[Any], tuple[int, bytes]], told: str
) -> None:
    with serving(answer) as url:
        finished, cases = held(team, url)

    assert (finished.exit_code, results(cases, "fail")) == (10, {"breadcrumb"})
    assert told in json.loads(finished.out)["cases"][0]["got"]


def test_a_url_where_nothing_listens_is_refused(team: Team) -> None:
    finished, _ = held(team, "http://127.0.0.1:9/")

    assert finished.exit_code == 2
    assert "cannot be reached" in finished.err


# Programs


def test_the_cases_of_a_program_are_a_table(team: Team) -> None:
    finished = team.run("canary-test", f"{PROGRAM} beside")

    assert finished.exit_code == 10
    assert "  pass       breadcrumb " in finished.out
    assert "got: answered as a canary: another key" in finished.out
    assert "fix: answer only an event" in finished.out
    assert finished.out.endswith("(exit code 10)\n")


def test_text_of_a_program_forms_no_command_and_no_escape(team: Team) -> None:
    finished = team.run("canary-test", f"{PROGRAM} escaping")

    assert finished.exit_code == 10
    assert "\x1b" not in finished.out
    assert "\n::error::" not in finished.out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("./no-such-program",),
        (PROGRAM, "--event", "{"),
        (PROGRAM, "--expect", "nothing"),
        (PROGRAM, "--answer-within", "0"),
        ("http://",),
    ],
)
def test_bad_input_is_refused(team: Team, arguments: tuple[str, ...]) -> None:
    finished, _ = held(team, *arguments)

    assert (finished.exit_code, finished.out) == (2, "")
    assert "fix:" in finished.err or "got" in finished.err


def test_nothing_of_a_program_is_left_behind(team: Team, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = tmp_path / "adapter"
    script.write_text(f"#!/bin/sh\nsleep 60 & echo $! > {pid}\nexec {PROGRAM} 'no breadcrumb'\n")
    script.chmod(0o755)
    finished, _ = held(team, str(script))

    assert finished.exit_code == 10
    status = Path(f"/proc/{pid.read_text().strip()}/stat")
    assert not status.exists() or status.read_text().split()[2] == "Z"
