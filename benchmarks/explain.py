"""Measure `deployguard explain` on executions with thousands of events, attempts and log lines.

python -m benchmarks.explain [--items 200 400 800]

Half of the items of a Map fail at each of four tries, so 800 items are 2,000 attempts and over
10,000 events. Targets for those: under 10 s and 300 MiB, and calls that grow no faster than the
attempts. Seconds, processor time and memory are those of the whole process, from start to exit;
the lab shares the machine, and its own share of the seconds is large.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

from botocore.config import Config

from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:bench"
ROLE = "arn:aws:iam::123456789012:role/bench"
HANDLER = b"""
def handler(event, context):
    print("working on an item")
    print("it is", "odd" if event["n"] % 2 else "even")
    if event["n"] % 2:
        raise KeyError("customer")
    return "done"
"""
TARGET_S, TARGET_MIB = 10.0, 300.0


class Taken(NamedTuple):
    """What explaining one execution took."""

    events: int
    attempts: int
    seconds: float
    cpu_s: float
    mib: float
    calls: int
    concluded: str


def main() -> None:
    """Explain executions of several sizes, and print what each took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[200, 400, 800])
    arguments = parser.parse_args()
    with running_lab() as lab, tempfile.TemporaryDirectory() as folder:
        lab.set(zygote=True, states_pace=0.01)
        machine = deploy(lab)
        print("events  attempts  seconds  processor  MiB  calls  concluded")
        for items in arguments.items:
            execution = run(lab, machine, items)
            taken = explain(lab, execution, folder=folder)
            print(
                f"{taken.events:6}  {taken.attempts:8}  {taken.seconds:7.2f}  "
                f"{taken.cpu_s:9.2f}  {taken.mib:3.0f}  {taken.calls:5}  {taken.concluded}"
            )
            if taken.seconds > TARGET_S or taken.mib > TARGET_MIB:
                print(f"over the target of {TARGET_S:g} s and {TARGET_MIB:g} MiB", file=sys.stderr)


def deploy(lab: Client) -> str:
    """Make the function and the state machine; return its ARN."""
    image = images.of_files({"app.py": HANDLER})
    uri = images.push(image, repository="bench", ecr=lab.client("ecr"))
    functions = lab.client("lambda")
    functions.create_function(
        FunctionName="bench", PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
    )
    functions.get_waiter("function_active_v2").wait(FunctionName="bench")
    functions.publish_version(FunctionName="bench")
    work = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": f"{FUNCTION}:1", "Payload.$": "$"},
        "Retry": [{"ErrorEquals": ["KeyError"], "MaxAttempts": 3, "IntervalSeconds": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Skipped"}],
        "End": True,
    }
    inner = {"StartAt": "Work", "States": {"Work": work, "Skipped": {"Type": "Succeed"}}}
    each = {"Type": "Map", "ItemsPath": "$", "Iterator": inner, "End": True}
    definition = json.dumps({"StartAt": "Each", "States": {"Each": each}})
    made = lab.client("stepfunctions").create_state_machine(
        name="bench", definition=definition, roleArn=ROLE
    )
    return str(made["stateMachineArn"])


def run(lab: Client, machine: str, items: int) -> str:
    """Run an execution to its end and return it."""
    states = lab.client("stepfunctions", config=Config(inject_host_prefix=False))
    data = json.dumps([{"n": number} for number in range(items)])
    execution = str(states.start_execution(stateMachineArn=machine, input=data)["executionArn"])
    while states.describe_execution(executionArn=execution)["status"] == "RUNNING":
        time.sleep(0.2)
    return execution


def explain(lab: Client, execution: str, *, folder: str) -> Taken:
    """Explain an execution in a process of its own."""
    command = [sys.executable, "-m", "deployguard", "explain", execution, "--format", "json"]
    began = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, **lab.environment}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(process.stdout.read())
    _, _, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    states = lab.client("stepfunctions", config=Config(inject_host_prefix=False))
    pages = states.get_paginator("get_execution_history").paginate(executionArn=execution)
    return Taken(
        events=sum(len(page["events"]) for page in pages),
        attempts=sum(told["attempts"].values()),
        seconds=seconds,
        cpu_s=used.ru_utime + used.ru_stime,
        mib=used.ru_maxrss / (1024 if sys.platform == "linux" else 1024 * 1024),
        calls=told["calls"],
        concluded=f"{told['verdict']} {told['failures'][0]['hypothesis']}",
    )


if __name__ == "__main__":
    main()
