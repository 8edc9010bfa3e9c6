"""The past of a function is told as far as its log tells it, and no further."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

from deployguard.aws.session import Session
from deployguard.config import Settings
from deployguard.errors import OutOfTime
from deployguard.history import read
from deployguard.history.served import History
from deployguard.run import Record, Run
from deployguard.target import target_of
from tests.guard.world import Finished, Team, eventually

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
EACH = {"Variables": {"DEPLOYGUARD_LOG": "invocation"}}


def history(team: Team, *arguments: str) -> Finished:
    return team.run("history", team.name, *arguments)


def told(team: Team, *arguments: str) -> dict[str, Any]:
    """Return the document that the command prints."""
    finished = history(team, "--format", "json", *arguments)
    assert finished.exit_code == 0, finished.err
    return dict(json.loads(finished.out))


def shares(document: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        route["qualifier"]: {each["build_id"]: each["share"] for each in route["served"]}
        for route in document["routes"]
    }


def call(team: Team, count: int = 1, qualifier: str = "live") -> None:
    """Invoke the function as its callers do."""
    for number in range(count):
        team.functions.invoke(
            FunctionName=team.name, Qualifier=qualifier, Payload=json.dumps({"order": number})
        )


@pytest.fixture
def telling(live: Team) -> Team:
    """Have b1 live, telling each invocation: three of them, and two of b2 after a move."""
    live.functions.update_function_configuration(FunctionName=live.name, Environment=EACH)
    live.point(live.publish())
    call(live, 3)
    live.ship("b2")
    live.point(live.publish())
    call(live, 2)
    eventually(lambda: shares(told(live)) == {"live": {"b1": 0.6, "b2": 0.4}})  # logs lag
    return live


def test_each_build_has_its_share_of_the_invocations_of_each_route(telling: Team) -> None:
    call(telling, 1, "$LATEST")
    telling.functions.invoke(FunctionName=telling.name, Payload=b"7")

    document = told(telling)

    assert document["counted"] == "invocations"
    assert shares(document) == {"live": {"b1": 0.6, "b2": 0.4}, "$LATEST": {"b2": 1.0}}
    (live,) = (route for route in document["routes"] if route["qualifier"] == "live")
    assert [(each["version"], each["count"], each["containers"]) for each in live["served"]] == [
        ("2", 3, 1),
        ("3", 2, 1),
    ]
    assert live["served"][0]["last"] <= live["served"][1]["first"]


def test_what_is_told_is_kept_for_the_page_of_a_report(telling: Team) -> None:
    assert history(telling, "--report-dir", "kept").exit_code == 0

    document = json.loads((telling.folder / "kept" / "history.json").read_text())
    assert shares(document) == {"live": {"b1": 0.6, "b2": 0.4}}


def test_moves_of_the_alias_are_told_beside(telling: Team) -> None:
    document = told(telling)

    moves = [(move["qualifier"], move["version"]) for move in document["moves"]]
    assert [each for each in moves if each[0] == "live"] == [("live", str(v)) for v in (1, 2, 3)]
    assert document["calls"] > 0
    assert document["unread"] == []


def test_the_text_says_what_its_shares_are_shares_of(telling: Team) -> None:
    out = history(telling).out

    assert "live: 5 of the invocations that logged a line" in out
    assert re.search(r"(?m)^  b1 +2 +60\.0% +3 +1 +\d{4}-", out)
    assert "live was moved to 3" in out
    assert re.search(r"(?m)^\d+ calls to AWS$", out)
    assert "unknown:" not in out


def test_births_count_containers_and_it_is_said_that_invocations_are_unknown(live: Team) -> None:
    call(live, 3)

    document = told(live)
    assert (document["counted"], shares(document)) == ("containers", {"live": {"b1": 1.0}})
    out = history(live).out
    assert "live: 1 of the containers that logged a line" in out
    assert "set DEPLOYGUARD_LOG=invocation" in out


def test_a_container_that_tells_more_does_not_count_for_more(live: Team) -> None:
    call(live, 4)
    live.functions.update_function_configuration(FunctionName=live.name, Environment=EACH)
    live.ship("b2")
    live.point(live.publish())
    call(live, 4)

    assert shares(told(live)) == {"live": {"b1": 0.5, "b2": 0.5}}


def test_probes_are_no_traffic(telling: Team) -> None:
    assert telling.run("verify", telling.name, "--grace", "0").exit_code == 0

    document = told(telling)
    assert shares(document)["live"] == {"b1": 0.6, "b2": 0.4}
    assert document["canaries"] >= 5


def test_a_container_that_a_probe_started_is_told_once_callers_use_it(live: Team) -> None:
    assert live.run("verify", live.name, "--grace", "0").exit_code == 0
    assert shares(told(live)) == {}
    call(live, 3)

    assert shares(told(live)) == {"live": {"b1": 1.0}}


def test_no_line_is_not_taken_for_no_traffic(live: Team) -> None:
    out = history(live).out

    assert "no breadcrumb line was found, which does not show that nothing ran" in out
    assert live.alias() == "1"


def test_lines_that_are_forged_or_of_another_function_are_not_counted(live: Team) -> None:
    forger = b"""
import json
from helper import canary
LINE = {"line": 1, "event": "birth", "build_id": "forged", "container": "0" * 32, "born": 1.0,
        "invocation": 1, "function_version": "1", "log_stream": "2026/01/02/[1]" + "0" * 32,
        "invoked_arn": "ARN:live", "request_id": "r", "at": 1.0, "uptime_s": 1.0, "canary": False}

@canary
def handler(event, context):
    print(json.dumps({"deployguard": LINE}))
    other = {**LINE, "log_stream": context.log_stream_name, "function_version": "2",
             "invoked_arn": "ARNs:live"}
    print(json.dumps({"deployguard": other}))
""".replace(b"ARN", ARN.encode())
    live.ship("b2", handler=forger)
    live.point(live.publish())
    call(live)

    assert shares(told(live)) == {"live": {"b2": 1.0}}


def test_one_route_alone_can_be_asked_for(telling: Team) -> None:
    call(telling, 1, "$LATEST")

    finished = telling.run("history", f"{telling.name}:$LATEST", "--format", "json")
    assert shares(json.loads(finished.out)) == {"$LATEST": {"b2": 1.0}}


def test_lines_before_the_time_are_left_out(telling: Team) -> None:
    telling.lab.set(clock_step_s=7200)

    assert shares(told(telling, "--since", "1h")) == {}
    assert told(telling, "--since", "1h")["moves"] == []
    assert shares(told(telling, "--since", "3h"))["live"] == {"b1": 0.6, "b2": 0.4}


def test_a_log_group_of_its_own_is_found(live: Team) -> None:
    own = {"LogGroup": "/acme/reports"}
    live.functions.update_function_configuration(FunctionName=live.name, LoggingConfig=own)
    live.point(live.publish())
    live.functions.update_function_configuration(
        FunctionName=live.name, LoggingConfig={"LogGroup": "/acme/next"}
    )
    call(live, 2)

    assert shares(told(live)) == {"live": {"b1": 1.0}}


def test_what_may_not_be_read_is_said_to_be_unknown(telling: Team) -> None:
    deny = {"Effect": "Deny", "Action": "cloudtrail:*", "Resource": "*"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    telling.lab.set(policy={"Statement": [deny, allow]})

    document = told(telling)
    assert (document["moves"], len(document["unread"])) == ([], 1)
    assert "cloudtrail:LookupEvents" in json.dumps(document["unread"])
    assert "- when aliases were moved and code was changed: " in history(telling).out


def test_logs_that_may_not_be_read_end_it_with_what_to_grant(telling: Team) -> None:
    deny = {"Effect": "Deny", "Action": "logs:*", "Resource": "*"}
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    telling.lab.set(policy={"Statement": [deny, allow]})

    finished = history(telling)
    assert finished.exit_code == 3
    assert "logs:FilterLogEvents" in finished.err
    assert finished.out == ""


@pytest.fixture
def reader(telling: Team, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], History]:
    """Hand out a reading with so many calls at most."""
    for name, value in telling.lab.environment.items():
        monkeypatch.setenv(name, value)

    def reading(most_calls: int) -> History:
        run = Run(Session(), Record("history"), timeout_s=60.0)
        settings = Settings(function=telling.name)
        return read.read(run, settings, target_of(telling.name), most_calls=most_calls)

    return reading


def test_where_calls_run_out_the_newest_lines_are_what_was_read(
    reader: Callable[[int], History],
) -> None:
    whole, cut = reader(200), reader(5)

    assert [route.count for route in cut.routes] == [route.count for route in whole.routes] == [5]
    assert whole.unread == ()
    assert cut.span.until - cut.span.since == pytest.approx(7 * 86_400 / 8)
    assert [each.what for each in cut.unread] == ["older breadcrumb lines"]
    with pytest.raises(OutOfTime, match="the newest breadcrumb lines were not read"):
        reader(0)


@pytest.mark.parametrize("age", ["7", "d", "0d", "91d", "1w", "-1h", "99999d", "1.5h"])
def test_an_age_that_is_none_is_refused(live: Team, age: str) -> None:
    finished = history(live, f"--since={age}")

    assert finished.exit_code == 2
    assert "such as 90m, 24h or 7d" in finished.err


def test_the_picture_is_an_svg_that_names_every_build(telling: Team) -> None:
    finished = history(telling, "--format", "svg")

    assert finished.exit_code == 0
    texts = [each.text for each in ElementTree.fromstring(finished.out).iter() if each.text]  # noqa: S314 - our own
    assert "b1 (version 2)" in texts
    assert "b2 (version 3)" in texts
    assert any("live was moved to 3" in text for text in texts)
