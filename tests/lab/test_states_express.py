"""Express workflows, and what any workflow writes to CloudWatch Logs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.state_machines import ARN, Stage, eventually

GROUP = "arn:aws:logs:eu-west-1:123456789012:log-group:/states/m:*"
TASK = {"T": {"Type": "Task", "Resource": ARN, "End": True}}


def logging(level: str = "ALL", *, data: bool = True) -> dict[str, Any]:
    """Return a configuration that logs to the group."""
    destinations = [{"cloudWatchLogsLogGroup": {"logGroupArn": GROUP}}]
    return {"level": level, "includeExecutionData": data, "destinations": destinations}


def logged(stage: Stage, *, last: str) -> list[dict[str, Any]]:
    """Return the logged events, once the last one is there."""

    def look() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in stage.lines("/states/m")]
        return found if found and found[-1]["type"] == last else []

    return list(eventually(look))


def test_a_synchronous_execution_answers_with_its_output(stage: Stage) -> None:
    stage.function("return event")
    machine = stage.machine(TASK, type="EXPRESS")
    told = stage.states.start_sync_execution(stateMachineArn=machine, input='{"x": 1}')
    assert (told["status"], json.loads(told["output"])) == ("SUCCEEDED", {"x": 1})
    assert told["inputDetails"] == told["outputDetails"] == {"included": True}
    assert told["billingDetails"]["billedMemoryUsedInMB"] == 64
    assert told["executionArn"].startswith(machine.replace(":stateMachine:", ":express:") + ":")
    arn = told["executionArn"]
    with pytest.raises(stage.states.exceptions.InvalidArn, match="express"):
        stage.states.get_execution_history(executionArn=arn)
    with pytest.raises(stage.states.exceptions.InvalidArn, match="express"):
        stage.states.describe_execution(executionArn=arn)
    standard = stage.machine({"S": {"Type": "Succeed"}}, "standard")
    with pytest.raises(stage.states.exceptions.StateMachineTypeNotSupported):
        stage.states.start_sync_execution(stateMachineArn=standard)


def test_a_synchronous_execution_that_fails_says_so(stage: Stage) -> None:
    machine = stage.machine({"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}, type="EXPRESS")
    told = stage.states.start_sync_execution(stateMachineArn=machine)
    assert (told["status"], told["error"], told["cause"]) == ("FAILED", "E", "c")
    assert "output" not in told


def test_an_express_workflows_events_are_in_its_log_group(stage: Stage) -> None:
    stage.function("return event")
    machine = stage.machine(TASK, type="EXPRESS", loggingConfiguration=logging())
    arn = stage.start(machine, {"x": 1})
    events = logged(stage, last="ExecutionSucceeded")
    members = {
        "id", "type", "details", "redrive_count", "previous_event_id", "event_timestamp",
        "execution_arn",
    }  # fmt: skip
    assert all(event.keys() - {"details"} == members - {"details"} for event in events)
    assert {event["execution_arn"] for event in events} == {arn}
    assert [(event["id"], event["previous_event_id"], event["type"]) for event in events] == [
        ("1", "0", "ExecutionStarted"),
        ("2", "0", "TaskStateEntered"),
        ("3", "2", "LambdaFunctionScheduled"),
        ("4", "3", "LambdaFunctionStarted"),
        ("5", "4", "LambdaFunctionSucceeded"),
        ("6", "5", "TaskStateExited"),
        ("7", "6", "ExecutionSucceeded"),
    ]
    scheduled = {"resource": ARN, "input": '{"x":1}', "inputDetails": {"truncated": False}}
    assert events[2]["details"] == scheduled
    (stream,) = stage.logs.describe_log_streams(logGroupName="/states/m")["logStreams"]
    assert stream["logStreamName"].startswith("states/m/")


def test_without_execution_data_the_log_has_only_names(stage: Stage) -> None:
    stage.function("return event")
    stage.run(TASK, {"secret": 1}, loggingConfiguration=logging(data=False))
    events = logged(stage, last="ExecutionSucceeded")
    assert "secret" not in json.dumps(events)
    assert events[2]["details"] == {"resource": ARN}


@pytest.mark.parametrize(
    ("level", "types"),
    [
        ("ERROR", ["LambdaFunctionFailed", "ExecutionFailed"]),
        ("FATAL", ["ExecutionFailed"]),
    ],
)
def test_a_level_lets_only_its_events_through(stage: Stage, level: str, types: list[str]) -> None:
    stage.function("raise ValueError")
    stage.run(TASK, loggingConfiguration=logging(level))
    assert [event["type"] for event in logged(stage, last="ExecutionFailed")] == types


def test_events_are_in_the_log_after_its_delay(stage: Stage) -> None:
    stage.lab.set(log_delay_s=3600)
    stage.run({"S": {"Type": "Succeed"}}, loggingConfiguration=logging())
    assert stage.lines("/states/m") == []
    stage.lab.set(log_delay_s=0)
    assert len(stage.lines("/states/m")) == 4
