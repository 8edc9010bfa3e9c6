"""CloudTrail's event history of what was changed on Lambda."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lab.state_machines import ARN, Stage


def events(stage: Stage, **asked: Any) -> list[dict[str, Any]]:
    """Return all events, the latest first."""
    pages = stage.lab.client("cloudtrail").get_paginator("lookup_events").paginate(**asked)
    return [event for page in pages for event in page["Events"]]


def by(key: str, value: str) -> list[dict[str, str]]:
    """Return a lookup attribute."""
    return [{"AttributeKey": key, "AttributeValue": value}]


def record(event: dict[str, Any]) -> dict[str, Any]:
    """Return what CloudTrail itself wrote."""
    return dict(json.loads(event["CloudTrailEvent"]))


def test_changes_are_told_latest_first_under_cloudtrails_names(stage: Stage) -> None:
    stage.function("return 1", Environment={"Variables": {"SECRET": "hush"}})
    stage.functions.update_function_configuration(
        FunctionName="fn", Environment={"Variables": {"SECRET": "hush, hush"}}
    )
    stage.functions.publish_version(FunctionName="fn")
    stage.functions.create_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    stage.function("return 2")
    stage.functions.update_alias(
        FunctionName="fn",
        Name="live",
        FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {}},
    )
    stage.functions.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=5)
    stage.functions.get_alias(FunctionName="fn", Name="live")
    stage.functions.invoke(FunctionName="fn")
    found = events(stage)
    assert [event["EventName"] for event in found] == [
        "PutFunctionConcurrency20171031",
        "UpdateAlias20150331",
        "UpdateFunctionCode20150331v2",
        "CreateAlias20150331",
        "PublishVersion20150331",
        "UpdateFunctionConfiguration20150331v2",
        "CreateFunction20150331",
    ]
    assert {event["Username"] for event in found} == {"lab"}
    assert {event["EventSource"] for event in found} == {"lambda.amazonaws.com"}
    assert "hush" not in json.dumps(found, default=str)
    configured = record(found[5])
    assert configured["requestParameters"] == {"functionName": "fn", "environment": {}}
    assert configured["responseElements"]["environment"] == {}
    code = record(found[2])
    assert code["requestParameters"]["imageUri"].startswith("123456789012.dkr.ecr.")
    sha256 = stage.functions.get_function_configuration(FunctionName="fn")["CodeSha256"]
    assert code["responseElements"]["codeSha256"] == sha256
    moved = record(found[1])
    assert moved["requestParameters"]["functionVersion"] == "1"
    assert moved["responseElements"]["aliasArn"] == f"{ARN}:live"
    names = [each["ResourceName"] for each in found[1]["Resources"]]
    assert names == [f"{ARN}:live", "fn"]


def test_a_refused_change_is_told_with_its_error(stage: Stage) -> None:
    with pytest.raises(ClientError):
        stage.functions.update_alias(FunctionName="fn", Name="live", FunctionVersion="1")
    (event,) = events(stage)
    told = record(event)
    assert told["errorCode"] == "ResourceNotFoundException"
    assert "not found" in told["errorMessage"]
    assert told["responseElements"] is None


def test_one_attribute_and_a_time_narrow_the_lookup(stage: Stage) -> None:
    stage.function("return 1")
    stage.function("return 1", "other")
    before = datetime.now(UTC)
    stage.lab.set(clock_step_s=10)
    stage.functions.publish_version(FunctionName="fn")
    assert len(events(stage, LookupAttributes=by("ResourceName", "fn"))) == 2
    assert len(events(stage, LookupAttributes=by("ResourceName", ARN))) == 1
    named = events(stage, LookupAttributes=by("EventName", "CreateFunction20150331"))
    assert [each["Resources"][1]["ResourceName"] for each in named] == ["other", "fn"]
    (late,) = events(stage, StartTime=before + timedelta(seconds=5))
    assert late["EventName"] == "PublishVersion20150331"
    assert len(events(stage, EndTime=before)) == 2
    assert events(stage, LookupAttributes=by("Username", "nobody")) == []
    trail = stage.lab.client("cloudtrail")
    both = by("EventName", "x") + by("Username", "y")
    with pytest.raises(trail.exceptions.InvalidLookupAttributesException):
        trail.lookup_events(LookupAttributes=both)
    with pytest.raises(trail.exceptions.InvalidNextTokenException):
        trail.lookup_events(NextToken="x")


def test_a_page_has_fifty_events_and_the_history_ninety_days(stage: Stage) -> None:
    stage.function("return 1")
    for _ in range(60):
        stage.functions.tag_resource(Resource=ARN, Tags={"a": "b"})
    trail = stage.lab.client("cloudtrail")
    assert len(trail.lookup_events()["Events"]) == 50
    assert len(events(stage)) == 61
    assert record(events(stage)[0])["requestParameters"] == {"resource": ARN, "tags": {"a": "b"}}
    stage.lab.set(clock_step_s=91 * 86_400)
    assert events(stage) == []


def test_a_change_appears_after_its_delay(stage: Stage) -> None:
    stage.lab.set(trail_delay_s=900)
    stage.function("return 1")
    assert events(stage) == []
    stage.lab.set(clock_step_s=901)
    assert len(events(stage)) == 1
