"""Many functions at once: who they are, one verdict for each, and one for all."""

from __future__ import annotations

import json

import pytest

from tests.guard.crew import NAMES, THERE, Crew, entries, named, verdicts
from tests.guard.test_reports import valid
from tests.guard.world import Team


@pytest.fixture
def crew(team: Team) -> Crew:
    """Have three functions with b1 live and b2 deployed."""
    return Crew(team)


def test_every_function_that_is_named_is_deployed(crew: Crew) -> None:
    crew.write(named(*NAMES))
    finished = crew.check()
    assert finished.exit_code == 0, finished.err + finished.out
    assert verdicts(finished) == dict.fromkeys(NAMES, "FRESH")
    assert set(crew.live.values()) == {"2"}
    assert crew.leases == []
    valid(finished.report)


def test_the_verdict_of_all_is_the_worst(crew: Crew) -> None:
    crew.write(named(*NAMES))
    crew.stale("prices")
    finished = crew.check()
    assert finished.exit_code == 10, finished.err
    assert verdicts(finished) == {"orders": "FRESH", "prices": "STALE", "stock": "FRESH"}
    assert crew.live == {"orders": "2", "prices": "1", "stock": "2"}
    valid(finished.report)
    replayed = crew.team.run(
        "report", "--replay", "deployguard-report/report.json", "--format", "json"
    )
    assert replayed.exit_code == 10
    assert json.loads(replayed.out)["verdict"] == "STALE"


def test_whoever_watches_or_reads_another_form_is_told_of_every_function(crew: Crew) -> None:
    crew.write(named(*NAMES))
    crew.stale("prices")
    finished = crew.check()
    folder = crew.team.folder / "deployguard-report"
    page, tests = ((folder / name).read_text() for name in ("report.html", "junit.xml"))
    assert "STALE: 3 functions" in page
    for name in NAMES:
        assert f"{name}:live" in page
        assert f'name="verdict on {name}:live"' in tests
        assert f" {name}: round 1 on " in finished.err


def test_a_function_that_does_not_exist_has_an_entry_and_ends_no_other(crew: Crew) -> None:
    crew.write(named("orders", "nothing"))
    finished = crew.check()
    assert finished.exit_code == 3, finished.err
    assert verdicts(finished) == {"orders": "FRESH", "nothing": "ERROR"}
    assert entries(finished)["nothing"]["error"]["kind"] == "NotFound"
    valid(finished.report)


def test_settings_of_an_entry_outweigh_those_of_the_file_and_flags_outweigh_both(
    crew: Crew,
) -> None:
    crew.write('alias = "stable"\n' + named("orders") + named("prices", alias='"blue"'))
    assert crew.check().exit_code == 0
    assert crew.members["orders"].alias("stable") == crew.members["prices"].alias("blue") == "2"
    assert crew.check("--alias", "green").exit_code == 0
    assert crew.members["prices"].alias("green") == "2"


def test_patterns_tags_and_repositories_find_functions(crew: Crew) -> None:
    arn = crew.members["stock"].functions.get_function(FunctionName="stock")
    tags = {"team": "logistics"}
    crew.members["stock"].functions.tag_resource(
        Resource=arn["Configuration"]["FunctionArn"], Tags=tags
    )
    for selector, found in {
        'name = "*r*s"': {"orders", "prices"},
        'tags = {team = "logistics"}': {"stock"},
        'repository = "reports"': set(NAMES),
    }.items():
        crew.write(f"[[functions]]\n{selector}\n")
        finished = crew.team.run("verify", "--all", "--grace", "0")
        assert set(verdicts(finished)) == found, finished.err


def test_a_pattern_that_finds_nobody_is_no_success(crew: Crew) -> None:
    crew.write(named("orders", "ordres-*"))
    finished = crew.check()
    assert finished.exit_code == 3
    assert "ordres-*" in finished.out
    valid(finished.report)


def test_what_is_skipped_is_left_alone(crew: Crew) -> None:
    crew.write(named("*") + named("stock", skip="true"))
    finished = crew.check()
    assert set(verdicts(finished)) == {"orders", "prices"}
    assert crew.live["stock"] == "1"


def test_functions_of_several_regions_are_deployed_each_in_its_own(crew: Crew) -> None:
    crew.add("returns", region=THERE)
    crew.write(named("orders") + named("returns", region=f'"{THERE}"'))
    finished = crew.check()
    assert finished.exit_code == 0, finished.err + finished.out
    assert crew.live["returns"] == crew.live["orders"] == "2"
    arns = [each["function"].split(":")[3] for each in entries(finished).values()]
    assert sorted(arns) == ["eu-west-1", THERE]


def test_a_role_is_assumed_for_the_functions_of_its_account(crew: Crew) -> None:
    role = "arn:aws:iam::123456789012:role/deployguard"
    crew.write(named("orders") + named("prices", role=f'"{role}"'))
    finished = crew.check()
    assert finished.exit_code == 0, finished.err
    keys = {
        (call["resource"], call["access_key"] == crew.team.lab.environment["AWS_ACCESS_KEY_ID"])
        for call in crew.team.lab.log()
        if call["operation"] in ("PublishVersion", "Invoke") and call["access_key"]
    }
    assert {("orders", True), ("prices", False)} <= keys
    assert crew.team.lab.calls()["sts.AssumeRole"] == 1
    assert finished.report is not None
    (forgotten,) = finished.report["fleet"]["findings"]
    assert ":function:stock runs " in forgotten["seen"]


def test_a_role_that_may_not_be_assumed_fails_its_functions_only(crew: Crew) -> None:
    role = "arn:aws:iam::123456789012:role/deployguard"
    crew.write(named("orders") + f'[[functions]]\nname = "pri*"\nrole = "{role}"\n')
    crew.team.lab.fault(operation="AssumeRole", kind="deny", times=None)
    finished = crew.check()
    assert finished.exit_code == 3, finished.err
    assert verdicts(finished) == {"orders": "FRESH", "pri*": "ERROR"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no functions are named"),
        ('[[functions]]\nnme = "orders"\n', "did you mean name?"),
        ('[[functions]]\nname = "orders"\nalais = "live"\n', "did you mean alias?"),
        ('[[functions]]\nname = "orders"\nreport_dir = "x"\n', "unknown key 'report_dir'"),
        ('[[functions]]\nname = "orders"\ntimeout = "soon"\n', "timeout"),
        ('[[functions]]\nalias = "live"\n', "who is meant"),
        ('[[functions]]\nname = "orders"\nrole = "deploy"\n', "is no role"),
        (named("orders", "orders"), "a function has one entry"),
        ("[functions]\n", "expected tables"),
        (named("orders", skip="true"), "no function is left to check"),
    ],
)
def test_a_fleet_that_makes_no_sense_is_refused(crew: Crew, text: str, said: str) -> None:
    crew.write(text)
    finished = crew.check()
    assert finished.exit_code == 2, finished.err
    assert said in finished.err
    assert "Traceback" not in finished.err


def test_a_function_beside_all_is_refused(crew: Crew) -> None:
    crew.write(named("orders"))
    finished = crew.team.run("check", "orders", "--all")
    assert finished.exit_code == 2
    assert "--all" in finished.err


def test_a_command_for_one_function_does_not_mind_the_others(crew: Crew) -> None:
    crew.write('alias = "live"\n' + named(*NAMES))
    assert crew.team.run("check", "orders", "--grace", "0").exit_code == 0


def test_a_dry_run_prints_the_plan_of_each_and_changes_nothing(crew: Crew) -> None:
    crew.write(named(*NAMES))
    before = crew.team.lab.writes()
    finished = crew.check("--dry-run")
    assert finished.exit_code == 0, finished.err
    assert finished.out.count("move alias live from 1 to") == len(NAMES)
    assert crew.team.lab.writes() == before


def test_one_function_of_a_fleet_is_rolled_back_by_its_report(crew: Crew) -> None:
    crew.write(named(*NAMES))
    crew.stale("prices")
    assert crew.check().exit_code == 10
    assert crew.team.run("rollback", "orders", "--grace", "0").exit_code == 0
    assert crew.live == {"orders": "1", "prices": "1", "stock": "2"}


def test_a_function_that_was_forgotten_is_named_and_moves_no_verdict(crew: Crew) -> None:
    crew.write(named("orders", "prices"))
    finished = crew.check()
    assert (finished.exit_code, finished.report and finished.report["verdict"]) == (0, "FRESH")
    assert finished.report is not None
    (found,) = finished.report["fleet"]["findings"]
    assert (found["id"], found["severity"]) == ("DG210", "warning")
    assert ":function:stock runs " in found["seen"]
    valid(finished.report)


@pytest.mark.parametrize("operation", ["ListFunctions", "DescribeImages"])
def test_who_may_not_look_for_the_forgotten_is_told_so(crew: Crew, operation: str) -> None:
    crew.write(named("orders", "prices"))
    crew.team.lab.fault(operation=operation, kind="deny", times=None)
    finished = crew.check()
    assert finished.exit_code == 0, finished.err
    assert finished.report is not None
    assert finished.report["fleet"]["findings"] == []
    assert "forgotten" in finished.report["fleet"]["unread"][0]["what"]
    assert "unread: " in finished.out


def test_what_is_skipped_was_not_forgotten(crew: Crew) -> None:
    crew.write(named("orders", "prices") + named("stock", skip="true"))
    finished = crew.check()
    assert finished.report is not None
    assert finished.report["fleet"]["findings"] == []


def test_calls_grow_with_the_functions_and_no_faster(crew: Crew) -> None:
    def asked(*names: str) -> int:
        crew.write(named(*names))
        before = sum(crew.team.lab.calls().values())
        assert crew.team.run("verify", "--all", "--grace", "0").report is not None
        return sum(crew.team.lab.calls().values()) - before

    one, three = asked("orders"), asked(*NAMES)
    assert three <= 3 * one


def test_probes_of_all_functions_together_leave_room_for_callers(crew: Crew) -> None:
    crew.team.lab.set(account_concurrency=60)
    crew.write('also = ["$LATEST"]\n' + named(*NAMES))
    finished = crew.check("--timeout", "20", "--max-probes", "200")
    rounds = [each for entry in entries(finished).values() for each in entry["rounds"]]
    largest = max(each["probes"] for each in rounds if "$LATEST" in each["qualifiers"])
    assert largest * len(NAMES) <= 30
