"""CodeDeploy: what it deploys, and the answer that a hook of its owes it."""

from __future__ import annotations

from typing import Any

from deployguard.aws.session import ATTEMPTS, Session
from deployguard.errors import AwsFailure

ANSWERED = "LifecycleEventAlreadyCompletedException"


def appspec(session: Session, deployment: str) -> str:
    """Return the text of a deployment's AppSpec; it is empty where CodeDeploy does not show it."""
    answer = session.read(
        f"read deployment {deployment}",
        session.client("codedeploy").get_deployment,
        deploymentId=deployment,
    )
    revision: dict[str, Any] = answer["deploymentInfo"].get("revision", {})
    return str(revision.get("appSpecContent", revision.get("string", {})).get("content", ""))


def answer(session: Session, deployment: str, execution: str, *, status: str) -> bool:
    """Answer a hook; return False where it was answered before.

    It is sent again where nobody knows whether it arrived: CodeDeploy takes the first one only.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            session.write(
                f"answer {status} to CodeDeploy",
                session.client("codedeploy").put_lifecycle_event_hook_execution_status,
                deploymentId=deployment,
                lifecycleEventHookExecutionId=execution,
                status=status,
            )
            return True
        except AwsFailure as failure:
            if failure.code == ANSWERED:
                return attempt > 1
            if not failure.maybe_applied or attempt == ATTEMPTS or not session.pause(attempt + 1):
                raise
    raise AssertionError("the last attempt returns or raises")
