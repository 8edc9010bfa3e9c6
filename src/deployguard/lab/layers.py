"""Image layers unpacked into a folder: gzip or plain tar, whiteouts honoured, escapes refused."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

if sys.version_info >= (3, 11, 4):
    import tarfile
else:  # the standard library's knows no filter yet
    from backports import tarfile  # type: ignore[no-redef]

MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
CONFIGS = (
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
)
LAYERS = (
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
)
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"


class BadLayerError(ValueError):
    """A layer that cannot be unpacked, or that reaches outside its image."""


def unpack(layers: Iterable[bytes], folder: Path) -> None:
    """Unpack layers over each other, from the lowest, so that the folder is there whole or not."""
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        for layer in layers:
            _lay(layer, unfinished)
    except (tarfile.TarError, OSError, EOFError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise BadLayerError(f"cannot unpack a layer: {error}") from error
    unfinished.rename(folder)


def _lay(layer: bytes, root: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(layer), mode="r:*") as tar:
        members = tar.getmembers()
        # NOTE: a whiteout hides what lower layers hold, never what its own layer adds, and tars
        # order them freely: so all the hiding comes first.
        for member in members:
            _hide(member.name, root)
        for member in members:
            if not Path(member.name).name.startswith(WHITEOUT):
                tar.extract(member, root, filter="data")


def _hide(name: str, root: Path) -> None:
    path = Path(name)
    if not path.name.startswith(WHITEOUT):
        return
    parent = Path(os.path.realpath(root / path.parent))
    if not parent.is_relative_to(os.path.realpath(root)):
        raise BadLayerError(f"the whiteout {name!r} reaches outside the image")
    if path.name == OPAQUE:
        hidden = list(parent.iterdir()) if parent.is_dir() else []
    else:
        hidden = [parent / path.name.removeprefix(WHITEOUT)]
    for victim in hidden:
        if victim.is_dir() and not victim.is_symlink():
            shutil.rmtree(victim)
        else:
            victim.unlink(missing_ok=True)
