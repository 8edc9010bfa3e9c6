"""CloudWatch: which qualifiers were really invoked, by callers that nothing else shows, too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from deployguard.aws.sources.asked import Asked, Found
from deployguard.model import LATEST
from deployguard.traffic import Caller, Use

DAYS = 14  # for which CloudWatch lists a metric without data
DAY_S = 86_400


def callers(asked: Asked) -> Found:
    """Yield each qualifier that was invoked, and how often; the rest was unqualified."""
    name = asked.callee.name
    rest = _invocations(asked, {"FunctionName": name})
    for resource in dict.fromkeys(_resources(asked)):
        count = _invocations(asked, {"FunctionName": name, "Resource": resource})
        match = asked.callee.match(resource)
        if match is not None and match.qualifier is not None and count:
            rest -= count
            yield _caller(asked, match.qualifier, f"{count} invocations")
    if rest > 0:
        yield _caller(asked, LATEST, f"about {rest} unqualified invocations")


def _caller(asked: Asked, qualifier: str, counted: str) -> Caller:
    """Say that a qualifier was called; a version by its number was perhaps called in the past."""
    is_alias = not qualifier.isdigit() and qualifier in asked.served.qualifiers
    use = Use.CALLS if is_alias else Use.MAY
    return Caller("CloudWatch", f"{counted} in {DAYS} days", qualifier, use=use)


def _resources(asked: Asked) -> Iterator[str]:
    client = asked.session.client("cloudwatch")
    for metric in asked.session.read_all(
        "list the metrics of the function",
        client.list_metrics,
        "Metrics",
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": "FunctionName", "Value": asked.callee.name}],
    ):
        dimensions = {each["Name"]: each["Value"] for each in metric.get("Dimensions", ())}
        if dimensions.keys() == {"FunctionName", "Resource"}:
            yield dimensions["Resource"]


def _invocations(asked: Asked, dimensions: dict[str, str]) -> int:
    now = datetime.now(UTC)
    answer = asked.session.read(
        f"count the invocations of {dimensions.get('Resource', asked.callee.name)}",
        asked.session.client("cloudwatch").get_metric_statistics,
        Namespace="AWS/Lambda",
        MetricName="Invocations",
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(days=DAYS),
        EndTime=now,
        Period=DAY_S,
        Statistics=["Sum"],
    )
    return int(sum(point["Sum"] for point in answer["Datapoints"]))
