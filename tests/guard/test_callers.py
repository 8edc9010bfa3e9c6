"""Who calls a function: what is read of it, page by page, and what the role may not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployguard import hazards
from deployguard.aws import callers, functions
from deployguard.aws.session import Session
from deployguard.errors import AwsFailure, Refusal
from deployguard.hazards import Callers, Grant
from deployguard.lab.client import Client
from deployguard.model import LATEST
from tests.guard.world import Team

ACCOUNT = "eu-west-1:123456789012"
QUEUE, DEAD = f"arn:aws:sqs:{ACCOUNT}:jobs", f"arn:aws:sqs:{ACCOUNT}:dead"
STREAM = f"arn:aws:kinesis:{ACCOUNT}:stream/clicks"
BUCKET = "arn:aws:s3:::uploads"
S3 = "s3.amazonaws.com"
BARE: dict[str, Any] = {"kind": "error", "status": 403, "code": "AccessDeniedException"}


@pytest.fixture
def reports(team: Team) -> Team:
    """Have two versions without processes, the first of them behind the alias."""
    team.lab.set(virtual=True)
    team.ship("b1")
    team.publish()
    team.point("1")
    team.ship("b2")
    team.publish()
    return team


@pytest.fixture
def read(reports: Team, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Callers]:
    """Read the callers, in a session that talks to the lab."""
    for name, value in reports.lab.environment.items():
        monkeypatch.setenv(name, value)
    session = Session()
    return lambda: callers.of(session, functions.function(session, "reports"))


def allow(team: Team, qualifier: str | None = None, number: int = 0, **how: Any) -> None:
    """Let S3 call a qualifier, or somebody else."""
    extra = {"Qualifier": qualifier} if qualifier else {}
    permission = {"Action": "lambda:InvokeFunction", "Principal": S3, **how}
    team.functions.add_permission(
        FunctionName=team.name, StatementId=f"s{number}", **permission, **extra
    )


def redrive(team: Team, receives: int | None) -> None:
    """Create the queue, with a dead-letter queue unless there are no receives."""
    sqs = team.lab.client("sqs")
    sqs.create_queue(QueueName="dead")
    policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": receives})
    attributes = {} if receives is None else {"RedrivePolicy": policy}
    sqs.create_queue(QueueName="jobs", Attributes=attributes)


def connect(team: Team, source: str, *, function: str = "reports:live", **how: Any) -> None:
    """Have Lambda read a queue or a stream for the function."""
    team.functions.create_event_source_mapping(FunctionName=function, EventSourceArn=source, **how)


def count_events(team: Team, count: float, resource: str | None = None) -> None:
    """Let CloudWatch have counted asynchronous events, in all or of one resource."""
    dimensions = [{"Name": "FunctionName", "Value": team.name}]
    if resource:
        dimensions.append({"Name": "Resource", "Value": resource})
    datum: dict[str, Any] = {
        "MetricName": "AsyncEventsReceived",
        "Dimensions": dimensions,
        "Value": count,
        "Timestamp": datetime.now(UTC) - timedelta(days=3),
    }
    team.lab.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])


def test_a_function_that_nobody_calls_loses_nothing(read: Callable[[], Callers]) -> None:
    assert read() == Callers(received={LATEST: 0})


def test_each_qualifier_is_asked_for_its_own_policy(
    reports: Team, read: Callable[[], Callers]
) -> None:
    allow(reports)
    allow(reports, "live", SourceArn=BUCKET)
    allow(reports, "2", Principal="sns.amazonaws.com")
    assert set(read().grants) == {
        Grant(S3, LATEST),
        Grant(S3, "live", BUCKET),
        Grant("sns.amazonaws.com", "2"),
    }


def test_callers_that_are_no_service_are_told_from_services(
    reports: Team, read: Callable[[], Callers]
) -> None:
    url: dict[str, Any] = {
        "Action": "lambda:InvokeFunctionUrl",
        "Principal": "*",
        "FunctionUrlAuthType": "NONE",
    }
    allow(reports, "live", **url)
    allow(reports, "live", 1, Principal="210987654321")
    allow(reports, "live", 2, Principal="*", InvokedViaFunctionUrl=True)
    assert [(each.caller, each.sends_events) for each in read().grants] == [
        ("its function URL", False),
        ("arn:aws:iam::210987654321:root", False),
        ("its function URL", False),
    ]


def test_every_page_is_read(reports: Team, read: Callable[[], Callers]) -> None:
    for number in range(60):
        name = f"a{number:02}"
        reports.functions.create_alias(FunctionName="reports", Name=name, FunctionVersion="1")
        reports.functions.put_function_event_invoke_config(
            FunctionName="reports",
            Qualifier=name,
            DestinationConfig={"OnFailure": {"Destination": DEAD}},
        )
    for number in range(110):
        connect(reports, f"{STREAM}{number}", StartingPosition="LATEST")
    allow(reports, "a59")
    known = read()
    assert (len(known.kept), len(known.sources)) == (60, 110)
    assert known.grants == (Grant(S3, "a59"),)


def test_a_destination_keeps_the_events_of_its_qualifier_alone(
    reports: Team, read: Callable[[], Callers]
) -> None:
    for qualifier in ({}, {"Qualifier": "live"}):
        reports.functions.put_function_event_invoke_config(
            FunctionName="reports",
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": DEAD}} if qualifier else {},
            **qualifier,
        )
    assert read().kept == {"live": DEAD}


def test_a_dead_letter_queue_keeps_the_events_of_versions_that_were_published_with_it(
    reports: Team, read: Callable[[], Callers]
) -> None:
    reports.functions.update_function_configuration(
        FunctionName="reports", DeadLetterConfig={"TargetArn": DEAD}
    )
    reports.functions.get_waiter("function_updated_v2").wait(
        FunctionName="reports", WaiterConfig={"Delay": 0.01, "MaxAttempts": 2000}
    )
    number = reports.publish()
    reports.point(number, alias="next")
    reports.point("1", alias="both", weights={number: 0.5})
    assert read().kept == {LATEST: DEAD, number: DEAD, "next": DEAD}


def test_events_are_counted_where_they_came_to(reports: Team, read: Callable[[], Callers]) -> None:
    # moto adds what has more dimensions to the total, where AWS keeps a total of its own
    count_events(reports, 7)
    count_events(reports, 5, "reports:live")
    assert read().received == {"live": 5, LATEST: 7}


@pytest.mark.parametrize("receives", [3, 7, None])
def test_a_queue_says_how_often_a_message_is_received(
    reports: Team, read: Callable[[], Callers], receives: int | None
) -> None:
    redrive(reports, receives)
    connect(reports, QUEUE)
    (queue,) = read().sources
    assert (queue.name, queue.qualifier) == (QUEUE, "live")
    assert (queue.is_queue, queue.receives) == (True, receives)


def test_a_queue_that_was_deleted_has_nothing_to_lose(
    reports: Team, read: Callable[[], Callers]
) -> None:
    connect(reports, QUEUE)
    (queue,) = read().sources
    assert queue.receives is None


def test_a_stream_says_when_it_gives_records_up(reports: Team, read: Callable[[], Callers]) -> None:
    limits: dict[str, Any] = {"MaximumRetryAttempts": 2, "MaximumRecordAgeInSeconds": 60}
    destination = {"OnFailure": {"Destination": DEAD}}
    connect(reports, STREAM, StartingPosition="LATEST", DestinationConfig=destination, **limits)
    connect(reports, f"{STREAM}2", function="reports", StartingPosition="LATEST")
    one, other = read().sources
    assert (one.retries, one.max_age_s, one.on_failure) == (2, 60, DEAD)
    assert (other.qualifier, other.retries, other.max_age_s) == (LATEST, None, None)


def test_mappings_that_are_disabled_or_another_functions_do_not_count(
    reports: Team, read: Callable[[], Callers]
) -> None:
    Team(reports.lab, reports.folder, name="reports2").ship("b1")
    connect(reports, STREAM, function="reports2", StartingPosition="LATEST")
    reports.lab.set(update_s=0.0)
    connect(reports, f"{STREAM}2", StartingPosition="LATEST", Enabled=False)
    assert read().sources == ()


def test_provisioned_and_reserved_concurrency_are_read(
    reports: Team, read: Callable[[], Callers]
) -> None:
    reports.functions.put_provisioned_concurrency_config(
        FunctionName="reports", Qualifier="live", ProvisionedConcurrentExecutions=1
    )
    assert (read().provisioned, read().reserved) == (("live",), None)
    reports.functions.delete_provisioned_concurrency_config(
        FunctionName="reports", Qualifier="live"
    )
    reports.functions.put_function_concurrency(
        FunctionName="reports", ReservedConcurrentExecutions=0
    )
    assert (read().provisioned, read().reserved) == ((), 0)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("GetFunctionConcurrency", "lambda:GetFunctionConcurrency"),
        ("GetMetricStatistics", "cloudwatch:GetMetricStatistics"),
        ("GetPolicy", "lambda:GetPolicy"),
        ("GetQueueAttributes", "sqs:GetQueueAttributes"),
        ("ListAliases", "lambda:ListAliases"),
        ("ListEventSourceMappings", "lambda:ListEventSourceMappings"),
        ("ListFunctionEventInvokeConfigs", "lambda:ListFunctionEventInvokeConfigs"),
        ("ListProvisionedConcurrencyConfigs", "lambda:ListProvisionedConcurrencyConfigs"),
        ("ListVersionsByFunction", "lambda:ListVersionsByFunction"),
    ],
)
def test_what_may_not_be_read_is_refused_by_the_name_of_its_action(
    reports: Team, read: Callable[[], Callers], operation: str, action: str
) -> None:
    redrive(reports, 7)
    connect(reports, QUEUE)
    reports.lab.fault(operation=operation, **BARE, message="no", times=None)
    known = read()
    (unread,) = known.unread
    assert f"the role lacks {action} on" in unread.why
    found = hazards.costs(known, hold_s=30.0)
    with pytest.raises(Refusal, match=action):
        hazards.refuse(found, accept_loss=False)
    assert hazards.refuse(found, accept_loss=True)


def test_any_other_failure_of_aws_is_one(reports: Team, read: Callable[[], Callers]) -> None:
    reports.lab.fault(operation="ListAliases", kind="error", status=400, times=None)
    with pytest.raises(AwsFailure):
        read()


def test_reading_who_calls_changes_nothing(
    lab: Client, reports: Team, read: Callable[[], Callers]
) -> None:
    redrive(reports, 7)
    connect(reports, QUEUE)
    allow(reports, "live")
    before = lab.writes()
    read()
    assert lab.writes() == before
