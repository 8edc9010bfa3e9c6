"""Going back to what was live: to that, and never one further, and only where it can serve."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deployguard.lease import Intent, What
from deployguard.report import document, files, history
from deployguard.resources import Alias
from deployguard.run import Record
from tests.guard.world import Finished, Team, eventually
from tests.values import FUNCTION

FOREIGN = "deployguard/1 owner=0123abcd by=somebody until=2126-01-02T18:57:49Z"


@pytest.fixture
def moved(live: Team) -> Team:
    """Have a check move the alias from b2 to b3, over version 1."""
    live.ship("b2")
    live.point(live.publish())
    live.ship("b3")
    assert live.check().exit_code == 0
    return live


def rollback(team: Team, *arguments: str) -> Finished:
    """Roll back without waiting long for old answers to end."""
    return team.run("rollback", team.name, "--grace", "0", *arguments)


def refused(team: Team, *arguments: str) -> str:
    """Assert that a rollback is refused and changes nothing; return what it says."""
    before = team.writes()
    finished = rollback(team, *arguments)
    assert finished.exit_code == 3, finished.out + finished.err
    assert team.writes() == before
    return finished.out


def registry(team: Team, version: str) -> dict[str, str]:
    """Return how ECR calls the image of a version."""
    code = team.functions.get_function(FunctionName=team.name, Qualifier=version)["Code"]
    return {"imageDigest": code["ResolvedImageUri"].split("@")[1]}


def delete_image(team: Team, version: str) -> None:
    """Delete an image, as a lifecycle rule does."""
    team.ecr.batch_delete_image(repositoryName="reports", imageIds=[registry(team, version)])


def archive_image(team: Team, version: str) -> None:
    """Archive an image, as a lifecycle rule does."""
    team.ecr.update_image_storage_class(
        repositoryName="reports",
        imageId=registry(team, version),
        targetStorageClass="ARCHIVE",
    )


@pytest.mark.parametrize("between", [["verify", "reports"], ["verify", "reports:$LATEST"]])
def test_what_was_live_before_is_known_after_a_verify(moved: Team, between: list[str]) -> None:
    moved.run(*between, "--grace", "0")
    finished = rollback(moved)
    assert finished.exit_code == 0, finished.out
    assert moved.alias() == "2"


def test_a_check_that_had_nothing_to_do_changes_nothing_about_the_way_back(moved: Team) -> None:
    assert moved.check().exit_code == 0
    assert rollback(moved).exit_code == 0
    assert moved.alias() == "2"


def test_a_second_rollback_does_not_walk_further_back(moved: Team) -> None:
    assert rollback(moved).exit_code == 0
    assert "--to" in refused(moved)
    assert moved.alias() == "2"
    assert rollback(moved, "--to", "1").exit_code == 0
    assert moved.alias() == "1"


def test_a_rollback_goes_back_again_after_the_next_deploy(moved: Team) -> None:
    assert rollback(moved).exit_code == 0
    moved.ship("b4")
    assert moved.check().exit_code == 0
    assert rollback(moved).exit_code == 0
    assert moved.alias() == "2"


def test_a_check_that_put_the_alias_back_needs_no_rollback(moved: Team) -> None:
    moved.ship("b4")
    moved.point("1", alias="jobs")
    assert moved.check("--also", "jobs").exit_code == 10
    assert "kept no move" in refused(moved)
    assert moved.alias() == "3"


def test_a_check_that_could_read_nothing_needs_no_rollback(moved: Team) -> None:
    moved.lab.fault(operation="GetFunction", kind="deny", times=None)
    assert moved.check().exit_code == 3
    moved.lab.clear_faults()
    assert "kept no move" in refused(moved)
    assert moved.alias() == "3"


def test_a_move_that_stayed_on_request_is_rolled_back(moved: Team) -> None:
    moved.ship("b4")
    moved.point("1", alias="jobs")
    assert moved.check("--also", "jobs", "--on-stale", "fail").exit_code == 10
    assert moved.alias() == "4"
    assert rollback(moved).exit_code == 0
    assert moved.alias() == "3"


def test_an_alias_that_somebody_moved_since_is_not_guessed_about(moved: Team) -> None:
    moved.point("1")
    assert "moved since" in refused(moved)
    assert moved.alias() == "1"


def test_an_alias_that_the_first_deploy_made_has_nothing_to_go_back_to(team: Team) -> None:
    team.ship("b1")
    assert team.check().exit_code == 0
    assert "did not exist" in refused(team)


@pytest.mark.parametrize("phase", ["before", "after"])
def test_what_a_killed_run_moved_is_put_back_and_that_was_the_rollback(
    moved: Team, phase: str
) -> None:
    moved.ship("b4")
    moved.lab.fault(operation="GetFunction", kind="delay", seconds=0.5)
    process = moved.start("check", moved.name, "--grace", "0")
    moved.lab.fault(
        operation="UpdateAlias", alias="live", phase=phase, kind="kill", pid=process.pid
    )
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    moved.lab.set(clock_step_s=120.0)
    finished = rollback(moved)
    assert finished.exit_code == 0, finished.out + finished.err
    assert (moved.alias(), moved.lease()) == ("3", None)
    assert finished.rulings == {"live": "FRESH"}
    assert finished.function["expected"]["build_id"] == "b3"


def test_what_another_run_did_while_it_was_waited_for_is_read_again(moved: Team) -> None:
    moved.functions.create_alias(
        FunctionName=moved.name, Name="deployguard", FunctionVersion="$LATEST", Description=FOREIGN
    )
    process = moved.start("rollback", moved.name, "--grace", "0", "--wait-lock", "60")
    eventually(lambda: "CreateAlias" in [c["operation"] for c in moved.lab.log()[-5:]])
    moved.point("1")
    moved.functions.delete_alias(FunctionName=moved.name, Name="deployguard")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, out + err
    assert "moved since" in out
    assert moved.alias() == "1"


@pytest.mark.parametrize(
    ("spoil", "told"), [(delete_image, "any more"), (archive_image, "ARCHIVED")]
)
def test_a_version_without_its_image_is_not_gone_back_to(
    moved: Team, spoil: Callable[[Team, str], None], told: str
) -> None:
    spoil(moved, "2")
    assert told in refused(moved)
    assert moved.alias() == "3"
    assert rollback(moved, "--to", "1").exit_code == 0


def test_a_version_that_is_gone_is_not_gone_back_to(moved: Team) -> None:
    moved.functions.delete_function(FunctionName=moved.name, Qualifier="2")
    assert "Function not found" in refused(moved)
    assert moved.alias() == "3"


def test_a_version_that_never_became_active_is_not_gone_back_to(moved: Team) -> None:
    moved.lab.set(update_fails="ImageAccessDenied")
    uri = moved.push(moved.build("b4"))
    moved.functions.update_function_code(FunctionName=moved.name, ImageUri=uri, Publish=True)
    assert "is in state Failed" in refused(moved, "--to", "4")
    assert moved.alias() == "3"


def test_a_role_that_may_not_look_for_images_rolls_back_and_says_so(moved: Team) -> None:
    moved.lab.fault(operation="DescribeImages", kind="deny", times=None)
    finished = rollback(moved)
    assert finished.exit_code == 0, finished.out
    assert "whether version 2 has its image is not known" in finished.err
    assert moved.alias() == "2"


def test_a_role_that_may_not_read_the_registry_at_all_still_rolls_back(moved: Team) -> None:
    moved.lab.fault(operation="DescribeImages", kind="deny", times=None)
    moved.lab.fault(operation="BatchGetImage", kind="deny", times=None)
    assert rollback(moved).exit_code == 11
    assert moved.alias() == "2"


def test_where_it_already_serves_that_it_only_shows_it(moved: Team) -> None:
    before = moved.writes()
    finished = rollback(moved, "--to", "3")
    assert finished.exit_code == 0
    assert finished.rulings == {"live": "FRESH"}
    assert moved.writes() == before


def test_a_dry_run_checks_the_target_too(moved: Team) -> None:
    assert "from 3 to 2" in rollback(moved, "--dry-run").out
    archive_image(moved, "2")
    assert rollback(moved, "--dry-run").exit_code == 3


# No way back


def test_a_first_deploy_is_fresh_and_says_that_there_is_no_way_back(team: Team) -> None:
    team.ship("b1")
    finished = team.check(GITHUB_ACTIONS="true")
    assert finished.exit_code == 0
    assert finished.findings == ["DG405"]
    assert "::warning title=DG405" in finished.err
    path = "deployguard-report/report.json"
    replayed = team.run("report", "--replay", path, "--format", "json")
    assert json.loads(replayed.out)["functions"][0]["findings"] == finished.function["findings"]


@pytest.mark.parametrize("spoil", [delete_image, archive_image])
def test_a_deploy_over_a_version_without_its_image_says_so(
    moving: Team, spoil: Callable[[Team, str], None]
) -> None:
    spoil(moving, "1")
    finished = moving.check()
    assert finished.exit_code == 0, finished.out
    assert finished.findings == ["DG405"]
    assert finished.err.index("no way back") < finished.err.index("published version")


def test_a_deploy_with_a_way_back_and_one_that_changes_nothing_say_nothing(moving: Team) -> None:
    assert moving.check().findings == []
    archive_image(moving, "2")
    assert moving.check("--image", moving.push(moving.build("b2"))).findings == []


def test_a_deploy_does_not_depend_on_looking_for_the_way_back(moving: Team) -> None:
    moving.lab.fault(operation="DescribeImages", kind="error", times=None)
    finished = moving.check()
    assert (finished.exit_code, finished.findings) == (0, [])


# The report's history


def after_move(folder: Path, number: int, alias: str = "live") -> list[str]:
    """Write the report of a check that moved an alias; return the versions in its history."""
    started = datetime.fromtimestamp(1e9 + number, UTC)
    record = Record("check", started=started, function=FUNCTION, alias=alias)
    record.kept.append(Intent(What.ALIAS, str(number - 1), (str(number),), name=alias))
    moves = history.after(folder, record)
    files.write(document.build(record, seconds=1.0, tool="0", history=moves), folder)
    return [move.version for move in moves]


def test_a_history_ends_at_twenty_moves_of_each_alias(tmp_path: Path) -> None:
    after_move(tmp_path, 7, alias="jobs")
    for number in range(1, 25):
        versions = after_move(tmp_path, number)
    assert versions == ["7", *map(str, range(5, 25))]


@pytest.mark.parametrize("spoilt", ['{"history": 1}', '{"history": [{"version": "1"}]}', "{"])
def test_a_history_that_cannot_be_read_is_none(tmp_path: Path, spoilt: str) -> None:
    after_move(tmp_path, 2)
    path = tmp_path / "report.json"
    if spoilt != "{":
        spoilt = json.dumps(json.loads(path.read_text()) | json.loads(spoilt))
    path.write_text(spoilt)
    assert history.read(tmp_path) == ()
    alias = Alias(
        "live", "arn:aws:lambda:eu-west-1:123456789012:function:reports:live", "2", {}, ""
    )
    with pytest.raises(Exception, match="nothing says"):
        history.version_before(tmp_path, alias)
