"""`lab up` and `lab run` as processes: what they print, what they pass on, how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deployguard.lab import commands
from deployguard.lab.client import Client

UP = """
import functools, sys
from deployguard.lab import commands
commands.up(say=functools.partial(print, flush=True), tls="tls" in sys.argv)
"""
CALLER = """
import boto3, os, sys
boto3.client("sqs").create_queue(QueueName="q")
print(os.environ["AWS_ENDPOINT_URL"])
sys.exit(7)
"""


def exported(lines: list[str]) -> dict[str, str]:
    return dict(line.removeprefix("export ").strip().split("=", 1) for line in lines)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [[], ["tls"]], ids=["plain", "tls"])
def test_up_prints_exports_and_stops_cleanly(stop: signal.Signals, words: list[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", UP, *words], stdout=subprocess.PIPE, text=True
    ) as lab:
        assert lab.stdout is not None
        count = 4 + len(words)
        environment = exported([lab.stdout.readline() for _ in range(count)])
        client = Client(environment["AWS_ENDPOINT_URL"], ca_bundle=environment.get("AWS_CA_BUNDLE"))
        assert client.environment == environment
        assert client.health() == {"status": "ok"}
        lab.send_signal(stop)
        assert lab.wait(timeout=20) == 0


def test_run_passes_the_lab_on_and_returns_the_exit_code(capfd: pytest.CaptureFixture[str]) -> None:
    assert commands.run([sys.executable, "-c", CALLER]) == 7
    endpoint = capfd.readouterr().out.strip()
    with pytest.raises(OSError, match=r"refused"):
        Client(endpoint).health()


def test_run_says_which_signal_ended_the_command() -> None:
    dying = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert commands.run([sys.executable, "-c", dying]) == 128 + signal.SIGKILL


INVOKER = """
import boto3
from deployguard.lab import images
from deployguard.lab.client import Client
import os
lab = Client(os.environ["AWS_ENDPOINT_URL"])
uri = images.push(
    images.of_files({"app.py": b"def handler(event, context): return 1"}),
    repository="echo", ecr=lab.client("ecr"),
)
client = boto3.client("lambda")
client.create_function(
    FunctionName="echo", PackageType="Image", Code={"ImageUri": uri},
    Role="arn:aws:iam::123456789012:role/lab",
)
client.get_waiter("function_active_v2").wait(FunctionName="echo")
client.invoke(FunctionName="echo")
print(lab.containers()[0]["pid"])
"""


def test_containers_end_with_the_lab(capfd: pytest.CaptureFixture[str]) -> None:
    assert commands.run([sys.executable, "-c", INVOKER]) == 0
    pid = int(capfd.readouterr().out)
    deadline = time.monotonic() + 5
    while not gone(pid):
        assert time.monotonic() < deadline, f"container {pid} outlived its lab"
        time.sleep(0.02)


def test_containers_end_with_a_lab_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", UP], stdout=subprocess.PIPE, text=True) as lab:
        assert lab.stdout is not None
        environment = exported([lab.stdout.readline() for _ in range(4)])
        invoked = subprocess.run(
            [sys.executable, "-c", INVOKER],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        lab.kill()
    pid = int(invoked.stdout)
    deadline = time.monotonic() + 5
    while not gone(pid):
        assert time.monotonic() < deadline, f"container {pid} outlived its lab"
        time.sleep(0.02)
