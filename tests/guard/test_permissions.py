"""The policy that is printed for a command lets it run, is no more than that, and is looked up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from deployguard import permissions
from deployguard.aws import functions, identity, trials
from deployguard.aws.session import Session
from deployguard.doctor import granted
from deployguard.doctor.facts import Permission
from deployguard.lab.policy import ACTIONS, FREE, PREFIXES
from deployguard.permissions import COMMANDS, NEEDS
from deployguard.scope import On
from tests.guard import hook as codedeploy
from tests.guard import inside
from tests.guard.account import machine, notify, rule, schedule, subscribe
from tests.guard.world import Finished, Team
from tests.lab.state_machines import Stage

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
LEFT = "deployguard/1 owner=0123abcd by=somebody until=2026-01-02T18:57:49Z alias=live:1>2"
SIMULATE = "iam:SimulatePrincipalPolicy"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:lambda:invoke"


def policy(team: Team, commands: str, *arguments: str) -> dict[str, Any]:
    """Return the policy that doctor prints for some commands."""
    printed = team.run("doctor", ARN, "--policy", "--commands", commands, *arguments)
    assert printed.exit_code == 0, printed.err
    return dict(json.loads(printed.out))


def actions(document: dict[str, Any]) -> set[str]:
    """Return what a policy allows."""
    return {action for statement in document["Statement"] for action in statement["Action"]}


def used(team: Team, since: int) -> set[str]:
    """Return the actions that were asked for since a call, each of which was allowed."""
    found = set()
    for entry in team.lab.log()[since:]:
        if entry["service"]:
            service = PREFIXES.get(entry["service"], entry["service"])
            named = "GET" if service == "apigateway" else entry["operation"]
            action = f"{service}:{ACTIONS.get(named, named)}"
            assert entry["status"] != 403, entry
            found.add(action)
    return found - set(FREE)


def check(team: Team) -> list[Finished]:
    return [team.check("--also", "$LATEST", "--routes", "required")]


def verify(team: Team) -> list[Finished]:
    quick = ("--grace", "0", "--routes", "required")
    return [team.run("verify", name, *quick) for name in (f"{team.name}:$LATEST", team.name)]


def rollback(team: Team) -> list[Finished]:
    return [team.run("rollback", team.name, "--to", "1")]


def recover(team: Team) -> list[Finished]:
    return [team.run("recover", team.name)]


def refresh(team: Team) -> list[Finished]:
    def remedy(name: str, *arguments: str) -> Finished:
        return team.run("refresh", team.name, "--grace", "0", "--remedy", name, *arguments)

    drain = ("--accept-loss", "--drain-for", "0.1")
    return [remedy("publish"), remedy("configure"), remedy("drain", *drain)]


def prune(team: Team) -> list[Finished]:
    return [team.run("prune", team.name, "--keep", "1")]


def doctor(team: Team) -> list[Finished]:
    return [team.run("doctor", team.name, "--commands", "doctor")]


def routes(team: Team) -> list[Finished]:
    return [team.run("routes", team.name)]


def compare(team: Team) -> list[Finished]:
    states = team.lab.client("stepfunctions")
    (execution,) = states.list_executions(stateMachineArn=MACHINE)["executions"]
    return [team.run("compare", execution["executionArn"], "--last-success", MACHINE)]


def history(team: Team) -> list[Finished]:
    return [team.run("history", team.name)]


def explain(team: Team) -> list[Finished]:
    return [team.run("explain", "--last-failure", MACHINE)]


def plan(team: Team) -> list[Finished]:
    role = "arn:aws:iam::123456789012:role/deployguard"
    tables = ('repository = "reports"', 'tags = {team = "x"}', f'name = "rep*"\nrole = "{role}"')
    text = "".join(f"[[functions]]\n{table}\n" for table in tables)
    (team.folder / "deployguard.toml").write_text(text)
    return [team.run("plan")]


def tagged(team: Team) -> None:
    team.functions.tag_resource(Resource=ARN, Tags={"team": "x"})


def hook(team: Team) -> list[Finished]:
    called = codedeploy.call(
        team,
        json.loads((team.folder / "event.json").read_text()),
        DEPLOYGUARD_ALSO="$LATEST",
        DEPLOYGUARD_ROUTES="required",
    )
    assert called.answers == ["Succeeded"], called.out + called.err
    return [Finished(called.code, called.out, called.err, None)]


def merge(team: Team) -> list[Finished]:
    return [inside.call(team, {"task": "merge", "plan": inside.PLAN}, left_s=60)]


def with_a_report(team: Team) -> None:
    key = "reports/1/1.json"
    inside.bucket(team).put_object(Bucket=inside.BUCKET, Key=key, Body=b"{}")


def called_from_everywhere(team: Team) -> None:
    """Have what routes reads one by one, and a topic that no policy names is looked for in all."""
    team.ship("b2")
    called = {"Resource": f"{ARN}:live"}
    made = machine(team, "nightly", called, publish=True)["stateMachineVersionArn"]
    team.lab.client("stepfunctions").create_state_machine_alias(
        name="prod", routingConfiguration=[{"stateMachineVersionArn": made, "weight": 100}]
    )
    rule(team, "hourly", f"{ARN}:live")
    told = {"FunctionName": team.name, "Qualifier": "live", "Payload": "{}"}
    schedule(team, "daily", {"Arn": UNIVERSAL, "Input": json.dumps(told)})
    team.lab.client("elbv2").create_target_group(Name="web", TargetType="lambda")
    notify(team)
    subscribe(team)
    team.functions.add_permission(
        FunctionName=team.name,
        StatementId="any",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
    )


def many_versions(team: Team) -> None:
    for number in range(4):
        team.functions.update_function_configuration(
            FunctionName=team.name, Description=f"number {number}"
        )
        team.publish()
    team.point("4")
    team.lab.set(clock_step_s=7200)  # what is younger was not asked for by callers


def nothing(_: Team) -> None:
    """Leave all as it is."""


def on_version_2(team: Team) -> None:
    team.ship("b2")
    team.publish()
    team.point("2")


def all_on_version_2(team: Team) -> None:
    called_from_everywhere(team)
    team.publish()
    team.point("2")


def queued(team: Team) -> None:
    """Have a queue that the function reads, and reserved concurrency that a drain can take."""
    team.lab.set(zero_destroys=True)
    queue = team.lab.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    name = queue.rpartition("/")[2]
    team.functions.create_event_source_mapping(
        FunctionName=team.name, EventSourceArn=f"arn:aws:sqs:eu-west-1:123456789012:{name}"
    )
    team.functions.put_function_concurrency(
        FunctionName=team.name, ReservedConcurrentExecutions=200
    )


def hooked(team: Team) -> None:
    """Have CodeDeploy ask about the alias, after it has moved."""
    all_on_version_2(team)
    event = codedeploy.begin(team, codedeploy.AFTER)
    (team.folder / "event.json").write_text(json.dumps(event))


def killed(team: Team) -> None:
    on_version_2(team)
    team.functions.create_alias(
        FunctionName=team.name, Name="deployguard", FunctionVersion="$LATEST", Description=LEFT
    )


def executed(team: Team, end: str = "Succeed") -> None:
    """Run a workflow of which only logs, CloudTrail and the API together tell what ran."""
    team.ship("b2", handler=b"def handler(event, context):\n    return {}\n")
    stage = Stage(team.lab)
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/states/m:*"
    destinations = [{"cloudWatchLogsLogGroup": {"logGroupArn": group}}]
    task = {"Type": "Task", "Resource": f"{ARN}:live", "End": True}
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "R",
        "States": {"R": task},
    }
    states = {
        "Latest": {"Type": "Task", "Resource": ARN, "ResultPath": None, "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$", "ItemProcessor": processor, "Next": "Over"},
        "Over": {"Type": end},
    }
    logging = {"level": "ALL", "includeExecutionData": True, "destinations": destinations}
    machine = stage.machine(states, loggingConfiguration=logging)
    assert stage.ended(stage.start(machine, [{}]))["status"] == f"{end}ed".upper()


def failed(team: Team) -> None:
    """Run it to a bad end."""
    executed(team, end="Fail")


# How a command ends, what it starts from, and what such a run happens not to need.
RUNS: list[tuple[str, Callable[[Team], list[Finished]], Callable[[Team], None], set[str]]] = [
    ("check", check, called_from_everywhere, set()),
    ("verify", verify, all_on_version_2, set()),
    ("rollback", rollback, on_version_2, {"lambda:ListVersionsByFunction"}),
    ("recover", recover, killed, {"lambda:CreateAlias"}),
    (
        "refresh",
        refresh,
        queued,
        {"lambda:DeleteFunctionConcurrency", "lambda:GetAccountSettings"},
    ),
    ("prune", prune, many_versions, {"lambda:GetAlias", "lambda:UpdateAlias"}),
    ("doctor", doctor, nothing, {"codedeploy:BatchGetDeployments", "iam:GetRole"}),
    ("routes", routes, called_from_everywhere, set()),
    ("compare", compare, executed, set()),
    ("history", history, on_version_2, set()),
    ("explain", explain, failed, set()),
    ("hook", hook, hooked, set()),
    ("plan", plan, tagged, set()),
    ("map", merge, with_a_report, set()),
]
EXIT_CODES = {
    "routes": [10],  # where the alias serves the build before
    "compare": [11],  # $LATEST, which was changed a moment ago
}


@pytest.mark.parametrize(("command", "run", "prepare", "spared"), RUNS)
def test_a_command_runs_under_its_own_policy_and_uses_all_of_it(
    live: Team,
    command: str,
    run: Callable[[Team], list[Finished]],
    prepare: Callable[[Team], None],
    spared: set[str],
) -> None:
    prepare(live)
    document = policy(live, command, "--qualifiers", "live,$LATEST")
    since = len(live.lab.log())
    live.lab.set(policy=document)
    ended = run(live)
    said = "".join(finished.out + finished.err for finished in ended)
    codes = [finished.exit_code for finished in ended]
    assert codes == EXIT_CODES.get(command, [0] * len(ended)), said
    assert "could not be read" not in said
    assert used(live, since) | spared >= actions(document)
    assert used(live, since) <= actions(document)


def test_a_policy_for_named_qualifiers_lets_them_be_verified_and_no_other(live: Team) -> None:
    live.lab.set(policy=policy(live, "verify", "--qualifiers", "live"))
    assert live.run("verify", live.name).exit_code == 0
    assert live.run("verify", f"{live.name}:$LATEST").exit_code == 11


# What doctor says of a role that lacks something


@pytest.fixture
def session(live: Team, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Hand out a session that talks to the lab."""
    for name, value in live.lab.environment.items():
        monkeypatch.setenv(name, value)
    return Session()


def lacking(session: Session, team: Team, without: str, *more: str) -> dict[str, set[str]]:
    """Take actions from the policy for everything; return what each command is said to lack."""
    left = [
        {"Effect": "Deny", "Action": [without, *more], "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
    ]
    place, latest = identity.place(session), functions.function(session, team.name)
    team.lab.set(policy={"Statement": left})
    found, _ = granted.look_up(session, place, team.name, latest, "live", commands=COMMANDS)
    team.lab.set(policy=None)
    return {each.command: {need.action for need, _ in each.missing} for each in found}


def test_each_action_that_is_taken_away_is_named_for_each_command_that_needs_it(
    live: Team, session: Session
) -> None:
    for action in sorted({need.action for need in NEEDS} - {SIMULATE}):
        for command, missing in lacking(session, live, action).items():
            needed = {need.action for need in permissions.of([command])}
            assert missing == needed & {action}


def test_a_role_is_looked_up_by_its_path_which_its_session_does_not_tell(
    live: Team, session: Session
) -> None:
    live.lab.client("iam").create_role(
        RoleName="pipeline", Path="/deploy/", AssumeRolePolicyDocument="{}"
    )
    caller = "arn:aws:sts::123456789012:assumed-role/pipeline/job"
    place = replace(identity.place(session), caller=caller)
    latest = functions.function(session, live.name)

    def look_up(*denied: str) -> tuple[tuple[Permission, ...], str]:
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        nothing = {"Effect": "Deny", "Action": ["lambda:PublishVersion", *denied], "Resource": "*"}
        live.lab.set(policy={"Statement": [everything, nothing]})
        return granted.look_up(session, place, live.name, latest, "live", commands=["check"])

    (found,), why = look_up()
    assert ([need.action for need, _ in found.missing], why) == (["lambda:PublishVersion"], "")
    (found,), why = look_up("iam:GetRole")
    assert "lambda:PublishVersion" in found.unknown
    assert why == "it knows no such role: one with a path is found with iam:GetRole only"


def test_without_iam_each_read_that_is_denied_is_found_by_a_harmless_call(
    live: Team, session: Session
) -> None:
    writes = live.lab.writes()
    for action in sorted(trials.TRIALS):
        for command, missing in lacking(session, live, action, SIMULATE).items():
            needed = {need.action for need in permissions.of([command])}
            assert missing == needed & {action, SIMULATE}
    assert live.lab.writes() == writes
    assert live.lab.containers() == []


def test_what_no_harmless_call_tells_is_said_to_be_unknown(live: Team, session: Session) -> None:
    place, latest = identity.place(session), functions.function(session, live.name)
    live.lab.set(
        policy={
            "Statement": [
                {"Effect": "Deny", "Action": SIMULATE, "Resource": "*"},
                {"Effect": "Allow", "Action": "*", "Resource": "*"},
            ]
        }
    )
    (found,), why = granted.look_up(session, place, live.name, latest, "live", commands=["check"])
    assert SIMULATE in why
    needed = {need.action for need in permissions.of(["check"])}
    assert set(found.unknown) == needed - set(trials.TRIALS) - {SIMULATE}
    assert "lambda:PublishVersion" in found.unknown


def test_a_policy_that_forgot_the_versions_is_found(live: Team, session: Session) -> None:
    place, latest = identity.place(session), functions.function(session, live.name)
    bare = {"Effect": "Allow", "Action": ["lambda:*", "iam:*"], "Resource": [ARN, "*"][:1]}
    anything = {"Effect": "Allow", "Action": ["iam:*", "ecr:*", "cloudwatch:*"], "Resource": "*"}
    live.lab.set(policy={"Statement": [bare, anything]})
    (found,), _ = granted.look_up(session, place, live.name, latest, "live", commands=["check"])
    missing = (need for need, _ in found.missing if need.without != permissions.UNSHOWN)
    assert {(need.action, need.on) for need in missing} == {
        ("lambda:GetFunction", On.VERSIONS),
        ("lambda:InvokeFunction", On.VERSIONS),
        ("lambda:InvokeFunction", On.ROUTES),
        ("lambda:GetProvisionedConcurrencyConfig", On.ROUTES),
        ("lambda:GetAccountSettings", On.ACCOUNT),
    }
