"""The stamp: made at build time, carried in the image as a file and as labels, read back."""

from __future__ import annotations

import json
import os
import re
import reprlib
import shlex
import stat
import subprocess
import tempfile
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Never, assert_never

from deployguard.errors import ConfigurationError
from deployguard.model import Stamp

SCHEMA = "deployguard/stamp/v1"
MAX_BYTES = 16 * 1024
LABELS = {
    "build_id": "dev.deployguard.build-id",
    "revision": "org.opencontainers.image.revision",
    "version": "org.opencontainers.image.version",
    "created": "org.opencontainers.image.created",
    "source": "org.opencontainers.image.source",
}

Format = Literal["labels", "env", "json"]

_LONGEST = 512
BUILD_ID = re.compile(r"[A-Za-z0-9._:+-]{1,128}")
# What CI and git say is taken only where no shell would need quotes for it, because
# `docker build $(deployguard stamp)` splits words and does not read quotes.
_PLAIN = re.compile(r"[A-Za-z0-9._:/@%+=,-]{1,512}")
_USERINFO = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/]*@")
_SCP = re.compile(r"(?:[^@/:]+@)?([^@/:]{2,}):(?!//)([^:]+)")


# Reading


def read(path: Path) -> Stamp:
    """Read a stamp file."""
    where = f"the stamp {path}"
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigurationError(
                f"{where} is not a regular file", fix="name the file that `deployguard stamp` wrote"
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{where} cannot be read: {getattr(error, 'strerror', None) or error}",
            fix="write it with `deployguard stamp` before the image is built",
        ) from error
    return parse(content, where=where)


def parse(content: bytes, *, where: str = "the stamp") -> Stamp:
    """Return the stamp that these bytes hold."""
    if len(content) > MAX_BYTES:
        _refuse(where, "size", got="more", expected=f"at most {MAX_BYTES} bytes")
    try:
        fields = json.loads(
            content.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise ConfigurationError(f"{where} is nested too deeply") from error
    except ValueError as error:
        raise ConfigurationError(f"{where} is not JSON in UTF-8: {error}") from error
    if not isinstance(fields, dict):
        _refuse(where, "content", got=reprlib.repr(fields), expected="a JSON object")
    if fields.get("schema") != SCHEMA:
        _refuse(where, "schema", got=reprlib.repr(fields.get("schema")), expected=repr(SCHEMA))
    return _stamp(fields, where)


def from_labels(labels: Mapping[str, str]) -> Stamp | None:
    """Return the stamp in an image's labels, or None where they hold no build id."""
    found = {name: labels[label] for name, label in LABELS.items() if labels.get(label)}
    if "build_id" not in found:
        return None
    # The other labels are common property: what another tool wrote there is no reason to fail.
    usable = {name: text for name, text in found.items() if name == "build_id" or _is_text(text)}
    return _stamp(usable, "the image's labels")


def _stamp(fields: Mapping[str, Any], where: str) -> Stamp:
    build_id = fields.get("build_id")
    if not isinstance(build_id, str) or not BUILD_ID.fullmatch(build_id):
        expected = "1 to 128 characters of A-Z a-z 0-9 . _ : + -"
        _refuse(where, "build_id", got=reprlib.repr(build_id), expected=expected)
    known: dict[str, str] = {}
    for name in ("revision", "version", "created", "source"):
        value = fields.get(name)
        if value is None or value == "":
            continue
        if not _is_text(value):
            expected = f"a text of at most {_LONGEST} printable characters"
            _refuse(where, name, got=reprlib.repr(value), expected=expected)
        known[name] = value
    return Stamp(build_id, **known)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in pairs:
        if key in fields:
            raise ValueError(f"the key {reprlib.repr(key)} stands there twice")
        fields[key] = value
    return fields


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _refuse(where: str, name: str, *, got: str, expected: str) -> Never:
    raise ConfigurationError(f"{where} has an unusable {name}: got {got}, expected {expected}")


# Making


def collect(
    *,
    environ: Mapping[str, str],
    folder: Path,
    now: datetime,
    overrides: Mapping[str, str | None],
) -> Stamp:
    """Put together the stamp of the build that runs now.

    Each field comes from the first that knows it: `overrides`, GitHub, GitLab, git in `folder`.
    """
    given = {name: value for name, value in overrides.items() if value}
    if "source" in given:
        given["source"] = _USERINFO.sub(r"\1", given["source"])
    ci = ChainMap(_plain(_github(environ)), _plain(_gitlab(environ)))
    git = _plain(_git(folder))
    revision = given.get("revision") or ci.get("revision")
    if revision and not git.get("revision", "").startswith(revision):
        git.pop("version", None)  # it describes another commit
    known = {"created": _created(environ, now), **ChainMap(given, *ci.maps, git)}
    known.setdefault("build_id", _build_id(known.get("revision", ""), now))
    return _stamp(known, "the stamp to be written")


def _github(environ: Mapping[str, str]) -> dict[str, str]:
    server, repository = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_REPOSITORY")
    return {
        "revision": environ.get("GITHUB_SHA", ""),
        "version": environ.get("GITHUB_REF_NAME", ""),
        "source": f"{server}/{repository}" if server and repository else "",
    }


def _gitlab(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "revision": environ.get("CI_COMMIT_SHA", ""),
        "version": environ.get("CI_COMMIT_REF_NAME", ""),
        "source": environ.get("CI_PROJECT_URL", ""),
    }


def _git(folder: Path) -> dict[str, str]:
    revision = _ask_git(folder, "rev-parse", "--verify", "HEAD")
    if not revision:
        return {}
    return {
        "revision": revision,
        "version": _ask_git(folder, "describe", "--tags", "--always", "--dirty"),
        "source": _public(_ask_git(folder, "remote", "get-url", "origin")),
    }


def _ask_git(folder: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        run = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a build without git is a build all the same
    return run.stdout.decode("utf-8", "replace").strip() if run.returncode == 0 else ""


def _public(remote: str) -> str:
    """Return a remote's address without credentials; nothing for one that is local."""
    if scp := _SCP.fullmatch(remote):
        remote = f"ssh://{scp[1]}/{scp[2].lstrip('/')}"
    address = _USERINFO.sub(r"\1", remote).partition("?")[0].partition("#")[0]
    is_remote = address.startswith(("https://", "http://", "ssh://", "git://"))
    return address if is_remote and "@" not in address else ""


def _plain(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if _PLAIN.fullmatch(value)}


def _created(environ: Mapping[str, str], now: datetime) -> str:
    epoch = environ.get("SOURCE_DATE_EPOCH")
    if epoch and not re.fullmatch(r"[0-9]{1,11}", epoch):
        raise ConfigurationError(
            f"SOURCE_DATE_EPOCH is unusable: got {reprlib.repr(epoch)}, expected Unix seconds",
            fix="for example SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)",
        )
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else now.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _build_id(revision: str, now: datetime) -> str:
    # Microseconds, because one script can stamp several images of one commit in one second, and
    # never SOURCE_DATE_EPOCH: a rebuild on another base image is another build.
    moment = now.astimezone(UTC)
    commit = re.sub(r"[^A-Za-z0-9._:+-]", "", revision)[:8]
    return "-".join(filter(None, [f"{moment:%Y%m%dT%H%M%SZ}", commit, f"{moment:%f}"]))


# Writing


def document(stamp: Stamp) -> dict[str, str]:
    """Return the content of the stamp file."""
    known = {name: value for name, value in asdict(stamp).items() if value is not None}
    return {"schema": SCHEMA, **known}


def labels(stamp: Stamp) -> dict[str, str]:
    """Return the image labels that say the same as the file."""
    known = asdict(stamp)
    return {label: known[name] for name, label in LABELS.items() if known[name] is not None}


def render(stamp: Stamp, form: Format) -> str:
    """Return the stamp as arguments for docker, as a line for dotenv files, or as JSON."""
    match form:
        case "labels":
            pairs = (f"{label}={value}" for label, value in labels(stamp).items())
            return " ".join(f"--label {shlex.quote(pair)}" for pair in pairs)
        case "env":
            return f"DEPLOYGUARD_BUILD_ID={stamp.build_id}"
        case "json":
            return json.dumps(document(stamp), indent=2, ensure_ascii=False)
        case _:
            assert_never(form)


def write(stamp: Stamp, path: Path) -> None:
    """Write the stamp file, whole or not at all."""
    if path.is_symlink():
        raise ConfigurationError(
            f"the stamp {path} is a symbolic link",
            cause="docker copies the link and not the file behind it",
            fix="remove the link, or name another file",
        )
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        beside = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(render(stamp, "json") + "\n")
            beside.chmod(0o644)  # Lambda runs the handler as another user
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(
            f"the stamp {path} cannot be written: {error.strerror}",
            fix="name a file in a folder that exists and is writable",
        ) from error
