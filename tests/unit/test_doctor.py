"""What a preflight makes of what it found, when a lifecycle rule strikes, and IAM documents."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployguard import permissions
from deployguard.doctor import checks, iam, lifecycle
from deployguard.doctor.check import Check
from deployguard.doctor.facts import Deployment, Facts, Kept, Permission, Place
from deployguard.doctor.lifecycle import Fate, Rule, Stored
from deployguard.errors import ConfigurationError, NotFound, Refusal
from deployguard.lease import Intent, Lease, What
from deployguard.model import LATEST, Answer, Breadcrumb, Mode, Probe, Severity, Stamp
from deployguard.resources import Alias, Function, Image, Provisioned, Setup
from deployguard.scope import On, Role, Scope
from deployguard.traffic import Unread
from tests.values import ARN, DIGEST, FUNCTION

OTHER = f"sha256:{'91df' * 16}"
DAY = 86_400.0
LONG_AGO = 1767380269.0
HIDDEN = Unread("it", "the role lacks x:Y on *", "grant x:Y")
CRUMB = Breadcrumb(
    nonce="0" * 32,
    stamp=Stamp("b1"),
    stamp_error=None,
    container="c" * 32,
    born=0.0,
    received=1.0,
    released=1.5,
    invocation=1,
    function_version="1",
    log_stream="",
    request_id="",
    initialization_type="on-demand",
    uptime_s=1.0,
    remaining_ms=None,
)
PROBE = Probe("live", 0.0, 0.5, Answer.BREADCRUMB, "0" * 32, "1", CRUMB)
SOUND = Facts(
    place=Place("123456789012", "arn:caller", "eu-west-1", "https://lambda", is_aws=True),
    named_endpoint=None,
    name="reports",
    latest=FUNCTION,
    alias_name="live",
    alias=Alias("live", f"{ARN}:live", "1", {}, "r"),
    behind=replace(FUNCTION, version="1"),
    image=Image("repository", DIGEST, "x86_64", Stamp("b1")),
    kept=(Kept("version 1", "", None),),
    siblings=(),
    lease=None,
    now=LONG_AGO,
    deployments=(),
    provisioned=None,
    unreserved=1000,
    in_use=0,
    hold_ms=500,
    probe=PROBE,
    permissions=(Permission("check"),),
)

DEPLOYMENT = Deployment("d-1", "d-1 of app is InProgress", is_ours=True)
LEASE = Lease("0123abcd", "github/7712345", until=LONG_AGO + 10)
MOVE = Intent(What.ALIAS, "41", ("42",), name="live")


def judged(**changes: Any) -> dict[str, Check]:
    """Return the checks of sound facts but for some changes, by what they are about."""
    return {check.name: check for check in checks.all_of(replace(SOUND, **changes))}


def test_nothing_is_wrong_with_what_is_sound() -> None:
    found = checks.all_of(SOUND)
    assert [check for check in found if check.severity is not Severity.OK] == []
    assert checks.exit_code(found) == 0


def setup(**members: Any) -> Function:
    return replace(FUNCTION, setup=Setup(**members))


def mode(**members: Any) -> Function:
    return replace(FUNCTION, mode=Mode(**members))


WORSE: list[tuple[str, str, dict[str, Any]]] = [
    ("endpoint", "warning", {"place": replace(SOUND.place, is_aws=False)}),
    ("state", "warning", {"latest": HIDDEN}),
    ("state", "refused", {"latest": replace(FUNCTION, package_type="Zip")}),
    ("state", "refused", {"latest": replace(FUNCTION, update_status="Failed")}),
    ("state", "warning", {"latest": replace(FUNCTION, update_status="InProgress")}),
    ("timeout", "refused", {"hold_ms": 4600}),
    ("tenants", "refused", {"latest": mode(tenant_isolated=True)}),
    ("instances", "refused", {"latest": mode(managed_instances=True)}),
    ("snapshots", "note", {"latest": mode(snap_start=True)}),
    ("durable", "note", {"latest": setup(is_durable=True)}),
    ("handler", "warning", {"latest": mode(overrides=('Command ["a.b"]',))}),
    ("logs", "ok", {"latest": setup(log_format="JSON", log_levels={"system": "INFO"})}),
    ("logs", "note", {"latest": setup(log_format="JSON", log_levels={"application": "INFO"})}),
    ("logs", "warning", {"latest": setup(log_format="JSON", log_levels={"system": "WARN"})}),
    ("registry", "warning", {"image": HIDDEN}),
    ("registry", "broken", {"image": Refusal("it is an index", finding="DG110")}),
    ("registry", "broken", {"image": NotFound("there is no such repository")}),
    ("digest", "broken", {"image": replace(SOUND.image, digest=OTHER)}),  # type: ignore[type-var]
    ("architecture", "broken", {"latest": replace(FUNCTION, architecture="arm64")}),
    ("build id", "warning", {"image": replace(SOUND.image, stamp=None)}),  # type: ignore[type-var]
    ("of version 1", "broken", {"kept": (Kept("version 1", "ECR has no x any more", None),)}),
    ("of version 1", "warning", {"kept": (Kept("version 1", HIDDEN, None),)}),
    (
        "of version 1, in time",
        "warning",
        {"kept": (Kept("version 1", "", Fate("rule 1 deletes it now", is_due=True)),)},
    ),
    (
        "of version 1, in time",
        "note",
        {"kept": (Kept("version 1", "", Fate("rule 1 deletes it in 5 days", is_due=False)),)},
    ),
    ("of version 1, in time", "warning", {"kept": (Kept("version 1", "", HIDDEN),)}),
    ("live", "note", {"alias": None, "behind": None}),
    ("live", "warning", {"alias": HIDDEN}),
    ("live", "warning", {"alias": replace(SOUND.alias, version=LATEST)}),  # type: ignore[type-var]
    ("live", "broken", {"behind": replace(FUNCTION, version="1", state="Failed")}),
    ("weights", "warning", {"alias": replace(SOUND.alias, weights={"2": 0.1})}),  # type: ignore[type-var]
    ("CodeDeploy", "refused", {"deployments": (DEPLOYMENT,)}),
    ("CodeDeploy", "warning", {"deployments": (replace(DEPLOYMENT, is_ours=False),)}),
    ("lease", "warning", {"lease": LEASE}),
    ("lease", "warning", {"lease": replace(LEASE, intents=(MOVE,)), "now": LONG_AGO + 99}),
    ("lease", "ok", {"lease": LEASE, "now": LONG_AGO + 99}),
    ("lease", "warning", {"lease": HIDDEN}),
    ("lease", "refused", {"lease": Refusal("alias deployguard is none", finding="DG408")}),
    ("siblings", "note", {"siblings": ("billing (sha256:91df)",)}),
    ("siblings", "warning", {"siblings": HIDDEN}),
    ("CodeDeploy", "warning", {"deployments": HIDDEN}),
    ("provisioned", "warning", {"provisioned": Provisioned("IN_PROGRESS", 5, 1, "")}),
    ("provisioned", "ok", {"provisioned": Provisioned("READY", 5, 5, "")}),
    ("reserved", "refused", {"latest": replace(FUNCTION, reserved_concurrency=0)}),
    ("free", "warning", {"latest": replace(FUNCTION, reserved_concurrency=9)}),
    ("free", "warning", {"in_use": 995}),
    ("free", "warning", {"in_use": HIDDEN}),
    ("free", "warning", {"unreserved": None}),
    ("answer", "note", {"probe": None}),
    ("answer", "refused", {"probe": replace(PROBE, answer=Answer.DENIED, breadcrumb=None)}),
    ("answer", "warning", {"probe": replace(PROBE, answer=Answer.THROTTLED, breadcrumb=None)}),
    ("answer", "warning", {"probe": replace(PROBE, breadcrumb=replace(CRUMB, stamp=None))}),
    ("answer", "broken", {"probe": replace(PROBE, breadcrumb=replace(CRUMB, stamp=Stamp("b0")))}),
    ("how", "note", {"how_permitted": "the role lacks it"}),
]


@pytest.mark.parametrize(("name", "severity", "changes"), WORSE)
def test_each_thing_has_its_severity(name: str, severity: str, changes: dict[str, Any]) -> None:
    check = judged(**changes)[name]
    assert check.severity == severity
    assert check.seen
    assert check.finding is None if severity == "ok" else check.finding


def test_what_is_wrong_says_what_to_run_about_this_very_function() -> None:
    check = judged(image=replace(SOUND.image, digest=OTHER))["digest"]  # type: ignore[type-var]
    assert check.finding is not None
    assert (check.finding.id, check.finding.expected) == ("DG101", OTHER)
    assert check.finding.command == (
        f"aws lambda update-function-code --function-name {ARN} --image-uri repository@{OTHER}"
    )


def test_another_builds_answer_is_no_sign_where_the_alias_serves_another_image() -> None:
    older = replace(FUNCTION, version="1", digest=OTHER)
    crumb = replace(CRUMB, stamp=Stamp("b0"))
    check = judged(behind=older, probe=replace(PROBE, breadcrumb=crumb))["answer"]
    assert check.severity is Severity.OK


def test_what_runs_being_another_image_outweighs_what_would_be_refused() -> None:
    both = replace(SOUND, hold_ms=10_000, image=Refusal("it is an index", finding="DG110"))
    assert checks.exit_code(checks.all_of(replace(SOUND, hold_ms=10_000))) == 3
    assert checks.exit_code(checks.all_of(both)) == 10


def test_a_missing_action_refuses_unless_the_command_can_do_without() -> None:
    needs = {need.action: need for need in permissions.of(["check"])}
    missing = tuple(
        (needs[action], resource)
        for action, resource in (
            ("lambda:UpdateAlias", ARN),
            ("lambda:CreateAlias", ARN),
            ("lambda:GetAccountSettings", "*"),
        )
    )
    found = checks.all_of(
        replace(SOUND, permissions=(Permission("check", missing, unknown=("a:B",)),))
    )
    shown = [(check.severity, check.seen) for check in found if check.topic == "permissions"]
    alone = "bursts on $LATEST cannot leave room for other callers"
    assert shown == [
        ("refused", f"lacks lambda:UpdateAlias, lambda:CreateAlias on {ARN}"),
        (
            "warning",
            f"lacks lambda:GetAccountSettings on *: {alone}",
        ),
        ("note", "nothing harmless tells of a:B"),
    ]


# Lifecycle rules

IMAGES = (
    *(Stored(f"d{n}", (f"v{n}",), pushed=n * DAY) for n in range(1, 6)),
    Stored("d6", (), pushed=6 * DAY),
)


def fate(rule: Rule, digest: str) -> Fate | None:
    return lifecycle.fate([rule], IMAGES, digest=digest, now=10 * DAY)


def test_a_rule_that_keeps_so_many_images_deletes_the_older_ones() -> None:
    rule = Rule(1, "tagged", ("v*",), "imageCountMoreThan", 3)
    text = "lifecycle rule 1 keeps 3 images, of which this is number"
    assert fate(rule, "d2") == Fate(f"{text} 4", is_due=True)
    assert fate(rule, "d3") == Fate(f"{text} 3", is_due=False)


def test_a_rule_of_days_deletes_what_is_older() -> None:
    rule = Rule(2, "any", (), "sinceImagePushed", 7)
    assert fate(rule, "d3") == Fate("lifecycle rule 2 deletes it now", True)
    assert fate(rule, "d5") == Fate("lifecycle rule 2 deletes it in 2 days", False)


def test_a_rule_is_about_the_tags_that_it_names() -> None:
    assert fate(Rule(1, "untagged", (), "sinceImagePushed", 1), "d5") is None
    assert fate(Rule(1, "tagged", ("x*",), "sinceImagePushed", 1), "d5") is None
    assert fate(Rule(1, "tagged", ("v*", "x*"), "sinceImagePushed", 1), "d5") is None
    assert fate(Rule(1, "untagged", (), "sinceImagePushed", 1), "d6") is not None


def test_the_rule_that_strikes_now_is_the_one_to_be_told_of() -> None:
    rules = [
        Rule(1, "any", (), "imageCountMoreThan", 50),
        Rule(2, "any", (), "sinceImagePushed", 1),
    ]
    found = lifecycle.fate(rules, IMAGES, digest="d1", now=10 * DAY)
    assert found == Fate("lifecycle rule 2 deletes it now", True)


def test_a_rule_of_a_kind_that_is_not_known_is_told_of() -> None:
    found = fate(Rule(1, "any", (), "sinceImagePulled", 1), "d1")
    assert found is not None
    assert not found.is_due


# Policies

ANY = Scope(ARN, "arn:ecr")


def granted(*commands: str, scope: Scope = ANY) -> dict[str, list[str]]:
    document = json.loads(iam.policy(permissions.of(commands), scope))
    return {
        action: statement["Resource"]
        for statement in document["Statement"]
        for action in statement["Action"]
    }


def test_each_action_is_granted_once_with_all_that_it_is_needed_on() -> None:
    policy = json.loads(iam.policy(permissions.NEEDS, ANY))
    actions = [action for each in policy["Statement"] for action in each["Action"]]
    assert sorted(actions) == sorted({need.action for need in permissions.NEEDS})
    assert len({each["Sid"] for each in policy["Statement"]}) == len(policy["Statement"])


def test_named_qualifiers_narrow_what_may_be_invoked() -> None:
    named = Scope(ARN, "arn:ecr", ("live",))
    assert granted("verify")["lambda:InvokeFunction"] == [ARN, f"{ARN}:*"]
    assert granted("verify", scope=named)["lambda:InvokeFunction"] == [f"{ARN}:live"]
    latest = replace(named, qualifiers=(LATEST, "live"))
    invoked = granted("verify", scope=latest)["lambda:InvokeFunction"]
    assert invoked == [ARN, f"{ARN}:{LATEST}", f"{ARN}:live"]
    assert granted("check", scope=named)["lambda:InvokeFunction"] == [f"{ARN}:*"]


def test_what_is_needed_on_everything_names_nothing_else() -> None:
    action = "lambda:ListFunctionEventInvokeConfigs"
    assert granted("refresh")[action] == [ARN]
    assert granted("refresh", "routes")[action] == ["*"]


def test_the_function_itself_may_not_be_deleted() -> None:
    assert granted("prune")["lambda:DeleteFunction"] == [f"{ARN}:*"]


def test_what_only_looks_gets_no_action_that_changes_anything() -> None:
    writes = ("Create", "Delete", "Publish", "Put", "Update")
    for command in ("verify", "doctor", "routes"):
        verbs = [action.split(":")[1] for action in granted(command)]
        assert [verb for verb in verbs if verb.startswith(writes)] == []


def test_terraform_has_a_document_for_each_role_that_holds_those_before() -> None:
    text = iam.terraform(permissions.of(["check", "refresh"]), ANY)
    names = [f"deployguard_{role}" for role in list(Role)[:4]]
    for before, name in zip(["", *names], names, strict=False):
        block = text.split(f'"{name}" {{\n')[1].split("\n}\n")[0]
        assert (f"[data.aws_iam_policy_document.{before}.json]" in block) is bool(before)
        assert block.count("{") == block.count("}")
    assert "deployguard_pruner" not in text
    shown = {
        action
        for line in text.splitlines()
        if "actions  " in line
        for action in json.loads(line.partition("= ")[2])
    }
    assert shown == granted("check", "refresh").keys()


def test_every_need_has_a_kind_of_resource_that_the_scope_knows() -> None:
    assert all(ANY.resources([on]) for on in On)


def trusted(provider: str, repository: str, **more: Any) -> Any:
    options = {"branch": "main", "environment": None, "host": "gitlab.example"} | more
    document = iam.trust(
        provider, account="123456789012", partition="aws", repository=repository, **options
    )
    (statement,) = json.loads(document)["Statement"]
    return statement


def test_github_is_trusted_by_both_forms_of_its_subject() -> None:
    statement = trusted("github", "acme@12/reports@34")
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": [
                "repo:acme/reports:ref:refs/heads/main",
                "repo:acme@12/reports@34:ref:refs/heads/main",
            ],
        }
    }
    subjects = trusted("github", "acme/reports", environment="production")["Condition"]
    assert "repo:acme/reports:environment:production" in str(subjects)
    assert "*" not in str(subjects)


def test_gitlab_is_trusted_by_project_and_branch_of_its_host() -> None:
    statement = trusted("gitlab", "acme/reports")
    assert statement["Principal"]["Federated"].endswith(":oidc-provider/gitlab.example")
    assert statement["Condition"]["StringEquals"] == {
        "gitlab.example:aud": "https://gitlab.example",
        "gitlab.example:sub": ["project_path:acme/reports:ref_type:branch:ref:main"],
    }
    with pytest.raises(ConfigurationError):
        trusted("gitlab", "acme/reports", environment="production")
