"""What each finding says, worded by the code that finds it, from evidence made up for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deployguard import journal, judge, lease, plan, remedy, shift
from deployguard.errors import DeployguardError
from deployguard.lease import Intent, What
from deployguard.model import (
    LATEST,
    Answer,
    Breadcrumb,
    Evidence,
    Expected,
    Function,
    Link,
    Mode,
    Policy,
    Probe,
    Remedy,
    Replacement,
    Round,
    Route,
    SelfTest,
    Stamp,
)
from deployguard.run import EXIT_CODES
from deployguard.traffic import Caller, Discovery, Unread

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:nightly"
RULE = "arn:aws:events:eu-west-1:123456789012:rule/hourly"
NEW, OLD = "20260102T185749Z-8fbaa108-483920", "20260102T175112Z-3f1c22d0-120045"
NEW_DIGEST, OLD_DIGEST = f"sha256:{'7d3f' * 16}", f"sha256:{'91df' * 16}"


def told() -> dict[str, tuple[str, str]]:
    """Return, for each finding, how it ends a run and what it says that it saw."""
    judged = {name: _judged(name, evidence) for name, evidence in _evidence().items()}
    raised = {error.happened[:5]: _raised(error) for error in _errors()}
    waiting = "error: DG106: greeter is still being updated after 300 s"
    return judged | raised | {"DG106": ("The run ends with exit code 11.", waiting)}


def _judged(name: str, evidence: Evidence) -> tuple[str, str]:
    ruling = judge.ruling(evidence)
    (seen,) = (finding.seen for finding in ruling.findings if finding.id == name)
    code = EXIT_CODES[ruling.verdict]
    return f"The verdict is {ruling.verdict} (exit code {code}).", f"seen:     {seen}".rstrip()


def _raised(error: DeployguardError) -> tuple[str, str]:
    return f"The run ends with exit code {error.exit_code}.", f"error: {error.happened}"


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
        "DG108": replace(young, aged=(_round(old),)),
        "DG109": replace(young, policy=Policy(aged_s=4.0), aged=(_round(aged), _round(old))),
        "DG110": replace(young, aged=(_round(_probe(live, sent=9.0)),)),
        "DG101": replace(_on(latest), digests={LATEST: OLD_DIGEST}),
        "DG102": replace(_on(live), expected=Expected(NEW_DIGEST, None, Link.NONE)),
        "DG104": _on(live, _probe(live, build_id=OLD)),
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


def _errors() -> Iterator[DeployguardError]:
    refused = "AWS kept refusing the change"
    intent = Intent(What.ALIAS, "41", ("42",), name="live")
    before = lease.alias_from(intent.before, name="live")
    yield shift.needs_a_person("greeter", intent, before, why=refused)
    yield journal.stays("greeter", why=refused)
    yield remedy.reserved_elsewhere("greeter", "50", now="20", why=refused)
    function = Function(
        name="greeter",
        arn="arn",
        version=LATEST,
        digest=NEW_DIGEST,
        image_uri=None,
        package_type="Image",
        state="Active",
        state_reason="",
        update_status="Failed",
        update_reason="ImageAccessDenied: Lambda does not have permission to access the image",
        revision="",
        modified=0.0,
        timeout_s=3,
        architecture="x86_64",
        mode=Mode(),
        fingerprint="",
    )
    for refusing in (
        lambda: plan.refuse_unsafe(function),
        lambda: plan.expected(NEW_DIGEST, labels=Stamp(NEW), pipeline=Stamp(OLD)),
    ):
        try:
            refusing()
        except DeployguardError as error:
            yield error
