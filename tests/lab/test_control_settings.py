"""What hangs on functions: aliases' revisions, provisions, policies, mappings and URLs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytest_plugins = ["control_lab"]

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:fn"
QUEUE = "arn:aws:sqs:eu-central-1:123456789012:jobs"
PERMISSION = {"FunctionName": "fn", "Action": "lambda:InvokeFunction"}


def provision(client: Any, qualifier: str, count: int) -> Any:
    """Ask for provisioned containers of `fn`."""
    return client.put_provisioned_concurrency_config(
        FunctionName="fn", Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def provisioned(client: Any, qualifier: str) -> tuple[str, int]:
    """Return the status and the allocated containers."""
    answer = client.get_provisioned_concurrency_config(FunctionName="fn", Qualifier=qualifier)
    return answer["Status"], answer["AllocatedProvisionedConcurrentExecutions"]


def test_every_update_of_an_alias_is_a_new_revision(world: Any) -> None:
    first = world.get_alias(FunctionName="fn", Name="live")["RevisionId"]
    second = world.update_alias(FunctionName="fn", Name="live", RevisionId=first)["RevisionId"]
    assert second != first
    with pytest.raises(ClientError) as refused:
        world.update_alias(FunctionName="fn", Name="live", RevisionId=first)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert world.get_alias(FunctionName="fn", Name="live")["RevisionId"] == second


def test_moving_onto_the_leftover_weight_is_refused(world: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.1}}
    world.update_alias(FunctionName="fn", Name="live", RoutingConfig=routing)
    with pytest.raises(ClientError, match="Function version 2 is already included"):
        world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")


def test_aliases_are_listed_by_name_in_pages(world: Any) -> None:
    for number in range(5):
        world.create_alias(FunctionName="fn", Name=f"a{number}", FunctionVersion="2")
    page = world.list_aliases(FunctionName="fn", MaxItems=4)
    assert [alias["Name"] for alias in page["Aliases"]] == ["a0", "a1", "a2", "a3"]
    rest = world.list_aliases(FunctionName="fn", Marker=page["NextMarker"])
    assert [alias["Name"] for alias in rest["Aliases"]] == ["a4", "live"]
    assert "NextMarker" not in rest
    of_first = world.list_aliases(FunctionName="fn", FunctionVersion="1")
    assert [alias["Name"] for alias in of_first["Aliases"]] == ["live"]


def test_provisioned_containers_follow_the_alias(control: Any, world: Any) -> None:
    revision = world.get_function_configuration(FunctionName="fn", Qualifier="1")["RevisionId"]
    provision(world, "live", 3)
    version = world.get_function_configuration(FunctionName="fn", Qualifier="1")
    assert version["RevisionId"] != revision
    assert provisioned(world, "live") == ("READY", 3)
    control.knobs.provisioning_s = 60
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    assert control.fleet.kept == {(ARN, "1"): 0, (ARN, "2"): 3}
    assert provisioned(world, "live") == ("IN_PROGRESS", 3)
    control.clock.seconds += 60
    assert provisioned(world, "live") == ("READY", 3)
    with pytest.raises(ClientError, match="No Provisioned Concurrency Config"):
        provisioned(world, "1")


def test_provisioning_takes_its_time(control: Any, world: Any) -> None:
    control.knobs.provisioning_s = 60
    provision(world, "2", 1)
    assert provisioned(world, "2") == ("IN_PROGRESS", 0)
    control.clock.seconds += 60
    assert provisioned(world, "2") == ("READY", 1)
    listed = world.list_provisioned_concurrency_configs(FunctionName="fn")
    (only,) = listed["ProvisionedConcurrencyConfigs"]
    assert (only["FunctionArn"], only["Status"]) == (f"{ARN}:2", "READY")


def test_provisioning_that_fails_says_why(control: Any, world: Any) -> None:
    provision(world, "2", 1)
    control.fleet.failure = "FUNCTION_ERROR_INIT_FAILURE"
    answer = world.get_provisioned_concurrency_config(FunctionName="fn", Qualifier="2")
    assert answer["Status"] == "FAILED"
    assert answer["StatusReason"] == "FUNCTION_ERROR_INIT_FAILURE"


def test_provisions_and_reservation_limit_each_other(world: Any) -> None:
    world.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=4)
    with pytest.raises(ClientError, match="should not be greater than the reserved"):
        provision(world, "1", 5)
    provision(world, "1", 3)
    with pytest.raises(ClientError, match=r"total provisioned concurrency \[3\]"):
        world.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)


def test_what_is_unpublished_cannot_be_provisioned(world: Any) -> None:
    with pytest.raises(ClientError, match="unpublished function versions"):
        provision(world, "$LATEST", 1)


def test_deleting_a_function_lets_its_provisions_go(control: Any, world: Any) -> None:
    provision(world, "live", 3)
    world.delete_function(FunctionName="fn")
    assert control.fleet.kept == {(ARN, "1"): 0}


def test_concurrency_is_of_the_whole_function(world: Any) -> None:
    with pytest.raises(ClientError, match="Aliases and versions do not support"):
        world.put_function_concurrency(FunctionName=f"{ARN}:live", ReservedConcurrentExecutions=1)


def test_each_qualifier_has_a_policy_and_a_revision(world: Any) -> None:
    alias_before = world.get_alias(FunctionName="fn", Name="live")["RevisionId"]
    world.add_permission(**PERMISSION, StatementId="a", Principal="s3.amazonaws.com")
    world.add_permission(
        **PERMISSION,
        StatementId="a",
        Principal="123456789012",
        Qualifier="live",
        SourceArn="arn:aws:s3:::bucket",
        SourceAccount="123456789012",
    )
    plain = world.get_policy(FunctionName="fn")
    of_alias = world.get_policy(FunctionName="fn", Qualifier="live")
    assert json.loads(plain["Policy"]) == {
        "Version": "2012-10-17",
        "Id": "default",
        "Statement": [
            {
                "Sid": "a",
                "Effect": "Allow",
                "Principal": {"Service": "s3.amazonaws.com"},
                "Action": "lambda:InvokeFunction",
                "Resource": ARN,
            }
        ],
    }
    (statement,) = json.loads(of_alias["Policy"])["Statement"]
    assert statement["Resource"] == f"{ARN}:live"
    assert statement["Principal"] == {"AWS": "arn:aws:iam::123456789012:root"}
    assert statement["Condition"] == {
        "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::bucket"},
        "StringEquals": {"AWS:SourceAccount": "123456789012"},
    }
    assert plain["RevisionId"] != of_alias["RevisionId"]
    assert world.get_alias(FunctionName="fn", Name="live")["RevisionId"] == alias_before
    same = world.get_resource_policy(ResourceArn=f"{ARN}:live")
    assert same["RevisionId"] == of_alias["RevisionId"]


def test_a_policys_revision_moves_with_it_only(world: Any) -> None:
    world.add_permission(**PERMISSION, StatementId="a", Principal="*")
    first = world.get_policy(FunctionName="fn")["RevisionId"]
    with pytest.raises(ClientError, match="is not found in resource policy"):
        world.remove_permission(FunctionName="fn", StatementId="none", RevisionId=first)
    assert world.get_policy(FunctionName="fn")["RevisionId"] == first
    world.add_permission(**PERMISSION, StatementId="b", Principal="*", RevisionId=first)
    with pytest.raises(ClientError, match="GetPolicy API"):
        world.remove_permission(FunctionName="fn", StatementId="a", RevisionId=first)


def test_a_mapping_lives_on_its_own(control: Any, world: Any) -> None:
    control.knobs.update_s = 2
    created = world.create_event_source_mapping(
        FunctionName="fn:live", EventSourceArn=QUEUE, Tags={"team": "a"}
    )
    identifier = {"UUID": created["UUID"]}
    assert world.get_event_source_mapping(**identifier)["State"] == "Creating"
    control.clock.seconds += 2
    assert world.get_event_source_mapping(**identifier)["State"] == "Enabled"
    assert world.update_event_source_mapping(**identifier, Enabled=False)["State"] == "Disabling"
    control.clock.seconds += 2
    assert world.get_event_source_mapping(**identifier)["State"] == "Disabled"
    moved = world.update_event_source_mapping(**identifier, FunctionName=f"{ARN}:2", BatchSize=5)
    assert (moved["State"], moved["FunctionArn"]) == ("Updating", f"{ARN}:2")
    control.clock.seconds += 2
    tags = world.list_tags(Resource=created["EventSourceMappingArn"])["Tags"]
    assert tags == {"team": "a"}
    world.delete_function(FunctionName="fn")
    assert world.get_event_source_mapping(**identifier)["BatchSize"] == 5
    assert world.delete_event_source_mapping(**identifier)["State"] == "Deleting"
    with pytest.raises(ClientError, match="does not exist"):
        world.get_event_source_mapping(**identifier)


def test_mappings_are_listed_by_the_form_that_was_written(world: Any) -> None:
    for name in ("fn", "fn:live", "fn:$LATEST", "img"):
        world.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE)
    arns = [one["FunctionArn"] for one in world.list_event_source_mappings()["EventSourceMappings"]]
    assert arns[:3] == [ARN, f"{ARN}:live", f"{ARN}:$LATEST"]
    of_alias = world.list_event_source_mappings(FunctionName="fn:live")["EventSourceMappings"]
    assert [one["FunctionArn"] for one in of_alias] == [f"{ARN}:live"]
    of_queue = world.list_event_source_mappings(EventSourceArn=QUEUE)["EventSourceMappings"]
    assert len(of_queue) == 4
    with pytest.raises(ClientError, match="provided mapping already exists"):
        world.create_event_source_mapping(FunctionName="fn:live", EventSourceArn=QUEUE)


@pytest.mark.parametrize("name", ["none", "fn:none", "fn:42"])
def test_a_mapping_needs_its_function(world: Any, name: str) -> None:
    with pytest.raises(ClientError, match="Function does not exist"):
        world.create_event_source_mapping(FunctionName=name, EventSourceArn=QUEUE)


def test_urls_of_a_function_and_its_alias(world: Any) -> None:
    world.create_function_url_config(FunctionName="fn", AuthType="NONE")
    world.create_function_url_config(FunctionName="fn:live", AuthType="AWS_IAM")
    configs = world.list_function_url_configs(FunctionName="fn")["FunctionUrlConfigs"]
    assert [one["FunctionArn"] for one in configs] == [ARN, f"{ARN}:live"]
    assert configs[0]["FunctionUrl"].endswith(".lambda-url.eu-central-1.on.aws/")
    world.delete_alias(FunctionName="fn", Name="live")
    left = world.list_function_url_configs(FunctionName="fn")["FunctionUrlConfigs"]
    assert [one["FunctionArn"] for one in left] == [ARN]


def test_destinations_are_kept_for_asynchronous_invocations(control: Any, world: Any) -> None:
    world.put_function_event_invoke_config(
        FunctionName="fn", DestinationConfig={"OnFailure": {"Destination": QUEUE}}
    )
    world.update_function_event_invoke_config(FunctionName="fn", MaximumRetryAttempts=1)
    kept = control.cloud.async_settings("eu-central-1", "fn", None)
    assert kept["DestinationConfig"]["OnFailure"] == {"Destination": QUEUE}
    assert kept["MaximumRetryAttempts"] == 1
    assert control.cloud.async_settings("eu-central-1", "fn", "live") == {}
    listed = world.list_function_event_invoke_configs(FunctionName="fn")
    (only,) = listed["FunctionEventInvokeConfigs"]
    assert only["FunctionArn"] == f"{ARN}:$LATEST"
    world.delete_function_event_invoke_config(FunctionName="fn")
    assert control.cloud.async_settings("eu-central-1", "fn", None) == {}
