"""ECR: from a tag or digest to a verified digest and the stamp in the image's labels."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from deployguard import stamp
from deployguard.aws.session import Session
from deployguard.errors import AwsFailure, ConfigurationError, NotFound, Refusal, Trouble
from deployguard.resources import Image

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageIdentifierTypeDef, ImageTypeDef

URI = re.compile(
    r"(?P<registry>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)"
    r"/(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
CONFIG_CAP = 4 << 20
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


class Uri(NamedTuple):
    """An image URI, taken apart."""

    repository: str  # registry/name
    account: str
    region: str
    name: str
    tag: str | None
    digest: str | None


def parse(uri: str) -> Uri:
    """Take an ECR image URI apart; it must name a tag or a digest."""
    match = URI.fullmatch(uri)
    if match is None or not (match["tag"] or match["digest"]):
        raise ConfigurationError(
            f"--image is not an ECR image URI: got {uri!r}",
            cause="Lambda runs images from ECR only",
            fix="expected ACCOUNT.dkr.ecr.REGION.amazonaws.com/REPOSITORY:TAG or ...@sha256:DIGEST",
        )
    repository = f"{match['registry']}/{match['name']}"
    parts = (match[part] for part in ("account", "region", "name", "tag", "digest"))
    return Uri(repository, *parts)


def image(session: Session, uri: str) -> Image:
    """Resolve an image and verify the chain from its digest to its labels, hash by hash."""
    parsed = parse(uri)
    if parsed.region != session.region:
        raise ConfigurationError(
            f"{uri} lies in {parsed.region}, but this run asks {session.region}",
            cause="Lambda runs images from its own region only",
            fix=f"name the image in {session.region}, or the function by an ARN of its own region",
        )
    found = _find(session, parsed)
    manifest_bytes = found["imageManifest"].encode()
    digest = _sha256(manifest_bytes)
    claimed = parsed.digest or found["imageId"].get("imageDigest")
    if digest != claimed:
        raise AwsFailure(
            f"the manifest of {uri} does not hash to its digest: got {digest}, expected {claimed}",
            cause="the registry, or something between it and this run, altered the manifest",
        )
    manifest = json.loads(manifest_bytes)
    refuse_index(uri, found.get("imageManifestMediaType") or manifest.get("mediaType", ""))
    config = _config(session, parsed, manifest["config"]["digest"])
    architecture = str(config.get("architecture", ""))
    return Image(
        repository=parsed.repository,
        digest=digest,
        architecture=ARCHITECTURES.get(architecture, architecture),
        stamp=stamp.from_labels((config.get("config") or {}).get("Labels") or {}),
    )


def obstacle(session: Session, uri: str) -> str:
    """Say why Lambda could not fetch an image again, or nothing where it could."""
    parsed = parse(uri)
    wanted: ImageIdentifierTypeDef = {"imageDigest": parsed.digest or ""}
    try:
        answer = session.read(
            f"look for image {parsed.name} in ECR",
            session.registry.describe_images,
            registryId=parsed.account,
            repositoryName=parsed.name,
            imageIds=[wanted],
            filter={"imageStatus": "ANY"},
        )
    except NotFound:
        return f"ECR has no {parsed.digest} any more"
    statuses = {detail.get("imageStatus", "ACTIVE") for detail in answer["imageDetails"]}
    return "" if "ACTIVE" in statuses else f"its image is {', '.join(statuses) or 'gone'} in ECR"


def _find(session: Session, uri: Uri) -> ImageTypeDef:
    wanted: ImageIdentifierTypeDef = (
        {"imageDigest": uri.digest} if uri.digest else {"imageTag": uri.tag or ""}
    )
    answer = session.read(
        f"read image {uri.name} from ECR",
        session.registry.batch_get_image,
        registryId=uri.account,
        repositoryName=uri.name,
        imageIds=[wanted],
        acceptedMediaTypes=[*MANIFESTS, *INDEXES],
    )
    if answer["images"]:
        return answer["images"][0]
    raise missing(uri)


def missing(uri: Uri) -> NotFound:
    """Say that the registry does not have an image."""
    named = f"image {uri.name}:{uri.tag}" if uri.tag else f"{uri.digest}"
    return NotFound(f"ECR has no {named}", finding="DG111", code="ImageNotFound")


def refuse_index(uri: str, media_type: str) -> None:
    """Refuse what is no image, but a list of some."""
    if media_type in INDEXES:
        raise Refusal(
            f"{uri} is an image index ({media_type}), which Lambda does not run",
            finding="DG110",
        )


def _config(session: Session, uri: Uri, digest: str) -> dict[str, Any]:
    answer = session.read(
        f"read the config of image {uri.name}",
        session.registry.get_download_url_for_layer,
        registryId=uri.account,
        repositoryName=uri.name,
        layerDigest=digest,
    )
    doing = f"download the config of image {uri.name}"
    blob = session.read(doing, lambda: _download(session, answer["downloadUrl"], doing=doing))
    if len(blob) > CONFIG_CAP or _sha256(blob) != digest:
        raise AwsFailure(
            f"the config of image {uri.name} does not hash to {digest}",
            cause="the download was cut short or altered",
        )
    document: dict[str, Any] = json.loads(blob)
    return document


def _download(session: Session, url: str, *, doing: str) -> bytes:
    import requests
    from urllib3.exceptions import HTTPError

    verify = session.ca_bundle or True
    try:
        with requests.get(url, timeout=session.timeouts, stream=True, verify=verify) as reply:
            reply.raise_for_status()
            content: bytes = reply.raw.read(CONFIG_CAP + 1, decode_content=True)
            return content
    except (requests.RequestException, HTTPError, OSError) as error:
        status = getattr(getattr(error, "response", None), "status_code", 500)
        raise AwsFailure(
            f"could not {doing}: {type(error).__name__}",
            cause="the registry's download host is not reachable from here, or refuses",
            trouble=Trouble.LOST if status >= 500 else Trouble.PERMANENT,
        ) from error


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
