"""What an audit could not read, or that is not what it should be: said, and never left out."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.guard.account import (
    FUNCTION,
    PATH,
    machine,
    notify,
    rest_api,
    routes,
    rule,
    schedule,
    subscribe,
)
from tests.guard.world import Team


@contextmanager
def answering(answer: Callable[[int], bytes]) -> Iterator[str]:
    """Answer every request, whatever it asks for; by the number of the request."""
    numbers = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answer(next(numbers))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def page(token: str) -> bytes:
    """Return a page of pipes, without any, after which there is another."""
    return json.dumps({"Pipes": [], "NextToken": token}).encode()


@pytest.mark.parametrize(
    ("operation", "source", "action"),
    [
        ("ListEventSourceMappings", "mappings", "lambda:ListEventSourceMappings"),
        ("GetPolicy", "policies", "lambda:GetPolicy"),
        ("GetPolicy", "topics", "lambda:GetPolicy"),
        ("ListFunctionUrlConfigs", "urls", "lambda:ListFunctionUrlConfigs"),
        ("ListFunctions", "destinations", "lambda:ListFunctions"),
        ("ListRules", "rules", "events:ListRules"),
        ("ListSchedules", "schedules", "scheduler:ListSchedules"),
        ("ListPipes", "pipes", "pipes:ListPipes"),
        ("ListStateMachines", "state-machines", "states:ListStateMachines"),
        ("GetRestApis", "rest-apis", "apigateway:GET"),
        ("GetApis", "http-apis", "apigateway:GET"),
        ("DescribeTargetGroups", "load-balancers", "elasticloadbalancing:DescribeTargetGroups"),
        ("ListMetrics", "metrics", "cloudwatch:ListMetrics"),
    ],
)
def test_what_the_role_may_not_read_is_named_with_the_action(
    reports: Team, operation: str, source: str, action: str
) -> None:
    reports.lab.fault(operation=operation, kind="deny", times=None)
    finished, document = routes(reports, "--sources", source)
    assert finished.exit_code == 11, finished.err
    (unread,) = document["unread"]
    assert action in unread["why"]
    assert action in finished.out
    assert "0 found, 1 not read" in finished.err


def test_one_state_machine_that_may_not_be_read_hides_no_other(reports: Team) -> None:
    for name in ("a", "b"):
        machine(reports, name, {"Resource": f"{FUNCTION}:next"})
    reports.lab.fault(operation="DescribeStateMachine", kind="deny", times=1)
    finished, document = routes(reports, "--sources", "state-machines")
    assert (finished.exit_code, len(document["routes"]), len(document["unread"])) == (11, 1, 1)


@pytest.mark.parametrize("kind", ["garble", "throttle"])
def test_trouble_that_does_not_pass_leaves_a_source_unknown(reports: Team, kind: str) -> None:
    rule(reports, "hourly", FUNCTION)
    reports.lab.fault(operation="ListTargetsByRule", kind=kind, times=None)
    finished, document = routes(reports, "--sources", "rules")
    assert (finished.exit_code, len(document["unread"])) == (11, 1)


def test_an_audit_that_runs_out_of_time_says_what_it_did_not_read(reports: Team) -> None:
    reports.lab.fault(operation="ListRules", kind="delay", seconds=3, times=1)
    reports.lab.client("events").create_event_bus(Name="orders")
    finished, document = routes(reports, "--sources", "rules", "--timeout", "2")
    assert finished.exit_code == 11
    assert "not all was read within" in document["unread"][0]["why"]


@pytest.mark.parametrize(
    ("operation", "source"),
    [
        ("DescribeTargetGroups", "load-balancers"),
        ("GetBucketNotification", "buckets"),
        ("GetMetricStatistics", "metrics"),
        ("ListPipes", "pipes"),
        ("ListSubscriptionsByTopic", "topics"),
    ],
)
def test_a_web_page_is_not_taken_for_an_empty_answer(
    reports: Team, operation: str, source: str
) -> None:
    subscribe(reports)
    notify(reports)
    reports.lab.fault(operation=operation, kind="garble", times=None)
    finished, document = routes(reports, "--sources", source)
    assert (finished.exit_code, document["routes"]) == (11, [])
    (unread,) = document["unread"]
    assert "the answer is" in unread["why"]


@pytest.mark.parametrize(
    ("answer", "timeout", "why"),
    [
        (lambda _: page("again"), "60", "its pages go round in a circle"),
        (lambda number: page(str(number)), "3", "not all was read within"),
        (lambda number: page("next")[: -number or None], "60", "the answer is not JSON"),
        (lambda number: b"{}" if number else page("next"), "60", "the answer holds no Pipes"),
        (lambda _: b"[]", "60", "the answer is no JSON object"),
    ],
    ids=["circle", "endless", "cut short", "empty", "list"],
)
def test_pages_that_are_not_right_end_the_reading(
    reports: Team, answer: Callable[[int], bytes], timeout: str, why: str
) -> None:
    with answering(answer) as url:
        finished, document = routes(
            reports, "--sources", "pipes", "--timeout", timeout, AWS_ENDPOINT_URL_PIPES=url
        )
    assert finished.exit_code == 11, finished.err
    (unread,) = document["unread"]
    assert why in unread["why"]


@pytest.mark.parametrize("form", ["text", "json", "mermaid"])
def test_names_that_mean_something_elsewhere_are_only_names(reports: Team, form: str) -> None:
    uri = f"{PATH}/{FUNCTION}:${{stageVariables.v}}/invocations"
    rest_api(reports, uri, name='.*(a|b)[c]\\1 "];\n::error::x', variables={"v": "next"})
    rest_api(reports, f"{PATH}/{FUNCTION}.next/invocations", name="another")
    finished, document = routes(reports, "--sources", "rest-apis", "--format", form)
    assert finished.exit_code == 0, finished.err
    (route,) = document["routes"]
    assert route["qualifier"] == "next"
    assert "\n::error" not in finished.out


def test_a_definition_of_a_mebibyte_is_read(reports: Team) -> None:
    state = {"Resource": f"{FUNCTION}:next", "Comment": "x" * 1200}
    machine(reports, "large", *[state] * 800)
    finished, document = routes(reports, "--sources", "state-machines")
    assert (finished.exit_code, len(document["routes"])) == (0, 800)


def test_an_input_that_is_no_json_leaves_its_schedule_unknown(reports: Team) -> None:
    universal = "arn:aws:scheduler:::aws-sdk:lambda:invoke"
    schedule(reports, "odd", {"Arn": universal, "Input": '{"FunctionName": "rep'})
    finished, document = routes(reports, "--sources", "schedules")
    assert (finished.exit_code, len(document["unread"])) == (11, 1)


def test_a_function_without_a_version_alias_or_policy_has_no_routes(team: Team) -> None:
    team.ship("b1")
    finished, document = routes(team)
    assert (finished.exit_code, document["routes"], document["unread"]) == (0, [], [])
