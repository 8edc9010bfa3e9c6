"""Finish or undo what a dead run left behind, from the intents in its lease.

Only what that run may have set itself is touched: whatever else is found there was set by somebody
since, and stays.
"""

from __future__ import annotations

from deployguard import shift
from deployguard.errors import Superseded
from deployguard.lease import Intent, Lease, What
from deployguard.run import Run


def undo(run: Run, function: str, left: Lease) -> None:
    """Leave behind what every intent wants; raise Attention where a person has to."""
    undoing = {What.ALIAS: _alias}
    for intent in reversed(left.intents):
        undoing[intent.what](run, function, intent)


def _alias(run: Run, function: str, intent: Intent) -> None:
    try:
        if not shift.restore(run, function, intent):
            run.say(f"alias {intent.name} serves {intent.wanted}, as it should")
        run.record.recovered.append(intent.name)
    except Superseded as theirs:
        run.say(f"{theirs.happened}; left alone")
