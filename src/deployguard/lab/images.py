"""OCI images without an engine: built from files, the same digest every time, and pushed to ECR."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from deployguard.lab import layers
from deployguard.lab.repository import digest_of

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

TASK_ROOT = "/var/task"
CONFIG, MANIFEST, INDEX = layers.CONFIGS[1], layers.MANIFESTS[1], layers.INDEXES[1]
LAYER = layers.LAYERS[3]
EPOCH = "1970-01-01T00:00:00Z"  # a build time would give the same input another digest
UPLOAD_PART = 10 * 1024 * 1024


@dataclass(frozen=True)
class File:
    """One file of a layer."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True)
class Recipe:
    """What an image is made of, before it has bytes and a digest."""

    layers: tuple[Mapping[str, File], ...] = ()  # absolute path -> file
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    working_dir: str = TASK_ROOT
    architecture: str = "amd64"


@dataclass(frozen=True)
class OciImage:
    """A manifest or index with everything it refers to."""

    manifest: bytes
    media_type: str
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    children: tuple[OciImage, ...] = ()
    architecture: str = "amd64"

    @property
    def digest(self) -> str:
        """Return the digest that the image will have in any registry."""
        return digest_of(self.manifest)


def of_files(
    files: Mapping[str, bytes],
    *,
    command: Sequence[str] = ("app.handler",),
    entrypoint: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    architecture: str = "amd64",
) -> OciImage:
    """Build an image from files named relative to the task root (absolute also goes)."""
    layer = {f"{TASK_ROOT}/{name}" if name[0] != "/" else name: File(files[name]) for name in files}
    return assemble(
        Recipe(
            layers=(layer,),
            labels=labels or {},
            environment={"LAMBDA_TASK_ROOT": TASK_ROOT, **(environment or {})},
            command=tuple(command),
            entrypoint=tuple(entrypoint),
            architecture=architecture,
        )
    )


def assemble(recipe: Recipe) -> OciImage:
    """Turn a recipe into the bytes of an image."""
    tars = [_tar(layer) for layer in recipe.layers]
    archives = [gzip.compress(tar, mtime=0) for tar in tars]
    config = _json(
        {
            "created": EPOCH,
            "architecture": recipe.architecture,
            "os": "linux",
            "config": {
                "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
                "Entrypoint": list(recipe.entrypoint) or None,
                "Cmd": list(recipe.command) or None,
                "WorkingDir": recipe.working_dir,
                "Labels": dict(recipe.labels) or None,
            },
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }
    )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor(CONFIG, config),
        "layers": [_descriptor(LAYER, archive) for archive in archives],
    }
    blobs = {digest_of(blob): blob for blob in (config, *archives)}
    return OciImage(_json(manifest), MANIFEST, blobs=blobs, architecture=recipe.architecture)


def index(images: Iterable[OciImage]) -> OciImage:
    """Build a multi-architecture index, which Lambda refuses."""
    children = tuple(images)
    manifests = [
        _descriptor(child.media_type, child.manifest)
        | {"platform": {"os": "linux", "architecture": child.architecture}}
        for child in children
    ]
    content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    return OciImage(_json(content), INDEX, children=children)


def as_docker(image: OciImage) -> OciImage:
    """Return the same image in Docker's media types, which are as common as OCI's."""
    manifest = json.loads(image.manifest)
    manifest["mediaType"] = layers.MANIFESTS[0]
    manifest["config"]["mediaType"] = layers.CONFIGS[0]
    for layer in manifest["layers"]:
        layer["mediaType"] = layers.LAYERS[1]
    return replace(image, manifest=_json(manifest), media_type=layers.MANIFESTS[0])


def push(image: OciImage, *, repository: str, tags: Sequence[str] = (), ecr: ECRClient) -> str:
    """Push an image, creating its repository where it is missing, and return its URI by digest."""
    uri = _repository_uri(repository, ecr)
    for child in image.children:
        push(child, repository=repository, ecr=ecr)
    _upload_blobs(image, repository, ecr=ecr)
    for tag in tags or (None,):
        try:
            ecr.put_image(
                repositoryName=repository,
                imageManifest=image.manifest.decode(),
                imageManifestMediaType=image.media_type,
                imageDigest=image.digest,
                **({"imageTag": tag} if tag else {}),
            )
        except ecr.exceptions.ImageAlreadyExistsException:
            continue  # pushed before, under this very tag
    return f"{uri}@{image.digest}"


def _repository_uri(repository: str, ecr: ECRClient) -> str:
    try:
        found = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
    except ecr.exceptions.RepositoryNotFoundException:
        return ecr.create_repository(repositoryName=repository)["repository"]["repositoryUri"]
    return found[0]["repositoryUri"]


def _upload_blobs(image: OciImage, repository: str, *, ecr: ECRClient) -> None:
    if not image.blobs:
        return
    known = ecr.batch_check_layer_availability(
        repositoryName=repository, layerDigests=sorted(image.blobs)
    )["layers"]
    there = {each["layerDigest"] for each in known if each["layerAvailability"] == "AVAILABLE"}
    for digest, blob in image.blobs.items():
        if digest not in there:
            _upload_blob(blob, repository, ecr=ecr)


def _upload_blob(blob: bytes, repository: str, *, ecr: ECRClient) -> None:
    upload = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    for first in range(0, len(blob), UPLOAD_PART):
        part = blob[first : first + UPLOAD_PART]
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
    ecr.complete_layer_upload(
        repositoryName=repository, uploadId=upload, layerDigests=[digest_of(blob)]
    )


def _tar(files: Mapping[str, File]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name.lstrip("/"))
            member.size, member.mode = len(files[name].content), files[name].mode
            tar.addfile(member, io.BytesIO(files[name].content))
    return stream.getvalue()


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
