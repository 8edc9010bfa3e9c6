"""Move the alias as a whole, and put it back unless the move is kept.

A refused revision is re-read before it is called a conflict: the alias may hold what we asked for,
because the answer to our own write was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deployguard.aws import functions
from deployguard.errors import Attention, AwsFailure, Interrupted, Superseded
from deployguard.model import LATEST, Alias
from deployguard.run import Run

ATTEMPTS = 3
CONFLICTS = ("PreconditionFailedException", "ResourceConflictException")


@dataclass
class Move:
    """A move of an alias that is undone unless it is kept."""

    name: str
    version: str
    kept: bool = False

    def keep(self) -> None:
        """Leave the alias where it was moved to."""
        self.kept = True


@contextmanager
def moved(
    run: Run, function: str, *, name: str, before: Alias | None, version: str
) -> Iterator[Move]:
    """Point an alias at one version alone, for the block, and for good if the move is kept."""
    move = Move(name, version)
    try:
        to(run, function, move, before=before)
        run.record.after = version
        yield move
    finally:
        _unless_kept(run, function, move, before=before)


def _unless_kept(run: Run, function: str, move: Move, *, before: Alias | None) -> None:
    """Put the alias back; a first signal that arrives meanwhile must not cut it short."""
    if move.kept:
        return
    try:
        put_back(run, function, move, before=before)
    except Interrupted:
        put_back(run, function, move, before=before)
        raise


def to(run: Run, function: str, move: Move, *, before: Alias | None) -> None:
    """Move the alias; raise Superseded where somebody else moved it first."""
    current = before
    for _ in range(ATTEMPTS):
        try:
            _write(run, function, move, before=current, version=move.version, weights={})
            return
        except AwsFailure as failure:
            if not (failure.maybe_applied or failure.code in CONFLICTS):
                raise
            refused = failure
        current = functions.alias(run.session, function, move.name)
        if current is not None and _serves(current, move.version, {}):
            run.was_applied()
            return
        if not _is_same(current, before):
            raise _superseded(move, current)
    raise refused


def put_back(run: Run, function: str, move: Move, *, before: Alias | None) -> None:
    """Give the alias back what it served, unless somebody else moved it since."""
    why = "AWS kept refusing the change"
    for _ in range(ATTEMPTS):
        try:
            current = functions.alias(run.session, function, move.name)
            if not _is_same(current, before):
                _restore(run, function, move, current=current, before=before)
            run.record.after = before.version if before else None
            return
        except AwsFailure as failure:
            why = failure.happened
            run.say(f"putting back alias {move.name}: {why}; reading it again")
    raise _needs_a_person(run.function.arn, move, before=before, why=why)


def _restore(
    run: Run, function: str, move: Move, *, current: Alias | None, before: Alias | None
) -> None:
    if current is None or not _serves(current, move.version, {}):
        raise _superseded(move, current)
    if before is None:
        _delete(run, function, move)
    else:
        _write(
            run,
            function,
            move,
            before=current,
            version=before.version,
            weights=before.weights,
        )
    run.say(f"put alias {move.name} back to {_describe(before)}")


def _write(
    run: Run,
    function: str,
    move: Move,
    *,
    before: Alias | None,
    version: str,
    weights: Mapping[str, float],
) -> None:
    after = {"version": version, "weights": dict(weights)}
    if before is None:
        run.change(
            "CreateAlias",
            lambda: functions.create_alias(run.session, function, move.name, version=version),
            before={},
            after=after,
        )
        return
    run.change(
        "UpdateAlias",
        lambda: functions.move_alias(
            run.session,
            function,
            move.name,
            version=version,
            weights=weights,
            revision=before.revision,
        ),
        before={"version": before.version, "weights": dict(before.weights)},
        after=after,
    )


def _delete(run: Run, function: str, move: Move) -> None:
    run.change(
        "DeleteAlias",
        lambda: functions.delete_alias(run.session, function, move.name),
        before={"version": move.version, "weights": {}},
        after={},
    )


def _superseded(move: Move, current: Alias | None) -> Superseded:
    return Superseded(
        f"alias {move.name} was moved to {_describe(current)} by somebody else meanwhile",
        cause="another deploy of this function runs at the same time",
        fix="theirs is left alone; check that deploy instead",
    )


def _serves(alias: Alias, version: str, weights: Mapping[str, float]) -> bool:
    return alias.version == version and dict(alias.weights) == dict(weights)


def _is_same(one: Alias | None, other: Alias | None) -> bool:
    if one is None or other is None:
        return one is other
    return _serves(one, other.version, other.weights)


def _describe(alias: Alias | None) -> str:
    if alias is None:
        return "nothing (it does not exist)"
    weights = "".join(f", {share:.0%} to {version}" for version, share in alias.weights.items())
    return f"version {alias.version}{weights}"


def _needs_a_person(function: str, move: Move, *, before: Alias | None, why: str) -> Attention:
    named = f"--function-name {function} --name {move.name}"
    if before is None:
        command = f"aws lambda delete-alias {named}"
    else:
        weights = ",".join(f"{version}={share}" for version, share in before.weights.items())
        version = "'$LATEST'" if before.version == LATEST else before.version
        command = (
            f"aws lambda update-alias {named} --function-version {version} "
            f"--routing-config 'AdditionalVersionWeights={{{weights}}}'"
        )
    return Attention(
        f"DG402: alias {move.name} of {function} could not be put back "
        f"to {_describe(before)}: {why}",
        cause=f"the alias may still serve version {move.version}",
        fix=command,
    )
