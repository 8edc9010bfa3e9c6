"""Ways in which the guard was once brought to lie, each of them closed."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.guard.world import FOR_EVER, Team, eventually

US_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/reports:latest"
LEAKING = b"def handler(event, context):\n    raise ValueError('postgres://u:hunter2@db')\n"
ANSWERING = b"""
import helper

def handler(event, context):
    answer = helper.breadcrumb(event, context)
    answer["deployguard"].update(%s)
    return answer
"""
Edit = Callable[[dict[str, Any]], object]


def stamp_of(team: Team, build_id: str) -> str:
    """Write the pipeline's stamp file."""
    document = {"schema": "deployguard/stamp/v1", "build_id": build_id}
    (team.folder / "stamp.json").write_text(json.dumps(document))
    return "stamp.json"


def test_latest_that_still_answers_for_a_moved_alias_is_not_the_version(team: Team) -> None:
    team.ship("b1")
    team.point("$LATEST")
    team.lab.set(propagation_s=600)
    finished = team.check()
    assert finished.exit_code == 11, finished.out
    assert finished.rulings == {"1": "FRESH", "live": "INCONCLUSIVE"}
    assert team.alias() == "$LATEST"


def test_an_update_of_latest_counts_behind_an_alias_too(team: Team) -> None:
    team.ship("b1")
    team.point("$LATEST")
    team.lab.fault(operation="GetAlias", nth=2, phase="before", kind="delay", seconds=2.0)
    process = team.start("verify", team.name, "--grace", "0")
    eventually(lambda: any(fault["hits"] for fault in team.lab.faults()))
    team.ship("b2")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 12, out + err


def test_a_first_signal_does_not_stop_the_putting_back(failing: Team) -> None:
    failing.lab.fault(operation="UpdateAlias", nth=3, phase="before", kind="throttle")
    process = failing.start("check", failing.name, "--grace", "0", "--also", "$LATEST")
    eventually(lambda: any(fault["hits"] for fault in failing.lab.faults()))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 143, out + err
    assert failing.alias() == "1"


def test_a_qualifier_that_is_missing_is_refused_before_anything_is_changed(moving: Team) -> None:
    before = moving.writes()
    finished = moving.check("--also", "nothing")
    assert finished.exit_code == 3, finished.out
    assert "no alias nothing" in finished.out
    assert moving.writes() == before


def test_a_version_that_aws_still_prepares_is_waited_for(moving: Team) -> None:
    moving.lab.set(publish_s=3)
    finished = moving.check()
    assert finished.exit_code == 0, finished.out
    assert moving.alias() == "2"


def test_an_old_image_with_unusable_labels_hides_no_verdict(team: Team) -> None:
    team.ship("b1", label="two words")
    team.publish()
    team.point("1")
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, **FOR_EVER}])
    team.ship("b2")
    finished = team.check("--also", "$LATEST")
    assert (finished.exit_code, finished.findings) == (10, ["DG201"]), finished.out
    assert team.alias() == "1"


def test_a_rollback_expects_what_it_goes_back_to_and_not_what_was_shipped(moving: Team) -> None:
    uri = moving.push(moving.build("b2"))
    assert moving.check().exit_code == 0
    shipped = {"DEPLOYGUARD_STAMP": stamp_of(moving, "b2"), "DEPLOYGUARD_IMAGE": uri}
    finished = moving.run("rollback", moving.name, "--grace", "0", **shipped)
    assert finished.exit_code == 0, finished.out
    assert finished.function["expected"]["build_id"] == "b1"
    assert moving.alias() == "1"


def test_a_rollback_that_runs_twice_does_not_go_forward_again(moving: Team) -> None:
    assert moving.check().exit_code == 0
    assert moving.run("rollback", moving.name, "--grace", "0").exit_code == 0
    again = moving.run("rollback", moving.name, "--grace", "0")
    assert again.exit_code == 3, again.out
    assert moving.alias() == "1"


@pytest.mark.parametrize("to", ["$LATEST", "live", "0", "1 ", "x;y"])
def test_a_rollback_goes_to_versions_only(moving: Team, to: str) -> None:
    finished = moving.run("rollback", moving.name, "--to", to)
    assert finished.exit_code == 2, finished.out
    assert moving.alias() == "1"


def test_an_image_of_another_region_is_not_looked_up_in_this_one(team: Team) -> None:
    team.ship("b1")
    finished = team.run("verify", f"{team.name}:$LATEST", "--image", US_IMAGE)
    assert finished.exit_code == 2, finished.out
    assert "us-east-1" in finished.out


def test_what_a_handler_says_of_its_errors_stays_out_of_every_output(team: Team) -> None:
    team.ship("b1", handler=LEAKING)
    finished = team.check()
    assert finished.findings == ["DG302", "DG405"]
    assert "ValueError" in finished.out
    assert "hunter2" not in finished.out + finished.err + json.dumps(finished.report)


@pytest.mark.parametrize(
    "answer",
    [
        b"born=10**400",
        b"born=-1",
        b"invocation=10**30",
        b"uptime_s='1'",
        b"stamp=None, stamp_error='\\ud800\\n::error::x'",
        b"stamp={'schema': 'deployguard/stamp/v1', 'build_id': '\\ud800'}",
        b"stamp=[[[]]]",
        b"container=7, log_stream=None, initialization_type={}, born=99999999999",
    ],
)
def test_an_odd_breadcrumb_breaks_nothing_and_replays(team: Team, answer: bytes) -> None:
    team.ship("b1", handler=ANSWERING % answer)
    finished = team.check("--timeout", "8")
    assert finished.exit_code in (0, 11), finished.err
    assert "Traceback" not in finished.err
    replayed = team.run("report", "--replay", "deployguard-report/report.json")
    assert replayed.exit_code == finished.exit_code, replayed.err


def test_a_log_that_nobody_reads_any_more_does_not_undo_a_healthy_deploy(moving: Team) -> None:
    with moving.start("check", moving.name, "--grace", "0") as process:
        assert process.stderr is not None
        process.stderr.close()
        assert process.wait(timeout=60) == 0
    assert moving.alias() == "2"


def test_probes_take_the_proxy_that_the_sdk_takes(team: Team) -> None:
    team.ship("b1")
    elsewhere = {"AWS_ENDPOINT_URL": "http://lambda.invalid", "HTTP_PROXY": team.lab.endpoint}
    finished = team.run("verify", f"{team.name}:$LATEST", "--grace", "0", **elsewhere)
    assert finished.exit_code == 0, finished.out


def test_a_report_folder_that_vanishes_is_made_again(moving: Team) -> None:
    moving.lab.set(propagation_s=3)
    process = moving.start("check", moving.name, "--grace", "30")
    eventually(lambda: moving.alias() == "2")
    shutil.rmtree(moving.folder / "deployguard-report")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert (moving.folder / "deployguard-report" / "report.json").exists()


def test_a_report_folder_that_becomes_a_link_is_not_followed(moving: Team) -> None:
    moving.lab.set(propagation_s=3)
    process = moving.start("check", moving.name, "--grace", "30")
    eventually(lambda: moving.alias() == "2")
    shutil.rmtree(moving.folder / "deployguard-report")
    (moving.folder / "elsewhere").mkdir()
    (moving.folder / "deployguard-report").symlink_to(moving.folder / "elsewhere")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "symbolic link" in err
    assert not list((moving.folder / "elsewhere").iterdir())


def _claim_fresh(report: dict[str, Any]) -> None:
    report.update(verdict="FRESH", exit_code=0)


def _drop_functions(report: dict[str, Any]) -> None:
    _claim_fresh(report)
    report["functions"] = []


def _drop_exit_code(report: dict[str, Any]) -> None:
    report.update(functions=[], verdict="ERROR")
    del report["exit_code"]


def _drop_evidence(report: dict[str, Any]) -> None:
    _claim_fresh(report)
    report["functions"][0]["evidence"] = []


def _add_error(report: dict[str, Any]) -> None:
    _claim_fresh(report)
    report["error"] = {"kind": "AwsFailure", "happened": "", "cause": "", "fix": ""}


def _evidence(report: dict[str, Any]) -> dict[str, Any]:
    (evidence,) = report["functions"][0]["evidence"]
    return dict(evidence)


EDITS: dict[str, Edit] = {
    "no function": _drop_functions,
    "no evidence": _drop_evidence,
    "an error beside a verdict": _add_error,
    "a second function": lambda report: report["functions"].append(report["functions"][0]),
    "a policy that asks for nothing": lambda report: _evidence(report)["policy"].update(
        agreeing_probes=0, settle_s=-1, min_containers=0
    ),
    "a share of nothing": lambda report: _evidence(report)["routes"][-1].update(
        versions={"1": 0.0}
    ),
    "a probe that is repeated": lambda report: _evidence(report)["rounds"][0]["probes"].append(
        _evidence(report)["rounds"][0]["probes"][0]
    ),
    "a borrowed breadcrumb": lambda report: _evidence(report)["rounds"][0]["probes"][0].update(
        nonce="1" * 32
    ),
    "a breadcrumb from a throttle": lambda report: _evidence(report)["rounds"][0]["probes"][
        0
    ].update(answer="throttled"),
    "a round that is repeated": lambda report: _evidence(report)["rounds"].append(
        _evidence(report)["rounds"][0]
    ),
    "a time that is none": lambda report: report.update(seconds=float("nan")),
    "a birth beyond all dates": lambda report: _evidence(report)["rounds"][0]["probes"][0][
        "breadcrumb"
    ].update(born=1e300),
    "no exit code": _drop_exit_code,
    "functions of another kind": lambda report: report.update(functions=[None]),
}


def test_a_report_that_was_edited_replays_to_nothing(team: Team) -> None:
    team.ship("b1")
    finished = team.check()
    assert finished.exit_code == 0
    wrong = {}
    for name, edit in EDITS.items():
        report = json.loads(json.dumps(finished.report))
        edit(report)
        (team.folder / "edited.json").write_text(json.dumps(report))
        replayed = team.run("report", "--replay", "edited.json")
        if replayed.exit_code != 2 or "Traceback" in replayed.err:
            wrong[name] = (replayed.exit_code, replayed.err[-200:])
    assert not wrong


def test_an_ended_run_without_evidence_replays_to_its_end(team: Team) -> None:
    finished = team.run("check", "nothing")
    replayed = team.run("report", "--replay", "deployguard-report/report.json")
    assert (finished.exit_code, replayed.exit_code) == (3, 3)


def test_two_images_of_one_build_id_are_not_taken_for_each_other(team: Team) -> None:
    team.ship("b1")
    team.warm(2)
    team.lab.set(linger=[{"function": team.name, **FOR_EVER}])
    team.push(image := team.build("b1", handler=ANSWERING % b""))
    team.deploy(team.push(image))
    assert team.run("verify", f"{team.name}:$LATEST", "--grace", "0").exit_code != 0
