"""Move the alias as a whole, and put it back unless the move is kept.

A refused revision is re-read before it is called a conflict: the alias may hold what we asked for,
because the answer to our own write was lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from deployguard.aws import functions
from deployguard.errors import Attention, AwsFailure, DeployguardError, Interrupted, Superseded
from deployguard.model import LATEST, Alias
from deployguard.run import Run

ATTEMPTS = 3
SIGNALLED_S = 6.0  # GitHub kills 7.5 s after its first signal
OVERTIME_S = 9.0  # for putting back what the run's own time did not suffice for


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
    was_interrupted = run.is_interrupted
    try:
        _put_back_in_time(run, function, move, before=before)
    except Interrupted:
        if was_interrupted:
            raise
        _put_back_in_time(run, function, move, before=before)
        raise


def _put_back_in_time(run: Run, function: str, move: Move, *, before: Alias | None) -> None:
    """Put the alias back before the CI service kills the run, or soon after its own time."""
    run.session.hurry(SIGNALLED_S if run.is_interrupted else max(run.left, 0.0) + OVERTIME_S)
    try:
        put_back(run, function, move, before=before)
    except DeployguardError as problem:
        run.checkpoint(left=problem)
        raise


def to(run: Run, function: str, move: Move, *, before: Alias | None) -> None:
    """Move the alias; raise Superseded where somebody else moved it first."""
    current = before
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _write(run, function, move, before=current, version=move.version, weights={})
            return
        except AwsFailure as failure:
            if not failure.is_undecided:
                raise
            refused = failure
        current = functions.alias(run.session, function, move.name)
        if current is not None and _serves(current, move.version, {}):
            run.was_applied()
            return
        if not _is_same(current, before):
            raise _superseded(move, current)
        if attempt == ATTEMPTS or not run.session.pause(attempt):
            raise refused


def put_back(run: Run, function: str, move: Move, *, before: Alias | None) -> None:
    """Give the alias back what it served, unless somebody else moved it since."""
    is_tried = False
    for attempt in range(1, ATTEMPTS + 1):
        try:
            current = functions.alias(run.session, function, move.name)
            if not _is_same(current, before):
                is_tried = True
                _restore(run, function, move, current=current, before=before)
            elif is_tried:
                run.was_applied()
            break
        except AwsFailure as failure:
            run.say(f"putting back alias {move.name}: {failure.happened}")
            if attempt == ATTEMPTS or not run.session.pause(attempt):
                raise _needs_a_person(
                    run.function.arn, move, before=before, why=failure.happened
                ) from failure
    run.record.after = before.version if before else None
    if is_tried:
        run.say(f"put alias {move.name} back to {_describe(before)}")


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
