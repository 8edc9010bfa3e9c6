"""CloudWatch: how much concurrency real traffic uses now, and which versions it took of late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deployguard.aws.session import Session
from deployguard.errors import AwsFailure

WINDOW = timedelta(minutes=10)


def concurrency_in_use(session: Session, name: str) -> int:
    """Return the peak of the last minutes, or 0 where the metric may not be read or is empty."""
    now = datetime.now(UTC)
    try:
        answer = session.read(
            "read the function's concurrency",
            session.metrics.get_metric_statistics,
            Namespace="AWS/Lambda",
            MetricName="ConcurrentExecutions",
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=now - WINDOW,
            EndTime=now,
            Period=60,
            Statistics=["Maximum"],
        )
    except AwsFailure:
        return 0
    return int(max((point["Maximum"] for point in answer["Datapoints"]), default=0))


def invocations(session: Session, name: str, version: str, *, since: float, until: float) -> int:
    """Return how often a version was invoked by its number between two moments."""
    if since >= until:
        return 0
    answer = session.read(
        f"read the invocations of {name}:{version}",
        session.metrics.get_metric_statistics,
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[
            {"Name": "FunctionName", "Value": name},
            {"Name": "Resource", "Value": f"{name}:{version}"},
        ],
        StartTime=datetime.fromtimestamp(since, UTC),
        EndTime=datetime.fromtimestamp(until, UTC),
        Period=3600,
        Statistics=["Sum"],
    )
    return int(sum(point["Sum"] for point in answer["Datapoints"]))
