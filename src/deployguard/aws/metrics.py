"""CloudWatch: how much concurrency real traffic uses now, and what was invoked of late."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from deployguard.aws.session import Session
from deployguard.errors import AwsFailure
from deployguard.executions.nouns import Minute
from deployguard.model import LATEST

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import (
        DatapointTypeDef,
        DimensionTypeDef,
        GetMetricStatisticsOutputTypeDef,
        MetricDataQueryTypeDef,
    )

Statistic = Literal["Maximum", "Sum"]
WINDOW = timedelta(minutes=10)
DAY_S = 86_400
PERIODS = ((14, 60), (62, 300), (100_000, 3600))  # for how many days AWS has points so fine
MINUTE = {  # what a minute tells, and the metric and statistic that say it
    "invocations": ("Invocations", "Sum"),
    "errors": ("Errors", "Sum"),
    "throttles": ("Throttles", "Sum"),
    "duration_ms": ("Duration", "Maximum"),
    "concurrency": ("ConcurrentExecutions", "Maximum"),
}


def concurrency_in_use(session: Session, name: str) -> int:
    """Return the peak of the last minutes, or 0 where the metric may not be read or is empty."""
    try:
        return peak_concurrency(session, name)
    except AwsFailure:
        return 0


def peak_concurrency(session: Session, name: str) -> int:
    """Return the most invocations at once of the last minutes, 0 where the metric is empty."""
    peaks = _points(
        session,
        "ConcurrentExecutions",
        dimensions={"FunctionName": name},
        statistic="Maximum",
        window=WINDOW,
    )
    return int(max(peaks, default=0))


def events(
    session: Session, name: str, aliases: Iterable[str], *, days: int
) -> Iterator[tuple[str, int]]:
    """Yield how many asynchronous events came to each alias in so many days.

    Those that came to none are told of `$LATEST`, though a version may have been called by number.
    """
    rest = _events(session, {"FunctionName": name}, days=days)
    for alias in aliases if rest else ():
        by_alias = {"FunctionName": name, "Resource": f"{name}:{alias}"}
        count = _events(session, by_alias, days=days)
        rest -= count
        yield alias, count
    yield LATEST, rest


def _events(session: Session, dimensions: dict[str, str], *, days: int) -> int:
    window = timedelta(days=days)
    counts = _points(
        session, "AsyncEventsReceived", dimensions=dimensions, statistic="Sum", window=window
    )
    return int(sum(counts))


def _points(
    session: Session,
    metric: str,
    *,
    dimensions: dict[str, str],
    statistic: Statistic,
    window: timedelta,
) -> list[float]:
    now = datetime.now(UTC)
    answer = session.read(
        f"read the metric {metric} of {dimensions['FunctionName']}",
        session.metrics.get_metric_statistics,
        Namespace="AWS/Lambda",
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - window,
        EndTime=now,
        Period=DAY_S if window > timedelta(days=1) else 60,
        Statistics=[statistic],
    )
    return [point[statistic] for point in _datapoints(answer)]


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
    return int(sum(point["Sum"] for point in _datapoints(answer)))


def minutes(session: Session, function: str, *, since: float, until: float) -> tuple[Minute, ...]:
    """Return a function's metrics between two moments, as finely as AWS still has them."""
    age = session.now() - since
    period = next(seconds for days, seconds in PERIODS if age < days * DAY_S)
    start = since // period * period
    answer: Any = session.read(
        f"read the metrics of {function}",
        session.metrics.get_metric_data,
        MetricDataQueries=[
            _query(member, function.rpartition(":")[2], period=period) for member in MINUTE
        ],
        StartTime=datetime.fromtimestamp(start, UTC),
        EndTime=datetime.fromtimestamp(until + period, UTC),
        ScanBy="TimestampAscending",
    )
    found: dict[float, dict[str, float]] = {}
    for series in answer["MetricDataResults"]:
        for at, value in zip(series["Timestamps"], series["Values"], strict=True):
            found.setdefault(at.timestamp(), {})[series["Id"]] = value
    return tuple(Minute(at, **values) for at, values in sorted(found.items()))


def _query(member: str, function: str, *, period: int) -> MetricDataQueryTypeDef:
    metric, statistic = MINUTE[member]
    dimensions: list[DimensionTypeDef] = [{"Name": "FunctionName", "Value": function}]
    return {
        "Id": member,
        "MetricStat": {
            "Metric": {"Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": dimensions},
            "Period": period,
            "Stat": statistic,
        },
    }


def _datapoints(answer: GetMetricStatisticsOutputTypeDef) -> list[DatapointTypeDef]:
    """Return the points of an answer; one that has none, not even an empty list, is no answer."""
    if "Datapoints" not in answer:
        raise AwsFailure(
            "could not read a metric: the answer has no Datapoints",
            cause="something between this run and CloudWatch altered it",
            fix="run again",
        )
    return answer["Datapoints"]
