"""Breadcrumb lines are found in the log of a real container, whatever format its log has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployguard.executions import crumbs
from deployguard.executions.nouns import Crumb, Moment
from tests.guard.world import Team

JSON = {"LogFormat": "JSON"}
GROUP = "/aws/lambda/reports"


def told(team: Team, count: int = 3) -> list[Crumb]:
    """Invoke the function by its alias, and return the breadcrumb lines of its log."""
    for number in range(count):
        team.functions.invoke(
            FunctionName=team.name, Qualifier="live", Payload=json.dumps({"order": number})
        )
    events = team.lab.client("logs").filter_log_events(logGroupName=GROUP)["events"]
    found = [crumbs.parse(each["message"], stream=each["logStreamName"]) for each in events]
    return [crumb for crumb in found if crumb is not None]


def configure(team: Team, **settings: Any) -> None:
    team.functions.update_function_configuration(FunctionName=team.name, **settings)
    team.point(team.publish())


@pytest.mark.parametrize("format_", [{}, JSON])
def test_a_containers_birth_is_in_its_log(live: Team, format_: dict[str, str]) -> None:
    configure(live, LoggingConfig=format_, Description="another version")

    (crumb,) = told(live)
    assert (crumb.event, crumb.build_id, crumb.version) == (Moment.BIRTH, "b1", "2")
    assert (crumb.qualifier, crumb.invocation) == ("live", 1)


@pytest.mark.parametrize("format_", [{}, JSON])
def test_each_invocation_is_in_the_log_where_that_is_asked_for(
    live: Team, format_: dict[str, str]
) -> None:
    variables = {"Variables": {"DEPLOYGUARD_LOG": "invocation"}}
    configure(live, LoggingConfig=format_, Environment=variables)

    found = told(live)
    assert [crumb.invocation for crumb in found] == [1, 2, 3]
    assert len({crumb.request_id for crumb in found}) == 3
