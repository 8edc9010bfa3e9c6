"""Move the alias as a whole, and put it back unless the move is kept.

A refused revision is re-read before it is called a conflict: the alias may hold what we asked for,
because the answer to our own write was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from deployguard import lease
from deployguard.aws import functions
from deployguard.errors import Attention, AwsFailure, Superseded
from deployguard.lease import Intent, What
from deployguard.model import LATEST
from deployguard.resources import Alias
from deployguard.run import Run

ATTEMPTS = 3


@dataclass
class Move:
    """A move of an alias, perhaps on and on, that is undone unless it is kept."""

    run: Run
    function: str
    intent: Intent
    current: Alias | None
    kept: bool = False

    def to(self, version: str) -> None:
        """Send all traffic to a version; raise Superseded where somebody else moved the alias."""
        self.run.step(f"move {self.intent.name} to version {version}")
        before = self.intent
        intent = replace(before, after=tuple(dict.fromkeys((*before.after, version))))
        self.run.note(intent)
        self.intent = intent  # only now: what was not written down is not done either
        wanted = Alias(before.name, "", version, {}, "")
        try:
            self.current = _to(self.run, self.function, wanted, before=self.current)
        except (AwsFailure, Superseded) as failure:
            if not (isinstance(failure, AwsFailure) and failure.maybe_applied):
                self.intent = before  # whoever has the alias at this version, it is not this run
            raise
        self.run.record.after = version

    @property
    def has_moved(self) -> bool:
        """Say whether the alias was moved, or may have been."""
        return bool(self.intent.after)

    def keep(self) -> None:
        """Leave the alias where it was moved to."""
        self.kept = True

    def put_back(self) -> None:
        """Give the alias back what it served, unless somebody else moved it since."""
        self.run.step(f"put {self.intent.name} back")
        try:
            is_known = self.intent.is_ours(lease.alias_text(self.current))
            restore(self.run, self.function, self.intent, known=self.current if is_known else None)
        except Superseded:
            self.run.settle(self.intent)
            raise
        self.run.settle(self.intent)
        before = lease.alias_from(self.intent.before, name=self.intent.name)
        self.run.record.after = before.version if before else None


@contextmanager
def moved(
    run: Run,
    function: str,
    *,
    name: str,
    before: Alias | None,
    version: str | None,
    finish: bool = False,
) -> Iterator[Move]:
    """Point an alias at one version alone, for the block, and for good if the move is kept.

    Without a version it stays where it is until the block itself moves it. `finish` says what a
    later run should do about it where this one is killed: complete the move.
    """
    intent = Intent(What.ALIAS, lease.alias_text(before), (), name=name, finish=finish)
    move = Move(run, function, intent, before)
    try:
        if version is not None:
            move.to(version)
        yield move
    finally:
        if move.has_moved and not move.kept:
            run.finish(move.put_back)
        else:
            run.settle(move.intent, kept=move.has_moved)


def restore(run: Run, function: str, intent: Intent, *, known: Alias | None = None) -> bool:
    """Leave an alias at what an intent wants; return whether that took a change.

    `known` is the alias as AWS answered our own move: a read may be older than that.

    Raises: Superseded where it holds what neither this run nor a dead one's intent put there;
    Attention where AWS kept refusing.
    """
    wanted = lease.alias_from(intent.wanted, name=intent.name)
    is_tried = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            trusts = known if wanted is not None and attempt == 1 else None  # by its revision
            found = trusts or functions.alias(run.session, function, intent.name)
            current = found or (None if is_tried else known)
            if not _is_same(current, wanted):
                if not intent.is_ours(lease.alias_text(current)):
                    raise _superseded(intent.name, current)
                is_tried = True
                _write(run, function, wanted, before=current)
            elif is_tried:
                run.was_applied()
            break
        except AwsFailure as failure:
            run.say(f"putting back alias {intent.name}: {failure.happened}")
            if attempt == ATTEMPTS or not run.session.pause(attempt):
                raise needs_a_person(
                    run.function.arn, intent, wanted, why=failure.happened
                ) from failure
    if is_tried:
        run.say(f"put alias {intent.name} back to {_describe(wanted)}")
    return is_tried


def _to(run: Run, function: str, wanted: Alias, *, before: Alias | None) -> Alias | None:
    """Move the alias; raise Superseded where somebody else moved it first, even to this version."""
    current, is_maybe_ours = before, False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _write(run, function, wanted, before=current)
        except AwsFailure as failure:
            if not failure.is_undecided:
                raise
            refused = failure
            is_maybe_ours |= failure.maybe_applied
        current = functions.alias(run.session, function, wanted.name)
        if is_maybe_ours and _is_same(current, wanted):
            run.was_applied()
            return current
        if not _is_same(current, before):
            raise _superseded(wanted.name, current)
        if attempt == ATTEMPTS or not run.session.pause(attempt):
            raise refused
    raise AssertionError("the last attempt returns or raises")


def _write(run: Run, function: str, wanted: Alias | None, *, before: Alias | None) -> Alias | None:
    """Make one alias another, of the same name: create, update or delete it."""
    if wanted is None:
        assert before is not None
        name = before.name
        run.change(
            "DeleteAlias",
            lambda: functions.delete_alias(run.session, function, name),
            before=_shown(before),
            after={},
        )
        return None
    if before is None:
        return run.change(
            "CreateAlias",
            lambda: functions.create_alias(
                run.session, function, wanted.name, version=wanted.version
            ),
            before={},
            after=_shown(wanted),
        )
    return run.change(
        "UpdateAlias",
        lambda: functions.move_alias(
            run.session,
            function,
            wanted.name,
            version=wanted.version,
            weights=wanted.weights,
            revision=before.revision,
        ),
        before=_shown(before),
        after=_shown(wanted),
    )


def _shown(alias: Alias) -> dict[str, object]:
    return {"version": alias.version, "weights": dict(alias.weights)}


def _superseded(name: str, current: Alias | None) -> Superseded:
    return Superseded(
        f"alias {name} was moved to {_describe(current)} by somebody else meanwhile",
        finding="DG401",
    )


def _is_same(one: Alias | None, other: Alias | None) -> bool:
    return lease.alias_text(one) == lease.alias_text(other)


def _describe(alias: Alias | None) -> str:
    if alias is None:
        return "nothing (it does not exist)"
    weights = "".join(f", {share:.0%} to {version}" for version, share in alias.weights.items())
    return f"version {alias.version}{weights}"


def needs_a_person(function: str, intent: Intent, wanted: Alias | None, *, why: str) -> Attention:
    """Give the command that puts an alias back by hand."""
    named = f"--function-name {function} --name {intent.name}"
    if wanted is None:
        command = f"aws lambda delete-alias {named}"
    else:
        weights = ",".join(f"{version}={share}" for version, share in wanted.weights.items())
        version = "'$LATEST'" if wanted.version == LATEST else wanted.version
        command = (
            f"aws lambda update-alias {named} --function-version {version} "
            f"--routing-config 'AdditionalVersionWeights={{{weights}}}'"
        )
    return Attention(
        f"alias {intent.name} of {function} could not be put back to {_describe(wanted)}: {why}",
        finding="DG402",
        cause=f"the alias may still serve version {intent.after[-1]}",
        command=command,
    )
