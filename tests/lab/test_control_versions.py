"""Publishing: what makes a new version, which number it gets, and how versions are listed."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytest_plugins = ["control_lab"]


def publish(client: Any, **more: Any) -> str:
    """Publish `fn` and return the number."""
    return str(client.publish_version(FunctionName="fn", **more)["Version"])


@pytest.mark.parametrize(
    "change",
    [
        {"Description": "other"},
        {"Timeout": 9},
        {"MemorySize": 256},
        {"Environment": {"Variables": {"KEY": "value"}}},
        {"LoggingConfig": {"LogFormat": "JSON"}},
        {"Role": "arn:aws:iam::123456789012:role/other"},
    ],
)
def test_a_changed_configuration_makes_a_new_version(world: Any, change: Any) -> None:
    assert publish(world) == "2"
    world.update_function_configuration(FunctionName="fn", **change)
    assert publish(world) == "3"
    assert publish(world, Description="only a new description of the version") == "3"


def test_tags_concurrency_and_an_equal_update_make_none(world: Any) -> None:
    arn = world.get_function_configuration(FunctionName="fn")["FunctionArn"]
    world.tag_resource(Resource=arn, Tags={"a": "b"})
    world.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=3)
    world.update_function_configuration(FunctionName="fn", Timeout=3)
    assert publish(world) == "2"


def test_going_back_to_older_content_makes_a_new_version(world: Any) -> None:
    world.update_function_configuration(FunctionName="fn", Timeout=9)
    assert publish(world) == "3"
    world.update_function_configuration(FunctionName="fn", Timeout=3)
    assert publish(world) == "4"


def test_numbers_are_never_used_twice(world: Any, make_function: Any) -> None:
    world.delete_function(FunctionName="fn", Qualifier="2")
    assert publish(world) == "3"
    world.delete_function(FunctionName="fn")
    make_function("fn")
    assert publish(world) == "4"


def test_a_version_stays_as_it_was(control: Any, world: Any) -> None:
    before = world.get_function(FunctionName="fn", Qualifier="1")
    world.update_function_configuration(FunctionName="fn", Timeout=9)
    del before["ResponseMetadata"]
    after = world.get_function(FunctionName="fn", Qualifier="1")
    del after["ResponseMetadata"]
    assert after == before
    assert control.cloud.route("eu-central-1", "fn", "1").build.timeout_s == 3


def test_the_digest_guards_a_publication(world: Any) -> None:
    digest = world.get_function_configuration(FunctionName="img")["CodeSha256"]
    assert len(digest) == 64
    version = world.publish_version(FunctionName="img", CodeSha256=digest)
    assert version["CodeSha256"] == digest
    code = world.get_function(FunctionName="img", Qualifier=version["Version"])["Code"]
    assert code["ResolvedImageUri"].endswith(f"@sha256:{digest}")


def test_a_slow_publication_is_pending_first(control: Any, world: Any) -> None:
    control.knobs.publish_s = 3
    assert world.publish_version(FunctionName="img")["State"] == "Pending"
    with pytest.raises(Exception, match="following state: Pending"):
        control.cloud.route("eu-central-1", "img", "1")
    control.clock.seconds += 3
    version = world.get_function_configuration(FunctionName="img", Qualifier="1")
    assert (version["State"], version["LastUpdateStatus"]) == ("Active", "Successful")


def test_deleting_a_version_retires_its_containers(control: Any, world: Any) -> None:
    world.delete_function(FunctionName="fn", Qualifier="2")
    assert [version for _, version in control.fleet.gone] == ["2"]
    with pytest.raises(ClientError, match=r"Function not found: .*:fn:2$"):
        world.get_function(FunctionName="fn", Qualifier="2")


def test_a_weighted_version_cannot_be_deleted(world: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.1}}
    world.update_alias(FunctionName="fn", Name="live", RoutingConfig=routing)
    with pytest.raises(ClientError, match=r"aliases reference it: \[live\]"):
        world.delete_function(FunctionName="fn", Qualifier="2")


def test_the_list_starts_with_latest_and_shows_no_states(world: Any) -> None:
    latest, first, second = world.list_versions_by_function(FunctionName="fn")["Versions"]
    assert latest["FunctionArn"].endswith(":function:fn:$LATEST")
    assert (first["Version"], second["Version"]) == ("1", "2")
    hidden = {"State", "LastUpdateStatus", "RuntimeVersionConfig", "Code", "ImageUri"}
    assert not hidden & latest.keys()
    assert {"RevisionId", "CodeSha256", "LastModified"} <= second.keys()


def test_lists_come_in_pages_of_fifty(world: Any) -> None:
    for timeout in range(10, 70):
        world.update_function_configuration(FunctionName="fn", Timeout=timeout)
        publish(world)
    page = world.list_versions_by_function(FunctionName="fn", MaxItems=1000)
    assert len(page["Versions"]) == 50
    pages = world.get_paginator("list_versions_by_function").paginate(FunctionName="fn")
    numbers = [version["Version"] for one in pages for version in one["Versions"]]
    assert numbers == ["$LATEST", *map(str, range(1, 63))]


def test_all_versions_of_all_functions(world: Any) -> None:
    plain = world.list_functions()["Functions"]
    assert [one["FunctionArn"].split(":")[6:] for one in plain] == [["fn"], ["img"]]
    everything = world.list_functions(FunctionVersion="ALL")["Functions"]
    assert [one["Version"] for one in everything] == ["$LATEST", "1", "2", "$LATEST"]
