"""Each cause of docs/causes.md, brought about as in life, is told by the findings it names."""

from __future__ import annotations

import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployguard.findings import KINDS
from deployguard.lab import images
from tests.guard.test_preflight import LIFECYCLE, begin, of_function
from tests.guard.world import FOR_EVER, GUARDED, ROLE, Finished, Team, eventually

ROOT = Path(__file__).parents[2]
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/reports"
LATER = "2099-01-02T18:57:49Z"
OTHER_HANDLER = GUARDED + b"\n\ndef plain(event, context):\n    return {'ok': True}\n"
CACHING = b"""
import helper
ANSWERS = []

def handler(event, context):
    ANSWERS.append(helper.breadcrumb(event, context))
    return ANSWERS[0]
"""
Scenario = Callable[[Team], list[Finished]]
SCENARIOS: dict[str, Scenario] = {}


def causes() -> dict[str, dict[str, Any]]:
    """Return the causes by their ids."""
    groups = tomllib.loads((ROOT / "docs" / "causes.toml").read_text())["group"]
    return {cause["id"]: cause for group in groups for cause in group["cause"]}


def scenario(identifier: str) -> Callable[[Scenario], Scenario]:
    """Say which cause a function brings about: b1 is live before, and it returns what was told."""

    def register(bring_about: Scenario) -> Scenario:
        SCENARIOS[identifier] = bring_about
        return bring_about

    return register


def told(*ended: Finished) -> set[str]:
    """Return the findings that commands told."""
    return set(re.findall(r"\bDG\d{3}\b", "".join(each.out + each.err for each in ended)))


def doctor(team: Team) -> Finished:
    return team.run("doctor", team.name)


def lasting(team: Team) -> Finished:
    """Check with little patience."""
    return team.check("--timeout", "10")


def created(team: Team, **how: Any) -> Team:
    """Create another function of b1 with a setting that only its creation takes."""
    uri = team.push(team.build("b1"))
    other = Team(team.lab, team.folder, name="other")
    other.functions.create_function(
        FunctionName=other.name, PackageType="Image", Code={"ImageUri": uri}, Role=ROLE, **how
    )
    return other


# The image never arrived


@scenario("C01")
def pushed_again(live: Team) -> list[Finished]:
    live.push(live.build("b2"), tag="main")
    return [live.check("--image", f"{REPOSITORY}:main")]


@scenario("C02")
def not_seen_by_infrastructure_code(live: Team) -> list[Finished]:
    live.push(live.build("b2"))
    stamp = {"schema": "deployguard/stamp/v1", "build_id": "b2"}
    (live.folder / "build-stamp.json").write_text(json.dumps(stamp))
    return [live.check("--stamp", "build-stamp.json")]


@scenario("C03")
def updating(live: Team) -> list[Finished]:
    live.lab.set(update_s=600)
    live.deploy(live.push(live.build("b2")), wait=False)
    return [live.check("--timeout", "1")]


@scenario("C04")
def update_failed(live: Team) -> list[Finished]:
    live.lab.set(update_fails="ImageAccessDenied")
    live.deploy(live.push(live.build("b2")), wait=False)
    return [live.check()]


@scenario("C05")
def elsewhere(live: Team) -> list[Finished]:
    return [live.check("--expect-region", "us-east-1")]


@scenario("C06")
def index(live: Team) -> list[Finished]:
    live.push(images.index([live.build("b2"), live.build("b2", architecture="arm64")]), tag="main")
    return [live.check("--image", f"{REPOSITORY}:main")]


@scenario("C07")
def other_processor(live: Team) -> list[Finished]:
    live.ship("b2", architecture="arm64")
    return [live.check()]


@scenario("C08")
def forgotten(live: Team) -> list[Finished]:
    created(live)
    live.ship("b2")
    return [doctor(live)]


@scenario("C09")
def two_pipelines(live: Team) -> list[Finished]:
    live.ship("b2")
    held = f"deployguard/1 owner=0123abcd by=github/77 until={LATER}"
    live.functions.create_alias(
        FunctionName=live.name, Name="deployguard", FunctionVersion="$LATEST", Description=held
    )
    refused = live.check()
    live.functions.delete_alias(FunctionName=live.name, Name="deployguard")
    process = live.start("check", live.name)
    eventually(lambda: live.alias() == "2")
    live.ship("b3")
    live.point(live.publish())
    out, err = process.communicate(timeout=60)
    return [refused, Finished(process.returncode, out, err, None)]


@scenario("C10")
def gone_from_the_registry(live: Team) -> list[Finished]:
    code = live.functions.get_function(FunctionName=live.name, Qualifier="1")["Code"]
    live.ship("b2")
    live.ecr.put_lifecycle_policy(
        repositoryName="reports", lifecyclePolicyText=json.dumps(LIFECYCLE)
    )
    foretold = doctor(live)
    gone = {"imageDigest": code["ResolvedImageUri"].split("@")[1]}
    live.ecr.batch_delete_image(repositoryName="reports", imageIds=[gone])
    return [foretold, doctor(live), live.run("rollback", live.name, "--to", "1")]


# The image is old inside


@scenario("C11")
def cached_layer(live: Team) -> list[Finished]:
    live.ship("b2", stamp="b1")
    return [live.check()]


@scenario("C12")
def left_out_of_the_context(live: Team) -> list[Finished]:
    live.ship("b2", stamp=None)
    return [lasting(live)]


@scenario("C15")
def handler_replaced(live: Team) -> list[Finished]:
    live.functions.update_function_configuration(
        FunctionName=live.name, ImageConfig={"Command": ["app.plain"]}
    )
    live.ship("b2", handler=OTHER_HANDLER)
    checked = live.check()
    assert "DG113" in checked.findings
    return [checked, doctor(live)]


# Traffic goes elsewhere


@scenario("C18")
def alias_not_moved(live: Team) -> list[Finished]:
    live.ship("b2")
    return [live.run("verify", live.name)]


@scenario("C19")
def weight_left(live: Team) -> list[Finished]:
    live.ship("b2")
    live.point(live.publish(), weights={"1": 0.1})
    return [live.run("verify", live.name)]


@scenario("C20")
def shifting(live: Team) -> list[Finished]:
    begin(live, of_function(live.name))
    spec = {"bucket": "specs", "key": "app.yaml", "bundleType": "YAML"}
    begin(live, {"revisionType": "S3", "s3Location": spec})
    return [doctor(live)]


@scenario("C24")
def replayed(live: Team) -> list[Finished]:
    live.ship("b2", handler=CACHING)
    live.warm(1)
    return [live.run("verify", f"{live.name}:$LATEST", "--grace", "0", "--timeout", "10")]


@scenario("C25")
def at_the_edge(live: Team) -> list[Finished]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("app.py", GUARDED)
    live.functions.create_function(
        FunctionName="edge",
        Runtime="python3.12",
        Handler="app.handler",
        Code={"ZipFile": content.getvalue()},
        Role=ROLE,
    )
    return [live.run("check", "edge")]


# The right version runs, and looks old


@scenario("C27")
def silent(live: Team) -> list[Finished]:
    live.functions.update_function_configuration(
        FunctionName=live.name,
        LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"},
    )
    return [doctor(live)]


@scenario("C29")
def draining(live: Team) -> list[Finished]:
    live.warm(2)
    live.lab.set(linger=[{"function": live.name, **FOR_EVER}])
    live.ship("b2")
    return [live.run("verify", f"{live.name}:$LATEST", "--grace", "0")]


@scenario("C30")
def provisioning(live: Team) -> list[Finished]:
    live.lab.set(provisioning_s=600)
    live.functions.put_provisioned_concurrency_config(
        FunctionName=live.name, Qualifier="live", ProvisionedConcurrentExecutions=2
    )
    return [doctor(live)]


@scenario("C31")
def published_before(live: Team) -> list[Finished]:
    live.push(live.build("b2"), tag="main")
    assert live.publish() == "1"
    return [live.check("--image", f"{REPOSITORY}:main")]


@scenario("C33")
def snapshots(live: Team) -> list[Finished]:
    return [doctor(created(live, SnapStart={"ApplyOn": "PublishedVersions"}))]


@scenario("C35")
def durable(live: Team) -> list[Finished]:
    return [doctor(created(live, DurableConfig={"ExecutionTimeout": 60}))]


@scenario("C36")
def tenants(live: Team) -> list[Finished]:
    return [lasting(created(live, TenancyConfig={"TenantIsolationMode": "PER_TENANT"}))]


@scenario("C37")
def managed_instances(live: Team) -> list[Finished]:
    provider = "arn:aws:lambda:eu-west-1:123456789012:capacity-provider:some"
    config = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": provider}}
    return [lasting(created(live, CapacityProviderConfig=config))]


@scenario("C38")
def no_aws(live: Team) -> list[Finished]:
    return [doctor(live), live.check("--expect-account", "123456789012")]


def test_a_sound_deploy_is_told_nothing_but_that_it_is_in_the_lab(moving: Team) -> None:
    assert told(moving.check(), doctor(moving)) == {"DG502"}


@pytest.mark.parametrize("identifier", sorted(SCENARIOS))
def test_a_cause_is_told_by_its_findings(live: Team, identifier: str) -> None:
    ended = SCENARIOS[identifier](live)
    named = set(causes()[identifier]["findings"])
    assert named <= told(*ended), "\n".join(each.out + each.err for each in ended)
    assert all("Traceback" not in each.err for each in ended)


def test_each_cause_has_a_finding_that_exists_or_says_why_nothing_is_seen() -> None:
    assert list(causes()) == [f"C{number:02}" for number in range(1, 39)]
    for identifier, cause in causes().items():
        if "findings" in cause:
            assert set(cause["findings"]) <= KINDS.keys(), identifier
        else:
            assert cause["unseen"], identifier
            assert cause["do"], identifier


def test_each_finding_of_a_cause_is_brought_about_here_or_where_the_cause_says() -> None:
    for identifier, cause in causes().items():
        if "tested" in cause:
            text = (ROOT / cause["tested"]).read_text()
            assert all(f'"{name}"' in text for name in cause["findings"]), identifier
        else:
            assert (identifier in SCENARIOS) is ("findings" in cause), identifier
