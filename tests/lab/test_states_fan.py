"""Map, Parallel, nested and distributed runs: what happens at once, and what one failure ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.state_machines import ARN, Stage, details, eventually

TASK = {"Type": "Task", "Resource": ARN, "End": True}
SLOW_OR_BROKEN = """
    if event == "breaks":
        while not os.path.exists(os.path.join(os.environ["MARKS"], "slow")): time.sleep(0.01)
        raise ValueError("one broke")
    if event == "slow":
        open(os.path.join(os.environ["MARKS"], "slow"), "w").close()
        time.sleep(2)
        print("went on")
    return event
"""


def of_items(*, mode: str = "INLINE", inner: Any = TASK, **more: Any) -> dict[str, Any]:
    """Return a Map state over `$.items`."""
    processor = {
        "ProcessorConfig": {
            "Mode": mode,
            **({"ExecutionType": "STANDARD"} if mode[0] == "D" else {}),
        },
        "StartAt": "T",
        "States": {"T": inner},
    }
    return {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": True, **more}


def brief(stage: Stage, execution: str) -> list[str]:
    """Return each event as `id<-previous type index`."""
    shown = []
    for event in stage.events(execution):
        about = details(event) or {}
        index = f" {about['index']}" if "index" in about else ""
        shown.append(f"{event['id']}<-{event['previousEventId']} {event['type']}{index}")
    return shown


def test_iterations_one_after_another(stage: Stage) -> None:
    inner = {"Type": "Pass", "End": True}
    execution = stage.run({"M": of_items(inner=inner, MaxConcurrency=1)}, {"items": [1, 2]})
    assert brief(stage, execution) == [
        "1<-0 ExecutionStarted",
        "2<-0 MapStateEntered",
        "3<-2 MapStateStarted",
        "4<-3 MapIterationStarted 0",
        "5<-4 PassStateEntered",
        "6<-5 PassStateExited",
        "7<-6 MapIterationSucceeded 0",
        "8<-6 MapIterationStarted 1",
        "9<-8 PassStateEntered",
        "10<-9 PassStateExited",
        "11<-10 MapIterationSucceeded 1",
        "12<-11 MapStateSucceeded",
        "13<-11 MapStateExited",
        "14<-13 ExecutionSucceeded",
    ]
    assert details(stage.events(execution)[2]) == {"length": 2}
    assert details(stage.events(execution)[7]) == {"name": "M", "index": 1}
    assert json.loads(stage.ended(execution)["output"]) == [1, 2]


def test_one_failed_iteration_aborts_its_siblings_whose_functions_go_on(
    stage: Stage, tmp_path: Any
) -> None:
    code = f"import os, time\ndef handler(event, context):{SLOW_OR_BROKEN}"
    stage.module(code, Timeout=10, Environment={"Variables": {"MARKS": str(tmp_path)}})
    state = of_items(MaxConcurrency=2)  # so the last begins when the first has succeeded
    execution = stage.run({"M": state}, {"items": ["quick", "slow", "breaks"]})
    types = [" ".join(each.split()[1:]) for each in brief(stage, execution)]
    last = types.index("MapIterationFailed 2")
    assert types[last - 1 :] == [
        "LambdaFunctionFailed",
        "MapIterationFailed 2",
        "TaskStateAborted",
        "MapIterationAborted 1",
        "MapStateFailed",
        "ExecutionFailed",
    ]
    assert "MapIterationSucceeded 0" in types
    end = stage.ended(execution)
    assert (end["status"], end["error"]) == ("FAILED", "ValueError")
    eventually(lambda: "went on\n" in stage.lines())


def test_a_map_is_caught_as_one(stage: Stage) -> None:
    stage.function("raise ValueError")
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Done", "ResultPath": "$.why"}]
    states = {"M": of_items(Catch=catch), "Done": {"Type": "Succeed"}}
    output = json.loads(stage.ended(stage.run(states, {"items": [1]}))["output"])
    assert output["items"] == [1]
    assert output["why"]["Error"] == "ValueError"


def test_an_item_selector_sees_the_item_and_the_input(stage: Stage) -> None:
    selector = {"n.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value.a", "all.$": "$.items[*].a"}
    state = of_items(inner={"Type": "Pass", "End": True}, ItemSelector=selector)
    execution = stage.run({"M": state}, {"items": [{"a": "x"}, {"a": "y"}]})
    assert json.loads(stage.ended(execution)["output"]) == [
        {"n": 0, "v": "x", "all": ["x", "y"]},
        {"n": 1, "v": "y", "all": ["x", "y"]},
    ]


def test_a_result_that_is_too_large_fails_the_map(stage: Stage) -> None:
    inner = {"Type": "Pass", "Result": "x" * 200_000, "End": True}
    end = stage.ended(stage.run({"M": of_items(inner=inner)}, {"items": [1, 2]}))
    assert (end["status"], end["error"]) == ("FAILED", "States.DataLimitExceeded")


def test_branches_run_at_once_and_one_failure_aborts_the_others(stage: Stage) -> None:
    waits = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}
    fails = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Mine", "Cause": "why"}}}
    state = {"Type": "Parallel", "Branches": [waits, fails], "End": True}
    execution = stage.run({"P": state})
    assert brief(stage, execution) == [
        "1<-0 ExecutionStarted",
        "2<-0 ParallelStateEntered",
        "3<-2 ParallelStateStarted",
        "4<-3 WaitStateEntered",
        "5<-3 FailStateEntered",
        "6<-4 WaitStateAborted",
        "7<-6 ParallelStateFailed",
        "8<-7 ExecutionFailed",
    ]
    end = stage.ended(execution)
    assert (end["error"], end["cause"]) == ("Mine", "why")


def test_branches_that_succeed_join(stage: Stage) -> None:
    stage.function("return event['x']")
    one = {"StartAt": "A", "States": {"A": TASK}}
    other = {"StartAt": "B", "States": {"B": {"Type": "Pass", "Result": 2, "End": True}}}
    state = {"Type": "Parallel", "Branches": [one, other], "End": True}
    execution = stage.run({"P": state}, {"x": 1})
    assert json.loads(stage.ended(execution)["output"]) == [1, 2]
    assert stage.types(execution)[-3:] == [
        "ParallelStateSucceeded",
        "ParallelStateExited",
        "ExecutionSucceeded",
    ]


def test_a_failure_need_not_have_a_name(stage: Stage) -> None:
    execution = stage.run({"F": {"Type": "Fail"}})
    assert details(stage.events(execution)[-1]) == {}
    assert "error" not in stage.ended(execution)


def test_a_history_ends_at_its_limit(stage: Stage) -> None:
    loop = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    execution = stage.run(loop)
    assert "25000" in stage.ended(execution)["cause"]
    events = stage.events(execution, PaginationConfig={"PageSize": 1000})
    assert (len(events), events[-1]["type"]) == (25_000, "ExecutionFailed")


def test_a_stopped_execution_says_only_that(stage: Stage) -> None:
    execution = stage.start(stage.machine({"W": {"Type": "Wait", "Seconds": 60, "End": True}}))
    eventually(lambda: "WaitStateEntered" in stage.types(execution))
    stage.states.stop_execution(executionArn=execution, error="E", cause="c")
    end = stage.ended(execution)
    assert (end["status"], end["error"], end["cause"]) == ("ABORTED", "E", "c")
    assert brief(stage, execution)[1:] == ["2<-0 WaitStateEntered", "3<-0 ExecutionAborted"]


def test_a_machine_that_takes_too_long_is_timed_out(stage: Stage) -> None:
    wait = {"W": {"Type": "Wait", "Seconds": 60, "End": True}}
    execution = stage.run(wait, TimeoutSeconds=1)
    assert stage.ended(execution)["status"] == "TIMED_OUT"
    assert stage.types(execution)[-1] == "ExecutionTimedOut"


@pytest.mark.parametrize("then", [".sync", ".sync:2", ""])
def test_a_nested_execution_is_waited_for(stage: Stage, then: str) -> None:
    inner = stage.machine({"P": {"Type": "Pass", "Result": {"y": 1}, "End": True}}, "inner")
    parameters = {"StateMachineArn": inner, "Input": {"x": 1}}
    resource = f"arn:aws:states:::states:startExecution{then}"
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
    execution = stage.run({"N": task})
    output = json.loads(stage.ended(execution)["output"])
    nested = stage.ended(output["ExecutionArn"])
    assert json.loads(nested["input"]) == {"x": 1}
    submitted = ["TaskSubmitted"] if then else []
    wanted = ["TaskScheduled", "TaskStarted", *submitted, "TaskSucceeded"]
    assert stage.types(execution)[2:-2] == wanted
    if then:
        assert output["Output"] == ({"y": 1} if then == ".sync:2" else '{"y":1}')
        assert output["Status"] == "SUCCEEDED"


def test_a_nested_failure_is_told_with_the_execution(stage: Stage) -> None:
    inner = stage.machine({"F": {"Type": "Fail", "Error": "Mine", "Cause": "c"}}, "inner")
    resource = "arn:aws:states:::states:startExecution.sync:2"
    parameters = {"StateMachineArn": inner}
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
    end = stage.ended(stage.run({"N": task}))
    assert end["error"] == "States.TaskFailed"
    assert json.loads(end["cause"])["Error"] == "Mine"
    parameters["StateMachineArn"] = f"{inner}x"
    end = stage.ended(stage.run({"N": task}, name="other"))
    assert end["error"] == "StepFunctions.StateMachineDoesNotExistException"


def test_a_distributed_map_runs_executions_of_its_own(stage: Stage) -> None:
    stage.function("return event * 2")
    execution = stage.run({"M": of_items(mode="DISTRIBUTED", Label="each")}, {"items": [1, 2, 3]})
    assert json.loads(stage.ended(execution)["output"]) == [2, 4, 6]
    assert stage.types(execution)[2:-2] == [
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
    ]
    (run,) = stage.states.list_map_runs(executionArn=execution)["mapRuns"]
    assert details(stage.events(execution)[3]) == {"mapRunArn": run["mapRunArn"]}
    assert ":mapRun:m/each:" in run["mapRunArn"]
    assert run["stateMachineArn"].endswith(":stateMachine:m/each")
    told = stage.states.describe_map_run(mapRunArn=run["mapRunArn"])
    assert (told["status"], told["executionArn"]) == ("SUCCEEDED", execution)
    counts = {"succeeded": 3, "total": 3, "resultsWritten": 3}
    none = dict.fromkeys(("aborted", "failed", "pending", "running", "timedOut"), 0)
    assert told["itemCounts"] == counts | none
    assert told["executionCounts"] == counts | none
    children = stage.states.list_executions(mapRunArn=run["mapRunArn"])["executions"]
    assert {child["mapRunArn"] for child in children} == {run["mapRunArn"]}
    assert all(":execution:m/each:" in child["executionArn"] for child in children)
    types = [stage.types(child["executionArn"]) for child in children]
    assert all("LambdaFunctionSucceeded" in each for each in types)
    listed = stage.states.list_executions(
        stateMachineArn=execution.replace("execution", "stateMachine").rpartition(":")[0]
    )
    assert [each["executionArn"] for each in listed["executions"]] == [execution]


def test_a_distributed_map_fails_when_more_items_fail_than_it_tolerates(stage: Stage) -> None:
    stage.function("return 1 // event")
    state = of_items(mode="DISTRIBUTED", ToleratedFailureCount=1, MaxConcurrency=1)
    assert stage.ended(stage.run({"M": state}, {"items": [0, 1]}))["status"] == "SUCCEEDED"
    execution = stage.run({"M": state}, {"items": [0, 0, 1]}, name="more")
    end = stage.ended(execution)
    assert end["error"] == "States.ExceedToleratedFailureThreshold"
    assert stage.types(execution)[-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]
    (run,) = stage.states.list_map_runs(executionArn=execution)["mapRuns"]
    counts = stage.states.describe_map_run(mapRunArn=run["mapRunArn"])["executionCounts"]
    assert (counts["failed"], counts["aborted"], counts["total"]) == (2, 1, 3)


def test_items_come_from_a_bucket_in_batches(stage: Stage) -> None:
    bucket = stage.lab.client("s3")
    bucket.create_bucket(
        Bucket="rows", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    bucket.put_object(Bucket="rows", Key="rows.csv", Body=b"a,b\n1,2\n3,4\n5,6\n")
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
        "Parameters": {"Bucket": "rows", "Key": "rows.csv"},
    }
    inner = {"Type": "Pass", "End": True}
    batch = {"MaxItemsPerBatch": 2}
    state = of_items(mode="DISTRIBUTED", inner=inner, ItemReader=reader, ItemBatcher=batch)
    execution = stage.run({"M": state})
    rows = [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}, {"a": "5", "b": "6"}]
    output = json.loads(stage.ended(execution)["output"])
    assert output == [{"Items": rows[:2]}, {"Items": rows[2:]}]
    (run,) = stage.states.list_map_runs(executionArn=execution)["mapRuns"]
    told = stage.states.describe_map_run(mapRunArn=run["mapRunArn"])
    assert (told["itemCounts"]["total"], told["executionCounts"]["total"]) == (3, 2)


def test_any_service_is_called_by_the_sdk(stage: Stage) -> None:
    queue = stage.lab.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    parameters = {"QueueUrl": queue, "MessageBody": {"x": 1}}
    resource = "arn:aws:states:::sqs:sendMessage"
    task = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
    output = json.loads(stage.ended(stage.run({"S": task}))["output"])
    assert output["MessageId"]
    (message,) = stage.lab.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"]) == {"x": 1}
