"""What becomes of a Lambda task: attempts, refusals, time-outs, callbacks, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.state_machines import ARN, INVOKE, Stage, details, eventually

ECHO = "return event"
SDK = "arn:aws:states:::aws-sdk:lambda:invoke"


def invoke(resource: str = INVOKE, **more: Any) -> dict[str, Any]:
    """Return a Task that invokes the function."""
    parameters = {"FunctionName": "fn", "Payload.$": "$", **more.pop("Parameters", {})}
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True, **more}


def failure(stage: Stage, execution: str) -> tuple[str, str]:
    """Return the type and the error of what failed last, and check that all agree on the cause."""
    end = stage.ended(execution)
    event = next(
        each for each in reversed(stage.events(execution)) if each["type"][-6:] != "Exited"
    )
    before = stage.events(execution)[-2]
    assert details(event).get("cause") == end.get("cause") == details(before).get("cause")
    return before["type"], end["error"]


def test_each_attempt_has_a_scheduled_event_of_its_own(stage: Stage) -> None:
    stage.function("raise ValueError(event['n'])")
    stage.lab.set(states_pace=0.01)
    retry = [{"ErrorEquals": ["ValueError"], "MaxAttempts": 2, "IntervalSeconds": 1}]
    execution = stage.run({"T": invoke(Retry=retry)}, {"n": 1})
    attempt = ["TaskScheduled", "TaskStarted", "TaskFailed"]
    wanted = ["ExecutionStarted", "TaskStateEntered", *attempt * 3, "ExecutionFailed"]
    assert stage.types(execution) == wanted
    events = stage.events(execution)
    assert [each["previousEventId"] for each in events] == [0, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    requests = {json.loads(details(each)["cause"])["requestId"] for each in events[4:11:3]}
    assert len(requests) == 3
    assert all(any(request in line for line in stage.lines()) for request in requests)


def test_attempts_run_what_the_alias_names_at_the_time(stage: Stage) -> None:
    stage.function("raise ValueError")
    stage.functions.publish_version(FunctionName="fn")
    stage.functions.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    stage.function(ECHO)
    stage.functions.publish_version(FunctionName="fn")
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1000, "BackoffRate": 1}]
    stage.lab.set(states_pace=0.1)
    machine = stage.machine({"T": invoke(Parameters={"Qualifier": "live"}, Retry=retry)})
    execution = stage.start(machine)
    eventually(lambda: "TaskFailed" in stage.types(execution))
    stage.functions.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    output = json.loads(stage.ended(execution)["output"])
    assert output["ExecutedVersion"] == "2"


@pytest.mark.parametrize(
    ("resource", "prefix"), [(ARN, "LambdaFunction"), (INVOKE, "Task"), (SDK, "Task")]
)
def test_a_throttled_attempt_names_lambdas_refusal(
    stage: Stage, resource: str, prefix: str
) -> None:
    stage.function(ECHO)
    stage.functions.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)
    task = invoke(resource)
    if resource == ARN:
        task.pop("Parameters")
    execution = stage.run({"T": task})
    assert failure(stage, execution) == (f"{prefix}Failed", "Lambda.TooManyRequestsException")
    cause = stage.ended(execution)["cause"]
    detail = (
        "Service: Lambda, Status Code: 429, Request ID: "
        if resource == SDK
        else "Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException; "
    )
    assert cause.startswith(f"Rate Exceeded. ({detail}")


def test_a_qualifier_in_the_arn_is_invoked(stage: Stage) -> None:
    stage.function("return context.function_version")
    stage.functions.publish_version(FunctionName="fn")
    execution = stage.run({"T": {"Type": "Task", "Resource": f"{ARN}:1", "End": True}})
    assert stage.ended(execution)["output"] == '"1"'


@pytest.mark.parametrize(
    ("style", "error"), [("new", "Sandbox.Timedout"), ("old", "Lambda.Unknown")]
)
def test_a_functions_time_out_has_the_error_that_its_payload_names(
    stage: Stage, style: str, error: str
) -> None:
    stage.lab.set(report_style=style)
    stage.function("time.sleep(9)", Timeout=1)
    execution = stage.run({"T": invoke()})
    assert failure(stage, execution) == ("TaskFailed", error)
    cause = stage.ended(execution)["cause"]
    assert "Task timed out after 1.00 seconds" in cause
    assert cause.startswith("The cause could not be determined") is (style == "old")


def test_a_function_goes_on_after_its_task_has_timed_out(stage: Stage) -> None:
    stage.function("time.sleep(2); print('went on')", Timeout=10)
    execution = stage.run(
        {"T": {"Type": "Task", "Resource": ARN, "TimeoutSeconds": 1, "End": True}}
    )
    assert failure(stage, execution) == ("LambdaFunctionTimedOut", "States.Timeout")
    assert details(stage.events(execution)[2])["timeoutInSeconds"] == 1
    eventually(lambda: "went on\n" in stage.lines())


def test_the_sdks_result_is_text_and_a_functions_error_fails_nothing(stage: Stage) -> None:
    stage.function("raise ValueError")
    output = json.loads(stage.ended(stage.run({"T": invoke(SDK)}))["output"])
    assert output.keys() == {"ExecutedVersion", "FunctionError", "Payload", "StatusCode"}
    assert json.loads(output["Payload"])["errorType"] == "ValueError"
    scheduled = details(stage.events(stage.start(stage.machine({"T": invoke(SDK)}, "n")))[0])
    assert scheduled["roleArn"]


@pytest.mark.parametrize("says", ["success", "failure"])
def test_a_callback_ends_the_task(stage: Stage, says: str) -> None:
    stage.function("print('token', event['token'])")
    parameters = {"Payload": {"token.$": "$$.Task.Token"}}
    task = invoke(f"{INVOKE}.waitForTaskToken", Parameters=parameters)
    del task["Parameters"]["Payload.$"]
    execution = stage.start(stage.machine({"T": task}))
    eventually(lambda: "TaskSubmitted" in stage.types(execution))
    line = eventually(lambda: [line for line in stage.lines() if line.startswith("token ")])[0]
    token = line.split()[1]
    stage.states.send_task_heartbeat(taskToken=token)
    with pytest.raises(stage.states.exceptions.InvalidOutput):
        stage.states.send_task_success(taskToken=token, output="{")
    if says == "success":
        stage.states.send_task_success(taskToken=token, output='{"x": 1}')
        assert json.loads(stage.ended(execution)["output"]) == {"x": 1}
    else:
        stage.states.send_task_failure(taskToken=token, error="Mine", cause="why")
        end = stage.ended(execution)
        assert (end["error"], end["cause"]) == ("Mine", "why")
    with pytest.raises(stage.states.exceptions.TaskTimedOut):
        stage.states.send_task_success(taskToken=token, output="{}")
    with pytest.raises(stage.states.exceptions.InvalidToken):
        stage.states.send_task_heartbeat(taskToken="other")


def test_a_lost_answer_is_the_sdks_failure(stage: Stage) -> None:
    stage.function(ECHO)
    stage.lab.fault(operation="Invoke", kind="lose")
    execution = stage.run({"T": invoke()})
    assert failure(stage, execution) == ("TaskFailed", "Lambda.SdkClientException")


def test_history_comes_in_pages_from_either_end(stage: Stage) -> None:
    states = {f"s{n}": {"Type": "Pass", "Next": f"s{n + 1}"} for n in range(75)}
    execution = stage.run({**states, "s75": {"Type": "Succeed"}})
    first = stage.states.get_execution_history(executionArn=execution)
    assert [each["id"] for each in first["events"]] == list(range(1, 101))
    page = stage.states.get_execution_history(
        executionArn=execution, maxResults=1000, reverseOrder=True
    )
    assert [each["id"] for each in page["events"]] == list(range(154, 0, -1))
    assert "nextToken" not in page
    assert len(stage.events(execution)) == 154
    with pytest.raises(stage.states.exceptions.InvalidToken):
        stage.states.get_execution_history(executionArn=execution, nextToken="x")


def test_a_history_without_data_shows_neither_what_went_in_nor_what_came_out(stage: Stage) -> None:
    stage.function(ECHO)
    execution = stage.run({"T": invoke()}, {"secret": 1})
    assert "secret" in json.dumps(stage.events(execution), default=str)
    bare = stage.events(execution, includeExecutionData=False)
    assert "secret" not in json.dumps(bare, default=str)
    assert [each["type"] for each in bare] == stage.types(execution)
    assert details(bare[2]) == {
        "resourceType": "lambda",
        "resource": "invoke",
        "region": "eu-west-1",
    }


def test_data_under_a_key_of_ones_own_is_for_those_who_may_use_it(stage: Stage) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/k"
    encryption = {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": key}
    execution = stage.run({"S": {"Type": "Succeed"}}, encryptionConfiguration=encryption)
    allowed = {"Effect": "Allow", "Action": "states:*", "Resource": "*"}
    stage.lab.set(policy={"Version": "2012-10-17", "Statement": [allowed]})
    with pytest.raises(ClientError, match="KmsAccessDenied"):
        stage.events(execution)
    with pytest.raises(ClientError, match="KmsAccessDenied"):
        stage.states.describe_execution(executionArn=execution)
    assert len(stage.events(execution, includeExecutionData=False)) == 4
    told = stage.states.describe_execution(executionArn=execution, includedData="METADATA_ONLY")
    assert told["status"] == "SUCCEEDED"
    assert "input" not in told


def test_an_execution_keeps_the_definition_that_it_started_with(stage: Stage) -> None:
    machine = stage.machine({"S": {"Type": "Succeed"}})
    execution = stage.start(machine)
    after = json.dumps({"StartAt": "F", "States": {"F": {"Type": "Fail"}}})
    before = stage.states.describe_state_machine(stateMachineArn=machine)
    stage.states.update_state_machine(stateMachineArn=machine, definition=after)
    told = stage.states.describe_state_machine_for_execution(executionArn=execution)
    assert told["definition"] == before["definition"]
    assert told["revisionId"] == before["revisionId"]
    now = stage.states.describe_state_machine(stateMachineArn=machine)
    assert (now["definition"], now["revisionId"] != told["revisionId"]) == (after, True)


def test_an_alias_of_a_machine_is_said_to_have_been_started(stage: Stage) -> None:
    machine = stage.machine({"S": {"Type": "Succeed"}}, publish=True)
    version = f"{machine}:1"
    alias = stage.states.create_state_machine_alias(
        name="prod", routingConfiguration=[{"stateMachineVersionArn": version, "weight": 100}]
    )["stateMachineAliasArn"]
    told = stage.ended(stage.start(alias))
    assert told["stateMachineArn"] == machine
    assert told["stateMachineVersionArn"] == version
    assert told["stateMachineAliasArn"] == alias
    (listed,) = stage.states.list_executions(stateMachineArn=machine)["executions"]
    assert listed["executionArn"] == told["executionArn"]


def test_a_name_is_taken_once(stage: Stage) -> None:
    machine = stage.machine({"S": {"Type": "Succeed"}})
    execution = stage.start(machine, {"x": 1}, name="one")
    stage.ended(execution)
    with pytest.raises(stage.states.exceptions.ExecutionAlreadyExists):
        stage.start(machine, {"x": 1}, name="one")
    with pytest.raises(stage.states.exceptions.ExecutionDoesNotExist):
        stage.states.describe_execution(executionArn=f"{execution}x")
    with pytest.raises(stage.states.exceptions.StateMachineDoesNotExist):
        stage.start(f"{machine}x")
