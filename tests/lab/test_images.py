"""Images built from files and folders, without a server."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab import dockerfile, images, layers
from deployguard.lab.dockerfile import DockerfileError
from deployguard.lab.images import OciImage
from deployguard.lab.repository import digest_of


def config_of(image: OciImage) -> dict[str, Any]:
    manifest = json.loads(image.manifest)
    content: dict[str, Any] = json.loads(image.blobs[manifest["config"]["digest"]])
    return content


def files_of(image: OciImage) -> dict[str, bytes]:
    found = {}
    for layer in json.loads(image.manifest)["layers"]:
        with tarfile.open(fileobj=io.BytesIO(image.blobs[layer["digest"]])) as tar:
            for member in tar.getmembers():
                content = tar.extractfile(member)
                assert content is not None
                found["/" + member.name] = content.read()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "app.py").write_bytes(b"def handler(event, context): ...")
    (tmp_path / "pkg" / "one.py").write_bytes(b"1")
    (tmp_path / "run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o700)
    return tmp_path


def write(folder: Path, *lines: str) -> Path:
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def test_the_same_input_has_the_same_digest_and_any_other_input_another() -> None:
    files = {"b.py": b"2", "app.py": b"1"}
    image = images.of_files(files)
    assert image.digest == images.of_files(dict(reversed(files.items()))).digest
    others = [
        images.of_files(files, labels={"dev.deployguard.build-id": "b1"}),
        images.of_files(files, labels={"dev.deployguard.build-id": "b2"}),
        images.of_files(files, command=("other.handler",)),
        images.of_files(files, environment={"A": "1"}),
        images.of_files(files, architecture="arm64"),
        images.of_files({**files, "b.py": b"3"}),
    ]
    assert len({image.digest, *(other.digest for other in others)}) == 7


def test_every_digest_names_the_bytes_it_belongs_to() -> None:
    image = images.of_files({"app.py": b"1", "/etc/motd": b"hello"}, labels={"a": "b"})
    manifest = json.loads(image.manifest)
    assert image.digest == digest_of(image.manifest)
    for descriptor in (manifest["config"], *manifest["layers"]):
        blob = image.blobs[descriptor["digest"]]
        assert (digest_of(blob), len(blob)) == (descriptor["digest"], descriptor["size"])
    layer = gzip.decompress(image.blobs[manifest["layers"][0]["digest"]])
    assert config_of(image)["rootfs"]["diff_ids"] == [digest_of(layer)]
    assert files_of(image) == {"/var/task/app.py": b"1", "/etc/motd": b"hello"}


def test_a_dockerfile_becomes_an_image(folder: Path) -> None:
    write(
        folder,
        "# syntax=docker/dockerfile:1",
        "ARG BASE=3.12",
        "FROM --platform=linux/arm64 public.ecr.aws/lambda/python:${BASE} AS build",
        "ARG REVISION=none",
        'ENV MODE="fast and safe" REV=$REVISION',
        "ENV OLD style",
        'LABEL org.opencontainers.image.revision="${REVISION}" \\',
        "      kept=yes",
        "COPY app.py run.sh ${LAMBDA_TASK_ROOT}/",
        'COPY ["pkg", "/opt/pkg"]',
        "COPY app.py other.py",
        "WORKDIR sub",
        "COPY pkg/*.py ./",
        'CMD ["app.handler"]',
    )
    image = dockerfile.build(
        folder, labels={"dev.deployguard.build-id": "b1"}, arguments={"REVISION": "8fbaa10"}
    )
    config = config_of(image)
    assert config["architecture"] == "arm64"
    assert {"MODE=fast and safe", "REV=8fbaa10", "OLD=style"} <= set(config["config"]["Env"])
    assert config["config"]["Labels"] == {
        "org.opencontainers.image.revision": "8fbaa10",
        "kept": "yes",
        "dev.deployguard.build-id": "b1",
    }
    assert config["config"]["Cmd"] == ["app.handler"]
    assert config["config"]["Entrypoint"] == ["/lambda-entrypoint.sh"]
    assert config["config"]["WorkingDir"] == "/var/task/sub"
    assert sorted(files_of(image)) == [
        "/opt/pkg/one.py",
        "/var/task/app.py",
        "/var/task/other.py",
        "/var/task/run.sh",
        "/var/task/sub/one.py",
    ]
    assert image.digest != dockerfile.build(folder).digest
    assert dockerfile.build(folder).digest == dockerfile.build(folder).digest


def test_file_modes_are_two_so_that_a_umask_cannot_change_the_digest(folder: Path) -> None:
    write(folder, "FROM scratch", "COPY . /var/task/")
    first = dockerfile.build(folder)
    (folder / "app.py").chmod(0o600)
    assert dockerfile.build(folder).digest == first.digest
    (folder / "app.py").chmod(0o755)
    assert dockerfile.build(folder).digest != first.digest


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["FROM a", "RUN pip install x"], r"line 2: RUN pip install x: .*cannot carry out RUN"),
        (["FROM a", "", "USER me"], r"line 3: USER me: .*cannot carry out USER"),
        (["FROM a", "FROM b"], r"line 2: FROM b: .*second FROM"),
        (["FROM a", "COPY --from=x a b"], r"line 2: .*COPY takes no flags, got --from=x"),
        (["FROM a", "COPY absent.py ./"], r"line 2: .*'absent.py' is not in"),
        (["FROM a", "COPY ../x.py ./"], r"line 2: .*'../x.py' is not in"),
        (["FROM a", "COPY leads-out ./"], r"line 2: .*leads out of"),
        (["FROM a", "COPY app.py"], r"line 2: .*at least one source and a destination"),
        (["FROM a", "CMD [1]"], r"line 2: .*expected a list of strings"),
        (["COPY app.py ./"], r"line 1: .*only ARG may come before FROM"),
        (["# nothing"], r"no FROM instruction"),
    ],
)
def test_what_needs_an_engine_is_refused_with_its_line(
    folder: Path, lines: list[str], complaint: str
) -> None:
    (folder / "leads-out").symlink_to("/etc/hostname")
    with pytest.raises(DockerfileError, match=complaint):
        dockerfile.build(write(folder, *lines))


def tar_of(*members: tuple[str, bytes | None], link: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, link
                tar.addfile(member)
            else:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def unpacked(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_layers_lie_over_each_other_and_whiteouts_hide_lower_ones(tmp_path: Path) -> None:
    low = tar_of(("a/one", b"1"), ("a/two", b"2"), ("b/x/deep", b"3"), ("b/y", b"4"), ("c", b"5"))
    high = tar_of(("a/new", b"6"), ("a/.wh..wh..opq", b""), ("b/.wh.x", b""), ("c", b"7"))
    layers.unpack([gzip.compress(low), high], tmp_path / "root")
    assert unpacked(tmp_path / "root") == {"a/new": b"6", "b/y": b"4", "c": b"7"}


@pytest.mark.parametrize(
    "layer",
    [
        tar_of(("../outside", b"!")),
        tar_of(("way", None), ("way/outside", b"!"), link="../.."),
        tar_of(("way", None), link="/etc"),
        tar_of(("../victim/.wh.file", b"")),
        b"no tar at all",
    ],
    ids=["dots", "link out", "absolute link", "whiteout", "rubbish"],
)
def test_a_layer_that_reaches_outside_is_refused_and_leaves_nothing(
    tmp_path: Path, layer: bytes
) -> None:
    victim = tmp_path / "victim" / "file"
    victim.parent.mkdir()
    victim.write_bytes(b"untouched")
    with pytest.raises(layers.BadLayerError):
        layers.unpack([layer], tmp_path / "root")
    assert unpacked(tmp_path) == {"victim/file": b"untouched"}
