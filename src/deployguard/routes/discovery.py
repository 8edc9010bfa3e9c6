"""Beside a check: who calls the function, so that no route of real traffic is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deployguard.aws import sources
from deployguard.config import Settings
from deployguard.errors import AccessDenied
from deployguard.model import Evidence
from deployguard.resources import Function
from deployguard.routes import served
from deployguard.routes.nouns import Served
from deployguard.run import Run
from deployguard.traffic import SOURCES, Unread, Use

AUTO_S = 30.0  # after which a check does not wait for the rest, unless that is required
# CloudWatch counts our own probes of versions and aliases, too, and cannot tell them from traffic.
FITTING = tuple(name for name in SOURCES if name != "metrics")


class Discoverer:
    """Reads who calls the function while the check does its own."""

    def __init__(
        self,
        run: Run,
        settings: Settings,
        latest: Function,
        *,
        digests: Mapping[str, str] | None = None,
    ) -> None:
        """Begin to read, unless routes are not to be discovered."""
        self._run = run
        self._reading: sources.Reading | None = None
        self._served = Served({}, {})
        self._unread: tuple[Unread, ...] = ()
        if settings.routes == "off":
            return
        self._unread = tuple(
            Unread(SOURCES[name], "earlier checks are counted there, too", "name other --sources")
            for name in settings.sources
            if name not in FITTING
        )
        try:
            self._served = served.read(run, latest.name, digests=digests)
        except AccessDenied as denied:
            self._unread = (Unread("the aliases, so who calls them", denied.cause, denied.fix),)
            return
        self._reading = sources.Reading(
            run,
            latest,
            served=self._served,
            names=set(settings.sources or FITTING) & set(FITTING),
            within_s=run.left if settings.routes == "required" else min(run.left / 2, AUTO_S),
        )

    def added_to(self, evidence: Evidence) -> Evidence:
        """Wait for what is read, and add it to the evidence."""
        if self._reading is None:
            return replace(evidence, unread=self._unread)
        self._run.step("find callers")
        callers, unread = self._reading.callers(lambda _: None)
        found = sum(caller.use is Use.CALLS for caller in callers)
        missing = f"; {len(unread)} could not be read" if unread else ""
        self._run.say(f"found {found} callers of {self._run.function.name}{missing}")
        called = {caller.qualifier for caller in callers}
        digests = {
            version: digest for version, digest in self._served.digests.items() if version in called
        }
        return replace(
            evidence,
            callers=callers,
            unread=(*self._unread, *unread),
            digests={**digests, **evidence.digests},
        )
