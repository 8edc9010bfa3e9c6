"""Redriven executions go on from what failed, in the same history."""

from __future__ import annotations

import json

import pytest

from tests.lab.state_machines import ARN, Stage, details
from tests.lab.test_states_fan import TASK, of_items

FIXED = "return event"
BROKEN = "raise ValueError"


def redriven(stage: Stage, execution: str) -> None:
    """Redrive an execution and wait for its end."""
    stage.states.redrive_execution(executionArn=execution)
    assert stage.ended(execution)["status"] == "SUCCEEDED"


def test_a_task_is_scheduled_again_from_where_it_was_entered(stage: Stage) -> None:
    stage.function(BROKEN)
    first = {"Type": "Pass", "Result": {"x": 1}, "Next": "T"}
    execution = stage.run({"P": first, "T": TASK})
    assert stage.ended(execution)["redriveStatus"] == "REDRIVABLE"
    before = len(stage.events(execution))
    stage.function(FIXED)
    redriven(stage, execution)
    events = stage.events(execution)[before:]
    assert [(each["previousEventId"], each["type"]) for each in events] == [
        (before, "ExecutionRedriven"),
        (4, "LambdaFunctionScheduled"),
        (before + 2, "LambdaFunctionStarted"),
        (before + 3, "LambdaFunctionSucceeded"),
        (before + 4, "TaskStateExited"),
        (before + 5, "ExecutionSucceeded"),
    ]
    assert details(events[0]) == {"redriveCount": 1}
    assert json.loads(details(events[1])["input"]) == {"x": 1}
    told = stage.ended(execution)
    assert (told["redriveCount"], told["redriveStatus"]) == (1, "NOT_REDRIVABLE")
    assert "error" not in told
    with pytest.raises(stage.states.exceptions.ExecutionNotRedrivable, match="is SUCCEEDED"):
        stage.states.redrive_execution(executionArn=execution)


def test_only_the_iterations_that_did_not_succeed_run_again(stage: Stage) -> None:
    stage.function("return 1 // event")
    execution = stage.run({"M": of_items(MaxConcurrency=1)}, {"items": [1, 0, 2]})
    stage.function(FIXED)
    redriven(stage, execution)
    assert json.loads(stage.ended(execution)["output"]) == [1, 0, 2]
    types = stage.types(execution)
    after = types[types.index("ExecutionRedriven") :]
    assert after.count("LambdaFunctionScheduled") == 2
    assert after.count("MapIterationStarted") == 1
    assert after.count("MapIterationSucceeded") == 2
    assert "MapStateStarted" not in after


def test_only_the_branches_that_did_not_succeed_run_again(stage: Stage) -> None:
    stage.function(BROKEN)
    good = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}}
    bad = {"StartAt": "B", "States": {"B": TASK}}
    execution = stage.run({"P": {"Type": "Parallel", "Branches": [good, bad], "End": True}})
    stage.function(FIXED)
    redriven(stage, execution)
    assert json.loads(stage.ended(execution)["output"]) == [1, {}]
    assert stage.types(execution).count("PassStateEntered") == 1


def test_a_map_run_redrives_the_children_that_failed(stage: Stage) -> None:
    stage.function("return 1 // event")
    state = of_items(mode="DISTRIBUTED", MaxConcurrency=1)
    execution = stage.run({"M": state}, {"items": [1, 0]})
    stage.function(FIXED)
    redriven(stage, execution)
    types = stage.types(execution)
    after = types[types.index("ExecutionRedriven") + 1 :]
    assert after[:2] == ["MapRunRedriven", "MapRunSucceeded"]
    (run,) = stage.states.list_map_runs(executionArn=execution)["mapRuns"]
    told = stage.states.describe_map_run(mapRunArn=run["mapRunArn"])
    assert (told["redriveCount"], told["executionCounts"]["succeeded"]) == (1, 2)
    children = stage.states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    again = [child for child in children if child["redriveCount"]]
    assert len(children) == 2
    assert len(again) == 1
    assert "ExecutionRedriven" in stage.types(again[0]["executionArn"])


def test_retries_begin_anew(stage: Stage) -> None:
    stage.lab.set(states_pace=0.0)
    stage.function(BROKEN)
    retry = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}]
    task = {"Type": "Task", "Resource": ARN, "Retry": retry, "End": True}
    execution = stage.run({"T": task})
    stage.states.redrive_execution(executionArn=execution)
    assert stage.ended(execution)["status"] == "FAILED"
    assert stage.types(execution).count("LambdaFunctionScheduled") == 4
