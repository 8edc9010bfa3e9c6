"""ECR as the lab needs it: real bytes and true digests, repositories, tags, and images unpacked."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from deployguard.lab import sources
from deployguard.lab.knobs import Knobs
from deployguard.lab.nouns import ACCOUNT, Image
from deployguard.lab.repository import (
    Call,
    Repository,
    Stored,
    check_manifest,
    description,
    details,
    digest_of,
    existing,
    failure,
    look_up,
    passes,
    refusal,
    shown,
)

PART_SIZE = 10 * 1024 * 1024
ARCHIVED = "The image is archived and cannot be pulled"


class Registry:
    """Every region's repositories, the blobs they share, and the folder of unpacked images."""

    def __init__(self, folder: Path, knobs: Knobs) -> None:
        """Start empty; images are unpacked under the folder."""
        self.folder = folder
        self.knobs = knobs
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.blobs: dict[str, bytes] = {}
        self.token = secrets.token_hex(16)
        self.operations: Mapping[str, Callable[[Call, str, str], Call]] = {
            "CreateRepository": self._create_repository,
            "DescribeRepositories": self._describe_repositories,
            "DeleteRepository": self._delete_repository,
            "PutImageTagMutability": self._put_image_tag_mutability,
            "InitiateLayerUpload": self._initiate_layer_upload,
            "UploadLayerPart": self._upload_layer_part,
            "CompleteLayerUpload": self._complete_layer_upload,
            "BatchCheckLayerAvailability": self._batch_check_layer_availability,
            "GetDownloadUrlForLayer": self._get_download_url_for_layer,
            "PutImage": self._put_image,
            "BatchGetImage": self._batch_get_image,
            "BatchDeleteImage": self._batch_delete_image,
            "DescribeImages": self._describe_images,
            "ListImages": self._list_images,
            "UpdateImageStorageClass": self._update_image_storage_class,
        }

    def handle(self, operation: str, call: Call, *, region: str, endpoint: str) -> Call:
        """Carry out one ECR operation and return its answer."""
        return self.operations[operation](call, region, endpoint)

    def image(self, uri: str, region: str) -> Image:
        """Return the image that a function's ImageUri names, unpacked.

        Raises: AwsError in the words that Lambda has for each way this can fail.
        """
        repository, stored = self._source(uri, region)
        return sources.unpacked(
            uri, stored, repository_uri=repository.uri, blobs=self.blobs, folder=self.folder
        )

    def blob(self, digest: str, token: str) -> bytes | None:
        """Return a blob to the holder of a download URL."""
        return self.blobs.get(digest) if secrets.compare_digest(token, self.token) else None

    def _source(self, uri: str, region: str) -> tuple[Repository, Stored]:
        name = sources.parse(uri, region)
        repository = self.repositories.get((region, name["repository"]))
        if repository is not None:
            stored, _ = look_up(repository, {name["kind"]: name["id"]})
            if stored is not None and stored.digest not in repository.archived:
                return repository, stored
        raise sources.missing(uri)

    def _repository(self, call: Call, region: str) -> Repository:
        return self._named(str(call.get("repositoryName")), region)

    def _named(self, name: str, region: str) -> Repository:
        repository = self.repositories.get((region, name))
        if repository is None:
            raise refusal(
                "RepositoryNotFoundException",
                f"The repository with name '{name}' does not exist in the registry with id "
                f"'{ACCOUNT}'",
            )
        return repository

    def _create_repository(self, call: Call, region: str, _endpoint: str) -> Call:
        name = call["repositoryName"]
        if (region, name) in self.repositories:
            raise refusal(
                "RepositoryAlreadyExistsException",
                f"The repository with name '{name}' already exists in the registry with id "
                f"'{ACCOUNT}'",
            )
        repository = Repository(name=name, region=region, created=self.knobs.clock.now())
        repository.mutability = call.get("imageTagMutability", "MUTABLE")
        self.repositories[region, name] = repository
        self.knobs.record("CreateRepository", repository.arn, None, description(repository))
        return {"repository": description(repository)}

    def _describe_repositories(self, call: Call, region: str, _endpoint: str) -> Call:
        if call.get("repositoryNames"):
            found = [self._named(name, region) for name in call["repositoryNames"]]
        else:
            found = [item for (where, _), item in self.repositories.items() if where == region]
        return {"repositories": [description(repository) for repository in found]}

    def _delete_repository(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        if repository.images and not call.get("force"):
            raise refusal(
                "RepositoryNotEmptyException",
                f"The repository with name '{repository.name}' in registry with id '{ACCOUNT}' "
                "cannot be deleted because it still contains images",
            )
        del self.repositories[region, repository.name]
        self.knobs.record("DeleteRepository", repository.arn, description(repository), None)
        return {"repository": description(repository)}

    def _put_image_tag_mutability(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        before, repository.mutability = repository.mutability, call["imageTagMutability"]
        self.knobs.record(
            "PutImageTagMutability", repository.arn, before, call["imageTagMutability"]
        )
        return {
            "registryId": ACCOUNT,
            "repositoryName": repository.name,
            "imageTagMutability": repository.mutability,
        }

    def _initiate_layer_upload(self, call: Call, region: str, _endpoint: str) -> Call:
        upload = str(uuid.uuid4())
        self._repository(call, region).uploads[upload] = bytearray()
        return {"uploadId": upload, "partSize": PART_SIZE}

    def _upload_layer_part(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        received = _upload(repository, call)
        first, last = call["partFirstByte"], call["partLastByte"]
        part = base64.b64decode(call["layerPartBlob"])
        if first != len(received) or last - first + 1 != len(part):
            raise refusal(
                "InvalidLayerPartException",
                f"The layer part with first byte {first} and last byte {last} is not the next "
                f"one of upload {call['uploadId']!r} in repository '{repository.name}'",
                lastValidByteReceived=len(received) - 1,
            )
        received.extend(part)
        return _layer(repository, call) | {"lastByteReceived": len(received) - 1}

    def _complete_layer_upload(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        content = bytes(_upload(repository, call))
        digest = digest_of(content)
        if not content:
            raise refusal("EmptyUploadException", "The upload holds no layer part")
        if digest not in call["layerDigests"]:
            raise refusal(
                "InvalidLayerException",
                f"The layer digest calculated on receipt, {digest}, does not match the digest "
                f"specified, {', '.join(call['layerDigests'])}",
            )
        if digest in repository.blobs:
            raise refusal(
                "LayerAlreadyExistsException",
                f"The layer with digest '{digest}' already exists in the repository with name "
                f"'{repository.name}' in the registry with id '{ACCOUNT}'",
            )
        del repository.uploads[call["uploadId"]]
        repository.blobs.add(digest)
        self.blobs[digest] = content
        return _layer(repository, call) | {"layerDigest": digest}

    def _batch_check_layer_availability(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        found = [
            {"layerDigest": digest, "layerAvailability": "AVAILABLE"}
            | {"layerSize": len(self.blobs[digest])}
            if digest in repository.blobs
            else {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"}
            for digest in call["layerDigests"]
        ]
        return {"layers": found, "failures": []}

    def _get_download_url_for_layer(self, call: Call, region: str, endpoint: str) -> Call:
        repository = self._repository(call, region)
        digest = call["layerDigest"]
        if digest not in repository.blobs:
            raise refusal(
                "LayersNotFoundException",
                f"The layer with digest '{digest}' does not exist within the repository with name "
                f"'{repository.name}' in the registry with id '{ACCOUNT}'",
            )
        return {
            "downloadUrl": f"{endpoint}/_lab/blobs/{digest}?token={self.token}",
            "layerDigest": digest,
        }

    def _put_image(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        manifest = call["imageManifest"].encode()
        digest, tag = digest_of(manifest), call.get("imageTag")
        media_type = check_manifest(repository, call)
        before = repository.tags.get(tag) if tag else None
        known = digest in repository.images and digest not in repository.archived
        if known and (tag is None or before == digest):
            raise refusal(
                "ImageAlreadyExistsException",
                f"Image with digest '{digest}' and tag '{tag}' already exists in the repository "
                f"with name '{repository.name}' in registry with id '{ACCOUNT}'",
            )
        if before and repository.mutability == "IMMUTABLE":
            raise refusal(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
                "cannot be overwritten because the tag is immutable.",
            )
        stored = repository.images.setdefault(
            digest, Stored(manifest, media_type, self.knobs.clock.now())
        )
        repository.archived.pop(digest, None)  # a push restores
        if tag:
            repository.tags[tag] = digest
        image_id = {"imageDigest": digest} | ({"imageTag": tag} if tag else {})
        was = {"imageDigest": before, "imageTag": tag} if before else None
        self.knobs.record("PutImage", repository.arn, was, image_id)
        return {"image": shown(repository, stored, image_id=image_id)}

    def _batch_get_image(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        images, failures = [], []
        for image_id in call["imageIds"]:
            stored, missing = look_up(repository, image_id)
            if stored is not None and stored.digest in repository.archived:
                failures.append(failure(image_id, code="ImageInaccessible", reason=ARCHIVED))
            elif stored is not None:
                wanted = image_id | {"imageDigest": stored.digest}
                images.append(shown(repository, stored, image_id=wanted))
            else:
                failures.append(missing)
        return {"images": images, "failures": failures}

    def _batch_delete_image(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        deleted, failures = [], []
        for image_id in call["imageIds"]:
            stored, missing = look_up(repository, image_id)
            if stored is None:
                failures.append(missing)
                continue
            tags = repository.tags_of(stored.digest)
            gone = [image_id["imageTag"]] if "imageTag" in image_id else tags
            for tag in gone:
                del repository.tags[tag]
            if gone == tags:  # an image goes with its last tag
                del repository.images[stored.digest]
                repository.archived.pop(stored.digest, None)
            names = [{"imageDigest": stored.digest, "imageTag": tag} for tag in gone]
            deleted += names or [{"imageDigest": stored.digest}]
        self.knobs.record("BatchDeleteImage", repository.arn, deleted, None)
        return {"imageIds": deleted, "failures": failures}

    def _describe_images(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        named = [existing(repository, image_id) for image_id in call.get("imageIds") or []]
        chosen = {stored.digest: stored for stored in named}
        if "imageIds" not in call:
            chosen = repository.images
        return {
            "imageDetails": [
                details(repository, stored)
                for digest, stored in chosen.items()
                if passes(call, repository, digest)
            ]
        }

    def _list_images(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        found = []
        for digest in repository.images:
            if passes(call, repository, digest):
                tags = repository.tags_of(digest)
                names = [{"imageDigest": digest, "imageTag": tag} for tag in tags]
                found += names or [{"imageDigest": digest}]
        return {"imageIds": found}

    def _update_image_storage_class(self, call: Call, region: str, _endpoint: str) -> Call:
        repository = self._repository(call, region)
        stored = existing(repository, call["imageId"])
        before = repository.status_of(stored.digest)
        if call["targetStorageClass"] == "ARCHIVE":
            repository.archived.setdefault(stored.digest, self.knobs.clock.now())
        else:
            repository.archived.pop(stored.digest, None)
        after = repository.status_of(stored.digest)
        image_id = call["imageId"] | {"imageDigest": stored.digest}
        self.knobs.record(
            "UpdateImageStorageClass",
            repository.arn,
            image_id | {"imageStatus": before},
            image_id | {"imageStatus": after},
        )
        return {
            "registryId": ACCOUNT,
            "repositoryName": repository.name,
            "imageId": image_id,
            "imageStatus": after,
        }


def _upload(repository: Repository, call: Call) -> bytearray:
    upload = repository.uploads.get(call["uploadId"])
    if upload is None:
        raise refusal(
            "UploadNotFoundException",
            f"The upload with upload id '{call['uploadId']}' cannot be found in the repository "
            f"with name '{repository.name}' in the registry with id '{ACCOUNT}'",
        )
    return upload


def _layer(repository: Repository, call: Call) -> Call:
    return {
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "uploadId": call["uploadId"],
    }
