"""A function's source image: from its URI to an unpacked image, refused in Lambda's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from deployguard.lab import layers
from deployguard.lab.nouns import ACCOUNT, AwsError, Image
from deployguard.lab.repository import Stored

URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com"
    r"/(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))"
)
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


def parse(uri: str, region: str) -> Mapping[str, str]:
    """Split an image URI into its repository and the kind and value of its image id."""
    match = URI.fullmatch(uri)
    if match is None or match["account"] != ACCOUNT or match["region"] != region:
        raise _invalid(f"Source image {uri} is not valid. Provide a valid source image.")
    if match["digest"]:
        image_id = {"kind": "imageDigest", "id": match["digest"]}
    else:
        image_id = {"kind": "imageTag", "id": match["tag"]}
    return {"repository": match["repository"]} | image_id


def missing(uri: str) -> AwsError:
    """Return what Lambda says of an image or repository that is not there."""
    return _invalid(f"Source image {uri} does not exist. Provide a valid source image.")


def unpacked(
    uri: str, stored: Stored, *, repository_uri: str, blobs: Mapping[str, bytes], folder: Path
) -> Image:
    """Return the image of a manifest, its layers unpacked once under the folder."""
    manifest = json.loads(stored.manifest)
    parts = manifest.get("layers", [])
    known = stored.media_type in layers.MANIFESTS and (
        manifest["config"].get("mediaType") in layers.CONFIGS
        and all(part.get("mediaType") in layers.LAYERS for part in parts)
    )
    if not known:
        raise _invalid(
            "The image manifest, config or layer media type for the source image "
            f"{uri} is not supported."
        )
    root = folder / stored.digest.removeprefix("sha256:")
    if not root.is_dir():
        try:
            layers.unpack((blobs[part["digest"]] for part in parts), root)
        except layers.BadLayerError as error:
            raise _invalid(f"Source image {uri} is not valid: {error}.") from error
    content = json.loads(blobs[manifest["config"]["digest"]])
    config = content.get("config", {})
    return Image(
        repository_uri=repository_uri,
        digest=stored.digest,
        media_type=stored.media_type,
        architecture=ARCHITECTURES.get(content.get("architecture"), "unknown"),
        root=root,
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        working_dir=config.get("WorkingDir") or "/var/task",
        environment=dict(each.split("=", 1) for each in config.get("Env") or ()),
        labels=dict(config.get("Labels") or {}),
    )


def _invalid(message: str) -> AwsError:
    return AwsError(400, "InvalidParameterValueException", message)
