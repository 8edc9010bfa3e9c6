"""Reads that have not heard of the last change, and containers that have not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployguard.lab import images
from deployguard.lab.client import Client

ROLE = "arn:aws:iam::123456789012:role/lab"


@pytest.fixture
def echo(lab: Client) -> Any:
    """A client of a lab whose virtual function `echo` has two versions and a change since."""
    lab.set(virtual=True)
    client = lab.client("lambda")
    uri = images.push(images.of_files({"app.py": b""}), repository="echo", ecr=lab.client("ecr"))
    client.create_function(
        FunctionName="echo", PackageType="Image", Code={"ImageUri": uri}, Role=ROLE
    )
    for description in ("first", "second"):
        client.update_function_configuration(FunctionName="echo", Description=description)
        client.publish_version(FunctionName="echo")
    client.update_function_configuration(FunctionName="echo", Description="not published")
    return client


def point(client: Any, version: str, **parameters: Any) -> Any:
    return client.update_alias(
        FunctionName="echo", Name="live", FunctionVersion=version, **parameters
    )


def alias(client: Any) -> tuple[str, str]:
    shown = client.get_alias(FunctionName="echo", Name="live")
    return shown["FunctionVersion"], shown["RevisionId"]


CHANGES: list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = [
    ("GetAlias", lambda c: point(c, "2"), alias),
    (
        "ListAliases",
        lambda c: point(c, "2"),
        lambda c: c.list_aliases(FunctionName="echo")["Aliases"],
    ),
    (
        "GetFunction",
        lambda c: c.tag_resource(
            Resource="arn:aws:lambda:eu-west-1:123456789012:function:echo", Tags={"a": "b"}
        ),
        lambda c: c.get_function(FunctionName="echo").get("Tags"),
    ),
    (
        "GetFunctionConfiguration",
        lambda c: c.update_function_configuration(FunctionName="echo", Timeout=9),
        lambda c: c.get_function_configuration(FunctionName="echo")["Timeout"],
    ),
    (
        "GetFunctionConcurrency",
        lambda c: c.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=0),
        lambda c: c.get_function_concurrency(FunctionName="echo").get(
            "ReservedConcurrentExecutions"
        ),
    ),
    (
        "ListVersionsByFunction",
        lambda c: c.publish_version(FunctionName="echo"),
        lambda c: [
            one["Version"] for one in c.list_versions_by_function(FunctionName="echo")["Versions"]
        ],
    ),
]


@pytest.mark.parametrize(
    ("operation", "change", "read"), CHANGES, ids=[each[0] for each in CHANGES]
)
def test_a_stale_read_shows_what_was_before_the_last_change(
    echo: Any,
    lab: Client,
    operation: str,
    change: Callable[[Any], Any],
    read: Callable[[Any], Any],
) -> None:
    echo.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    before = read(echo)
    change(echo)
    lab.fault(operation=operation, kind="stale")
    assert read(echo) == before
    assert lab.faults()[0]["hits"] == 1
    assert read(echo) != before


def test_changes_of_something_else_do_not_make_a_stale_read_true(echo: Any, lab: Client) -> None:
    echo.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    point(echo, "2")
    echo.put_function_concurrency(FunctionName="echo", ReservedConcurrentExecutions=5)
    echo.create_alias(FunctionName="echo", Name="other", FunctionVersion="2")
    lab.fault(operation="GetAlias", kind="stale")
    assert alias(echo)[0] == "1"


def test_a_stale_read_of_a_new_alias_does_not_find_it_and_of_a_deleted_one_does(
    echo: Any, lab: Client
) -> None:
    echo.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    lab.fault(operation="GetAlias", kind="stale")
    with pytest.raises(ClientError, match="Cannot find alias arn"):
        alias(echo)
    echo.delete_alias(FunctionName="echo", Name="live")
    lab.fault(operation="GetAlias", kind="stale")
    assert alias(echo)[0] == "1"
    with pytest.raises(ClientError, match="Cannot find alias arn"):
        alias(echo)


def test_a_stale_read_of_what_never_changed_is_true(echo: Any, lab: Client) -> None:
    lab.fault(operation="GetFunctionConcurrency", kind="stale")
    assert "ReservedConcurrentExecutions" not in echo.get_function_concurrency(FunctionName="echo")


def test_a_stale_read_after_an_update_shows_it_in_progress(echo: Any, lab: Client) -> None:
    lab.set(update_s=0.2)
    echo.update_function_configuration(FunctionName="echo", Timeout=9)
    echo.get_waiter("function_updated_v2").wait(
        FunctionName="echo", WaiterConfig={"Delay": 0.01, "MaxAttempts": 2000}
    )
    true = echo.get_function_configuration(FunctionName="echo")
    lab.fault(operation="GetFunctionConfiguration", kind="stale")
    stale = echo.get_function_configuration(FunctionName="echo")
    assert (true["LastUpdateStatus"], stale["LastUpdateStatus"]) == ("Successful", "InProgress")
    assert stale["Timeout"] == 9
    again = echo.get_function_configuration(FunctionName="echo")
    assert again["RevisionId"] == true["RevisionId"] != stale["RevisionId"]


def test_a_stale_read_during_an_update_shows_how_the_one_before_it_ended(
    echo: Any, lab: Client
) -> None:
    lab.set(update_s=0.2)
    echo.update_function_configuration(FunctionName="echo", Timeout=9)
    echo.get_waiter("function_updated_v2").wait(
        FunctionName="echo", WaiterConfig={"Delay": 0.01, "MaxAttempts": 2000}
    )
    lab.set(update_s=60)
    echo.update_function_configuration(FunctionName="echo", Timeout=10)
    lab.fault(operation="GetFunctionConfiguration", kind="stale")
    stale = echo.get_function_configuration(FunctionName="echo")
    assert (stale["Timeout"], stale["LastUpdateStatus"]) == (9, "Successful")


def test_a_container_can_survive_the_deploy_and_not_the_next_configuration(
    echo: Any, lab: Client
) -> None:
    echo.invoke(FunctionName="echo")["Payload"].read()
    (before,) = lab.containers()
    lab.set(linger=[{"function": "echo", "updates": 1}])
    uri = images.push(images.of_files({"app.py": b"2"}), repository="echo", ecr=lab.client("ecr"))
    echo.update_function_code(FunctionName="echo", ImageUri=uri)
    (stale,) = lab.containers()
    assert (stale["id"], stale["lingering"]) == (before["id"], True)
    echo.update_function_configuration(FunctionName="echo", Timeout=9)
    assert lab.containers() == []
    assert lab.knobs()["linger"] == [{"function": "echo", "updates": 0}]


def test_a_stale_read_changes_nothing(echo: Any, lab: Client) -> None:
    echo.create_alias(FunctionName="echo", Name="live", FunctionVersion="1")
    moved = point(echo, "2")
    lab.fault(operation="ListAliases", kind="stale")
    echo.list_aliases(FunctionName="echo")
    point(echo, "1", RevisionId=moved["RevisionId"])
    assert alias(echo)[0] == "1"
