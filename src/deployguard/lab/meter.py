"""The metrics of AWS/Lambda, counted where invocations happen and kept by moto's CloudWatch."""

from __future__ import annotations

import copy
import importlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployguard.lab.nouns import ACCOUNT, Clock

NAMESPACE = "AWS/Lambda"
MINUTE_S = 60
UNITS = {"Duration": "Milliseconds"}
Dimensions = tuple[tuple[str, str], ...]
Points = dict[tuple[str, int, str, Dimensions], "Point"]  # by region, minute, metric


@dataclass
class Point:
    """What one minute saw of one metric."""

    minimum: float
    maximum: float
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Take one more value in."""
        self.minimum, self.maximum = min(self.minimum, value), max(self.maximum, value)
        self.total += value
        self.count += 1


class Meter:
    """What was measured and is not in CloudWatch yet."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing."""
        self.clock = clock
        self.points: Points = {}
        self.running: Counter[Dimensions] = Counter()

    def refused(self, invoked_arn: str) -> None:
        """Count an invocation that was throttled."""
        self._note(invoked_arn, self.clock.now(), {"Throttles": 1})

    def began(self, invoked_arn: str) -> float:
        """Count an invocation that begins, and return when that was."""
        at = self.clock.now()
        for dimensions in _dimensions(invoked_arn):
            self.running[dimensions] += 1
            running = self.running[dimensions]
            self._add(invoked_arn, at, "ConcurrentExecutions", dimensions, running)
        return at

    def ended(self, invoked_arn: str, at: float, *, duration_ms: float, failed: bool) -> None:
        """Measure an invocation that began then and has ended."""
        self.running.subtract(_dimensions(invoked_arn))
        values = {"Invocations": 1.0, "Errors": float(failed), "Duration": duration_ms}
        self._note(invoked_arn, at, {**values, "Throttles": 0.0})

    def due(self, *, delay_s: float) -> Points:
        """Take what is to be seen by now."""
        latest = self.clock.now() - delay_s
        due = {key: point for key, point in self.points.items() if key[1] <= latest}
        self.points = {key: point for key, point in self.points.items() if key not in due}
        return due

    def _note(self, invoked_arn: str, at: float, values: dict[str, float]) -> None:
        for dimensions in _dimensions(invoked_arn):
            for metric, value in values.items():
                self._add(invoked_arn, at, metric, dimensions, value)

    def _add(
        self, invoked_arn: str, at: float, metric: str, dimensions: Dimensions, value: float
    ) -> None:
        key = (invoked_arn.split(":")[3], int(at // MINUTE_S) * MINUTE_S, metric, dimensions)
        self.points.setdefault(key, Point(value, value)).add(value)


def _dimensions(invoked_arn: str) -> tuple[Dimensions, Dimensions]:
    resource = invoked_arn.split(":", 6)[6]
    function = ("FunctionName", resource.partition(":")[0])
    return (function,), (function, ("Resource", resource))


def write(points: Points) -> None:
    """Put points into moto's CloudWatch."""
    from moto.cloudwatch.models import cloudwatch_backends

    for (region, minute, metric, dimensions), point in points.items():
        datum = {
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions],
            "Timestamp": datetime.fromtimestamp(minute, UTC).replace(tzinfo=None),
            "Unit": UNITS.get(metric, "Count"),
            "StatisticValues": {
                "SampleCount": point.count,
                "Sum": point.total,
                "Minimum": point.minimum,
                "Maximum": point.maximum,
            },
        }
        backend = cloudwatch_backends[ACCOUNT][region]
        backend.put_metric_data(NAMESPACE, [datum])
        vars(backend.metric_data[-1])["measured"] = True


def mend() -> None:
    """Let moto tell what was measured apart by its dimensions: it adds up whatever has them."""
    models: Any = importlib.import_module("moto.cloudwatch.models")
    if models.are_dimensions_same is _are_same:
        return
    models.are_dimensions_same = _are_same
    backend = models.CloudWatchBackend
    backend.get_metric_statistics = _of_exactly(backend.get_metric_statistics)


def _of_exactly(statistics: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reader of statistics that sees what was measured of exactly the dimensions asked.

    What was put by callers it sees as before.
    """

    def read(backend: Any, *given: Any, dimensions: list[dict[str, str]], **more: Any) -> Any:
        wanted = {(each["Name"], each["Value"]) for each in dimensions}
        view = copy.copy(backend)
        view.metric_data = [
            datum
            for datum in backend.metric_data
            if not hasattr(datum, "measured") or _pairs(datum.dimensions) == wanted
        ]
        return statistics(view, *given, dimensions=dimensions, **more)

    return read


def _are_same(first: list[Any], second: list[Any]) -> bool:
    return _pairs(first) == _pairs(second)


def _pairs(dimensions: list[Any]) -> set[tuple[str, str]]:
    return {(each.name, each.value) for each in dimensions}
