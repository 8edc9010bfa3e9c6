"""ECR through boto3: real bytes, true digests, and refusals in AWS's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from deployguard.lab import images
from deployguard.lab.client import Client
from deployguard.lab.images import OciImage
from deployguard.lab.repository import digest_of

NAME = "acme/reports"


@pytest.fixture
def ecr(lab: Client) -> Any:
    return lab.client("ecr")


def image_of(text: str, **more: Any) -> OciImage:
    return images.of_files({"app.py": text.encode()}, **more)


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_pushed_image_comes_back_byte_for_byte_under_its_digest(ecr: Any) -> None:
    image = image_of("1", labels={"dev.deployguard.build-id": "b1"})
    uri = images.push(image, repository=NAME, tags=["v1", "latest"], ecr=ecr)
    repository = f"123456789012.dkr.ecr.eu-west-1.amazonaws.com/{NAME}"
    assert uri == f"{repository}@{image.digest}"
    assert ecr.describe_repositories()["repositories"][0]["repositoryUri"] == repository
    for image_id in ({"imageTag": "v1"}, {"imageDigest": image.digest}):
        found = ecr.batch_get_image(repositoryName=NAME, imageIds=[image_id])["images"][0]
        assert found["imageManifest"].encode() == image.manifest
        assert found["imageManifestMediaType"] == image.media_type
        assert found["imageId"] == image_id | {"imageDigest": image.digest}
    detail = ecr.describe_images(repositoryName=NAME)["imageDetails"][0]
    assert sorted(detail["imageTags"]) == ["latest", "v1"]
    assert detail["imageDigest"] == image.digest


def test_images_that_differ_only_in_labels_have_different_digests(ecr: Any) -> None:
    uris = {
        images.push(image_of("1", labels={"id": label}), repository=NAME, ecr=ecr) for label in "ab"
    }
    assert len(uris) == 2


def test_the_config_is_downloaded_unsigned_and_matches_the_manifest(ecr: Any) -> None:
    image = image_of("1", labels={"dev.deployguard.build-id": "b1"})
    images.push(image, repository=NAME, ecr=ecr)
    digest = json.loads(image.manifest)["config"]["digest"]
    url = ecr.get_download_url_for_layer(repositoryName=NAME, layerDigest=digest)["downloadUrl"]
    answer = requests.get(url, timeout=10)
    assert digest_of(answer.content) == digest
    assert answer.json()["config"]["Labels"] == {"dev.deployguard.build-id": "b1"}
    assert requests.get(url.partition("?")[0], timeout=10).status_code == 403


def test_a_moved_tag_leaves_the_old_image_untagged(ecr: Any) -> None:
    old, new = image_of("1"), image_of("2")
    for image in (old, new):
        images.push(image, repository=NAME, tags=["live"], ecr=ecr)
    listed = ecr.list_images(repositoryName=NAME)["imageIds"]
    assert {"imageDigest": old.digest} in listed
    assert {"imageDigest": new.digest, "imageTag": "live"} in listed
    untagged = ecr.describe_images(repositoryName=NAME, filter={"tagStatus": "UNTAGGED"})
    assert [each["imageDigest"] for each in untagged["imageDetails"]] == [old.digest]
    assert "imageTags" not in untagged["imageDetails"][0]
    found = ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageDigest": old.digest}])
    assert found["failures"] == []


def test_a_missing_image_is_a_failure_that_echoes_what_was_asked_for(ecr: Any) -> None:
    images.push(image_of("1"), repository=NAME, tags=["v1"], ecr=ecr)
    wanted = [{"imageDigest": "sha256:" + "0" * 64}, {"imageTag": "v2"}]
    answer = ecr.batch_get_image(repositoryName=NAME, imageIds=wanted)
    assert answer["images"] == []
    assert [each["imageId"] for each in answer["failures"]] == wanted
    assert {each["failureCode"] for each in answer["failures"]} == {"ImageNotFound"}
    code, message = refused(ecr.describe_images, repositoryName=NAME, imageIds=wanted[1:])
    assert code == "ImageNotFoundException"
    assert "imageTag:'v2'} does not exist within the repository" in message


def test_deleting_by_tag_keeps_an_image_until_its_last_tag_goes(ecr: Any) -> None:
    image = image_of("1")
    images.push(image, repository=NAME, tags=["a", "b"], ecr=ecr)
    for tag, left in (("a", 1), ("b", 0)):
        gone = ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": tag}])
        assert gone["imageIds"] == [{"imageDigest": image.digest, "imageTag": tag}]
        assert len(ecr.describe_images(repositoryName=NAME)["imageDetails"]) == left
    again = ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "b"}])
    assert again["failures"][0]["failureCode"] == "ImageNotFound"


def archive(ecr: Any, image: OciImage, target: str = "ARCHIVE") -> str:
    answer = ecr.update_image_storage_class(
        repositoryName=NAME, imageId={"imageDigest": image.digest}, targetStorageClass=target
    )
    assert answer["imageId"] == {"imageDigest": image.digest}
    return str(answer["imageStatus"])


def statuses(ecr: Any, **parameters: Any) -> list[str]:
    shown = ecr.describe_images(repositoryName=NAME, **parameters)["imageDetails"]
    return [detail["imageStatus"] for detail in shown]


def test_an_archived_image_is_described_and_cannot_be_pulled(ecr: Any) -> None:
    image = image_of("1")
    images.push(image, repository=NAME, tags=["v1"], ecr=ecr)
    assert archive(ecr, image) == "ARCHIVED"
    image_id = {"imageTag": "v1"}
    answer = ecr.batch_get_image(repositoryName=NAME, imageIds=[image_id])
    assert answer["images"] == []
    assert [(one["imageId"], one["failureCode"]) for one in answer["failures"]] == [
        (image_id, "ImageInaccessible")
    ]
    (detail,) = ecr.describe_images(repositoryName=NAME, imageIds=[image_id])["imageDetails"]
    assert (detail["imageStatus"], detail["imageDigest"]) == ("ARCHIVED", image.digest)
    assert detail["lastArchivedAt"] >= detail["imagePushedAt"]


def test_only_active_images_are_listed_unless_asked_for(ecr: Any) -> None:
    cold, warm = image_of("1"), image_of("2")
    for image in (cold, warm):
        images.push(image, repository=NAME, ecr=ecr)
    archive(ecr, cold)
    assert statuses(ecr) == ["ACTIVE"]
    assert statuses(ecr, filter={"imageStatus": "ARCHIVED"}) == ["ARCHIVED"]
    assert statuses(ecr, filter={"imageStatus": "ANY"}) == ["ARCHIVED", "ACTIVE"]
    listed = ecr.list_images(repositoryName=NAME)["imageIds"]
    assert listed == [{"imageDigest": warm.digest}]


def test_an_archived_image_comes_back_by_restoring_or_pushing_it(ecr: Any) -> None:
    image = image_of("1")
    images.push(image, repository=NAME, tags=["v1"], ecr=ecr)
    archive(ecr, image)
    assert archive(ecr, image, "STANDARD") == "ACTIVE"
    assert statuses(ecr) == ["ACTIVE"]
    archive(ecr, image)
    images.push(image, repository=NAME, tags=["v1"], ecr=ecr)
    assert statuses(ecr) == ["ACTIVE"]


def test_an_archived_image_is_no_source_of_a_function(lab: Client, ecr: Any) -> None:
    image = image_of("1")
    uri = images.push(image, repository=NAME, ecr=ecr)
    archive(ecr, image)
    _, message = refused(
        lab.client("lambda").create_function,
        FunctionName="reports",
        PackageType="Image",
        Code={"ImageUri": uri},
        Role="arn:aws:iam::123456789012:role/lab",
    )
    assert message == f"Source image {uri} does not exist. Provide a valid source image."


def test_an_image_that_is_not_there_is_neither_described_nor_archived(ecr: Any) -> None:
    images.push(image_of("1"), repository=NAME, tags=["v1"], ecr=ecr)
    missing = {"imageTag": "v2"}
    message = (
        "The image with imageId {imageDigest:'null', imageTag:'v2'} does not exist within the "
        f"repository with name '{NAME}' in the registry with id '123456789012'"
    )
    expected = ("ImageNotFoundException", message)
    assert refused(ecr.describe_images, repositoryName=NAME, imageIds=[missing]) == expected
    assert expected == refused(
        ecr.update_image_storage_class,
        repositoryName=NAME,
        imageId=missing,
        targetStorageClass="ARCHIVE",
    )


def test_a_deleted_image_is_gone_for_all(ecr: Any) -> None:
    image = image_of("1")
    images.push(image, repository=NAME, tags=["v1"], ecr=ecr)
    archive(ecr, image)
    deleted = ecr.batch_delete_image(
        repositoryName=NAME, imageIds=[{"imageDigest": image.digest}, {"imageTag": "v2"}]
    )
    assert deleted["imageIds"] == [{"imageDigest": image.digest, "imageTag": "v1"}]
    assert [one["failureCode"] for one in deleted["failures"]] == ["ImageNotFound"]
    assert statuses(ecr, filter={"imageStatus": "ANY"}) == []


def test_put_image_refuses_what_ecr_refuses(ecr: Any) -> None:
    image = image_of("1")
    manifest = {"repositoryName": NAME, "imageManifest": image.manifest.decode()}
    assert refused(ecr.put_image, **manifest)[0] == "RepositoryNotFoundException"
    ecr.create_repository(repositoryName=NAME)
    code, message = refused(ecr.put_image, **manifest)
    assert code == "LayersNotFoundException"
    assert all(digest in message for digest in image.blobs)
    images.push(image, repository=NAME, tags=["v1"], ecr=ecr)
    assert refused(ecr.put_image, **manifest, imageTag="v1")[0] == "ImageAlreadyExistsException"
    wrong = "sha256:" + "0" * 64
    code = refused(ecr.put_image, **manifest, imageTag="v2", imageDigest=wrong)[0]
    assert code == "ImageDigestDoesNotMatchException"
    code = refused(ecr.put_image, repositoryName=NAME, imageManifest="{")[0]
    assert code == "InvalidParameterException"


def test_an_immutable_tag_cannot_be_moved(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    images.push(image_of("1"), repository=NAME, tags=["v1"], ecr=ecr)
    code, message = refused(images.push, image=image_of("2"), repository=NAME, tags=["v1"], ecr=ecr)
    assert code == "ImageTagAlreadyExistsException"
    assert message.endswith("cannot be overwritten because the tag is immutable.")
    ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="MUTABLE")
    images.push(image_of("2"), repository=NAME, tags=["v1"], ecr=ecr)
    assert len(ecr.list_images(repositoryName=NAME)["imageIds"]) == 2


def test_layer_uploads_are_checked(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME)
    where = {"repositoryName": NAME, "uploadId": "none"}
    digests = {"layerDigests": [digest_of(b"abcdef")]}
    assert refused(ecr.complete_layer_upload, **where, **digests)[0] == "UploadNotFoundException"
    where["uploadId"] = ecr.initiate_layer_upload(repositoryName=NAME)["uploadId"]
    assert refused(ecr.complete_layer_upload, **where, **digests)[0] == "EmptyUploadException"
    part = {"partFirstByte": 0, "partLastByte": 2, "layerPartBlob": b"abc"}
    ecr.upload_layer_part(**where, **part)
    assert refused(ecr.upload_layer_part, **where, **part)[0] == "InvalidLayerPartException"
    assert refused(ecr.complete_layer_upload, **where, **digests)[0] == "InvalidLayerException"
    part = {"partFirstByte": 3, "partLastByte": 5, "layerPartBlob": b"def"}
    assert ecr.upload_layer_part(**where, **part)["lastByteReceived"] == 5
    ecr.complete_layer_upload(**where, **digests)
    known = ecr.batch_check_layer_availability(repositoryName=NAME, **digests)["layers"]
    assert known[0]["layerAvailability"] == "AVAILABLE"
    assert known[0]["layerSize"] == 6


def test_blobs_belong_to_their_repository(ecr: Any) -> None:
    image = image_of("1")
    images.push(image, repository=NAME, ecr=ecr)
    ecr.create_repository(repositoryName="other")
    digest = min(image.blobs)
    code, message = refused(
        ecr.get_download_url_for_layer, repositoryName="other", layerDigest=digest
    )
    assert (code, digest in message) == ("LayersNotFoundException", True)


def test_repositories_are_made_once_and_deleted_empty_or_by_force(ecr: Any) -> None:
    images.push(image_of("1"), repository=NAME, ecr=ecr)
    code = refused(ecr.create_repository, repositoryName=NAME)[0]
    assert code == "RepositoryAlreadyExistsException"
    code = refused(ecr.delete_repository, repositoryName=NAME)[0]
    assert code == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName=NAME, force=True)
    code, message = refused(ecr.describe_images, repositoryName=NAME)
    assert code == "RepositoryNotFoundException"
    assert message == (
        f"The repository with name '{NAME}' does not exist in the registry with id '123456789012'"
    )


def test_regions_have_registries_of_their_own(lab: Client, ecr: Any) -> None:
    images.push(image_of("1"), repository=NAME, ecr=ecr)
    other = lab.client("ecr", region="us-east-1")
    assert other.describe_repositories()["repositories"] == []


def test_what_the_lab_leaves_to_moto_knows_the_same_repositories(ecr: Any) -> None:
    arn = ecr.create_repository(repositoryName=NAME)["repository"]["repositoryArn"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": ["ecr:BatchGetImage"]}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    ecr.set_repository_policy(repositoryName=NAME, policyText=json.dumps(policy))
    found = ecr.get_repository_policy(repositoryName=NAME)["policyText"]
    assert json.loads(found) == policy
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "team", "Value": "a"}])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "team", "Value": "a"}]


def test_an_index_needs_its_images_and_is_kept_exactly(ecr: Any) -> None:
    index = images.index([image_of("1"), image_of("1", architecture="arm64")])
    ecr.create_repository(repositoryName=NAME)
    code = refused(ecr.put_image, repositoryName=NAME, imageManifest=index.manifest.decode())[0]
    assert code == "ReferencedImagesNotFoundException"
    images.push(index, repository=NAME, tags=["multi"], ecr=ecr)
    found = ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "multi"}])["images"][0]
    assert found["imageManifest"].encode() == index.manifest
    assert found["imageManifestMediaType"] == "application/vnd.oci.image.index.v1+json"
