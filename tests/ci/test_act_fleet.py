"""The workflow of a fleet, run by act from the example as it stands: plan, shards and verdict."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.client import Client
from deployguard.lab.serve import running_lab
from tests.ci import acting, cloud, fleets, programs, tools
from tests.ci.acting import ANY_SHA, Run
from tests.ci.fleets import Fleet

pytestmark = pytest.mark.timeout(300)

EXAMPLE = tools.ROOT / "examples" / "github" / "fleet.yml"
# What each action of others does, as far as the example uses it: (inputs, command, outputs).
UPLOAD = """\
if [ -d "$PATH_" ]; then mkdir -p "$STORE/$NAME"; cp -R -- "$PATH_/." "$STORE/$NAME"; fi
"""
# One artifact alone, and those that are merged, get no folders of their own.
DOWNLOAD = """\
shopt -s nullglob
found=("$STORE"/$PATTERN)
for each in "${found[@]}"; do
  to="$PATH_/$(basename "$each")"
  if [ "$MERGE_MULTIPLE" = true ] || [ "${#found[@]}" = 1 ]; then to="$PATH_"; fi
  mkdir -p "$to"
  cp -R -- "$each/." "$to"
done
"""
RESTORE = """\
shopt -s nullglob
found=("$STORE/cache/$KEY"* "$STORE"/cache/${RESTORE_KEYS:-none}*)
if [ -z "${found[0]}" ]; then [ "$FAIL_ON_CACHE_MISS" != true ]; exit; fi
mkdir -p "$(dirname "$PATH_")"
cp -- "${found[0]}" "$PATH_"
echo "cache-matched-key=$(basename "${found[0]}")" >> "$GITHUB_OUTPUT"
"""
OTHERS = {
    "actions/upload-artifact": (("name", "path"), UPLOAD, ()),
    "actions/download-artifact": (("pattern", "path", "merge-multiple"), DOWNLOAD, ()),
    "actions/cache/restore": (
        ("path", "key", "restore-keys", "fail-on-cache-miss"),
        RESTORE,
        ("cache-matched-key",),
    ),
    "actions/cache/save": (("path", "key"), 'cp -- "$PATH_" "$STORE/cache/$KEY"', ()),
    "aws-actions/configure-aws-credentials": (
        ("role-to-assume", "aws-region"),
        'echo "AWS_DEFAULT_REGION=$AWS_REGION" >> "$GITHUB_ENV"',
        (),
    ),
}


@dataclass(frozen=True)
class Ended:
    """What act did, and the folder of what was uploaded."""

    run: Run
    store: Path

    def report(self, artifact: str = "deployguard") -> dict[str, Any]:
        """Return the report of an artifact."""
        (path,) = (self.store / artifact).rglob("report.json")
        report: dict[str, Any] = json.loads(path.read_text())
        return report

    @property
    def shards(self) -> set[str]:
        """Return the shards whose reports were uploaded."""
        return {path.name for path in self.store.glob("shard-*")}


@pytest.fixture(scope="module")
def lab() -> Iterator[Client]:
    with running_lab() as client:
        yield client


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Tell act where the actions lie that the example uses: this one, and stand-ins of others.

    What this one installs is not in its folder, as that is a stand-in, too.
    """
    folder = tmp_path_factory.mktemp("others")
    for name, (inputs, command, outputs) in OTHERS.items():
        (folder / name).mkdir(parents=True)
        action = acting.other(inputs, command, outputs=outputs)
        (folder / name / "action.yml").write_text(json.dumps(action))
    stored = {"/".join(name.split("/")[:2]) for name in OTHERS}
    local = {f"{name}@{ANY_SHA}": folder / name for name in stored}
    (folder / "deployguard").mkdir()
    shutil.copy(tools.ROOT / "action.yml", folder / "deployguard")
    local["acme/deployguard@v1"] = folder / "deployguard"
    return [f"--local-repository={name}={path}" for name, path in local.items()]


def play(fleet: Fleet, lab: Client, options: list[str], folder: Path) -> Ended:
    """Ship a fleet, and let act run the workflow for it."""
    text = re.sub(r"OWNER/deployguard@\w+", "acme/deployguard@v1", EXAMPLE.read_text())
    text = re.sub(r"@[0-9a-f]{40}\b", f"@{ANY_SHA}", text)
    project = fleet.make(folder / "project", {".github/workflows/fleet.yml": text})
    store = folder / "store"
    (store / "cache").mkdir(parents=True)
    if fleet is fleets.FRESH:
        (store / "cache" / "fleet-0").write_text(json.dumps(fleets.EARLIER))
    environ = tools.clean_environment(folder / "home")
    stand_ins = programs.install(folder / "bin", *programs.PROGRAMS)
    environ["PATH"] = os.pathsep.join([str(stand_ins), environ["PATH"]])
    fleet.ship(lab)
    run = acting.run(
        "workflow_dispatch",
        ".github/workflows/fleet.yml",
        *options,
        f"--env=STORE={store}",
        "--concurrent-jobs=8",  # which wait more than they work
        folder=project,
        environ=environ,
        lab=lab,
        cache=folder / "cache",
    )
    return Ended(run, store)


@pytest.fixture(scope="module")
def fresh(lab: Client, options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return play(fleets.FRESH, lab, options, tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def stale(lab: Client, options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Ended:
    return play(fleets.STALE, lab, options, tmp_path_factory.mktemp("stale"))


@pytest.fixture(scope="module")
def killed(lab: Client, options: list[str], tmp_path_factory: pytest.TempPathFactory) -> Ended:
    with cloud.killing_the_check_of(lab, fleets.KILLED_FUNCTION, shard=fleets.KILLED_SHARD):
        return play(fleets.KILLED, lab, options, tmp_path_factory.mktemp("killed"))


def test_eight_shards_check_the_functions_of_two_regions_and_one_report_holds_all(
    fresh: Ended, lab: Client
) -> None:
    assert fresh.run.code == 0, fresh.run.text
    assert fresh.shards == {f"shard-{number}" for number in range(1, 9)}
    report = fresh.report()
    assert report["verdict"] == "FRESH"
    assert len(report["functions"]) == 10
    assert set(fleets.FRESH.live(lab).values()) == {"2"}


def test_shards_are_split_by_how_long_functions_took_in_an_earlier_run(fresh: Ended) -> None:
    held = [
        {each["function"] for each in fresh.report(shard)["functions"]} for shard in fresh.shards
    ]
    assert {fleets.SLOW} in held
    assert sorted(map(len, held)) == [1, 1, 1, 1, 1, 1, 2, 2]
    (kept,) = (fresh.store / "cache").glob("fleet-1-*")  # for the next run
    assert len(json.loads(kept.read_text())["functions"]) == 10


def test_a_stale_function_fails_the_verdict_and_only_its_alias_is_put_back(
    stale: Ended, lab: Client
) -> None:
    assert stale.run.code != 0
    assert stale.run.failures("verdict") == ["exit status 10"], stale.run.text
    assert stale.report()["verdict"] == "STALE"
    assert len(stale.report()["functions"]) == 2
    assert [*fleets.STALE.live(lab).values()] == ["2", "1"]


def test_the_verdict_without_a_shard_is_doubt_and_what_its_killed_run_left_is_put_back(
    killed: Ended, lab: Client
) -> None:
    assert killed.run.code != 0
    assert killed.run.failures("verdict") == ["exit status 11"], killed.run.text
    assert killed.report()["verdict"] == "INCONCLUSIVE"
    assert "DG314" in [each["id"] for each in killed.report()["fleet"]["findings"]]
    assert [*fleets.KILLED.live(lab).values()] == ["2", "1"]
