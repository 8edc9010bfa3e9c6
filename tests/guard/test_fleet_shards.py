"""A fleet in shards: each function in one of them, and one verdict for all in the end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.guard.crew import NAMES, Crew, named, verdicts
from tests.guard.test_reports import valid
from tests.guard.world import Finished, Team
from tests.test_docs import valid_for

# A lease of a run that is no more, which had moved the alias.
LEFT = "deployguard/1 owner=0123abcd by=dead/1 until=2026-01-02T18:57:49Z alias=live:1>2"


@pytest.fixture
def crew(team: Team) -> Crew:
    """Have three functions with b1 live and b2 deployed, and all of them named."""
    crew = Crew(team)
    crew.write(named(*NAMES))
    return crew


def shard(crew: Crew, number: int, *arguments: str, of: int = 2) -> Finished:
    """Check one shard; its report lies in a folder of its own."""
    folder = f"shards/{number}"
    return crew.check("--shard", f"{number}/{of}", "--report-dir", folder, *arguments)


def merge(crew: Crew, *numbers: int) -> tuple[Finished, dict[str, Any]]:
    """Make one report of those of some shards."""
    paths = [f"shards/{number}/report.json" for number in numbers]
    finished = crew.team.run("report", "merge", *paths, "--into", "whole", "--format", "json")
    return finished, json.loads(finished.out)


def test_shards_check_every_function_once_and_make_one_report(crew: Crew) -> None:
    assert [shard(crew, number).exit_code for number in (1, 2)] == [0, 0]
    assert set(crew.live.values()) == {"2"}
    finished, whole = merge(crew, 2, 1)
    assert (finished.exit_code, whole["verdict"]) == (0, "FRESH"), finished.err
    assert [each["function"].split(":")[-1] for each in whole["functions"]] == sorted(NAMES)
    valid(whole)
    assert json.loads((crew.team.folder / "whole" / "report.json").read_text()) == whole
    replayed = crew.team.run("report", "--replay", "whole/report.json", "--format", "json")
    assert replayed.exit_code == 0, replayed.err


def test_what_is_recovered_in_shards_is_only_what_is_of_the_shard(crew: Crew) -> None:
    for each in crew.members.values():
        each.publish()
        each.functions.create_alias(
            FunctionName=each.name, Name="deployguard", FunctionVersion="1", Description=LEFT
        )
        each.point("2")
    finished = crew.team.run("recover", "--all", "--shard", "1/3", "--report-dir", "shards/1")
    assert finished.exit_code == 0, finished.err
    assert crew.live == {"orders": "1", "prices": "2", "stock": "2"}
    assert len(crew.leases) == 2


def test_a_stale_function_in_one_shard_is_the_verdict_of_all(crew: Crew) -> None:
    crew.stale("stock")
    assert sorted(shard(crew, number).exit_code for number in (1, 2)) == [0, 10]
    finished, whole = merge(crew, 1, 2)
    assert (finished.exit_code, whole["verdict"]) == (10, "STALE")


@pytest.mark.parametrize("numbers", [(1,), (1, 1), (1, 2, 2)])
def test_what_is_not_each_shard_once_is_never_fresh(crew: Crew, numbers: tuple[int, ...]) -> None:
    for number in set(numbers):
        assert shard(crew, number).exit_code == 0
    finished, whole = merge(crew, *numbers)
    assert (finished.exit_code, whole["verdict"]) == (11, "INCONCLUSIVE")
    assert {finding["id"] for finding in whole["fleet"]["findings"]} == {"DG314"}
    valid(whole)


def test_a_shard_of_another_plan_is_never_fresh(crew: Crew) -> None:
    shard(crew, 1)
    crew.write(named("orders", "stock"))
    shard(crew, 2)
    finished, whole = merge(crew, 1, 2)
    assert (finished.exit_code, whole["verdict"]) == (11, "INCONCLUSIVE")


def test_a_merged_report_whose_verdict_was_edited_is_judged_again(crew: Crew) -> None:
    crew.stale("stock")
    for number in (1, 2):
        shard(crew, number)
    _, whole = merge(crew, 1, 2)
    forged = {**whole, "verdict": "FRESH", "exit_code": 0}
    forged["functions"] = [{**e, "verdict": "FRESH", "exit_code": 0} for e in whole["functions"]]
    (crew.team.folder / "forged.json").write_text(json.dumps(forged))
    assert crew.team.run("report", "--replay", "forged.json").exit_code == 10


def test_what_is_merged_has_forms_and_is_sent_only_to_a_safe_address(crew: Crew) -> None:
    assert shard(crew, 1).exit_code == 0
    arguments = ("report", "merge", "shards/1/report.json", "--into", "whole", "--to", "html")
    refused = crew.team.run(*arguments, "--send", "http://example.com")
    assert refused.exit_code == 2
    assert not (crew.team.folder / "whole").exists()
    assert crew.team.run(*arguments).exit_code == 11
    page = (crew.team.folder / "whole" / "report.html").read_text()
    assert "INCONCLUSIVE: " in page
    assert "DG314" in page


def test_reports_of_functions_that_were_checked_alone_are_merged_too(crew: Crew) -> None:
    for name in ("orders", "prices"):
        assert crew.team.run("check", name, "--grace", "0", "--report-dir", name).exit_code == 0
    finished = crew.team.run("report", "merge", "orders/report.json", "prices/report.json")
    assert finished.exit_code == 0, finished.err
    assert "FRESH        arn:aws:lambda:eu-west-1:123456789012:function:prices" in finished.out


def test_merging_nothing_or_what_is_no_report_is_refused(crew: Crew) -> None:
    (crew.team.folder / "broken.json").write_text("{}")
    for arguments in ((), ("nowhere.json",), ("broken.json",)):
        finished = crew.team.run("report", "merge", *arguments)
        assert finished.exit_code == 2
        assert "Traceback" not in finished.err


def test_shards_are_made_by_how_long_functions_took(crew: Crew) -> None:
    def arn(name: str) -> str:
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{name}"

    seconds = {"orders": 5.0, "prices": 100.0, "stock": 5.0}
    past = {"schema": "deployguard/report/v1"}
    told = [{"function": arn(name), "seconds": each} for name, each in seconds.items()]
    (crew.team.folder / "past.json").write_text(json.dumps({**past, "functions": told}))
    assert verdicts(crew.check("--shard", "1/2", "--durations", "past.json")).keys() == {"prices"}


def test_more_shards_than_functions_leave_some_with_nothing_to_do(crew: Crew) -> None:
    codes = [shard(crew, number, of=4).exit_code for number in (1, 2, 3, 4)]
    assert codes == [0, 0, 0, 0]
    finished, whole = merge(crew, 1, 2, 3, 4)
    assert (finished.exit_code, whole["verdict"]) == (0, "FRESH"), finished.err


def test_the_plan_is_printed_for_people_and_for_ci_services(crew: Crew) -> None:
    plain = crew.team.run("plan")
    assert [line.split()[-1] for line in plain.out.splitlines()] == sorted(NAMES)
    github = crew.team.run("plan", "--matrix", "github", "--shards", "8")
    shards = [each["shard"] for each in json.loads(github.out)["include"]]
    assert shards == ["1/3", "2/3", "3/3"]
    gitlab = crew.team.run("plan", "--matrix", "gitlab", "--shards", "2")
    assert {"check 1/2", "check 2/2", "verdict"} <= json.loads(gitlab.out).keys()
    (crew.team.folder / "shards.json").write_text(gitlab.out)
    valid_for("vendor.gitlab-ci", crew.team.folder / "shards.json")


def test_a_plan_with_somebody_who_is_not_found_is_none(crew: Crew) -> None:
    crew.write(named("orders", "ordres-*"))
    finished = crew.team.run("plan", "--matrix", "github")
    assert (finished.exit_code, finished.out) == (3, "")
    assert "ordres-*" in finished.err


@pytest.mark.parametrize("text", ["0/2", "3/2", "two"])
def test_what_is_no_shard_is_refused(crew: Crew, text: str) -> None:
    finished = crew.check("--shard", text)
    assert finished.exit_code == 2
    assert "--shard" in finished.err
