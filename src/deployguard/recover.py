"""Finish or undo what a dead run left behind, from the intents in its lease.

Only what that run may have set itself is touched: whatever else is found there was set by somebody
since, and stays.
"""

from __future__ import annotations

from collections.abc import Callable

from deployguard import remedy, shift
from deployguard.errors import Superseded
from deployguard.lease import Intent, Lease, What
from deployguard.run import Run


def undo(run: Run, function: str, left: Lease) -> None:
    """Leave behind what every intent wants; raise Attention where a person has to."""
    undoing: dict[What, Callable[[Run, str, Intent], bool]] = {
        What.ALIAS: shift.restore,
        What.CONCURRENCY: remedy.restore_reserved,
        What.VARIABLE: remedy.restore_variable,
    }
    for intent in reversed(left.intents):
        what = f"{intent.what} {intent.name}".strip()
        try:
            if not undoing[intent.what](run, function, intent):
                run.say(f"{what} is {intent.wanted}, as it should be")
            run.record.recovered.append(intent.name)
        except Superseded as theirs:
            run.say(f"{theirs.happened}; left alone")
