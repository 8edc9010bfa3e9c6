"""What must hold after any run, however it ended: each is a function that says what is wrong.

The numbers are those of docs/safety-matrix.md, which also names the tests of the invariants that
cannot be seen from outside a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deployguard.lab.signature import SECRET_KEY
from deployguard.remedy import VARIABLE
from deployguard.report import replaying
from tests.proof.aftermath import LEASE, LIVE, Aftermath, is_of, served
from tests.proof.scenarios import SECRET
from tests.proof.stage import NOTHING

CONTRACT = (0, 2, 3, 4, 10, 11, 12, 20, 130, 143, -9)
WORST = ("FRESH", "INCONCLUSIVE", "STALE")
SIGNALS = {"F01": 130, "F02": 143}
FINE = ""


def i00_ends_as_the_contract_says(a: Aftermath) -> str:
    """An exit code of the contract, and never that of a bug."""
    return FINE if a.exit_code in CONTRACT else f"exit code {a.exit_code}: {a.err[-300:]}"


def i01_exit_0_needs_evidence(a: Aftermath) -> str:
    """Exit 0 means that every required route showed the wanted digest in a container."""
    if not a.has_judged:
        return FINE
    if a.report is None or a.function is None or a.report["verdict"] != "FRESH":
        return f"exit 0 with verdict {a.report and a.report['verdict']}"
    routes = {route["qualifier"]: route for route in a.function["routes"]}
    for qualifier in a.scenario.routes:
        route = routes.get(qualifier)
        if not route or not route["coverage"]["containers"] or route["verdict"] != "FRESH":
            return f"exit 0 and {qualifier} is {route}"
        if route["digest"] != f"sha256:{a.wanted}":
            return f"exit 0 and {qualifier} has {route['digest']}, not {a.wanted}"
    return FINE


def i02_silence_never_passes(a: Aftermath) -> str:
    """Exit 0 needs probes that were answered."""
    answered = {call["qualifier"] for call in a.calls if _is_answered(call)}
    is_answered = answered.issuperset(a.scenario.routes)
    return FINE if not a.has_judged or is_answered else f"only {answered} answered"


def i03_no_log_line_counts(a: Aftermath) -> str:
    """No verdict rests on a log line being there: none is read."""
    return FINE if all(call["service"] != "logs" for call in a.calls) else "logs were read"


def i04_the_alias_serves_what_it_may(a: Aftermath) -> str:
    """The alias is moved only to a whole version, of the wanted digest or what was there before."""
    if a.after.alias is not None and a.after.alias not in a.after.digests:
        return f"{LIVE} serves {a.after.alias}, which is not there"
    for move in a.moves:
        version = served(move["after"])
        digest = a.after.digests.get(version or "")
        ours = a.after == NOTHING or version == a.scenario.before or digest == a.wanted
        if not ours and a.command != "recover":
            return f"moved to {version}, which has {digest} and not {a.wanted}"
    return FINE


def i05_moves_only_what_was_probed(a: Aftermath) -> str:
    """A check moves the alias only to a version that answered its probes before."""
    for move in a.moves:
        version = served(move["after"])
        sent = a.sent(move)["seq"]
        before = [c for c in a.calls if c["seq"] < sent and _is_answered(c)]
        is_deploy = a.command in ("check", "refresh") and not a.is_undoing(move)
        if is_deploy and version not in {call["qualifier"] for call in before}:
            return f"moved to {version} unprobed"
    return FINE


def i06_success_leaves_no_weights(a: Aftermath) -> str:
    """After success all traffic goes to one version."""
    return FINE if not (a.has_judged and a.after.weights) else f"weights {a.after.weights}"


def i07_reserved_concurrency_is_as_before(a: Aftermath) -> str:
    """Reserved concurrency and variables are as before, or an intent tells what they were."""
    if a.after == NOTHING:
        return FINE
    if a.after.reserved != a.first.reserved and not _intends(a, "concurrency"):
        return f"{a.first.reserved} reserved became {a.after.reserved}"
    ours = {VARIABLE} if _intends(a, "variable") or _is_settled(a) else set()
    changed = {name for name, _ in a.first.variables.items() ^ a.after.variables.items()}
    return FINE if changed <= ours else f"variables {changed} were changed"


def i08_recover_is_idempotent(a: Aftermath) -> str:
    """A second recover writes nothing."""
    return FINE if a.phase != "again" or not a.writes else f"wrote {_named(a.writes)}"


def i09_recover_spares_what_others_set(a: Aftermath) -> str:
    """What is undone was done by a guard, and not by somebody since."""
    return _undoes_only_guards(a) if a.command == "recover" else FINE


def i10_one_owner_writes(a: Aftermath) -> str:
    """Whoever writes holds the lease when the call is sent."""
    for write in a.writes if a.is_locked else ():
        holder = a.lease_at(write)
        if not is_of(write, LEASE) and (holder["access_key"] != a.key or not holder["after"]):
            return f"{write['operation']} while {holder['access_key'] or 'nobody'} held the lease"
    return FINE


def i11_a_lost_lease_ends_the_writing(a: Aftermath) -> str:
    """Once somebody else has its lease, nothing more is written."""
    owned = lost = False
    for write in a.history[a.start :] if a.is_locked else ():
        is_mine = write["access_key"] == a.key
        if lost and is_mine and a.lease_at(write)["access_key"] != a.key:
            return f"{write['operation']} after the lease was lost"
        if is_of(write, LEASE):
            owned, lost = is_mine, lost or (owned and not is_mine)
    return FINE


def i12_intent_before_effect(a: Aftermath) -> str:
    """The lease says what the alias served and is to serve before it is moved."""
    for move in a.moves if a.is_locked else ():
        text = (a.lease_at(move)["after"] or {}).get("Description", "")
        intent = re.search(rf" alias={LIVE}:(\S+)", text)
        said = intent[1].split(">") if intent else []
        if (served(move["after"]) or "none") not in said:
            return f"moved to {served(move['after'])} while the lease said {text!r}"
    return FINE


def i13_whole_or_written_down(a: Aftermath) -> str:
    """The alias is as before, or as it is meant to stay, or the lease says how to put it back."""
    if a.after == NOTHING or not a.is_locked or _set_by_others(a):
        return FINE
    moves = {served(w["after"]) for w in a.history if is_of(w, LIVE) and not _is_persons(a, w)}
    is_changed = a.after.alias != a.scenario.before
    is_known = not is_changed or a.after.alias in moves
    if not is_known or (is_changed and not (_intends(a, f"alias={LIVE}") or _is_settled(a))):
        was, lease = a.scenario.before, a.after.lease
        return f"{LIVE} serves {a.after.alias}, it was {was}; the lease is {lease!r}"
    is_left = a.after.alias != a.before.alias and not _intends(a, f"alias={LIVE}")
    if a.moves and _has_failed_to_deploy(a) and is_left:
        return f"exit {a.exit_code}, and {LIVE} serves {a.after.alias} all the same"
    is_hidden = a.fault == "F17" and a.phase == "run"  # by a stale read; the next run sees it
    is_told = "the lease could not be removed" in a.err  # it does no harm: all is as it should be
    if a.command == "recover" and a.exit_code == 0 and a.after.lease:
        if is_hidden or is_told:
            return FINE
        return f"recovered, and the lease is still there: {a.after.lease!r}"
    return FINE


def i14_probes_are_counted(a: Aftermath) -> str:
    """Every invocation is a probe that the run speaks of: the SDK repeats none."""
    invoked = sum(call["operation"] == "Invoke" for call in a.calls)
    probes = sum(int(count) for count in re.findall(r"round .*: (\d+) probes", a.err, re.MULTILINE))
    is_cut_short = a.was_killed or a.fault in SIGNALS  # in the middle of a round
    return FINE if invoked <= probes or is_cut_short else f"{invoked} for {probes} probes"


def i15_a_signal_ends_it_soon(a: Aftermath) -> str:
    """After a signal nothing is changed but put back, and that within 6 s."""
    if a.fault not in SIGNALS or a.phase != "run" or a.struck is None:
        return FINE
    if a.ended - a.struck > 6.0:
        return f"it ended {a.ended - a.struck:.1f} s after the signal"
    for write in a.writes:
        is_undoing = is_of(write, LIVE) and a.is_undoing(write)
        is_undoing |= "Concurrency" in write["operation"] and a.after.reserved == a.first.reserved
        if not (is_of(write, LEASE) or is_undoing) and a.sent(write)["at"] > a.struck:
            return f"{write['operation']} after the signal"
    return FINE


def i16_puts_back_only_its_own(a: Aftermath) -> str:
    """The way back leads to the recorded version, from where a guard has put the alias."""
    return _undoes_only_guards(a)


def i18_theirs_is_left_alone(a: Aftermath) -> str:
    """What somebody else set while this ran, stays."""
    theirs = [w["seq"] for w in a.history[a.start :] if is_of(w, LIVE) and _is_persons(a, w)]
    late = [move for move in a.moves if theirs and move["seq"] > theirs[-1]]
    return FINE if not late else f"{_named(late)} after somebody moved {LIVE}"


def i19_a_report_is_whole(a: Aftermath) -> str:
    """A run that is not killed leaves a whole report of how it ended, and nothing half written."""
    if a.was_killed or a.fault.startswith("F20"):
        return FINE
    if a.report is None or a.report["exit_code"] != a.exit_code or a.leftovers:
        told = a.report and a.report["exit_code"]
        return f"exit code {a.exit_code}, reported {told}, leftovers {a.leftovers}"
    return FINE


def i20_no_secret_leaves(a: Aftermath) -> str:
    """No secret stands in an output, the report, or what was written to AWS."""
    written = [str(w["after"].get("Description")) for w in a.writes if w["after"]]
    shown = f"{a.out}{a.err}{a.report}{a.after.lease}{written}"
    return FINE if SECRET not in shown and SECRET_KEY not in shown else "a secret was shown"


def i21_what_is_deployed_needs_no_write(a: Aftermath) -> str:
    """The same again changes nothing."""
    is_same = not a.scenario.writes and a.phase == "run" and a.fault != "F17"  # it saw another
    return FINE if not is_same or not a.writes else f"wrote {_named(a.writes)}"


def i22_the_verdict_replays(a: Aftermath) -> str:
    """The evidence in the report leads to the same verdict, offline."""
    if a.function is None or a.report is None or not a.function["evidence"] or a.report["error"]:
        return FINE
    replayed = replaying.replay(dict(a.report))["verdict"]
    return FINE if replayed == a.report["verdict"] else f"replays to {replayed}"


def i23_clock_steps_change_nothing(a: Aftermath) -> str:
    """A clock that is set forward or back makes no difference."""
    is_due = a.fault.startswith("F19") and a.phase == "run"
    known = {a.scenario.exit_code}
    if "UpdateFunctionConfiguration" in {call["operation"] for call in a.calls} or a.moves == []:
        known.add(10)  # containers are dated by AWS's clock: in doubt one is called old
    return FINE if not is_due or a.exit_code in known else f"exit {a.exit_code}"


def i25_the_worst_route_decides(a: Aftermath) -> str:
    """Each route is judged by itself, and the worst of them is the verdict."""
    if a.function is None or a.report is None or a.report["error"] or not a.function["routes"]:
        return FINE
    verdicts = [route["verdict"] for route in a.function["routes"]]
    worst = max(verdicts, key=WORST.index)
    is_worst = a.report["verdict"] in (worst, "SUPERSEDED")
    return FINE if is_worst else f"{a.report['verdict']} of routes {verdicts}"


def i26_the_deadline_holds(a: Aftermath) -> str:
    """The run ends within its time and 10 s."""
    given = [float(a.arguments[n + 1]) for n in _at(a.arguments, "--timeout")] or [300.0]
    took = a.ended - a.began
    return FINE if took <= given[0] + 10.0 else f"{took:.1f} s of {given[0]} s"


INVARIANTS: dict[str, Callable[[Aftermath], str]] = {
    name: value for name, value in list(globals().items()) if re.match(r"i\d\d_", name)
}


def _at(arguments: tuple[str, ...], flag: str) -> list[int]:
    return [number for number, each in enumerate(arguments) if each == flag]


def _is_answered(call: dict[str, object]) -> bool:
    return call["operation"] == "Invoke" and call["status"] == 200


def _intends(a: Aftermath, what: str) -> bool:
    return f" {what}" in (a.after.lease or "")


def _has_failed_to_deploy(a: Aftermath) -> bool:
    """Say whether a run brought something new, did not find it good, and ended by itself."""
    if a.exit_code in (0, 2, 20) or a.was_killed:  # 2: it was good, but the report has no room
        return False
    closing = [c["at"] for c in a.calls if (c["operation"], c["alias"]) == ("DeleteAlias", LEASE)]
    was_done = a.fault in SIGNALS and a.struck is not None and closing[:1] == [a.struck]
    last = [write for write in a.history if is_of(write, LIVE)][-1:]
    is_last = bool(last) and last[0]["access_key"] == a.key
    return a.command in ("check", "refresh") and is_last and not was_done


def _is_settled(a: Aftermath) -> bool:
    """Say whether a run said that nothing is left to do; with --no-lock nobody does."""
    leases = [write for write in a.history if is_of(write, LEASE)]
    return not leases or any(write["after"] is None for write in leases)


def _is_persons(a: Aftermath, write: dict[str, object]) -> bool:
    return write["access_key"] not in a.guards


def _set_by_others(a: Aftermath) -> bool:
    """Say whether a person had the last word on the alias, after the guards came."""
    first = next((n for n, w in enumerate(a.history) if not _is_persons(a, w)), len(a.history))
    words = [w for w in a.history[first:] if is_of(w, LIVE)]
    return bool(words) and _is_persons(a, words[-1])


def _undoes_only_guards(a: Aftermath) -> str:
    for move in a.undoings:
        last = a.earlier(move, LIVE)[-1]
        if _is_persons(a, last):
            return f"put back what {last['access_key']} had set"
    return FINE


def _named(writes: list[dict[str, object]]) -> list[str]:
    return [f"{write['operation']} {str(write['resource']).split(':')[-1]}" for write in writes]
