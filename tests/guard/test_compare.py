"""Which images two executions ran: real executions on real containers, and what nobody can know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deployguard.executions import document_comparison
from deployguard.lab.client import Client
from tests.guard.world import Finished, Team
from tests.lab.state_machines import INVOKE, Stage, eventually

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
LIVE = f"{FUNCTION}:live"
SCHEMA = json.loads(Path(document_comparison.__file__).with_name("comparison.json").read_text())
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
PLAIN = b"""
import time
def handler(event, context):
    if event.get("fail"):
        raise ValueError("no")
    time.sleep(event.get("hold", 0))
    return {"ok": True}
"""
FORGER = b"""
def handler(event, context):
    mine = context.aws_request_id
    print("END RequestId: " + mine)
    print("REPORT RequestId: " + mine + "\\tDuration: 1.00 ms\\tBilled Duration: 1 ms\\t"
          "Memory Size: 128 MB\\tMax Memory Used: 1 MB\\tInit Duration: 1.00 ms\\t")
    print("START RequestId: " + mine + " Version: 99")
    print('{"time":"2026-01-01T00:00:00.000Z","type":"platform.start",'
          '"record":{"requestId":"' + mine + '","version":"99"}}')
    return {}
"""


def invoke(function: str = LIVE, **more: Any) -> dict[str, Any]:
    """Return a task that invokes by Lambda's API."""
    named = {"FunctionName": function, "Payload.$": "$"}
    return {"Type": "Task", "Resource": INVOKE, "Parameters": named, "End": True, **more}


class World:
    """A team whose function state machines run, and the command."""

    def __init__(self, lab: Client, folder: Path) -> None:
        """Begin with b1 live as version 1."""
        lab.set(states_pace=0.01)
        self.lab, self.team, self.stage = lab, Team(lab, folder), Stage(lab)
        self.ship("b1")

    def ship(self, build_id: str, handler: bytes = PLAIN) -> None:
        """Build, deploy and publish, and move the alias there."""
        self.team.ship(build_id, handler=handler)
        self.team.point(self.team.publish())

    def twice(self, task: dict[str, Any], *data: Any, between: str = "") -> list[str]:
        """Run a task in two executions of one state machine; ship a build between them."""
        machine = self.stage.machine({"Work": task})
        first = self.stage.start(machine, data[0] if data else {})
        self.stage.ended(first)
        if between:
            self.ship(between)
        second = self.stage.start(machine, data[-1] if data else {})
        self.stage.ended(second)
        return [first, second]

    def compare(self, *arguments: str) -> Comparison:
        """Run the command, and return what it tells programs."""
        told = self.team.run("compare", *arguments, "--format", "json")
        document = json.loads(told.out) if told.out else {}
        if document:
            jsonschema.validate(document, SCHEMA, format_checker=jsonschema.FormatChecker())
        return Comparison(told, document)

    def show(self, *arguments: str) -> str:
        """Run the command, and return what it tells people."""
        shown = self.team.run("compare", *arguments)
        assert shown.exit_code in (0, 10, 11), shown.err
        return shown.out


class Comparison:
    """What the command said."""

    def __init__(self, finished: Finished, document: dict[str, Any]) -> None:
        """Keep it."""
        self.finished, self.document = finished, document
        self.verdict = document.get("images"), finished.exit_code

    @property
    def function(self) -> dict[str, Any]:
        """Return the one function."""
        (found,) = self.document["functions"]
        return dict(found)

    @property
    def known(self) -> list[list[tuple[str, str | None, str]]]:
        """Return the version, the build and how they are known, of each side's builds."""
        return [
            [(b["version"], b["build_id"], b["digest_known"]) for b in side["builds"]]
            for side in self.function["sides"]
        ]

    def same(self, what: str) -> bool | None:
        """Return whether something is the same."""
        (found,) = [fact for fact in self.function["facts"] if fact["what"] == what]
        return bool(found["same"]) if found["same"] is not None else None

    def values(self, what: str) -> list[str]:
        """Return something of both sides."""
        (found,) = [fact for fact in self.function["facts"] if fact["what"] == what]
        return list(found["values"])


@pytest.fixture
def world(lab: Client, tmp_path: Path) -> World:
    """Have b1 live as version 1."""
    return World(lab, tmp_path)


# What is known, and how


def test_one_version_is_the_same_image(world: World) -> None:
    executions = world.twice(invoke())
    found = world.compare(*executions)
    assert found.verdict == ("SAME", 0)
    assert found.known == [[("1", "b1", "the history")]] * 2
    assert world.show(*executions).startswith(
        "SAME: the images of every function that both reached\n"
    )
    assert found.document["unread"] == []


def test_a_deploy_between_two_executions_is_a_difference(world: World) -> None:
    executions = world.twice(invoke(), between="b2")
    found = world.compare(*executions)
    assert found.verdict == ("DIFFERENT", 10)
    assert found.known == [[("1", "b1", "the history")], [("2", "b2", "the history")]]
    assert "* build id       b1                             b2\n" in world.show(*executions)


def test_what_a_task_of_a_functions_arn_ran_is_told_by_its_log_stream(world: World) -> None:
    task = {"Type": "Task", "Resource": LIVE, "End": True}
    found = world.compare(*world.twice(task, between="b2"))
    assert found.known == [[("1", "b1", "the log stream")], [("2", "b2", "the log stream")]]
    (attempt,) = found.function["sides"][0]["attempts"]
    assert attempt["joined"] == "by time"


def test_failures_are_told_by_the_request_that_they_name(world: World) -> None:
    found = world.compare(*world.twice(invoke(), {"fail": True}, {}))
    assert found.verdict == ("SAME", 0)
    assert found.known == [[("1", "b1", "the log stream")], [("1", "b1", "the history")]]
    assert found.values("attempts") == ["1 failed", "1 succeeded"]


def test_a_task_of_the_plain_sdk_is_read_too(world: World) -> None:
    sdk = invoke() | {"Resource": "arn:aws:states:::aws-sdk:lambda:invoke"}
    found = world.compare(*world.twice(sdk, {"fail": True}, {}))
    assert found.verdict == ("SAME", 0)
    assert found.values("attempts") == ["1 failed", "1 succeeded"]


def test_an_alias_that_moves_between_two_attempts_is_seen(world: World) -> None:
    world.lab.set(states_pace=1)
    retry = [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 1}]
    machine = world.stage.machine({"Work": invoke(Retry=retry)})
    first = world.stage.start(machine, {"fail": True})
    eventually(lambda: "TaskFailed" in world.stage.types(first))
    world.ship("b2")
    world.stage.ended(first)
    second = world.stage.start(machine)
    world.stage.ended(second)
    found = world.compare(first, second)
    assert found.verdict == ("DIFFERENT", 10)
    assert {build for _, build, _ in found.known[0]} == {"b1", "b2"}
    assert found.function["why"] == "the first execution alone ran different images"
    assert [each["number"] for each in found.function["sides"][0]["attempts"]] == [1, 2]


def test_the_present_image_of_latest_proves_nothing_of_the_past(world: World) -> None:
    found = world.compare(*world.twice(invoke(FUNCTION)))
    assert found.verdict == ("UNKNOWN", 11)
    assert found.known == [[("$LATEST", None, "not known")]] * 2


def test_cloudtrail_tells_what_latest_was(world: World) -> None:
    world.lab.set(clock_step_s=1000)
    machine = world.stage.machine({"Work": invoke(FUNCTION)})
    first = world.stage.start(machine)
    world.stage.ended(first)
    world.lab.set(clock_step_s=2000)
    world.ship("b2")
    world.lab.set(clock_step_s=3000)
    second = world.stage.start(machine)
    world.stage.ended(second)
    found = world.compare(first, second)
    assert found.verdict == ("DIFFERENT", 10)
    assert found.known == [[("$LATEST", "b1", "CloudTrail")], [("$LATEST", "b2", "CloudTrail")]]


def test_a_breadcrumb_line_tells_what_latest_was(world: World) -> None:
    world.team.ship(
        "b2", handler=b"from helper import canary\n@canary" + PLAIN.partition(b"time")[2]
    )
    found = world.compare(*world.twice(invoke(FUNCTION)))
    assert found.verdict == ("SAME", 0)
    assert found.known == [[("$LATEST", "b2", "a breadcrumb line")]] * 2


def test_where_logs_are_late_nothing_is_guessed(world: World) -> None:
    world.lab.set(log_delay_s=3600)
    task = {"Type": "Task", "Resource": LIVE, "End": True}
    found = world.compare(*world.twice(task))
    assert found.verdict == ("UNKNOWN", 11)
    assert found.values("started") == ["not known", "not known"]


def test_what_cloudtrail_does_not_tell_yet_is_not_taken_for_what_was(world: World) -> None:
    world.lab.set(log_delay_s=3600, trail_delay_s=900)
    task = {"Type": "Task", "Resource": LIVE, "End": True}
    found = world.compare(*world.twice(task))
    assert found.verdict == ("UNKNOWN", 11)
    assert found.function["why"].startswith("probably the same: of 2 attempts only publish times")


def test_lines_that_only_look_like_the_platforms_are_not_believed(world: World) -> None:
    world.ship("b2", handler=FORGER)
    task = {"Type": "Task", "Resource": LIVE, "End": True}
    found = world.compare(*world.twice(task))
    assert found.verdict == ("SAME", 0)
    assert found.known == [[("2", "b2", "the log stream")]] * 2
    assert found.values("started") == ["1 cold", "1 warm"]


# What else differed


def test_a_configuration_that_differs_is_shown_without_its_values(world: World) -> None:
    machine = world.stage.machine({"Work": invoke()})
    first = world.stage.start(machine, {"a": 1})
    world.stage.ended(first)
    world.team.functions.update_function_configuration(
        FunctionName="reports",
        Timeout=7,
        MemorySize=256,
        Environment={"Variables": {"TOKEN": "s3cr3t"}},
    )
    world.team.functions.get_waiter("function_updated_v2").wait(FunctionName="reports")
    world.team.point(world.team.publish())
    second = world.stage.start(machine, {"a": 1, "more": "of it"})
    world.stage.ended(second)
    found = world.compare(first, second)
    assert found.verdict == ("SAME", 0)
    assert found.values("timeout") == ["5 s", "7 s"]
    assert found.values("variables") == ["none", "TOKEN"]
    assert found.same("their values") is found.same("memory") is found.same("input size") is False
    assert found.same("role") is found.same("architecture") is True
    assert found.values("started") == ["1 cold", "1 cold"]
    assert "s3cr3t" not in found.finished.out + found.finished.err + world.show(first, second)


# What an execution starts


def test_each_iteration_of_a_map_is_an_attempt(world: World) -> None:
    task = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {"StartAt": "R", "States": {"R": invoke()}},
        "End": True,
    }
    found = world.compare(*world.twice(task, {"items": [{}, {}, {}]}, {"items": [{}]}))
    assert found.verdict == ("SAME", 0)
    first, second = found.function["sides"]
    assert sorted(each["item"] for each in first["attempts"]) == ["Work[0]", "Work[1]", "Work[2]"]
    assert len(second["attempts"]) == 1


def test_of_iterations_that_a_failure_aborts_the_log_goes_on_to_tell(world: World) -> None:
    task = {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemProcessor": {"StartAt": "R", "States": {"R": invoke()}},
        "End": True,
    }
    warmed, failed = world.twice(
        task, {"items": [{"hold": 0.5}, {"hold": 0.5}]}, {"items": [{"hold": 1}, {"fail": True}]}
    )
    group = "/aws/lambda/reports"
    eventually(lambda: sum("REPORT Req" in line for line in world.stage.lines(group)) == 4)
    found = world.compare(failed, warmed)
    ends = {each["end"] for each in found.function["sides"][0]["attempts"]}
    assert ends == {"aborted", "failed"}
    assert found.verdict == ("SAME", 0)


@pytest.mark.parametrize("sync", ["sync", "sync:2"])
def test_nested_workflows_are_followed(world: World, sync: str) -> None:
    inner = world.stage.machine({"Inner": invoke()}, "inner")
    task = {
        "Type": "Task",
        "Resource": f"arn:aws:states:::states:startExecution.{sync}",
        "Parameters": {"StateMachineArn": inner, "Input.$": "$"},
        "End": True,
    }
    found = world.compare(*world.twice(task, {"fail": True}, {}, between="b2"))
    assert found.verdict == ("DIFFERENT", 10)
    assert found.values("state") == ["Inner", "Inner"]


def distributed(**more: Any) -> dict[str, Any]:
    """Return a Map whose items are executions of their own."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "R",
        "States": {"R": invoke()},
    }
    return {"Type": "Map", "ItemsPath": "$", "ItemProcessor": processor, "End": True, **more}


def test_children_of_a_distributed_map_are_read(world: World) -> None:
    found = world.compare(*world.twice(distributed(), [{}, {}, {}]))
    assert found.verdict == ("SAME", 0)
    assert [len(side["attempts"]) for side in found.function["sides"]] == [3, 3]
    assert {each["item"] for each in found.function["sides"][0]["attempts"]} == {
        "Work[0]", "Work[1]", "Work[2]",
    }  # fmt: skip


def test_children_that_are_left_out_are_counted_and_leave_doubt(world: World) -> None:
    executions = world.twice(distributed(), [{}, {}, {}])
    found = world.compare(*executions, "--children", "2")
    assert found.verdict == ("UNKNOWN", 11)
    assert "1 children of the first execution were not read" in found.document["why"]
    shown = world.show(*executions, "--children", "2")
    assert "- 1 of 3 children of Work: no more than 2 are read" in shown
    assert [each["children_read"] for each in found.document["executions"]] == [2, 2]


def logged(level: str = "ALL", *, data: bool = True) -> dict[str, Any]:
    """Return the rest of an express workflow."""
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/states/m:*"
    destinations = [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]
    logging = {"level": level, "includeExecutionData": data, "destinations": destinations}
    return {"type": "EXPRESS", "loggingConfiguration": logging}


def express(world: World, **more: Any) -> list[str]:
    """Run an express workflow twice, and ship a build between."""
    machine = world.stage.machine({"Work": invoke()}, **more)
    first = world.stage.states.start_sync_execution(stateMachineArn=machine)
    world.ship("b2")
    second = world.stage.states.start_sync_execution(stateMachineArn=machine)
    return [first["executionArn"], second["executionArn"]]


def test_express_workflows_are_read_from_their_logs(world: World) -> None:
    found = world.compare(*express(world, **logged()))
    assert found.verdict == ("DIFFERENT", 10)
    assert found.known == [[("1", "b1", "the history")], [("2", "b2", "the history")]]


def test_an_express_workflow_that_logs_nothing_is_refused_with_the_reason(world: World) -> None:
    found = world.compare(*express(world, type="EXPRESS"))
    assert found.finished.exit_code == 3
    assert "its logging is off" in found.finished.err


def test_an_express_workflow_that_logs_little_leaves_doubt(world: World) -> None:
    found = world.compare(*express(world, **logged(data=False)))
    assert found.verdict == ("UNKNOWN", 11)
    assert found.document["unread"][0]["why"] == "it logs at level ALL, without execution data"


# What cannot be read


def test_what_was_throttled_ran_no_code(world: World) -> None:
    machine = world.stage.machine({"Work": invoke()})
    first = world.stage.start(machine)
    world.stage.ended(first)
    world.team.functions.put_function_concurrency(
        FunctionName="reports", ReservedConcurrentExecutions=0
    )
    second = world.stage.start(machine)
    world.stage.ended(second)
    found = world.compare(first, second)
    assert found.verdict == ("UNKNOWN", 11)
    assert found.function["why"] == "only the first execution reached it"
    assert found.document["why"] == "no function was reached by both"


def test_without_the_permission_for_logs_the_history_still_tells(world: World) -> None:
    deny(world, "logs:FilterLogEvents")
    found = world.compare(*world.twice(invoke()))
    assert found.verdict == ("SAME", 0)
    (unread,) = found.document["unread"]
    assert unread["what"] == "the log lines of reports in /aws/lambda/reports"
    assert "logs:FilterLogEvents" in unread["why"]


@pytest.mark.parametrize("action", ["states:GetExecutionHistory", "states:DescribeExecution"])
def test_without_the_permission_for_the_history_it_is_refused(world: World, action: str) -> None:
    arns = world.twice(invoke())
    deny(world, action)
    found = world.compare(*arns)
    assert found.finished.exit_code == 3
    assert f"cause:    {action} on " in found.finished.err


def deny(world: World, *denied: str) -> None:
    """Deny some actions from now on."""
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    refused = {"Effect": "Deny", "Action": list(denied), "Resource": "*"}
    world.lab.set(policy={"Version": "2012-10-17", "Statement": [allowed, refused]})


def test_encrypted_data_hide_the_version_and_that_is_said(world: World) -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/0123"
    machine = world.stage.machine(
        {"Work": invoke()},
        encryptionConfiguration={"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": key},
    )
    arns = []
    for _ in range(2):
        arns.append(world.stage.start(machine))
        world.stage.ended(arns[-1])
    deny(world, "kms:Decrypt")
    found = world.compare(*arns)
    assert found.verdict == ("SAME", 0)
    assert found.known == [[("1", "b1", "the log stream")]] * 2
    assert any("grant kms:Decrypt" in each["fix"] for each in found.document["unread"])


def test_an_execution_that_is_forgotten_is_said_to_be(world: World) -> None:
    (first, _) = world.twice(invoke())
    found = world.compare(first, f"{MACHINE.replace('stateMachine', 'execution')}:gone")
    assert found.finished.exit_code == 3
    assert "90 days" in found.finished.err


def test_a_running_execution_leaves_doubt(world: World) -> None:
    machine = world.stage.machine({"Work": invoke(Next="Wait"), "Wait": wait()})
    world.lab.set(states_pace=1)
    first = world.stage.start(machine)
    eventually(lambda: "WaitStateEntered" in world.stage.types(first))
    found = world.compare(first, first)
    assert found.verdict == ("UNKNOWN", 11)
    assert found.document["why"] == "the first execution still runs"


def wait() -> dict[str, Any]:
    """Return a state in which an execution stays."""
    return {"Type": "Wait", "Seconds": 600, "End": True}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "compare is about 2 executions, got 0"),
        (("nonsense", "nonsense"), "not the ARN of an execution: got 'nonsense'"),
        ((MACHINE, MACHINE), "not the ARN of an execution"),
        (
            ("--last-success", "reports", "--last-failure", MACHINE),
            "not the ARN of a state machine",
        ),
        (
            (
                "arn:aws:states:eu-west-1:123456789012:execution:m:a",
                "arn:aws:states:us-east-1:123456789012:execution:m:b",
            ),
            "the executions are in different regions: eu-west-1, us-east-1",
        ),
    ],
)
def test_what_it_cannot_work_on_is_refused(
    world: World, arguments: tuple[str, ...], words: str
) -> None:
    finished = world.team.run("compare", *arguments)
    assert finished.exit_code == 2
    assert words in finished.err


def test_another_region_than_the_expected_is_refused(world: World) -> None:
    finished = world.team.run("compare", *world.twice(invoke()), "--expect-region", "us-east-1")
    assert finished.exit_code == 3
    assert "the region is eu-west-1, but us-east-1 is expected" in finished.err


def test_the_last_success_and_the_last_failure_are_found(world: World) -> None:
    machine = world.stage.machine({"Work": invoke()})
    for data in ({"fail": True}, {}, {"fail": True}, {}):
        world.stage.ended(world.stage.start(machine, data))
    found = world.compare("--last-success", machine, "--last-failure", machine)
    assert found.verdict == ("SAME", 0)
    assert [each["status"] for each in found.document["executions"]] == ["SUCCEEDED", "FAILED"]


def test_a_machine_without_a_failure_has_no_last_one(world: World) -> None:
    machine = world.stage.machine({"Work": invoke()})
    world.stage.ended(world.stage.start(machine))
    finished = world.team.run("compare", "--last-success", machine, "--last-failure", machine)
    assert finished.exit_code == 3
    assert "has status FAILED or TIMED_OUT" in finished.err
