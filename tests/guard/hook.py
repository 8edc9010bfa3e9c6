"""CodeDeploy as a hook of it meets it: a deployment, its event, and the answers it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.guard.world import ROLE, Team

ANSWER = "PutLifecycleEventHookExecutionStatus"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:gate"
# What Lambda does with a handler, with so many seconds left.
CALL = """
import json, sys, time
from types import SimpleNamespace
from deployguard.hooks.codedeploy import handler

end = time.monotonic() + float(sys.argv[2])
context = SimpleNamespace(
    function_name="gate", get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000)
)
handler(json.loads(sys.argv[1]), context)
"""


@dataclass(frozen=True)
class Called:
    """What an invocation of the hook left behind."""

    code: int
    out: str
    err: str
    answers: list[str]

    @property
    def report(self) -> dict[str, Any]:
        """Return the report in the log."""
        (line,) = [line for line in self.out.splitlines() if line.startswith("{")]
        report: dict[str, Any] = json.loads(line)
        return report


def spec(**hooks: str) -> str:
    """Write an AppSpec as CloudFormation does, in JSON."""
    properties = {"Name": "reports", "Alias": "live", "CurrentVersion": "1", "TargetVersion": "2"}
    function = {"Type": "AWS::Lambda::Function", "Properties": properties}
    named = [{event: function} for event, function in hooks.items()]
    return json.dumps({"version": 0.0, "Resources": [{"reports": function}], "Hooks": named})


def begin(team: Team, content: str) -> dict[str, str]:
    """Begin a deployment, and return the event that its hook gets."""
    client = team.lab.client("codedeploy")
    client.create_application(applicationName="app", computePlatform="Lambda")
    client.create_deployment_group(
        applicationName="app", deploymentGroupName="group", serviceRoleArn=ROLE
    )
    deployment = client.create_deployment(
        applicationName="app",
        deploymentGroupName="group",
        revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": content}},
    )["deploymentId"]
    return {"DeploymentId": deployment, "LifecycleEventHookExecutionId": "execution-1"}


def call(
    team: Team,
    event: Mapping[str, Any],
    *,
    left_s: float = 60.0,
    first: str = "",
    **environment: str,
) -> Called:
    """Call the handler as Lambda does."""
    inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    settings = {"DEPLOYGUARD_GRACE": "0", "DEPLOYGUARD_ROUTES": "off"}
    done = subprocess.run(
        [sys.executable, "-c", first + CALL, json.dumps(event), str(left_s)],
        cwd=team.folder,
        env=inherited | settings | team.lab.environment | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return Called(done.returncode, done.stdout, done.stderr, answers(team))


def answers(team: Team) -> list[str]:
    """Return the answers that CodeDeploy took."""
    return [each["after"]["status"] for each in team.lab.writes() if each["operation"] == ANSWER]


BEFORE, AFTER = spec(BeforeAllowTraffic="gate"), spec(AfterAllowTraffic=ARN)
