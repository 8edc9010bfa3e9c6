"""What each finding says, worded by the code that finds it, from evidence made up for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from deployguard import discover, journal, judge, lease, permissions, pins, plan, remedy, shift
from deployguard.aws import images
from deployguard.config import Settings
from deployguard.doctor import checks, show
from deployguard.doctor.facts import Deployment, Facts, Kept, Permission, Place
from deployguard.doctor.lifecycle import Fate
from deployguard.errors import DeployguardError, parts_of
from deployguard.findings import filled
from deployguard.fleet import forgotten
from deployguard.fleet.gates import Gates
from deployguard.lease import Intent, What
from deployguard.model import (
    LATEST,
    Answer,
    Breadcrumb,
    Evidence,
    Expected,
    Link,
    Mode,
    Policy,
    Probe,
    Remedy,
    Replacement,
    Round,
    Route,
    SelfTest,
    Severity,
    Stamp,
)
from deployguard.report import merged, text
from deployguard.resources import Alias, Function, Image, Setup
from deployguard.run import EXIT_CODES
from deployguard.traffic import Caller, Discovery, Unread

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:nightly"
RULE = "arn:aws:events:eu-west-1:123456789012:rule/hourly"
NEW, OLD = "20260102T185749Z-8fbaa108-483920", "20260102T175112Z-3f1c22d0-120045"
NEW_DIGEST, OLD_DIGEST = f"sha256:{'7d3f' * 16}", f"sha256:{'91df' * 16}"


ARN = "arn:aws:lambda:eu-west-1:123456789012:function:greeter"
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/greeter"
FUNCTION = Function(
    name="greeter",
    arn=ARN,
    version=LATEST,
    digest=NEW_DIGEST,
    image_uri=f"{REPOSITORY}@{NEW_DIGEST}",
    package_type="Image",
    state="Active",
    state_reason="",
    update_status="Successful",
    update_reason="",
    revision="",
    modified=0.0,
    timeout_s=3,
    architecture="x86_64",
    mode=Mode(),
    fingerprint="",
)
PLACE = Place(
    account="123456789012",
    caller="arn:aws:sts::123456789012:assumed-role/deploy/job",
    region="eu-west-1",
    endpoint="https://lambda.eu-west-1.amazonaws.com",
    is_aws=True,
)
LEASE = lease.Lease(
    "9f3c21ab",
    "github/7712345",
    until=1767380269.0,
    intents=(Intent(What.ALIAS, "41", ("42",), name="live"),),
)
LEVELS = {"application": "ERROR", "system": "WARN"}
ABOUT = {"FUNCTION": ARN, "NAME": "greeter", "ALIAS": "live"}


def told() -> dict[str, tuple[str, str]]:
    """Return, for each finding, how it ends a run and how it is printed."""
    looked = {name: _looked(name, facts) for name, facts in _facts().items()}
    raised = {error.finding: _raised(error) for error in _errors()}
    judged = {name: _judged(name, evidence) for name, evidence in _evidence().items()}
    return looked | raised | judged | dict(_merged())


def _merged() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield what is told of several functions together."""
    whole = merged.alone("", 16, of=8) | {"held": [1, 2, 3, 4, 6, 7, 8], "merged": True}
    fresh = {"verdict": "FRESH", "exit_code": 0}
    parts = {"functions": [fresh], "error": None, "exit_code": 0, "fleet": whole}
    judged = merged.judged(parts)
    (lacking,) = judged["fleet"]["findings"]
    left = asdict(forgotten.forgotten(ARN, OLD_DIGEST, REPOSITORY))
    warned = "It is a warning beside the verdict, which it does not move."
    yield left["id"], (warned, "\n".join(text.told(left)))
    end = f"The verdict of all is INCONCLUSIVE at best (exit code {judged['exit_code']})."
    yield lacking["id"], (end, "\n".join(text.told(lacking)))


def _looked(name: str, facts: Facts) -> tuple[str, str]:
    (check,) = (
        check for check in checks.all_of(facts) if check.finding and check.finding.id == name
    )
    code = checks.exit_code((check,))
    shown = "\n".join(show.row(check, len(check.name)))
    return f"`doctor` tells it ({check.severity}, exit code {code}).", shown


def _judged(name: str, evidence: Evidence) -> tuple[str, str]:
    ruling = judge.ruling(evidence)
    (found,) = (finding for finding in ruling.findings if finding.id == name)
    told = asdict(replace(found, command=filled(found.command, ABOUT | {"DIGEST": NEW_DIGEST})))
    shown = (line for row in text.finding(told) for line in row.on(text.PLAIN))
    code = EXIT_CODES[ruling.verdict]
    end = f"The verdict is {ruling.verdict} (exit code {code})."
    if found.severity is Severity.WARNING:
        end = "It is a warning beside the verdict, which it does not move."
    return end, "\n".join(shown)


def _raised(error: DeployguardError) -> tuple[str, str]:
    error.command = filled(error.command, ABOUT)
    return f"The run ends with exit code {error.exit_code}.", text.problem(parts_of(error)).rstrip()


def _evidence() -> dict[str, Evidence]:
    latest = Route("callers", LATEST, {LATEST: 1.0})
    live = Route("callers", "live", {"42": 1.0})
    weights = {"42": 0.9, "41": 0.1}
    fresh = [_probe(live, sent=sent / 2) for sent in range(6)]
    failed = {
        "DG301": (Answer.NO_BREADCRUMB, "the function answered, but with no breadcrumb"),
        "DG302": (Answer.FUNCTION_ERROR, "Runtime.ImportModuleError: No module named 'app'"),
        "DG303": (Answer.THROTTLED, "HTTP 429 TooManyRequestsException"),
        "DG306": (Answer.DENIED, "HTTP 403 AccessDeniedException"),
    }
    silent = {
        name: _on(live, _probe(live, answer=answer, detail=detail))
        for name, (answer, detail) in failed.items()
    }
    young = _on(live, *fresh)
    aged = _probe(live, sent=9.0, self_test=SelfTest(True))
    old = _probe(live, sent=13.0, self_test=SelfTest(False, "TimeoutError"), uptime_s=4.3)
    return silent | {
        "DG311": replace(young, aged=(_round(old),)),
        "DG312": replace(young, policy=Policy(aged_s=4.0), aged=(_round(aged), _round(old))),
        "DG313": replace(young, aged=(_round(_probe(live, sent=9.0)),)),
        "DG101": replace(_on(latest), digests={LATEST: OLD_DIGEST}),
        "DG102": replace(_on(live), expected=Expected(NEW_DIGEST, None, Link.NONE)),
        "DG104": _on(live, _probe(live, build_id=OLD)),
        "DG114": _on(live, _unstamped(live)),
        "DG107": replace(_on(latest, _probe(latest, version=LATEST)), updated=1767380200.0),
        "DG201": replace(
            _on(latest, _probe(latest, build_id=OLD, version=LATEST)),
            builds={OLD: "version 41, built 2026-01-02T17:51:12Z, commit 3f1c22d0"},
        ),
        "DG202": _on(Route("callers", "live", {"41": 1.0})),
        "DG203": _on(Route("callers", "live", weights)),
        "DG204": _on(live, _probe(live, build_id=OLD, version="41")),
        "DG205": replace(
            _on(live, _probe(live)),
            replacement=Replacement(Remedy.DRAIN, 1767380200.0, ("c" * 32,)),
        ),
        "DG113": replace(silent["DG301"], mode=Mode(overrides=('Command ["jobs.handler"]',))),
        "DG206": _called(
            Route("", "41", {"41": 1.0}), Caller("state machine", MACHINE, "41", "state Render")
        ),
        "DG207": replace(
            _called(live, Caller("EventBridge rule", RULE, LATEST), *fresh), alias="live"
        ),
        "DG208": _called(
            Route("", "beta", {"41": 1.0}),
            Caller("REST API", "web (a1b2c3)", "beta", "stage prod, GET /", variables=("alias",)),
        ),
        "DG209": replace(
            _called(live, Caller("state machine", MACHINE, "blue", "state Render"), *fresh),
            missing=("blue",),
        ),
        "DG310": replace(
            _on(live, *fresh),
            policy=Policy(discovery=Discovery.REQUIRED),
            unread=(Unread("EventBridge rules", "the role lacks events:ListRules", "grant it"),),
        ),
        "DG304": _on(latest, _probe(latest, version=LATEST)),
        "DG305": _on(live, _probe(live, said="41")),
        "DG307": replace(_on(live, *fresh), mode=Mode(tenant_isolated=True)),
        "DG308": replace(_on(live, *fresh), mode=Mode(managed_instances=True)),
        "DG309": replace(_on(live, *fresh), unready="IN_PROGRESS, 3 of 10 available"),
        "DG405": replace(_on(live, *fresh), no_way_back="alias live does not exist yet"),
        "DG401": replace(_on(live), superseded="live now serves version 43 to 100%"),
    }


def _round(*probes: Probe) -> Round:
    return Round(1, started=0.0, connect_s=0.1, ramp_s=0.0, peak_overlap=1, probes=probes)


def _on(route: Route, *probes: Probe) -> Evidence:
    return Evidence(
        expected=Expected(NEW_DIGEST, NEW, Link.VERIFIED),
        policy=Policy(),
        mode=Mode(),
        routes=(route,),
        digests={LATEST: NEW_DIGEST, "42": NEW_DIGEST, "41": OLD_DIGEST},
        rounds=(_round(*probes),) if probes else (),
    )


def _called(route: Route, caller: Caller, *probes: Probe) -> Evidence:
    return replace(_on(route, *probes), callers=(caller,))


def _probe(
    route: Route,
    *,
    answer: Answer = Answer.BREADCRUMB,
    detail: str = "",
    build_id: str = NEW,
    version: str = "42",
    said: str = "",
    sent: float = 0.0,
    uptime_s: float = 2.1,
    self_test: SelfTest | None = None,
) -> Probe:
    crumb = Breadcrumb(
        nonce="0" * 32,
        stamp=Stamp(build_id),
        stamp_error=None,
        container="c" * 32,
        born=1767380000.0,
        received=1767380269.0,
        released=1767380269.5,
        invocation=3,
        function_version=said or version,
        log_stream="2026/01/02/[42]0123456789abcdef",
        request_id="",
        initialization_type="on-demand",
        uptime_s=uptime_s,
        remaining_ms=29_000.0,
        self_test=self_test,
    )
    is_crumb = answer is Answer.BREADCRUMB
    return Probe(
        qualifier=route.qualifier,
        sent=sent,
        answered=sent + 0.5,
        answer=answer,
        nonce="0" * 32,
        executed_version=version if is_crumb else None,
        breadcrumb=crumb if is_crumb else None,
        detail=detail,
    )


def _unstamped(route: Route) -> Probe:
    found = _probe(route)
    assert found.breadcrumb is not None
    why = "no file /var/task/build-stamp.json"
    return replace(found, breadcrumb=replace(found.breadcrumb, stamp=None, stamp_error=why))


def _facts() -> dict[str, Facts]:
    """Return what `doctor` finds out where something is in the way."""
    unread = Unread("the image", "the role lacks ecr:BatchGetImage on *", "grant ecr:BatchGetImage")
    role = "arn:aws:iam::123456789012:role/deploy"
    (publish,) = (n for n in permissions.of(["check"]) if n.action == "lambda:PublishVersion")
    missing = Permission("check", missing=((publish, ARN),))
    moving = "d-1A2B3C4D5 of greeter is InProgress"
    in_s3 = Deployment("d-1A2B3C4D5", f"{moving}; its AppSpec lies in S3", is_ours=False)
    latest = partial(replace, FUNCTION)
    changes: dict[str, dict[str, Any]] = {
        "DG407": {"lease": LEASE, "now": LEASE.until + 60},
        "DG409": {"deployments": (Deployment("d-1A2B3C4D5", moving, is_ours=True),)},
        "DG410": {"deployments": (in_s3,)},
        "DG502": {"place": replace(PLACE, endpoint="http://127.0.0.1:4566", is_aws=False)},
        "DG504": {"latest": latest(setup=Setup(log_format="JSON", log_levels=LEVELS))},
        "DG505": {"latest": latest(mode=Mode(snap_start=True))},
        "DG506": {"latest": latest(setup=Setup(is_durable=True))},
        "DG507": {"kept": (Kept("version 41", "", Fate("lifecycle rule 1 deletes it now", True)),)},
        "DG509": {"alias": Alias("live", f"{ARN}:live", LATEST, {}, "")},
        "DG510": {"latest": latest(reserved_concurrency=0)},
        "DG511": {"in_use": 995},
        "DG512": {"probe": None},
        "DG513": {"permissions": (missing,)},
        "DG514": {"how_permitted": f"the role lacks iam:SimulatePrincipalPolicy on {role}"},
        "DG515": {"image": unread},
        "DG516": {"siblings": (f"billing ({OLD_DIGEST})",)},
    }
    return {name: replace(_sound(), **each) for name, each in changes.items()}


def _sound() -> Facts:
    """Return what `doctor` finds out where nothing is in the way."""
    live = Route("callers", "live", {"42": 1.0})
    return Facts(
        place=PLACE,
        named_endpoint=None,
        name="greeter",
        latest=FUNCTION,
        alias_name="live",
        alias=Alias("live", f"{ARN}:live", "42", {}, ""),
        behind=replace(FUNCTION, version="42"),
        image=Image(REPOSITORY, NEW_DIGEST, "x86_64", Stamp(NEW)),
        kept=(),
        siblings=(),
        lease=None,
        now=LEASE.until,
        deployments=(),
        provisioned=None,
        unreserved=1000,
        in_use=0,
        hold_ms=500,
        probe=_probe(live),
        permissions=(),
    )


def _errors() -> Iterator[DeployguardError]:
    refused = "AWS kept refusing the change"
    intent = Intent(What.ALIAS, "41", ("42",), name="live")
    before = lease.alias_from(intent.before, name="live")
    yield shift.needs_a_person(ARN, intent, before, why=refused)
    yield journal.stays(ARN, why=refused)
    yield remedy.reserved_elsewhere(ARN, "50", now="20", why=refused)
    yield journal.held_by(LEASE, "greeter")
    yield discover.no_alias("greeter", "live")
    gates = Gates(2, together=True, fail_fast=False, jobs=2)
    gates.ended("greeter", 10)
    yield gates.withheld()
    yield discover.unfinished(replace(FUNCTION, update_status="InProgress"), after_s=300)
    yield images.missing(images.parse(f"{REPOSITORY}:main"))
    for refusing in _refusing():
        try:
            refusing()
        except DeployguardError as error:
            yield error


def _refusing() -> Iterator[Callable[[], object]]:
    """Yield calls that refuse."""
    why = "ImageAccessDenied: Lambda does not have permission to access the image"
    image = Image(REPOSITORY, NEW_DIGEST, "arm64", Stamp(NEW))
    live = plan.Live(FUNCTION, None, None, image, Expected(NEW_DIGEST, NEW, Link.VERIFIED))
    for function in (
        replace(FUNCTION, update_status="Failed", update_reason=why),
        replace(FUNCTION, package_type="Zip", digest=None),
        replace(FUNCTION, state="Failed", state_reason="InvalidImage: it cannot be read"),
    ):
        yield partial(plan.refuse_unsafe, function)
    yield partial(plan.expected, NEW_DIGEST, labels=Stamp(NEW), pipeline=Stamp(OLD))
    yield partial(lease.parse, "the alias of the reports team", function=ARN)
    yield partial(plan.refuse_other_architecture, live)
    yield partial(plan.refuse_long_hold, FUNCTION, hold_ms=5000)
    yield partial(images.refuse_index, f"{REPOSITORY}:main", images.INDEXES[1])
    yield partial(pins.refuse_unexpected, PLACE, Settings(expect_account="999999999999"))
