"""The accounts and regions of a fleet: a session and a budget for each, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deployguard.aws import fleets
from deployguard.aws.common import Common
from deployguard.aws.session import Session
from deployguard.aws.turnstile import Budget
from deployguard.errors import DeployguardError
from deployguard.fleet.file import REPOSITORY, Entry, Place
from deployguard.fleet.plan import Listing, Shown

AT_ONCE = 8
LISTING_S = 60.0


class Places:
    """Sessions by place; those of one account and region share what they may ask in a second."""

    def __init__(self) -> None:
        """Use the usual credentials, and assume roles from there."""
        self.base = Session()
        self._budgets: dict[tuple[str, str], Budget] = {}
        self._sessions: dict[Place, Session] = {}
        self._common: dict[Place, Common] = {}

    def session(self, place: Place, *, until: float) -> Session:
        """Return a session of its own for one run; nothing is repeated after `until`."""
        if place not in self._sessions:
            here = Session(region=place.region)
            self._sessions[place] = here.assuming(place.role) if place.role else here
        budget = self._budgets.setdefault((place.account, place.region), Budget())
        return self._sessions[place].beside(budget, until=until)

    def common(self, place: Place) -> Common:
        """Return what all runs in a place have read together."""
        return self._common.setdefault(place, Common())

    def hurry(self) -> None:
        """Let no call wait for its turn any more."""
        for budget in [*self._budgets.values()]:
            budget.hurry()

    def region(self, entries: Iterable[Entry]) -> str:
        """Return the region of entries that name none; it is not needed where all do."""
        return "" if all(entry.regions for entry in entries) else self.base.region

    def listings(
        self, entries: Sequence[Entry], *, region: str, until: float
    ) -> dict[Place, Listing]:
        """Read, of each place, what the entries that name no function ask for."""
        asked: dict[Place, list[Entry]] = {}
        for entry in entries:
            for place in entry.places(region) if entry.is_open else ():
                asked.setdefault(place, []).append(entry)
        sessions = [self.session(place, until=until) for place in asked]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(zip(asked, pool.map(_listing, sessions, asked.values()), strict=True))


def _listing(session: Session, entries: Iterable[Entry]) -> Listing:
    try:
        found = fleets.functions(session)
        by_tags = any(entry.tags for entry in entries)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            each = (
                pool.map(partial(fleets.tags, session), found) if by_tags else ({} for _ in found)
            )
            shown = tuple(
                Shown(arn, found[arn], tags) for arn, tags in zip(found, each, strict=True)
            )
        wanted = [entry.repository for entry in entries if entry.repository]
        return Listing(shown, {each: digests_of(session, each) for each in wanted})
    except DeployguardError as error:
        return Listing(error=error)


def digests_of(session: Session, repository: str) -> frozenset[str]:
    """List the digests of a repository, which is named by itself or by its URI."""
    match = REPOSITORY.fullmatch(repository)
    assert match is not None
    return fleets.digests(session, match["name"], account=match["account"])
