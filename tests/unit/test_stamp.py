"""The stamp: what goes into an image at build time, and how strictly it is read back."""

from __future__ import annotations

import json
import os
import shlex
import stat
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deployguard import stamp
from deployguard.canary import breadcrumb
from deployguard.errors import ConfigurationError
from deployguard.model import Stamp

NOW = datetime(2026, 1, 2, 18, 57, 49, 1234, UTC)
REVISION = "8fbaa10875b4c1e2d3f4a5b6c7d8e9f0a1b2c3d4"
FULL = Stamp(
    "20260102T185749Z-8fbaa108",
    revision=REVISION,
    version="v1.4.2-3-g8fbaa10",
    created="2026-01-02T18:57:49Z",
    source="https://github.com/acme/reports",
)
GITHUB = {
    "GITHUB_SHA": REVISION,
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/reports",
    "GITHUB_REF_NAME": "main",
}
GITLAB = {
    "CI_COMMIT_SHA": "1" * 40,
    "CI_PROJECT_URL": "https://gitlab.com/acme/reports",
    "CI_COMMIT_REF_NAME": "trunk",
}


def content(**changes: Any) -> bytes:
    return json.dumps({**stamp.document(FULL), **changes}).encode()


def collected(
    folder: Path,
    environ: Mapping[str, str] | None = None,
    *,
    now: datetime = NOW,
    given: Mapping[str, str | None] | None = None,
) -> Stamp:
    return stamp.collect(environ=environ or {}, folder=folder, now=now, overrides=given or {})


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    run = subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a repository with one tagged commit."""
    git(tmp_path, "init", "--quiet")
    (tmp_path / "handler.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--no-gpg-sign", "--message", "first")
    git(tmp_path, "tag", "v1.0")
    return tmp_path


# Reading


def test_a_written_stamp_reads_back(tmp_path: Path) -> None:
    stamp.write(FULL, tmp_path / "build-stamp.json")

    assert stamp.read(tmp_path / "build-stamp.json") == FULL


def test_only_the_build_id_is_required_and_unknown_fields_are_ignored() -> None:
    least = {"schema": stamp.SCHEMA, "build_id": "a", "revision": None, "version": "", "more": [1]}

    assert stamp.parse(json.dumps(least).encode()) == Stamp("a")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON in UTF-8"),
        (b"\xff\xfe{", "not JSON in UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON in UTF-8"),
        (b'{"a": 1, "a": 2}', "'a' stands there twice"),
        (b'{"x": {"a": 1, "a": 2}}', "'a' stands there twice"),
        (b'{"x": NaN}', "NaN is no JSON number"),
        (b'{"x": -Infinity}', "-Infinity is no JSON number"),
        (b"[" * 16_000, "nested too deeply"),
        (b" " * 16_385, "at most 16384 bytes"),
        (b"[1]", "got [1], expected a JSON object"),
        (content(schema="deployguard/stamp/v2"), "got 'deployguard/stamp/v2', expected"),
        (content(schema=None), "got None, expected 'deployguard/stamp/v1'"),
        (content(build_id=None), "build_id: got None, expected 1 to 128 characters"),
        (content(build_id=""), "build_id: got '', expected"),
        (content(build_id=7), "build_id: got 7, expected"),
        (content(build_id="a b"), "build_id: got 'a b', expected"),
        (content(build_id="a\n"), r"build_id: got 'a\n', expected"),
        (content(build_id="a" * 129), "build_id: got 'aaa"),
        (content(version="\x1b[2J"), r"version: got '\x1b[2J', expected"),
        (content(source="a\u202eb"), r"source: got 'a\u202eb', expected"),
        (content(revision="\ud800"), r"revision: got '\ud800', expected"),
        (content(revision=["x"]), "revision: got ['x'], expected"),
        (content(version="x" * 513), "at most 512 printable characters"),
    ],
)
def test_refuses_with_what_it_got_and_expected(raw: bytes, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        stamp.parse(raw)

    assert message in str(caught.value)
    assert len(str(caught.value)) < 300


NAMES = st.sampled_from(["schema", "build_id", "revision", "version", "created", "source"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(stamp.SCHEMA),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(
    st.binary()
    | st.text().map(str.encode)
    | st.dictionaries(NAMES | st.text(), VALUES).map(lambda fields: json.dumps(fields).encode())
    | st.dictionaries(NAMES.filter(lambda name: name != "schema"), VALUES).map(
        lambda fields: content(**fields)
    )
)
@example(b'{"x": ' + b"9" * 5000 + b"}")
@example(b'{"x": 1e999}')
def test_anything_is_a_clean_stamp_or_a_configuration_error(raw: bytes) -> None:
    try:
        found = stamp.parse(raw)
    except ConfigurationError:
        return
    assert stamp.parse(json.dumps(stamp.document(found)).encode()) == found
    assert "".join(stamp.document(found).values()).isprintable()


def test_the_container_and_the_pipeline_read_the_same_file_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "build-stamp.json"
    stamp.write(FULL, file)
    monkeypatch.setenv("DEPLOYGUARD_STAMP", str(file))

    answer = breadcrumb({"deployguard": {"canary": 1, "nonce": "0" * 32}}, None)

    assert answer is not None
    assert answer["deployguard"]["stamp"] == stamp.document(FULL)


def test_refuses_what_is_no_readable_file(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b" " * 16_385)
    for name, message in [
        ("absent", "No such file"),
        ("", "not a regular file"),
        ("large", "16384"),
    ]:
        with pytest.raises(ConfigurationError, match=message):
            stamp.read(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_does_not_wait_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ConfigurationError, match="not a regular file"):
        stamp.read(tmp_path / "pipe")


# Labels


def test_labels_say_the_same_as_the_file() -> None:
    assert stamp.labels(FULL) == {
        "dev.deployguard.build-id": FULL.build_id,
        "org.opencontainers.image.revision": REVISION,
        "org.opencontainers.image.version": "v1.4.2-3-g8fbaa10",
        "org.opencontainers.image.created": "2026-01-02T18:57:49Z",
        "org.opencontainers.image.source": "https://github.com/acme/reports",
    }
    assert stamp.from_labels({"maintainer": "x", **stamp.labels(FULL)}) == FULL


def test_unknown_fields_make_no_labels() -> None:
    assert stamp.labels(Stamp("a")) == {"dev.deployguard.build-id": "a"}


def test_an_image_without_a_build_id_has_no_stamp() -> None:
    others = {"org.opencontainers.image.revision": REVISION}

    assert stamp.from_labels(others) is None
    assert stamp.from_labels({**others, "dev.deployguard.build-id": ""}) is None


def test_odd_labels_of_other_tools_are_left_out_but_an_odd_build_id_is_refused() -> None:
    odd = {"org.opencontainers.image.version": "a\nb", "org.opencontainers.image.source": "x" * 513}

    assert stamp.from_labels({"dev.deployguard.build-id": "a", **odd}) == Stamp("a")
    with pytest.raises(ConfigurationError, match="the image's labels has an unusable build_id"):
        stamp.from_labels({"dev.deployguard.build-id": "a b"})


# Making


def test_takes_github_before_gitlab(tmp_path: Path) -> None:
    made = collected(tmp_path, {**GITLAB, **GITHUB})

    assert made == Stamp(
        "20260102T185749Z-8fbaa108-001234",
        revision=REVISION,
        version="main",
        created="2026-01-02T18:57:49Z",
        source="https://github.com/acme/reports",
    )


def test_takes_gitlab_before_git(repository: Path) -> None:
    made = collected(repository, GITLAB)

    assert (made.revision, made.version) == ("1" * 40, "trunk")
    assert made.source == "https://gitlab.com/acme/reports"


def test_takes_git_where_no_pipeline_speaks(repository: Path) -> None:
    git(repository, "remote", "add", "origin", "https://example.com/acme/reports.git")
    head = git(repository, "rev-parse", "HEAD")

    made = collected(repository, {"GITHUB_SHA": "", "CI_COMMIT_SHA": ""})
    assert (made.revision, made.version) == (head, "v1.0")
    assert made.build_id == f"20260102T185749Z-{head[:8]}-001234"
    assert made.source == "https://example.com/acme/reports.git"

    (repository / "handler.py").write_text("2\n")
    assert collected(repository).version == "v1.0-dirty"


def test_takes_given_values_before_all_others_and_empty_ones_as_not_given(tmp_path: Path) -> None:
    given = {"build_id": "mine", "revision": "r", "version": "2 final", "source": ""}
    made = collected(tmp_path, GITHUB, given={**given, "created": None})

    assert (made.build_id, made.revision, made.version) == ("mine", "r", "2 final")
    assert (made.source, made.created) == (
        "https://github.com/acme/reports",
        "2026-01-02T18:57:49Z",
    )


def test_git_does_not_describe_another_revision(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")

    assert collected(repository, given={"revision": head[:10]}).version == "v1.0"
    assert collected(repository, given={"revision": "another"}).version is None


def test_a_folder_without_git_or_pipeline_still_makes_a_stamp(tmp_path: Path) -> None:
    assert collected(tmp_path) == Stamp("20260102T185749Z-001234", created="2026-01-02T18:57:49Z")
    assert collected(tmp_path / "absent").revision is None


def test_build_ids_differ_within_one_second_and_are_in_utc(tmp_path: Path) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5)))
    later = NOW + timedelta(microseconds=1)

    assert collected(tmp_path, now=elsewhere).build_id == collected(tmp_path).build_id
    assert collected(tmp_path, now=later).build_id != collected(tmp_path).build_id


def test_source_date_epoch_sets_created_and_never_the_build_id(tmp_path: Path) -> None:
    made = collected(tmp_path, {"SOURCE_DATE_EPOCH": "86400"})

    assert made.created == "1970-01-02T00:00:00Z"
    assert made.build_id == collected(tmp_path).build_id
    assert collected(tmp_path, {"SOURCE_DATE_EPOCH": ""}).created == "2026-01-02T18:57:49Z"


@pytest.mark.parametrize("epoch", ["yesterday", "-1", "1.5", "9" * 12, "²"])
def test_refuses_an_unusable_source_date_epoch(epoch: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SOURCE_DATE_EPOCH is unusable"):
        collected(tmp_path, {"SOURCE_DATE_EPOCH": epoch})


@pytest.mark.parametrize(
    ("field", "value"), [("build_id", "a b"), ("version", "a\nb"), ("revision", "x" * 513)]
)
def test_refuses_given_values_that_no_reader_would_accept(
    field: str, value: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=f"unusable {field}"):
        collected(tmp_path, given={field: value})


@pytest.mark.parametrize("name", ["fix/#12", "a b", "x\n::set-output", "ümlaut", "y" * 600])
def test_a_pipeline_value_that_a_shell_would_split_is_left_out(name: str, tmp_path: Path) -> None:
    made = collected(tmp_path, {**GITHUB, "GITHUB_REF_NAME": name, "CI_COMMIT_REF_NAME": "trunk"})

    assert made.version == "trunk"


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("https://user:s3cret@example.com/a/b.git", "https://example.com/a/b.git"),
        ("https://s3cret@example.com/a/b", "https://example.com/a/b"),
        ("https://example.com/a/b?token=s3cret#x", "https://example.com/a/b"),
        ("https://user:s3/cret@example.com/a/b", None),
        ("git@example.com:a/b.git", "ssh://example.com/a/b.git"),
        ("example.com:/srv/a/b.git", "ssh://example.com/srv/a/b.git"),
        ("ssh://git@example.com:2222/a/b", "ssh://example.com:2222/a/b"),
        ("/srv/git/b.git", None),
        ("../b", None),
        ("C:/srv/b", None),
        ("file:///srv/git/b.git", None),
    ],
)
def test_the_source_is_an_address_without_credentials(
    remote: str, source: str | None, repository: Path
) -> None:
    git(repository, "remote", "add", "origin", remote)

    assert collected(repository).source == source


def test_credentials_in_a_given_source_are_dropped(tmp_path: Path) -> None:
    made = collected(tmp_path, given={"source": "https://user:s3cret@example.com/a"})

    assert made.source == "https://example.com/a"


# Writing


def test_writes_readable_for_the_user_that_runs_the_handler(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        stamp.write(FULL, tmp_path / "build-stamp.json")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "build-stamp.json").stat().st_mode) == 0o644


def test_replaces_an_older_stamp_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "build-stamp.json"
    stamp.write(Stamp("older", version="x" * 500), file)
    stamp.write(FULL, file)

    assert stamp.read(file) == FULL
    assert list(tmp_path.iterdir()) == [file]


def test_refuses_a_symbolic_link(tmp_path: Path) -> None:
    behind, link = tmp_path / "behind", tmp_path / "build-stamp.json"
    behind.write_text("theirs")
    link.symlink_to(behind)

    with pytest.raises(ConfigurationError, match="is a symbolic link"):
        stamp.write(FULL, link)

    assert behind.read_text() == "theirs"


def test_refuses_a_folder_and_a_missing_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("folder", "absent/build-stamp.json"):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            stamp.write(FULL, tmp_path / name)

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_the_longest_stamp_is_readable(tmp_path: Path) -> None:
    longest = "\U0001f600" * 512
    largest = Stamp("a" * 128, longest, longest, longest, longest)
    stamp.write(largest, tmp_path / "stamp")

    assert stamp.read(tmp_path / "stamp") == largest


# Rendering


def test_label_arguments_survive_a_plain_command_substitution() -> None:
    arguments = stamp.render(FULL, "labels")

    pairs = [f"{label}={value}" for label, value in stamp.labels(FULL).items()]
    assert arguments.split() == [word for pair in pairs for word in ("--label", pair)]


@given(st.text(min_size=1, max_size=512).filter(str.isprintable))
def test_label_arguments_are_one_safe_line_of_shell(version: str) -> None:
    arguments = stamp.render(Stamp("a", version=version), "labels")

    assert "\n" not in arguments
    assert shlex.split(arguments) == [
        *("--label", "dev.deployguard.build-id=a"),
        *("--label", f"org.opencontainers.image.version={version}"),
    ]


def test_renders_a_dotenv_line_and_the_document() -> None:
    assert stamp.render(FULL, "env") == "DEPLOYGUARD_BUILD_ID=20260102T185749Z-8fbaa108"
    assert json.loads(stamp.render(FULL, "json")) == stamp.document(FULL)
    assert stamp.document(Stamp("a")) == {"schema": "deployguard/stamp/v1", "build_id": "a"}
