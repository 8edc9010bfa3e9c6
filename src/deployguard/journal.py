"""The lease on a function, held for a block: taken atomically, renewed, and removed at the end.

It lives on the function itself, as the description of an alias that is moved by its RevisionId, so
that a killed run leaves behind what the next one needs to know.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from deployguard import lease, recover
from deployguard.aws import functions
from deployguard.config import Settings
from deployguard.errors import (
    AccessDenied,
    Attention,
    AwsFailure,
    DeployguardError,
    Interrupted,
    Superseded,
    Trouble,
)
from deployguard.lease import Intent, Lease
from deployguard.model import LATEST
from deployguard.resources import Alias
from deployguard.run import Run

RENEW_S = lease.LIFE_S / 4
TOO_LATE_S = 5.0  # a lease that ends this soon is renewed before anything is written under it
PAUSE_S = 1.0
ATTEMPTS = 3
UNLOCKED = (
    "no lock, as asked: two pipelines may change this function at once, and what a killed run "
    "leaves half done is written down nowhere, so `deployguard recover` cannot put it back"
)


@contextmanager
def held(run: Run, settings: Settings, function: str, *, needed: bool = True) -> Iterator[bool]:
    """Hold the lease for the block; yield whether what was read before may be outdated.

    It is where another run ended, or was undone, while this one waited for the lease. Where no
    lease is needed, none is taken; another run's is respected and a dead one's undone all the same.
    """
    if run.journal is not None:  # a part of what holds it already
        yield False
        return
    if not settings.lock:
        run.say(UNLOCKED)
        yield False
        return
    journal = Journal(run, function)
    try:
        yield journal.acquire(wait_s=settings.wait_lock, needed=needed)
    finally:
        run.journal = None
        run.finish(journal.close)


class Journal:
    """The lease of one run, and the intents that are recorded in it."""

    def __init__(self, run: Run, function: str) -> None:
        """Make up an owner; nothing is asked of AWS yet."""
        self.run = run
        self.function = function
        self.owner = secrets.token_hex(4)
        self.lease: Lease | None = None
        self.lost = ""  # who took the lease from us
        self._revision = ""
        self._may_be_there = False
        self._unsettled: set[tuple[lease.What, str]] = set()
        self._has_kept = False
        self._writing = threading.Lock()
        self._ended = threading.Event()

    def acquire(self, *, wait_s: float, needed: bool) -> bool:
        """Take the lease; say whether another run was waited for, or undone.

        Raises: Superseded while somebody else holds it; Refusal where it cannot be understood.
        """
        self.run.step("take the lease")
        give_up = self.run.now + wait_s
        is_outdated = False
        found = None if needed else self._read()
        if found is None and not needed:
            return False
        while True:
            self.run.checkpoint()
            found = self._create() if found is None else found
            if found is None:
                continue
            there = lease.parse(found.description, function=self.run.function.arn)
            if there.owner == self.owner:
                self._begin(there, found)
                return self._undo(there) or is_outdated
            if there.is_over(self.run.session.now()):
                found = self._take_over(found, there)
            else:
                self._wait(there, give_up=give_up)
                found = self._read()
            is_outdated = True

    def note(self, intent: Intent) -> None:
        """Record an intent, durably, before its effect."""
        assert self.lease is not None
        self._unsettled.add(intent.subject)
        self._write(lambda now: replace(now, intents=lease.merged(now.intents, intent)))

    def settle(self, intent: Intent, *, kept: bool) -> None:
        """Say that nothing is left to do about an intent: undone, or meant to stay."""
        assert self.lease is not None
        self._unsettled.discard(intent.subject)
        self._has_kept |= kept
        others = tuple(each for each in self.lease.intents if each.subject != intent.subject)
        self.lease = replace(self.lease, intents=others)  # in AWS's copy with the next write

    def ensure(self) -> None:
        """Make sure, before a write, that the lease is still ours and will be for a while."""
        if self.lost:
            raise self._superseded()
        assert self.lease is not None
        if self.lease.until - self.run.session.now() < TOO_LATE_S:
            self._write(lambda now: now)

    def close(self) -> None:
        """Remove the lease, unless an intent is left in it for `recover`."""
        self._ended.set()
        if self.lost or not (self._may_be_there or self.lease):
            return
        if self._unsettled:
            self.run.say(f"alias {lease.ALIAS} keeps what is left to do, for `deployguard recover`")
            return
        self.run.step("release the lease")
        try:
            if self.lease is None and not self._is_ours(self._read()):
                return
            functions.delete_alias(self.run.session, self.function, lease.ALIAS)
        except DeployguardError as failure:
            self._complain(failure)

    def _create(self) -> Alias | None:
        """Create the lease; return the one that is there, ours or not, or None to try again."""
        self._may_be_there = True
        try:
            return functions.create_alias(
                self.run.session,
                self.function,
                lease.ALIAS,
                version=LATEST,
                description=str(self._fresh()),
            )
        except AccessDenied as denied:
            self._may_be_there = False
            raise AccessDenied(
                denied.happened,
                code=denied.code,
                cause="the role may not create the lease that keeps two runs apart",
                fix=f"{denied.fix}; or pass --no-lock and do without it",
            ) from denied
        except AwsFailure as failure:
            if not failure.is_undecided:
                self._may_be_there = False
                raise
            return self._read()

    def _take_over(self, found: Alias, theirs: Lease) -> Alias | None:
        """Take a dead run's lease over with its intents; return what is there then, ours or not."""
        self.run.say(f"taking over the lease of {theirs.by}, which ended {_at(theirs)}")
        ours = replace(self._fresh(), intents=theirs.intents)
        self._may_be_there = True
        self._unsettled = {intent.subject for intent in theirs.intents}
        try:
            return self._describe(ours, revision=found.revision)
        except AwsFailure as failure:
            if not failure.is_undecided:
                raise
            return self._read()

    def _undo(self, taken: Lease) -> bool:
        """Finish or undo what the lease that was taken over tells of; say whether it did tell."""
        recover.undo(self.run, self.function, taken)
        self._unsettled.clear()
        self.lease = replace(taken, intents=())
        return bool(taken.intents)

    def _begin(self, ours: Lease, found: Alias) -> None:
        self.lease, self._revision = ours, found.revision
        self.run.journal = self
        threading.Thread(target=self._renew, name="deployguard-lease", daemon=True).start()

    def _renew(self) -> None:
        """Keep the lease alive until the block ends, and not beyond a first signal."""
        while not self._ended.wait(RENEW_S):
            if self.run.is_interrupted or self.lost:
                return
            # The next turn, or the next write, finds out.
            with suppress(DeployguardError, Interrupted):
                self._write(lambda now: now)

    def _write(self, change: lease.Change) -> None:
        """Change the lease if it is still ours; a refused revision is read again first."""
        with self._writing:
            assert self.lease is not None
            wanted = change(replace(self.lease, until=self._fresh().until))
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self._revision = self._describe(wanted, revision=self._revision).revision
                    break
                except AwsFailure as failure:
                    is_gone = failure.trouble is Trouble.MISSING
                    if attempt == ATTEMPTS or not (failure.is_undecided or is_gone):
                        raise
                    self._check_owner(self._read())
            self.lease = wanted

    def _check_owner(self, found: Alias | None) -> None:
        if found is None or not self._is_ours(found):
            self.lost = found.description if found else "nobody: it was deleted"
            raise self._superseded()
        self._revision = found.revision

    def _is_ours(self, found: Alias | None) -> bool:
        return found is not None and f" owner={self.owner} " in found.description

    def _describe(self, entry: Lease, *, revision: str) -> Alias:
        return functions.describe_alias(
            self.run.session, self.function, lease.ALIAS, description=str(entry), revision=revision
        )

    def _read(self) -> Alias | None:
        return functions.alias(self.run.session, self.function, lease.ALIAS)

    def _fresh(self) -> Lease:
        return Lease(self.owner, whoami(), self.run.session.now() + lease.LIFE_S)

    def _wait(self, theirs: Lease, *, give_up: float) -> None:
        if self.run.now + PAUSE_S > min(give_up, self.run.timeout_s):
            raise held_by(theirs, self.run.function.name)
        self.run.say(f"waiting for {theirs.by}, which holds the lease until {_at(theirs)}")
        self.run.wait_until(self.run.now + PAUSE_S, why="another run holds the lease")

    def _superseded(self) -> Superseded:
        return Superseded(
            f"the lease on {self.run.function.name} was lost: {self.lost} has it now",
            finding="DG401",
            cause="this run was stopped for so long that another one took over, or somebody "
            f"deleted alias {lease.ALIAS}",
            fix="theirs is left alone; check again once it ended",
        )

    def _complain(self, failure: DeployguardError) -> None:
        """Say that the lease stays; that matters where a later run would undo what was kept."""
        if self._has_kept and not self.run.is_interrupted:
            raise stays(self.run.function.arn, why=failure.happened) from failure
        self.run.say(f"the lease could not be removed: {failure.happened}")


def held_by(theirs: Lease, function: str) -> Superseded:
    """Say who may change the function now, and until when."""
    return Superseded(
        f"{theirs.by} holds the lease on {function} until {_at(theirs)}", finding="DG406"
    )


def stays(function: str, *, why: str) -> Attention:
    """Ask a person to remove the lease of a deploy that is meant to stay."""
    return Attention(
        f"the lease on {function} could not be removed: {why}",
        finding="DG403",
        command=f"aws lambda delete-alias --function-name {function} --name {lease.ALIAS}",
    )


def whoami() -> str:
    """Name this run to the people of another one: its pipeline, or its machine."""
    for service, variable in (("github", "GITHUB_RUN_ID"), ("gitlab", "CI_JOB_ID")):
        if os.environ.get(variable):
            return _name(f"{service}/{os.environ[variable]}")
    return _name(f"{socket.gethostname()}/{os.getpid()}")


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._/-]", "-", text)[:40]


def _at(theirs: Lease) -> str:
    return lease.moment(theirs.until)
