"""Functions over time: what an update shows at once, and what serves until it is applied."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

pytest_plugins = ["control_lab"]

REGION = "eu-central-1"
BUSY = "The operation cannot be performed at this time. "


def shown(client: Any, name: str = "img") -> Any:
    """Return a function's configuration as it shows now."""
    return client.get_function_configuration(FunctionName=name)


def serving(control: Any, name: str = "img", qualifier: str | None = None) -> Any:
    """Return the build that an invocation would get now."""
    return control.cloud.route(REGION, name, qualifier).build


@pytest.fixture
def images(control: Any) -> dict[str, str]:
    """Push two images; return the digests without their prefix."""
    uris = {tag: control.push(tag, tag) for tag in ("one", "two")}
    return {tag: uri.rsplit(":", 1)[1] for tag, uri in uris.items()}


@pytest.fixture
def repository(control: Any, images: dict[str, str]) -> str:
    """Return the repository of the pushed images."""
    return str(control.pushed.copy().popitem()[1].repository_uri)


@pytest.fixture
def img(make_function: Any, repository: str) -> str:
    """Create an image function from the first image."""
    code = {"ImageUri": f"{repository}:one"}
    return str(make_function("img", PackageType="Image", Code=code)["FunctionName"])


def test_a_new_function_is_pending_until_its_time(
    control: Any, lambda_client: Any, make_function: Any
) -> None:
    control.knobs.update_s = 10
    make_function("slow")
    with pytest.raises(ClientError, match="currently in the following state: Pending") as refused:
        lambda_client.publish_version(FunctionName="slow")
    assert refused.value.response["Error"]["Code"] == "ResourceConflictException"
    with pytest.raises(Exception, match="following state: Pending"):
        serving(control, "slow")
    assert shown(lambda_client, "slow")["State"] == "Pending"
    control.clock.seconds += 10
    active = shown(lambda_client, "slow")
    assert (active["State"], active["LastUpdateStatus"]) == ("Active", "Successful")
    assert serving(control, "slow").code_sha256 == active["CodeSha256"]


def test_an_update_shows_the_new_digest_while_the_old_build_serves(
    control: Any, lambda_client: Any, img: str, repository: str, images: dict[str, str]
) -> None:
    old = serving(control)
    control.knobs.update_s = 5
    answer = lambda_client.update_function_code(FunctionName=img, ImageUri=f"{repository}:two")
    assert answer["LastUpdateStatus"] == "InProgress"
    function = lambda_client.get_function(FunctionName=img)
    assert function["Configuration"]["CodeSha256"] == images["two"]
    assert function["Code"]["ResolvedImageUri"] == f"{repository}@sha256:{images['two']}"
    assert serving(control) == old
    assert control.fleet.updates == []
    control.clock.seconds += 5
    new = serving(control)
    assert new.code_sha256 == images["two"]
    assert new.generation > old.generation
    assert control.fleet.updates == [new]
    assert shown(lambda_client)["LastUpdateStatus"] == "Successful"


def test_a_moved_tag_changes_nothing(
    control: Any, lambda_client: Any, img: str, images: dict[str, str]
) -> None:
    control.push("one", "something else")
    lambda_client.update_function_configuration(FunctionName=img, Timeout=9)
    assert shown(lambda_client)["CodeSha256"] == images["one"]


@pytest.mark.parametrize(
    "change",
    [
        lambda client, uri: client.update_function_code(FunctionName="img", ImageUri=uri),
        lambda client, _: client.update_function_configuration(FunctionName="img", Timeout=9),
        lambda client, _: client.publish_version(FunctionName="img"),
    ],
    ids=["code", "configuration", "publication"],
)
def test_nothing_else_may_change_during_an_update(
    control: Any, lambda_client: Any, img: str, repository: str, change: Any
) -> None:
    control.knobs.update_s = 5
    arn = lambda_client.update_function_configuration(FunctionName=img, Timeout=8)["FunctionArn"]
    with pytest.raises(ClientError) as refused:
        change(lambda_client, f"{repository}:one")
    error: Any = refused.value.response
    assert error["Error"]["Code"] == "ResourceConflictException"
    assert error["message"] == f"{BUSY}An update is in progress for resource: {arn}"
    control.clock.seconds += 5
    assert change(lambda_client, f"{repository}:one")["FunctionName"] == img


def test_tags_wait_for_an_update_too(control: Any, lambda_client: Any, img: str) -> None:
    control.knobs.update_s = 5
    arn = lambda_client.update_function_configuration(FunctionName=img, Timeout=8)["FunctionArn"]
    with pytest.raises(ClientError, match="An update is in progress"):
        lambda_client.tag_resource(Resource=arn, Tags={"a": "b"})


def test_a_failed_update_leaves_the_old_build_serving(
    control: Any, lambda_client: Any, img: str, repository: str
) -> None:
    old = serving(control)
    control.knobs.update_fails = "ImageAccessDenied"
    lambda_client.update_function_code(FunctionName=img, ImageUri=f"{repository}:two")
    after = shown(lambda_client)
    assert (after["State"], after["LastUpdateStatus"]) == ("Active", "Failed")
    assert after["LastUpdateStatusReasonCode"] == "ImageAccessDenied"
    assert serving(control) == old
    assert control.fleet.updates == []
    control.knobs.update_fails = None
    lambda_client.update_function_code(FunctionName=img, ImageUri=f"{repository}:two")
    assert shown(lambda_client)["LastUpdateStatus"] == "Successful"
    assert serving(control) != old


def test_a_version_published_with_a_failed_update_fails_too(
    control: Any, lambda_client: Any, img: str, repository: str
) -> None:
    control.knobs.update_fails = "InvalidImage"
    version = lambda_client.update_function_code(
        FunctionName=img, ImageUri=f"{repository}:two", Publish=True
    )["Version"]
    after = lambda_client.get_function_configuration(FunctionName=img, Qualifier=version)
    assert (after["State"], after["StateReasonCode"]) == ("Failed", "InvalidImage")
    with pytest.raises(Exception, match="following state: Failed"):
        serving(control, img, version)


def test_settling_needs_no_request(
    control: Any, lambda_client: Any, img: str, repository: str, images: dict[str, str]
) -> None:
    lambda_client.update_function_code(FunctionName=img, ImageUri=f"{repository}:two")
    control.cloud.settle()
    assert [build.code_sha256 for build in control.fleet.updates] == [images["two"]]


def test_the_revision_moves_with_every_step(
    control: Any, lambda_client: Any, make_function: Any
) -> None:
    control.knobs.update_s = 1
    seen = [make_function("fn")["RevisionId"]]
    for change in (None, {"Timeout": 5}, {"Runtime": "python3.13"}):
        if change:
            answer = lambda_client.update_function_configuration(
                FunctionName="fn", RevisionId=seen[-1], **change
            )
            seen.append(answer["RevisionId"])
        assert shown(lambda_client, "fn")["RevisionId"] == seen[-1]
        control.clock.seconds += 1
        seen.append(shown(lambda_client, "fn")["RevisionId"])
    version = lambda_client.publish_version(FunctionName="fn", RevisionId=seen[-1])
    seen += [version["RevisionId"], shown(lambda_client, "fn")["RevisionId"]]
    assert len(set(seen)) == len(seen) == 8
    lambda_client.publish_version(FunctionName="fn")
    assert shown(lambda_client, "fn")["RevisionId"] == seen[-1]


def test_a_dry_run_changes_nothing(
    control: Any, lambda_client: Any, img: str, repository: str
) -> None:
    before = shown(lambda_client)
    control.knobs.writes.clear()
    lambda_client.update_function_code(FunctionName=img, ImageUri=f"{repository}:two", DryRun=True)
    after = shown(lambda_client)
    assert after["CodeSha256"] == before["CodeSha256"]
    assert after["RevisionId"] == before["RevisionId"]
    assert control.knobs.writes == []
    with pytest.raises(ClientError, match="does not exist"):
        lambda_client.update_function_code(
            FunctionName=img, ImageUri=f"{repository}:none", DryRun=True
        )


def test_the_waiters_of_the_sdk_end(
    control: Any, lambda_client: Any, img: str, repository: str
) -> None:
    lambda_client.get_waiter("function_active_v2").wait(FunctionName=img)
    lambda_client.update_function_code(FunctionName=img, ImageUri=f"{repository}:two", Publish=True)
    lambda_client.get_waiter("function_updated_v2").wait(FunctionName=img)
    waiter = lambda_client.get_waiter("published_version_active")
    waiter.wait(FunctionName=img, Qualifier="1")
    assert serving(control, img, "1").code_sha256 == shown(lambda_client)["CodeSha256"]


def test_a_build_has_the_images_and_the_functions_settings(
    control: Any, lambda_client: Any, img: str
) -> None:
    lambda_client.update_function_configuration(
        FunctionName=img,
        Environment={"Variables": {"BOTH": "function", "OWN": "1"}},
        ImageConfig={"Command": ["other.handler"]},
        LoggingConfig={"LogFormat": "JSON", "LogGroup": "/own"},
        Timeout=7,
        MemorySize=256,
    )
    build = serving(control)
    assert build.environment == {"FROM_IMAGE": "1", "BOTH": "function", "OWN": "1"}
    assert build.entrypoint == ("/lambda-entrypoint.sh",)
    assert build.command == ("other.handler",)
    assert (build.timeout_s, build.memory_mb) == (7, 256)
    assert (build.log_group, build.log_format) == ("/own", "JSON")
    assert build.virtual is False
    control.knobs.virtual = True
    lambda_client.update_function_configuration(FunctionName=img, ImageConfig={})
    assert serving(control).virtual is True
    assert serving(control).command == ("app.handler",)
    assert "ImageConfigResponse" not in shown(lambda_client)


def test_a_zip_is_unpacked_where_containers_look(control: Any, make_function: Any) -> None:
    make_function("fn")
    build = serving(control, "fn")
    assert (build.root / "var" / "task" / "index.py").read_text() == "v1"
    assert build.command == ("index.handler",)


def test_a_broken_zip_is_refused(make_function: Any) -> None:
    with pytest.raises(ClientError, match="Could not unzip"):
        make_function("fn", Code={"ZipFile": b"not a zip"})


def test_deleting_a_function_retires_its_containers(
    control: Any, lambda_client: Any, img: str
) -> None:
    arn = shown(lambda_client)["FunctionArn"]
    generation = serving(control).generation
    lambda_client.delete_function(FunctionName=img)
    assert control.fleet.gone == [(arn, None)]
    with pytest.raises(Exception, match=r"Function not found: .*:img:\$LATEST"):
        serving(control)
    lambda_client.create_function(
        FunctionName=img,
        Role="arn:aws:iam::123456789012:role/runner",
        PackageType="Image",
        Code={"ImageUri": next(iter(control.pushed))},
    )
    assert serving(control).generation > generation


def test_every_applied_change_is_written_down(control: Any, world: Any) -> None:
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    with pytest.raises(ClientError):
        world.update_alias(FunctionName="fn", Name="none", FunctionVersion="2")
    world.get_alias(FunctionName="fn", Name="live")
    world.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=0)
    moved, reserved = control.knobs.writes
    assert (moved["operation"], moved["resource"].rsplit(":", 1)[1]) == ("UpdateAlias", "live")
    assert moved["before"]["FunctionVersion"] == "1"
    assert moved["after"]["FunctionVersion"] == "2"
    assert (reserved["before"], reserved["after"]) == ({}, {"ReservedConcurrentExecutions": 0})
