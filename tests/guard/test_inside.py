"""Checks inside AWS: the example's state machine succeeds only where all functions are fresh."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from deployguard import loading
from deployguard.errors import ConfigurationError
from deployguard.hooks import lambda_handler
from tests.guard.crew import NAMES, Crew, named
from tests.guard.inside import BUCKET, PLAN, Inside, bucket, call
from tests.guard.test_reports import valid
from tests.guard.world import Team, eventually
from tests.test_docs import ROOT, blocks

ALL = {"functions": [{"name": name} for name in NAMES]}


def these(*names: str, **settings: Any) -> dict[str, Any]:
    """Return the input that names functions, of which one is checked at a time."""
    return {"functions": [{"name": name} for name in names], "jobs": 1, **settings}


@pytest.fixture
def inside(team: Team) -> Inside:
    """Have three functions with b1 live and b2 deployed, and the guard in Lambda."""
    return Inside(Crew(team))


def test_all_functions_are_checked_at_once_and_one_report_says_so(inside: Inside) -> None:
    end = inside.run(ALL)
    assert (end.status, end.verdicts) == ("SUCCEEDED", dict.fromkeys(NAMES, "FRESH")), end
    assert set(inside.crew.live.values()) == {"2"}
    assert inside.crew.leases == []
    valid(end.report)
    downloaded = inside.download()
    merged = inside.crew.team.run("report", "merge", *downloaded, "--into", "whole")
    assert merged.exit_code == 0, merged.err


def test_a_stale_function_is_put_back_and_named_and_the_execution_fails(inside: Inside) -> None:
    inside.crew.stale("stock")
    end = inside.run(these("orders", "stock"))
    assert (end.status, end.error) == ("FAILED", "STALE"), end
    assert "1 STALE, 1 FRESH. stock:live is STALE." in end.cause
    assert end.verdicts == {"orders": "FRESH", "stock": "STALE"}
    assert inside.crew.live == {"orders": "2", "prices": "1", "stock": "1"}


def test_a_sandbox_that_is_killed_leaves_doubt_and_what_the_next_run_mends(inside: Inside) -> None:
    inside.lab.fault(operation="UpdateAlias", alias="live", kind="hold", phase="after")
    execution = inside.start(these("orders"))
    eventually(lambda: inside.crew.live["orders"] == "2")
    inside.kill()
    end = inside.ended(execution)
    assert (end.status, end.error) == ("FAILED", "INCONCLUSIVE"), end
    (function,) = end.functions
    assert function["error"]["happened"] == "the judging of orders was begun, and did not end"
    assert function["error"]["command"] == "deployguard recover orders"
    inside.lab.set(clock_step_s=120.0, propagation_s=0.0)
    recovered = inside.crew.team.run("recover", "orders")
    assert recovered.exit_code == 0, recovered.err
    assert (inside.crew.live["orders"], inside.crew.leases) == ("1", [])


def test_a_task_that_is_done_twice_because_its_answer_was_lost_does_no_harm(inside: Inside) -> None:
    inside.lab.set(states_pace=0.01)
    inside.lab.fault(
        operation="Invoke", function="guard", kind="lose", phase="after", nth=2, times=1
    )
    end = inside.run(these("orders"))
    assert (end.status, end.verdicts) == ("SUCCEEDED", {"orders": "FRESH"}), end
    (fault,) = inside.lab.faults()
    assert (fault["hits"], inside.crew.live["orders"], inside.crew.leases) == (1, "2", [])


def test_a_function_that_nobody_judged_is_missed(inside: Inside) -> None:
    planned_and_one_judged = 2
    inside.lab.fault(
        operation="Invoke", function="guard", kind="deny", nth=planned_and_one_judged + 1
    )
    end = inside.run(these("orders", "stock"))
    assert (end.status, end.error) == ("FAILED", "INCONCLUSIVE"), end
    assert [each["id"] for each in end.report["fleet"]["findings"]] == ["DG314"]
    assert len(end.functions) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "no functions are named"),
        ({"functions": 5}, "the input: functions"),
        ({"functions": [{"name": "orders", "on-stail": "fail"}]}, "unknown key 'on_stail'"),
        ({"functions": [{"name": "orders", "timeout": "soon"}]}, "the input: timeout"),
        ({"functions": [{"name": "orders; rm -rf /"}]}, "is no function"),
        ({"functions": [{"name": "orders"}], "nonsense": 1}, "unknown key 'nonsense'"),
        ({"functions": [{"name": "orders"}], "dry_run": True}, "dry-run is set"),
        ({"functions": [{"name": "orders"}], "together": True}, "together is set"),
    ],
)
def test_an_input_that_cannot_be_used_is_refused_before_anything_is_done(
    team: Team, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    as_in_lambda(team, monkeypatch)
    event = {"task": "plan", "command": "check", "reports": f"s3://{BUCKET}/r"}
    with pytest.raises(ConfigurationError, match=said):
        lambda_handler({**event, "settings": settings}, context())


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"task": "plan"},
        {"task": "merge", "plan": {**PLAN, "shards": 0}},
        {"task": "merge", "plan": {**PLAN, "shards": "3"}},
        {"task": "merge", "plan": PLAN, "more": 1},
        {"task": "judge", "plan": PLAN, "shard": 1, "function": "orders"},
        {"task": "judge", "plan": {**PLAN, "command": "prune"}, "shard": 1, "function": {}},
        {"task": "judge", "plan": PLAN, "shard": 2, "function": {"name": "orders"}},
    ],
)
def test_an_event_of_another_definition_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="this is no event of a state machine"):
        lambda_handler(event, context())


ITEMS: list[tuple[dict[str, Any], str]] = [
    ({"name": "orders", "nonsense": 1}, "unknown key 'nonsense'"),
    ({"name": "orders", "timeout": []}, "the item: timeout"),
    ({"name": "*"}, "is not one function"),
    ({"name": "orders", "skip": True}, "is not one function"),
    ({"name": 5}, "name is a text"),
    ({}, "says not, or twice, who is meant"),
    ({"name": "nobody"}, "nobody"),
]


def test_an_item_that_cannot_be_used_is_an_error_in_the_report(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_in_lambda(team, monkeypatch)
    plan = {**PLAN, "shards": len(ITEMS)}
    for shard, (function, said) in enumerate(ITEMS, 1):
        event = {"task": "judge", "plan": plan, "shard": shard, "function": function}
        assert lambda_handler(event, context())["verdict"] == "ERROR"
        assert said in stored(team, f"{shard}.json").decode()
    assert lambda_handler({"task": "merge", "plan": plan}, context())["verdict"] == "ERROR"


def test_reports_of_another_plan_garbled_ones_and_forged_ones_are_missed(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_in_lambda(team, monkeypatch)
    event = {"task": "judge", "plan": PLAN, "shard": 1, "function": {"name": "nobody"}}
    lambda_handler(event, context())
    store, true = team.lab.client("s3"), stored(team, "1.json")
    other = true.replace(b'"abc"', b'"abd"')
    fresh = true.replace(b'"ERROR"', b'"FRESH"').replace(b'"exit_code": 3', b'"exit_code": 0')
    assert true not in (other, fresh)
    for body in (other, fresh, true[:-9], b"{}", b""):
        store.put_object(Bucket=BUCKET, Key="reports/1/1.json", Body=body)
        assert lambda_handler({"task": "merge", "plan": PLAN}, context())["verdict"] == (
            "INCONCLUSIVE"
        )


def test_the_documented_input_is_understood() -> None:
    shown, _ = blocks(ROOT / "docs" / "inside-aws.md", "json")
    settings, entries = loading.fleet_of(json.loads(shown), name="the input", command="check")
    assert (settings.jobs, [each.said for each, _ in entries]) == (
        20,
        ["every function of shop", "orders"],
    )


def test_the_packaged_settings_file_names_who_is_checked(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_in_lambda(team, monkeypatch)
    entry = '[[functions]]\nname = "stock:blue"\nregion = "us-east-1"\nalso = ["$LATEST"]\n'
    (team.folder / "deployguard.toml").write_text(f"grace = 3\njobs = 4\n{entry}{named('orders')}")
    event = {"task": "plan", "command": "check", "reports": f"s3://{BUCKET}/r/", "settings": {}}
    told = lambda_handler(event, context())
    assert told["items"] == [
        {"shard": 1, "function": {"name": "orders", "region": "eu-west-1", "grace": 3.0}},
        {
            "shard": 2,
            "function": {
                "name": "stock:blue",
                "region": "us-east-1",
                "grace": 3.0,
                "also": ["$LATEST"],
            },
        },
    ]
    assert (told["plan"]["shards"], told["plan"]["at_once"]) == (2, 4)
    assert told["plan"]["reports"] != lambda_handler(event, context())["plan"]["reports"]


def test_a_run_that_hangs_ends_with_its_sandbox_and_leaves_doubt(team: Team) -> None:
    bucket(team)
    team.lab.fault(operation="GetFunction", kind="hang")
    event = {"task": "judge", "plan": PLAN, "shard": 1, "function": {"name": "orders"}}
    ended = call(team, event, left_s=11)
    report = json.loads(stored(team, "1.json"))
    assert (ended.exit_code, report["verdict"]) == (1, "INCONCLUSIVE"), ended.err
    assert "there was no verdict in the 1 s" in report["functions"][0]["error"]["happened"]


def as_in_lambda(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process be a function's sandbox, with the folder of the team as its code."""
    for name, value in team.lab.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(team.folder)
    bucket(team)


def stored(team: Team, name: str) -> bytes:
    """Return a report of the one plan."""
    found = team.lab.client("s3").get_object(Bucket=BUCKET, Key=f"reports/1/{name}")
    return bytes(found["Body"].read())


def context() -> Any:
    """Return what Lambda tells a handler, with a minute left."""
    return SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)
