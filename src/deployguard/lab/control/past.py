"""What was before: the answers of a read that has not heard of the last change."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from deployguard.lab.control import names
from deployguard.lab.nouns import AwsError

if TYPE_CHECKING:
    from deployguard.lab.control.state import Cloud

READS = (
    "GetAlias",
    "GetFunction",
    "GetFunctionConcurrency",
    "GetFunctionConfiguration",
    "ListAliases",
    "ListVersionsByFunction",
)
KEPT = 50  # states of one function
FUNCTION = re.compile(r":lambda:(?P<region>[^:]+):\d+:function:(?P<name>[^:]+)")

Params = dict[str, Any]


def keep(cloud: Cloud, arn: str) -> None:
    """Remember the function that an ARN names, as it has become.

    What ends at once is no state of its own: an instant update was never seen in progress.
    """
    found = FUNCTION.search(arn)
    region = cloud.region(found["region"]) if found else None
    function = region.functions.get(found["name"]) if region and found else None
    if region and function and not function.is_due(cloud.clock.monotonic()):
        region.past.setdefault(function.name, deque(maxlen=KEPT)).append(function.snapshot())


def read(
    handler: Callable[[Cloud, str, Params], Params], cloud: Cloud, region: str, params: Params
) -> Params:
    """Answer with the last state that shows another answer than the true one, if there is any."""

    def answer() -> Params | AwsError:
        try:
            return handler(cloud, region, params)
        except AwsError as refused:
            return refused

    told = truth = answer()
    name = names.parse(region, params["FunctionName"]).name
    functions = cloud.region(region).functions
    current = functions.pop(name, None)
    for earlier in reversed(cloud.region(region).past.get(name, ())):
        functions[name] = earlier
        told = answer()
        if str(told) != str(truth):
            break
    functions.pop(name, None)
    if current is not None:
        functions[name] = current
    if isinstance(told, AwsError):
        raise told
    return told
