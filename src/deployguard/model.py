"""The nouns of a run, as frozen values: images, stamps, breadcrumbs, probes, routes, judgements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from deployguard.traffic import Caller, Discovery, Unread, Use

LATEST = "$LATEST"


class Verdict(StrEnum):
    """What the evidence says; the worst of all required routes is the verdict of a run."""

    FRESH = "FRESH"
    INCONCLUSIVE = "INCONCLUSIVE"
    STALE = "STALE"
    SUPERSEDED = "SUPERSEDED"
    ERROR = "ERROR"


class Link(StrEnum):
    """How the build id is tied to the digest."""

    VERIFIED = "verified"  # read from the image config, every hash on the way checked
    PIPELINE = "pipeline"  # taken from the pipeline's stamp file
    NONE = "none"


class Claim(StrEnum):
    """What a FRESH route rests on."""

    EXHAUSTIVE = "exhaustive"
    BY_CONSTRUCTION = "by-construction"
    SAMPLED = "sampled"
    NONE = "none"


@dataclass(frozen=True)
class Stamp:
    """The build id baked into an image, and where it came from."""

    build_id: str
    revision: str | None = None
    version: str | None = None
    created: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Expected:
    """The build that was shipped: its digest, its build id, and how the two are tied."""

    digest: str  # sha256:<64 hex>
    build_id: str | None
    link: Link


@dataclass(frozen=True)
class SelfTest:
    """How the user's own self-test ended in a container."""

    ok: bool | None  # None where it told nothing, such as when it took too long
    detail: str = ""  # sanitised and short
    seconds: float = 0.0


@dataclass(frozen=True)
class Breadcrumb:
    """What a container says of itself to a canary; times are its own clock's Unix seconds."""

    nonce: str
    stamp: Stamp | None
    stamp_error: str | None
    container: str
    born: float
    received: float
    released: float
    invocation: int
    function_version: str
    log_stream: str
    request_id: str
    initialization_type: str
    uptime_s: float  # monotonic, since import
    remaining_ms: float | None
    invoked_arn: str = ""
    self_test: SelfTest | None = None  # None where there is none, or it was not asked for


class Answer(StrEnum):
    """What came back from one probe."""

    BREADCRUMB = "breadcrumb"
    NO_BREADCRUMB = "no-breadcrumb"  # the function answered something else
    REPLAYED = "replayed"  # a breadcrumb, but none of this probe
    FUNCTION_ERROR = "function-error"  # it raised, timed out or crashed
    THROTTLED = "throttled"
    DENIED = "denied"
    REFUSED = "refused"  # another error of the Invoke call; nothing ran
    UNKNOWN = "unknown"  # no answer in time, or a broken one: it may have run


@dataclass(frozen=True)
class Probe:
    """One canary invocation; `sent` and `answered` are monotonic seconds since the run began."""

    qualifier: str
    sent: float
    answered: float | None
    answer: Answer
    nonce: str
    executed_version: str | None = None
    breadcrumb: Breadcrumb | None = None
    detail: str = ""  # what came instead of a breadcrumb, sanitised and short


@dataclass(frozen=True)
class Round:
    """One burst: probes that overlap in time, over one or more qualifiers."""

    number: int
    started: float  # monotonic seconds since the run began, before the first request is sent
    connect_s: float
    ramp_s: float  # first to last request sent
    peak_overlap: int  # most probes in flight at once, as the client saw it
    probes: tuple[Probe, ...]


class Remedy(StrEnum):
    """An action that replaces containers."""

    PUBLISH = "publish"  # a new version of the same image, and the alias moved to it
    CONFIGURE = "configure"  # a harmless change of the configuration of $LATEST
    DRAIN = "drain"  # reserved concurrency 0 for a while
    WAIT = "wait"  # nothing but time


class State(StrEnum):
    """What one probe, or one container, is known to run."""

    FRESH = "fresh"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Route:
    """Caller -> qualifier -> version -> digest: one way in which real traffic reaches code."""

    caller: str
    qualifier: str
    versions: Mapping[str, float]  # what the qualifier serves, as shares that sum to 1

    @property
    def is_fixed(self) -> bool:
        """Say whether only numbered versions serve it: those are immutable."""
        return LATEST not in self.versions

    @property
    def is_one_version(self) -> bool:
        """Say whether the qualifier is itself a version number, which nobody can move."""
        return self.qualifier.isdigit()


@dataclass(frozen=True)
class Policy:
    """How much evidence is enough; see docs/evidence.md for where the numbers come from."""

    min_containers: int = 1
    max_probes: int = 1000
    hold_ms: int | None = None  # None: as long as a round takes to arrive, see `hold`
    agreeing_probes: int = 5
    agreeing_after_old: int = 30  # once old ones answered: a tenth that is left would show
    settle_s: float = 2.0  # the agreeing probes of a fixed route span at least this long
    grace_s: float = 15.0  # old answers are tolerated this long after the last change
    min_rounds: int = 2
    max_rounds: int = 8  # on one route, once old answers are no longer tolerated
    min_cold_starts: int = 5
    pool_factor: float = 2.5
    discovery: Discovery = Discovery.OFF
    ignored: tuple[str, ...] = ()  # qualifiers that are meant to serve another build
    aged_s: float = 0.0  # how old a container is to be seen; 0 where nobody asks


@dataclass(frozen=True)
class Mode:
    """How AWS runs the function's containers, as far as it limits what can be claimed."""

    tenant_isolated: bool = False
    managed_instances: bool = False
    snap_start: bool = False
    overrides: tuple[str, ...] = ()  # what ImageConfig puts in place of the image's own words


class Severity(StrEnum):
    """How much a finding weighs: in a judgement an error or a warning, in a preflight the rest."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"  # it moves no verdict, and stops no command
    REFUSED = "refused"  # a command could not run, or would refuse to
    BROKEN = "broken"  # what runs is not what was shipped, or cannot be
    ERROR = "error"  # a reason for the verdict, or for there being none


@dataclass(frozen=True)
class Finding:
    """One named problem: what was seen and expected, the cause, the fix."""

    id: str
    title: str
    seen: str
    expected: str
    cause: str
    fix: str
    help: str
    severity: Severity = Severity.ERROR
    command: str = ""  # that fixes it


@dataclass(frozen=True)
class Replacement:
    """Which containers a remedy is to have replaced."""

    remedy: Remedy
    at: float  # Unix seconds by AWS's clock, when it took effect
    containers: tuple[str, ...]  # that answered before

    @property
    def is_everywhere(self) -> bool:
        """Say whether containers of published versions are to go, too, for others of the same."""
        return self.remedy in (Remedy.DRAIN, Remedy.WAIT)


@dataclass(frozen=True)
class Evidence:
    """Everything that a verdict rests on; the verdict is a pure function of it."""

    expected: Expected
    policy: Policy
    mode: Mode
    routes: tuple[Route, ...]
    digests: Mapping[str, str]  # of every version that AWS told of: version -> sha256:<hex>
    rounds: tuple[Round, ...] = ()
    aged: tuple[Round, ...] = ()  # the same containers, as they grow older
    changed_at: float = 0.0  # run seconds of the last change that old answers may outlive
    updated: float = 0.0  # Unix seconds of the last update of $LATEST, by AWS's clock
    builds: Mapping[str, str] = field(default_factory=dict)  # build id -> where it comes from
    superseded: str = ""  # what somebody else changed meanwhile
    unready: str = ""  # why provisioned concurrency did not become ready
    no_way_back: str = ""  # why nothing could serve again that served before; moves no verdict
    replacement: Replacement | None = None  # what a remedy is to have done
    alias: str = ""  # that callers are to use
    callers: tuple[Caller, ...] = ()  # that AWS shows
    unread: tuple[Unread, ...] = ()  # where callers may be that it does not show
    missing: tuple[str, ...] = ()  # qualifiers that are called, and that do not exist

    @property
    def calling(self) -> tuple[Caller, ...]:
        """Return the callers that traffic comes from, and that are to reach the expected build."""
        ignored = self.policy.ignored
        return tuple(c for c in self.callers if c.use is Use.CALLS and c.qualifier not in ignored)

    @property
    def spent(self) -> int:
        """Return how many probes were sent."""
        return sum(len(each.probes) for each in (*self.rounds, *self.aged))

    def callers_of(self, qualifier: str) -> tuple[Caller, ...]:
        """Return those that call a qualifier."""
        return tuple(caller for caller in self.calling if caller.qualifier == qualifier)

    def predates_update(self, probe: Probe) -> bool:
        """Say whether a container of $LATEST was born before the image was put there.

        Its build id may be the expected one all the same, where two images were given one id.
        """
        crumb = probe.breadcrumb
        return crumb is not None and probe.executed_version == LATEST and crumb.born < self.updated

    def survived(self, probe: Probe) -> bool:
        """Say whether a container answered that the remedy should have replaced."""
        crumb, replacement = probe.breadcrumb, self.replacement
        if crumb is None or replacement is None:
            return False
        is_due = replacement.is_everywhere or probe.executed_version == LATEST
        return crumb.container in replacement.containers or (is_due and crumb.born < replacement.at)

    def is_by_construction(self, route: Route) -> bool:
        """Say whether nothing but a version's immutability decides which containers serve."""
        replaces_within = self.replacement is not None and self.replacement.is_everywhere
        return route.is_fixed and not replaces_within


@dataclass(frozen=True)
class Coverage:
    """How much of the container population the probes reached, and what that claim rests on."""

    claim: Claim
    containers: int = 0
    cold_starts: int = 0
    rounds: int = 0
    probes: int = 0
    stale_upper_bound: float | None = None
    assumptions: tuple[str, ...] = ()
    shortfalls: tuple[str, ...] = ()  # what is still missing for the claim


@dataclass(frozen=True)
class RouteRuling:
    """What the evidence says of one route, and whether more of it could change that."""

    route: Route
    verdict: Verdict
    decided: bool
    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    resume_at: float = 0.0  # run seconds before which another round would add nothing


@dataclass(frozen=True)
class Ruling:
    """What the evidence says of all routes together."""

    verdict: Verdict
    decided: bool
    routes: tuple[RouteRuling, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Change:
    """One write that was attempted on AWS."""

    at: str  # ISO 8601, UTC
    call: str
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    result: str = "ok"  # ok, failed or unknown
