"""CloudWatch: how much concurrency real traffic uses now."""

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
    return int(max((point["Maximum"] for point in answer.get("Datapoints", ())), default=0))
