"""The first decider: may we, and what exactly; pure, and printed by --dry-run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from deployguard.errors import Refusal
from deployguard.model import Expected, Link, Remedy, Route, Ruling, Stamp
from deployguard.resources import Alias, Function, Image

HOLD_MARGIN_MS = 500  # for the answer, and for a slow start


@dataclass(frozen=True)
class Live:
    """What AWS shows before anything is changed."""

    latest: Function
    alias: Alias | None
    behind_alias: Function | None  # the version that the alias's main weight goes to
    image: Image | None  # the expected one, from the registry; None where it may not be read
    expected: Expected
    versions: Mapping[str, str] = field(default_factory=dict)  # all of them, with their digests
    no_way_back: str = ""  # why what the alias serves could not serve again


@dataclass(frozen=True)
class Plan:
    """What `check` is about to do to the route."""

    alias: str
    publish: bool
    move: bool
    create: bool
    version: str | None  # the version to serve, where it is already known
    way_back: str | None  # the version that serves now

    @property
    def writes(self) -> bool:
        """Say whether anything is to be changed."""
        return self.publish or self.move

    def steps(
        self, live: Live, *, also: Iterable[str], on_stale: str, aged_s: float | None = None
    ) -> tuple[str, ...]:
        """Say each step in words."""
        version = self.version or "the published version"
        steps = []
        if self.publish:
            steps.append(f"publish $LATEST ({live.expected.digest}) unless it is published already")
        steps.append(f"probe {version} before traffic reaches it")
        if aged_s:
            steps.append(f"probe its containers again until they are {aged_s:g} s old")
        if self.create:
            steps.append(f"create alias {self.alias} at {version}")
        elif self.move:
            steps.append(f"move alias {self.alias} from {self.way_back} to {version}")
        routes = ", ".join((self.alias, *also))
        steps.append(f"probe the containers behind {routes} in overlapping bursts")
        if on_stale == "refresh":
            steps.append("replace stale containers: by a new version, by a configuration change")
        if self.move and on_stale != "fail":
            way_back = f"put {self.alias} back to {self.way_back}"
            undo = f"delete {self.alias} again" if self.create else way_back
            steps.append(f"{undo} unless the verdict is FRESH")
        return tuple(steps)


def check(live: Live, *, alias: str) -> Plan:
    """Plan a check, or refuse it."""
    refuse_unsafe(live.latest)
    refuse_other_architecture(live)
    behind = live.behind_alias
    is_published = behind is not None and behind.fingerprint == live.latest.fingerprint
    has_weights = live.alias is not None and bool(live.alias.weights)
    return Plan(
        alias=alias,
        publish=not is_published,
        move=not is_published or has_weights,
        create=live.alias is None,
        version=behind.version if behind is not None and is_published else None,
        way_back=live.alias.version if live.alias else None,
    )


def expected(image_digest: str, *, labels: Stamp | None, pipeline: Stamp | None) -> Expected:
    """Tie the digest to a build id; refuse where the labels and the pipeline disagree."""
    if labels is not None:
        if pipeline is not None and pipeline.build_id != labels.build_id:
            raise Refusal(
                f"the stamp file says build {pipeline.build_id}, "
                f"but the labels of {image_digest} say {labels.build_id}",
                finding="DG103",
            )
        return Expected(image_digest, labels.build_id, Link.VERIFIED)
    if pipeline is not None:
        return Expected(image_digest, pipeline.build_id, Link.PIPELINE)
    return Expected(image_digest, None, Link.NONE)


def remedies(ruling: Ruling) -> tuple[Remedy, ...]:
    """Return what may help against stale containers, the surest first; never a drain.

    A route that ends at another image, or an image that is old inside, is helped by none.
    """
    found = {finding.id for finding in ruling.findings}
    helping = {"DG204": Remedy.PUBLISH, "DG201": Remedy.CONFIGURE}
    return tuple(remedy for identifier, remedy in helping.items() if identifier in found)


def refresh(remedy: Remedy, *, qualifier: str, drain_s: float) -> tuple[str, ...]:
    """Say each step of a refresh in words."""
    steps = {
        Remedy.PUBLISH: (
            "change the description of $LATEST, and publish it as a new version",
            "probe that version before traffic reaches it",
            f"move alias {qualifier} to it, and back unless the verdict is FRESH",
        ),
        Remedy.CONFIGURE: ("change an environment variable of $LATEST, and wait for the update",),
        Remedy.DRAIN: (f"reserve concurrency 0 for {drain_s:g} s, and restore what it was",),
        Remedy.WAIT: ("wait",),
    }
    census = f"probe the containers behind {qualifier}, to know them"
    return (census, *steps[remedy], "probe them again: none that answered before may answer")


def refuse_useless(remedy: Remedy, route: Route, *, latest: Function, runs: Function) -> None:
    """Refuse a remedy that could not reach the route's containers, or would change their image."""
    if remedy is Remedy.CONFIGURE and route.is_fixed:
        raise Refusal(
            f"{route.qualifier} serves version {runs.version}, whose configuration cannot change",
            cause="a configuration change replaces containers of $LATEST only",
            fix="use --remedy publish, which gives callers of an alias a new version",
        )
    if remedy is Remedy.PUBLISH and latest.digest != runs.digest:
        raise Refusal(
            f"{route.qualifier} runs {runs.digest}, but $LATEST holds {latest.digest}",
            cause="publishing $LATEST would deploy another image than the one to refresh",
            fix="run `deployguard check` to deploy it, or put the image back to $LATEST first",
        )


def refuse_unsafe(function: Function) -> None:
    """Refuse a function whose state makes any claim about its code meaningless."""
    if function.package_type != "Image" or function.digest is None:
        raise Refusal(
            f"{function.name} is a {function.package_type} function, not a container image",
            finding="DG108",
        )
    if function.state == "Failed":
        raise Refusal(
            f"{function.name} is in state Failed ({function.state_reason})", finding="DG109"
        )
    if function.update_status == "Failed":
        raise Refusal(
            f"the last update of {function.name} failed ({function.update_reason})",
            finding="DG105",
        )


def longest_hold_ms(function: Function) -> int:
    """Return what the function's own timeout leaves for a hold."""
    return max(0, function.timeout_s * 1000 - HOLD_MARGIN_MS)


def refuse_long_hold(function: Function, *, hold_ms: int | None) -> None:
    """Refuse a hold that was asked for and that the function's own timeout would cut short."""
    longest = longest_hold_ms(function)
    if hold_ms is not None and hold_ms > longest:
        raise Refusal(
            f"--hold-ms {hold_ms} does not fit into the timeout of {function.name}, "
            f"which is {function.timeout_s} s",
            finding="DG503",
            fix=f"hold for at most {longest} ms, or give the function more time",
            command=f"deployguard check FUNCTION --hold-ms {longest}",
        )


def refuse_long_wait(aged_s: float, *, timeout_s: float) -> None:
    """Refuse to wait for an age that no container reaches before the run ends."""
    if aged_s >= timeout_s:
        raise Refusal(
            f"--aged {aged_s:g} does not fit into --timeout {timeout_s:g}",
            cause="containers are waited for until they are that old, within the run's own time",
            fix=f"give a --timeout well above {aged_s:g}, or a lower --aged",
        )


def refuse_other_architecture(live: Live) -> None:
    """Refuse an image that was built for another processor than the function runs on."""
    image, wanted = live.image, live.latest.architecture
    if image is None or not image.architecture or image.digest != live.latest.digest:
        return
    if image.architecture != wanted:
        raise Refusal(
            f"the image is built for {image.architecture}, but {live.latest.name} runs {wanted}",
            finding="DG112",
        )
