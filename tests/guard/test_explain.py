"""Why executions failed, each way for real: containers, histories and logs of the lab."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deployguard.lab.client import Client
from tests.guard.world import Finished, Team
from tests.lab.state_machines import ARN, INVOKE, Stage, eventually

DEADLINE = """
import time

LIMIT = 3.0
STARTED = time.time()

class OperationTimeout(Exception):
    pass

def handler(event, context):
    if time.time() - STARTED > 0.95 * LIMIT:
        raise OperationTimeout("Operation exceeded timeout limits")
    time.sleep(event.get("hold", 0))
    return "done"
"""


class Explained(NamedTuple):
    """What the command said."""

    finished: Finished
    document: dict[str, Any]

    @property
    def first(self) -> dict[str, Any]:
        """Return the failure that ended the execution."""
        return dict(self.document["failures"][0])

    @property
    def told(self) -> tuple[str, str, int]:
        """Return the hypothesis that got furthest, how far, and the exit code."""
        return self.first["hypothesis"], self.first["standing"], self.finished.exit_code

    def standing(self, name: str) -> str:
        """Return where a hypothesis stands."""
        found = {each["id"]: each["standing"] for each in self.first["hypotheses"]}
        return str(found[name])


class Case:
    """A lab with state machines, and the command that explains their executions."""

    def __init__(self, lab: Client, folder: Path) -> None:
        """Begin with nothing in the lab."""
        lab.set(states_pace=0.05)
        self.stage = Stage(lab)
        self.team = Team(lab, folder)

    def run(self, function: str = f"{ARN}:1", data: Any = None, **more: Any) -> str:
        """Run a task that invokes a function, and return the execution."""
        return self.stage.run({"Work": task(function, **more)}, data)

    def publish(self, code: str, **more: Any) -> str:
        """Make a function of a module, or give it new code; return the version."""
        self.stage.module(code, **more)
        return str(self.stage.functions.publish_version(FunctionName="fn")["Version"])

    def reports(self, count: int) -> None:
        """Wait for so many reports in the log."""
        eventually(lambda: sum("REPORT Req" in line for line in self.stage.lines()) >= count)

    def explain(self, execution: str, *more: str) -> Explained:
        """Explain an execution."""
        finished = self.team.run("explain", execution, "--format", "json", *more)
        assert finished.out, finished.err
        return Explained(finished, json.loads(finished.out))


@pytest.fixture
def made(lab: Client, tmp_path: Path) -> Case:
    """Hand out an empty lab in which executions are explained."""
    return Case(lab, tmp_path)


def task(function: str = f"{ARN}:1", **more: Any) -> dict[str, Any]:
    """Return a state that invokes a function."""
    parameters = {"FunctionName": function, "Payload.$": "$"}
    return {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, "End": True, **more}


def of_items(work: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a Map that does some work on each item."""
    inner = {"StartAt": "Work", "States": {"Work": work}}
    return {"Each": {"Type": "Map", "ItemsPath": "$", "Iterator": inner, "End": True, **more}}


def body(*lines: str, before: str = "") -> str:
    """Return a module with a handler of some lines."""
    inner = "\n".join(f"    {line}" for line in lines)
    return f"import json, os, sys, time\n{before}\ndef handler(event, context):\n{inner}\n"


def test_incident_b_is_proven_though_the_image_is_the_same(made: Case) -> None:
    made.publish(DEADLINE, Timeout=3)
    machine = made.stage.machine(of_items(task()))
    first = made.stage.start(machine, [{"hold": 0.5}] * 10)
    assert made.stage.ended(first)["status"] == "SUCCEEDED"
    aged = time.time() + 3
    eventually(lambda: time.time() > aged)
    second = made.stage.start(machine, [{"hold": 0.5}] * 27)
    assert made.stage.ended(second)["status"] == "FAILED"
    made.reports(10 + 27)

    explained = made.explain(second)
    assert explained.told == ("H1", "proven", 0), explained.finished.out
    assert explained.first["error"] == "OperationTimeout"
    assert explained.standing("H2") == "excluded"
    assert "comes from a timer of the application" in explained.first["notes"][0]
    assert "that is how a race ended" in explained.first["notes"][1]
    assert "95 % of the time limit" in explained.first["prediction"]
    assert "perfect separation" in explained.first["seen"]
    compared = made.team.run("compare", first, second)
    assert (compared.exit_code, "SAME" in compared.out) == (0, True), compared.out

    text = made.team.run("explain", second)
    assert text.out.startswith("proven: stale state in warm containers (H1)\n")
    assert text.exit_code == 0


def test_a_real_time_out_is_told_from_its_arithmetic(made: Case) -> None:
    made.publish(body("print('waiting for the table')", "time.sleep(3)"), Timeout=1)
    explained = made.explain(made.run())
    assert explained.told == ("H2", "proven", 0), explained.finished.out
    (tried,) = explained.first["timeline"]
    assert "waiting for the table" in "".join(tried["lines"])


@pytest.mark.parametrize("style", ["new", "old"])
def test_a_real_time_out_is_told_in_both_styles_of_reports(made: Case, style: str) -> None:
    made.stage.lab.set(report_style=style)
    made.publish(body("time.sleep(3)"), Timeout=1)
    assert made.explain(made.run()).told == ("H2", "proven", 0)


def test_a_real_time_out_is_told_by_json_lines_too(made: Case) -> None:
    made.publish(body("time.sleep(3)"), Timeout=1, LoggingConfig={"LogFormat": "JSON"})
    explained = made.explain(made.run())
    assert explained.told == ("H2", "proven", 0), explained.finished.out
    assert explained.first["timeline"][0]["is_cold"] is True


@pytest.mark.parametrize("shape", [f"{ARN}:1", "arn:aws:states:::aws-sdk:lambda:invoke"])
def test_the_other_shapes_of_tasks_are_told_as_well(made: Case, shape: str) -> None:
    """A task of the plain SDK succeeds although its function fails."""
    made.publish(body("time.sleep(3)"), Timeout=1)
    work: dict[str, Any] = {"Type": "Task", "Resource": shape, "End": True}
    if "aws-sdk" in shape:
        work["Parameters"] = {"FunctionName": f"{ARN}:1", "Payload": {}}
    explained = made.explain(made.stage.run({"Work": work}))
    assert explained.told == ("H2", "proven", 0), explained.finished.out


def test_the_executions_of_a_distributed_map_are_read_as_well(made: Case) -> None:
    made.publish(body("time.sleep(3)"), Timeout=1)
    inner = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Work",
        "States": {"Work": task()},
    }
    spread = {"Each": {"Type": "Map", "ItemsPath": "$", "ItemProcessor": inner, "End": True}}
    explained = made.explain(made.stage.run(spread, [{"n": 1}, {"n": 2}]))
    assert explained.told == ("H2", "proven", 0), explained.finished.out
    assert explained.document["execution"]["children_read"] == 2
    assert explained.first["error"] == "Sandbox.Timedout"


def test_an_express_workflow_is_explained_by_its_log(made: Case) -> None:
    made.publish(body("time.sleep(3)"), Timeout=1)
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/states/m:*"
    logging = {
        "level": "ALL",
        "includeExecutionData": True,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}],
    }
    states = {"Work": task()}
    machine = made.stage.machine(states, type="EXPRESS", loggingConfiguration=logging)
    execution = made.stage.start(machine)
    eventually(lambda: any("ExecutionFailed" in line for line in made.stage.lines("/states/m")))
    assert made.explain(execution).told == ("H2", "proven", 0)


def test_where_log_lines_may_not_be_read_nothing_is_concluded_from_silence(made: Case) -> None:
    made.publish(body("raise ValueError('no')"))
    execution = made.run()
    denied = {"Effect": "Deny", "Action": "logs:*", "Resource": "*"}
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    made.stage.lab.set(policy={"Version": "2012-10-17", "Statement": [allowed, denied]})
    explained = made.explain(execution)
    assert explained.document["verdict"] == "unknown"
    assert explained.finished.exit_code == 11
    assert any("log lines" in each["what"] for each in explained.document["unread"])
    assert explained.first["timeline"][0]["is_cold"] is None


def test_lines_that_have_not_arrived_yet_are_no_evidence(made: Case) -> None:
    made.stage.lab.set(log_delay_s=600)
    made.publish(body("raise ValueError('no')"))
    explained = made.explain(made.run())
    assert explained.document["verdict"] == "unknown"
    assert explained.standing("H1") == "possible"


def test_an_execution_that_runs_still_is_explained_so_far(made: Case) -> None:
    made.publish(body("return 1"))
    waiting = {"Work": task(Next="Wait", End=False), "Wait": {"Type": "Wait", "Seconds": 9000}}
    del waiting["Work"]["End"]
    waiting["Wait"]["End"] = True
    execution = made.stage.start(made.stage.machine(waiting))
    eventually(lambda: "TaskSucceeded" in made.stage.types(execution))
    explained = made.explain(execution)
    assert (explained.document["verdict"], explained.finished.exit_code) == ("unknown", 11)
    made.stage.states.stop_execution(executionArn=execution, error="Enough", cause="by hand")
    made.stage.ended(execution)
    stopped = made.explain(execution)
    assert stopped.told == ("H18", "proven", 0)
    assert "somebody stopped it" in stopped.first["seen"]


def test_throttling_is_told_by_lambdas_refusal(made: Case) -> None:
    made.publish(body("return 1"))
    made.stage.functions.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)
    explained = made.explain(made.run())
    assert explained.told == ("H4", "proven", 0), explained.finished.out
    assert explained.standing("H1") == "excluded"


def test_an_initialization_that_times_out_is_told_from_a_slow_handler(made: Case) -> None:
    made.publish(body("return 1", before="time.sleep(14)"), Timeout=1)
    explained = made.explain(made.run())
    assert explained.told == ("H5", "proven", 0), explained.finished.out


def test_a_full_memory_is_told_by_what_killed_it(made: Case) -> None:
    made.publish(
        body("kept = [bytearray(b'x' * 1_000_000) for _ in range(400)]", "time.sleep(2)"),
        Timeout=5,
        MemorySize=128,
    )
    explained = made.explain(made.run())
    assert explained.told == ("H11", "proven", 0), explained.finished.out


def test_an_import_that_fails_is_told(made: Case) -> None:
    made.publish(body("return 1", before="import nothing_of_that_name"))
    explained = made.explain(made.run())
    assert explained.told == ("H12", "proven", 0), explained.finished.out


def test_a_time_limit_of_the_task_is_told_from_the_functions_own(made: Case) -> None:
    made.publish(body("time.sleep(1.5)"), Timeout=5)
    execution = made.run(TimeoutSeconds=1)
    made.reports(1)
    explained = made.explain(execution)
    assert explained.told == ("H3", "proven", 0), explained.finished.out
    assert "TimeoutSeconds of 1 s" in explained.first["seen"]


def test_a_heartbeat_that_stays_away_is_told(made: Case) -> None:
    made.publish(body("return 1"))
    waiting = task(HeartbeatSeconds=1)
    waiting["Resource"] = f"{INVOKE}.waitForTaskToken"
    waiting["Parameters"]["Payload"] = {"token.$": "$$.Task.Token"}
    del waiting["Parameters"]["Payload.$"]
    explained = made.explain(made.stage.run({"Work": waiting}))
    assert explained.told == ("H3", "proven", 0), explained.finished.out
    assert "HeartbeatSeconds of 1 s" in explained.first["seen"]


def test_a_missing_permission_is_told(made: Case) -> None:
    made.publish(body("return 1"))
    denied = {"Effect": "Deny", "Action": "lambda:InvokeFunction", "Resource": "*"}
    allowed = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    made.stage.lab.set(policy={"Version": "2012-10-17", "Statement": [allowed, denied]})
    explained = made.explain(made.run())
    assert explained.told == ("H13", "proven", 0), explained.finished.out


def test_a_function_that_is_not_there_is_told(made: Case) -> None:
    explained = made.explain(made.run(f"{ARN}-gone"))
    assert explained.told == ("H14", "proven", 0), explained.finished.out


def test_a_service_behind_the_function_is_told_by_a_clients_error(made: Case) -> None:
    call = "urllib.request.urlopen('http://127.0.0.1:9/', timeout=1)"
    made.publish(body(call, before="import urllib.request"))
    explained = made.explain(made.run())
    assert explained.told == ("H7", "proven", 0), explained.finished.out


def test_a_poisoned_input_is_told_by_the_containers_that_serve_others(made: Case) -> None:
    made.publish(body("return 1 / event['n']"))
    again = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 5, "IntervalSeconds": 1}
    caught = {"ErrorEquals": ["States.ALL"], "Next": "Skipped"}
    work = task(Retry=[again], Catch=[caught])
    machine = of_items(work, MaxConcurrency=2)
    machine["Each"]["Iterator"]["States"]["Skipped"] = {"Type": "Succeed"}
    explained = made.explain(made.stage.run(machine, [{"n": n % 7} for n in range(1, 15)]))
    assert explained.told == ("H8", "proven", 0), explained.finished.out
    assert explained.document["execution"]["status"] == "SUCCEEDED"


def test_an_image_that_changed_between_the_tries_is_told(made: Case) -> None:
    made.publish(body("time.sleep(0.3)", "raise KeyError('old')"))
    made.stage.functions.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    again = {"ErrorEquals": ["KeyError"], "MaxAttempts": 1, "IntervalSeconds": 100}
    machine = made.stage.machine(of_items(task(f"{ARN}:live", Retry=[again])))
    execution = made.stage.start(machine, [{"n": n} for n in range(6)])
    made.reports(6)
    version = made.publish(body("return 'new'"))
    made.stage.functions.update_alias(FunctionName="fn", Name="live", FunctionVersion=version)
    assert made.stage.ended(execution)["status"] == "SUCCEEDED"
    explained = made.explain(execution)
    assert explained.told == ("H15", "likely", 11), explained.finished.out
    assert "6 of 6 failed on version 1, 0 of 6 failed elsewhere" in explained.first["seen"]
    assert any("invoke the version that failed" in each for each in explained.first["next"])


def test_a_plain_mistake_is_likely_and_no_more(made: Case) -> None:
    made.publish(body("raise ValueError('no')"))
    again = {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}
    explained = made.explain(made.run(Retry=[again]))
    assert explained.told == ("H16", "likely", 11), explained.finished.out


def test_a_report_that_the_handler_prints_is_not_believed(made: Case) -> None:
    forged = (
        "print('REPORT RequestId: ' + context.aws_request_id + '\\tDuration: 900000.00 ms\\t"
        "Billed Duration: 900000 ms\\tMemory Size: 128 MB\\tMax Memory Used: 128 MB\\t"
        "Status: timeout')"
    )
    failure = (
        "raise type('Sandbox.Timedout', (Exception,), {})('Task timed out after 60.00 seconds')"
    )
    made.publish(body(forged, failure), Timeout=60)
    explained = made.explain(made.run())
    assert explained.standing("H2") == "excluded", explained.finished.out
    assert explained.standing("H11") == "excluded", explained.finished.out


def test_a_workflow_that_ends_itself_is_told(made: Case) -> None:
    machine = {"F": {"Type": "Fail", "Error": "NoStock", "Cause": "none left"}}
    explained = made.explain(made.stage.run(machine))
    assert explained.told == ("H18", "proven", 0), explained.finished.out


def test_an_execution_that_succeeded_has_nothing_to_explain(made: Case) -> None:
    made.publish(body("return 1"))
    finished = made.team.run("explain", made.run())
    assert finished.exit_code == 2
    assert "nothing failed in arn:aws:states:" in finished.err
