"""Code as it arrives: an image URI, resolved to its digest once, or a zip, unpacked."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from typing import Any

from deployguard.lab.control import errors
from deployguard.lab.control.records import Package
from deployguard.lab.control.state import Cloud

_S3 = ("S3Bucket", "S3Key")


def accept(cloud: Cloud, region: str, code: dict[str, Any], *, kind: str, verb: str) -> Package:
    """Return the package that a request's code names; `kind` is what the function takes."""
    has_image = "ImageUri" in code
    if kind == "Image" and not has_image:
        raise errors.invalid(
            f"Please provide ImageUri when {verb} a function with packageType Image."
        )
    if kind == "Zip" and has_image:
        raise errors.invalid(
            f"Please don't provide ImageUri when {verb} a function with packageType Zip."
        )
    if has_image:
        return _image(cloud, region, code["ImageUri"])
    if any(member in code for member in _S3):
        raise errors.not_in_lab("zip packages from S3")
    if "ZipFile" not in code:
        raise errors.invalid("Please provide a source for function code.")
    return _zip(cloud, code["ZipFile"])


def _image(cloud: Cloud, region: str, uri: str) -> Package:
    """Resolve an image URI; the tag means nothing from here on."""
    image = cloud.images(uri, region)
    return Package(
        kind="Image",
        code_sha256=image.digest.removeprefix("sha256:"),
        size=0,
        root=image.root,
        image_uri=uri,
        resolved_uri=f"{image.repository_uri}@{image.digest}",
        entrypoint=image.entrypoint,
        command=image.command,
        working_dir=image.working_dir,
        environment=image.environment,
    )


def _zip(cloud: Cloud, content: bytes) -> Package:
    """Unpack a zip to where a container looks for its code."""
    root = cloud.folder()
    task = root / "var" / "task"
    task.mkdir(parents=True)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(task)
    except zipfile.BadZipFile:
        raise errors.invalid("Could not unzip uploaded file. Please check your file.") from None
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return Package(kind="Zip", code_sha256=digest, size=len(content), root=root)
