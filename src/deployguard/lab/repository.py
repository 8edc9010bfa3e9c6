"""One ECR repository: its manifests, tags and blobs, and ECR's own words for what it refuses."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from deployguard.lab.nouns import ACCOUNT, AwsError

Call = dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """One pushed manifest."""

    manifest: bytes
    media_type: str
    pushed: float

    @property
    def digest(self) -> str:
        """Return the digest that names the manifest."""
        return digest_of(self.manifest)


@dataclass
class Repository:
    """What one repository holds."""

    name: str
    region: str
    created: float
    mutability: str = "MUTABLE"
    images: dict[str, Stored] = field(default_factory=dict)  # by digest
    tags: dict[str, str] = field(default_factory=dict)  # tag -> digest
    archived: dict[str, float] = field(default_factory=dict)  # digest -> since when
    blobs: set[str] = field(default_factory=set)
    uploads: dict[str, bytearray] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """Return the repository's ARN."""
        return f"arn:aws:ecr:{self.region}:{ACCOUNT}:repository/{self.name}"

    @property
    def uri(self) -> str:
        """Return what an image URI of this repository starts with."""
        return f"{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com/{self.name}"

    def tags_of(self, digest: str) -> list[str]:
        """Return the tags that point at an image."""
        return [tag for tag, target in self.tags.items() if target == digest]

    def status_of(self, digest: str) -> str:
        """Return whether an image can be pulled (ACTIVE), or only be described (ARCHIVED)."""
        return "ARCHIVED" if digest in self.archived else "ACTIVE"


def digest_of(content: bytes) -> str:
    """Return the digest that names some content."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


def refusal(code: str, message: str, **members: Any) -> AwsError:
    """Return an error as ECR answers it."""
    return AwsError(400, code, message, **members)


def description(repository: Repository) -> Call:
    """Return a repository as DescribeRepositories shows it."""
    return {
        "repositoryArn": repository.arn,
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "repositoryUri": repository.uri,
        "createdAt": repository.created,
        "imageTagMutability": repository.mutability,
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }


def details(repository: Repository, stored: Stored) -> Call:
    """Return an image as DescribeImages shows it."""
    parts = json.loads(stored.manifest).get("layers", [])
    tags = repository.tags_of(stored.digest)
    detail = {
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "imageDigest": stored.digest,
        "imageSizeInBytes": sum(part.get("size", 0) for part in parts),
        "imagePushedAt": stored.pushed,
        "imageManifestMediaType": stored.media_type,
        "imageStatus": repository.status_of(stored.digest),
    }
    if tags:
        detail["imageTags"] = tags
    if stored.digest in repository.archived:
        detail["lastArchivedAt"] = repository.archived[stored.digest]
    return detail


def shown(repository: Repository, stored: Stored, *, image_id: Call) -> Call:
    """Return an image as PutImage and BatchGetImage show it."""
    return {
        "registryId": ACCOUNT,
        "repositoryName": repository.name,
        "imageId": image_id,
        "imageManifest": stored.manifest.decode(),
        "imageManifestMediaType": stored.media_type,
    }


def look_up(repository: Repository, image_id: Call) -> tuple[Stored | None, Call]:
    """Return the image that an id names, or the failure that says why there is none."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        code, reason = "MissingDigestAndTag", "Image digest and tag are both missing"
    elif tag and digest and repository.tags.get(tag, digest) != digest:
        code, reason = "ImageTagDoesNotMatchDigest", "Image tag does not match the digest"
    else:
        stored = repository.images.get(repository.tags.get(tag, "") if tag else str(digest))
        if stored is not None:
            return stored, {}
        code, reason = "ImageNotFound", "Requested image not found"
    return None, failure(image_id, code=code, reason=reason)


def failure(image_id: Call, *, code: str, reason: str) -> Call:
    """Return what a batch says of an image that it leaves out."""
    return {"imageId": image_id, "failureCode": code, "failureReason": reason}


def existing(repository: Repository, image_id: Call) -> Stored:
    """Return the image that an id names, or raise that there is none."""
    stored, _ = look_up(repository, image_id)
    if stored is None:
        raise refusal(
            "ImageNotFoundException",
            "The image with imageId {"
            f"imageDigest:'{image_id.get('imageDigest', 'null')}', "
            f"imageTag:'{image_id.get('imageTag', 'null')}'"
            f"}} does not exist within the repository with name '{repository.name}' in the "
            f"registry with id '{ACCOUNT}'",
        )
    return stored


def check_manifest(repository: Repository, call: Call) -> str:
    """Return a manifest's media type, or raise what keeps it from being put."""
    manifest = call["imageManifest"].encode()
    digest = digest_of(manifest)
    if call.get("imageDigest", digest) != digest:
        raise refusal(
            "ImageDigestDoesNotMatchException",
            f"The specified image digest '{call['imageDigest']}' does not match the digest "
            f"'{digest}' that Amazon ECR calculated for the image.",
        )
    try:
        content = json.loads(manifest)
        media_type = str(call.get("imageManifestMediaType") or content["mediaType"])
        blobs = {part["digest"] for part in content.get("layers", [])}
        blobs |= {content["config"]["digest"]} if "config" in content else set()
        images = {part["digest"] for part in content.get("manifests", [])}
    except (ValueError, KeyError, TypeError) as error:
        raise refusal("InvalidParameterException", f"Invalid image manifest: {error!r}") from error
    _check_parts(repository, digest, blobs=blobs, images=images)
    return media_type


def _check_parts(repository: Repository, digest: str, *, blobs: set[str], images: set[str]) -> None:
    missing = sorted(blobs - repository.blobs)
    if missing:
        raise refusal(
            "LayersNotFoundException",
            f"The layers with digests '[{', '.join(missing)}]' required for pushing image with "
            f"digest '{digest}' do not exist in the repository with name '{repository.name}' "
            f"in the registry with id '{ACCOUNT}'",
        )
    if images - repository.images.keys():
        raise refusal(
            "ReferencedImagesNotFoundException",
            f"The manifest list '{digest}' references images that do not exist in the "
            f"repository with name '{repository.name}'",
        )


def passes(call: Call, repository: Repository, digest: str) -> bool:
    """Tell whether an image passes the filter of a call, by default one for active images.

    One that is asked for by its id is shown whatever its status.
    """
    wanted = call.get("filter", {})
    tags, status = wanted.get("tagStatus", "ANY"), wanted.get("imageStatus", "ACTIVE")
    if "imageIds" in call and "imageStatus" not in wanted:
        status = "ANY"
    return (tags == "ANY" or (tags == "TAGGED") == bool(repository.tags_of(digest))) and (
        status in ("ANY", repository.status_of(digest))
    )
