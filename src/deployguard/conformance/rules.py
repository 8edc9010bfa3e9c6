"""The rules of the protocol: what each says, what to do where it is broken, and who judges it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from deployguard.conformance import judges
from deployguard.conformance.judges import Skipped, Unknown, Wrong
from deployguard.conformance.nouns import Case, Evidence, Result


class Rule(NamedTuple):
    """One rule; its judge returns what was got, or raises Wrong or Unknown."""

    name: str
    expected: str
    fix: str
    judge: Callable[[Evidence], str]


def judged(evidence: Evidence) -> tuple[Case, ...]:
    """Judge every rule."""
    return tuple(_case(rule, evidence) for rule in RULES)


def exit_code(cases: tuple[Case, ...]) -> int:
    """Return the contract's exit code: one that fails outranks what is not decided."""
    results = {case.result for case in cases}
    return 10 if Result.FAIL in results else 11 if Result.UNDECIDED in results else 0


def _case(rule: Rule, evidence: Evidence) -> Case:
    try:
        result, got = Result.PASS, rule.judge(evidence)
    except (Wrong, RecursionError) as wrong:  # an answer may be nested as deep as can be read
        result, got = Result.FAIL, str(wrong)
    except Unknown as unknown:
        result, got = Result.UNDECIDED, str(unknown)
    except Skipped as skipped:
        result, got = Result.SKIPPED, str(skipped)
    return Case(rule.name, result, rule.expected, got, rule.fix)


ANSWER = 'answer {"deployguard": {"breadcrumb": 1, ...}} before the handler is called'
EXACT = "answer only an event that is an object with the one key deployguard"
RULES = (
    Rule(
        "breadcrumb",
        "a canary is answered with a breadcrumb of at most 64 KiB",
        ANSWER,
        judges.answers,
    ),
    Rule(
        "nonce",
        "each breadcrumb echoes its canary's nonce",
        "copy the request's nonce",
        judges.nonce,
    ),
    Rule(
        "stamp",
        "stamp is the content of the stamp file; or null, with stamp_error",
        "read the file once, check its schema and build_id, and say shortly why it is unusable",
        judges.stamp,
    ),
    Rule(
        "container",
        "container is 32 lower-case hex digits, made once when the process starts, as born is",
        "make the id and the time of birth when the module is loaded, not when it is called",
        judges.container,
    ),
    Rule(
        "fields",
        "every field is there, numbers as numbers and texts as plain texts, empty where unknown",
        "compare the answer with the table of fields in docs/canary.md",
        judges.fields,
    ),
    Rule(
        "times",
        "born, received and released are Unix seconds in that order; uptime_s is the time since "
        "born, in seconds",
        "take seconds, not milliseconds; release after the hold",
        judges.times,
    ),
    Rule(
        "order",
        "later answers of a container are later by its clocks",
        "take uptime_s from a clock that is never set",
        judges.order,
    ),
    Rule(
        "count", "invocation is 1 more for each canary", "count before anything else", judges.count
    ),
    Rule(
        "ordinary counted",
        "invocation counts ordinary events, too",
        "count before it is decided whether the event is a canary",
        judges.counts_others,
    ),
    Rule(
        "hold",
        "hold_ms holds the answer that long",
        "sleep between received and released",
        judges.hold,
    ),
    Rule(
        "hold capped",
        "a hold ends after 10 s, and before the function's timeout",
        "hold min(hold_ms, 10,000, remaining time - 500) milliseconds",
        judges.cap,
    ),
    Rule(
        "unknown fields",
        "fields of the request that are not known are ignored",
        "look at canary, nonce, hold_ms and self_test only",
        partial(judges.answers_still, name="unknown fields"),
    ),
    Rule(
        "large",
        "a canary of 100 kB is answered",
        "set no limit of your own on the size of an event",
        partial(judges.answers_still, name="large"),
    ),
    Rule(
        "self-test",
        "self_test, where it is asked for and there is one, has ok, detail and seconds",
        "run it only where self_test is true in the request",
        judges.self_test,
    ),
    Rule(
        "quick",
        "canaries without a hold are answered in time",
        "do nothing slow in it",
        judges.quick,
    ),
    Rule("ordinary", "an ordinary event reaches the handler", EXACT, judges.ordinary),
    Rule(
        "keys beside",
        "an event with another key beside deployguard is no canary",
        EXACT,
        partial(judges.lookalikes, rule="keys beside"),
    ),
    Rule(
        "form of the nonce",
        "an event whose nonce is not a text of 32 hex digits is no canary",
        "check the nonce's type, length and digits",
        partial(judges.lookalikes, rule="form of the nonce"),
    ),
    Rule(
        "number of the canary",
        "an event whose canary is not the number 1 is no canary",
        "compare it with 1, and its type",
        partial(judges.lookalikes, rule="number of the canary"),
    ),
    Rule(
        "form of the event",
        "an event that is no object, or whose deployguard is none, is no canary",
        "check the types before looking inside",
        partial(judges.lookalikes, rule="form of the event"),
    ),
    Rule(
        "http",
        "an event from HTTP is no canary, whatever its body holds",
        "never look for a canary in a body",
        partial(judges.lookalikes, rule="http"),
    ),
    Rule(
        "other services",
        "an event from a queue, a topic or a bus is no canary, whatever it carries",
        "never look for a canary inside records or details",
        partial(judges.lookalikes, rule="other services"),
    ),
    Rule(
        "alive",
        "canaries are answered as before after all that",
        "let no event, whatever it is, end or change the implementation",
        partial(judges.answers_still, name="after lookalikes"),
    ),
    Rule(
        "version",
        "function_version is the version that ran, where the answer names it",
        "take it from the context, or from AWS_LAMBDA_FUNCTION_VERSION",
        judges.version,
    ),
)
