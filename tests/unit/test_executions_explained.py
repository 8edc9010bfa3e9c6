"""What is concluded from executions made by hand: the right cause first, and how sure that is."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import pytest

from deployguard.errors import ConfigurationError
from deployguard.executions import explain, separate
from deployguard.executions.hypotheses.nouns import Hypothesis, Standing
from deployguard.executions.nouns import Case, End, Known, Step
from deployguard.executions.separate import Factor
from deployguard.traffic import Unread
from tests.unit.execution_cases import (
    BEGAN,
    CONFIGURATION,
    DIGESTS,
    EXCEEDED,
    FUNCTION,
    attempt,
    case,
    cold,
    incident_b,
    raised,
    refused,
    step,
    warm,
    without_logs,
)

LATE = "Task timed out after 900.00 seconds"


def hypothesis(known: Case, name: str) -> Hypothesis:
    """Return one hypothesis about what ended an execution."""
    conclusion = explain.of(known).conclusions[0]
    return next(each for each in conclusion.hypotheses if each.theory.id == name)


def first(known: Case) -> tuple[str, str]:
    """Return the first hypothesis about what ended an execution, and how sure it is."""
    conclusion = explain.of(known).conclusions[0]
    return conclusion.first.theory.id, conclusion.standing


def failing(error: str, cause: str = "", *, end: End = End.FAILED, **more: object) -> Step:
    """Make a step that failed in a warm container, with what its report says."""
    tried = attempt(end, error=error, cause=cause)
    return step(tried, warm("one", **{"status": "error", "error_type": error, **more}))  # type: ignore[arg-type]


def test_incident_b_is_proven_to_be_stale_state() -> None:
    known = incident_b()
    assert first(known) == ("H1", "proven")
    assert explain.of(known).exit_code == 0
    stale = hypothesis(known, "H1")
    assert "failed: 975 to 984 s old; succeeded: 0 s old" in stale.seen
    assert "1.2e-07, a perfect separation" in stale.seen
    assert stale.decided_by.endswith("of the same version succeeded at the same time")
    assert "between 0 and 975 s old (95 % of the time limit and the time limit lie" in (
        stale.prediction
    )


def test_earlier_successes_of_the_same_containers_tell_when_it_returns() -> None:
    known = incident_b()
    before = tuple(warm(f"old{n}", at=-671.0, age=304.0) for n in range(10))
    told = hypothesis(replace(known, others={FUNCTION: before}), "H1").prediction
    assert "between 304 and 975 s old (95 % of the time limit and the time limit lie" in told
    assert "fail from about 2026-01-02 19:09:35 UTC on" in told


def test_what_says_timeout_long_before_the_limit_is_a_timer_of_the_application() -> None:
    excluded = hypothesis(incident_b(), "H2")
    assert excluded.standing is Standing.EXCLUDED
    assert "0.005 s are not the 900 s" in excluded.decided_by
    assert "timer of the application" in excluded.seen


def test_warm_failures_alone_prove_nothing() -> None:
    known = incident_b()
    alone = replace(known, steps=known.steps[:10])
    assert first(alone) == ("H1", "likely")
    warmth = separate.by_warmth(explain.of(alone).conclusions[0].failure.trials)
    assert warmth is not None
    assert warmth.chance == 1
    assert "unproven, because no cold one is known" in str(warmth)
    assert explain.of(alone).exit_code == 11
    assert "invoke a warm container now" in explain.of(alone).conclusions[0].experiments[0]


def test_successes_of_an_earlier_time_make_it_likely_only() -> None:
    """What began to fail meanwhile, somewhere else, would look the same."""
    known = incident_b()
    before = tuple(cold(f"old{number}", at=-975.0) for number in range(10))
    earlier = replace(known, steps=known.steps[:10], others={FUNCTION: before})
    assert first(earlier) == ("H1", "likely")
    assert "nothing at the same time" in hypothesis(earlier, "H1").decided_by


def test_a_cold_failure_excludes_stale_state() -> None:
    known = incident_b()
    failed = step(
        attempt(End.FAILED, error="OperationTimeout", cause=EXCEEDED),
        cold("fresh", status="error", error_type="OperationTimeout"),
    )
    assert hypothesis(case([*known.steps, failed]), "H1").standing is Standing.EXCLUDED


def test_a_silent_report_is_a_success_only_where_reports_name_errors() -> None:
    known = incident_b()

    def silent(each: Step) -> Step:
        assert each.invocation is not None
        is_error = each.invocation.status == "error"
        return each if is_error else replace(each, invocation=replace(each.invocation, status=""))

    assert first(replace(known, steps=tuple(map(silent, known.steps)))) == ("H1", "proven")
    wordless = [
        replace(each, invocation=each.invocation and replace(each.invocation, status=""))
        for each in known.steps
    ]
    assert first(replace(known, steps=tuple(wordless))) == ("H1", "likely")


def test_without_log_lines_nothing_is_proven() -> None:
    known = without_logs(incident_b())
    assert explain.of(known).conclusions[0].standing == "unknown"
    assert hypothesis(known, "H2").standing is Standing.EXCLUDED, "the history has times, too"


def test_a_leak_is_told_by_the_number_of_the_invocation() -> None:
    failed = [failing("Full", raised("Full"), ordinal=10 + n, age=5.0) for n in range(5)]
    fine = [step(attempt(), warm(f"c{n}", ordinal=2 + n, age=300.0)) for n in range(6)]
    known = case([*failed, *fine])
    assert first(known) == ("H1", "proven")
    assert "succeeded: 2 to 7" in hypothesis(known, "H1").seen


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (
            failing(
                "Sandbox.Timedout",
                raised("Sandbox.Timedout", "RequestId: x Error: " + LATE),
                status="timeout",
                duration_ms=900_000.0,
            ),
            ("H2", "proven"),
        ),
        (failing("States.Timeout", end=End.TIMED_OUT), ("H3", "proven")),
        (failing("States.HeartbeatTimeout", end=End.TIMED_OUT), ("H3", "proven")),
        (
            failing(
                "Sandbox.Timedout",
                raised("Sandbox.Timedout", "RequestId: x Error: " + LATE),
                status="timeout",
                init_status="timeout",
                duration_ms=900_000.0,
            ),
            ("H5", "proven"),
        ),
        (
            failing(
                "Runtime.ExitError",
                raised("Runtime.ExitError", "Runtime exited with error: signal: killed"),
                used_mb=128,
            ),
            ("H11", "proven"),
        ),
        (
            failing(
                "Runtime.ImportModuleError",
                raised("Runtime.ImportModuleError", "Unable to import module 'app'"),
                init_ms=90.0,
                init_status="error",
            ),
            ("H12", "proven"),
        ),
        (
            failing(
                "ConnectionRefusedError",
                raised("ConnectionRefusedError", "[Errno 111] Connection refused"),
                init_ms=90.0,
            ),
            ("H7", "proven"),
        ),
        (
            failing("ExpiredTokenException", raised("ExpiredTokenException", "ExpiredToken")),
            ("H10", "likely"),
        ),
    ],
)
def test_what_an_error_is_by_its_own_signs(known: Step, expected: tuple[str, str]) -> None:
    assert first(case([known])) == expected


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        ("TooManyRequestsException", 429, "H4"),
        ("ResourceNotFoundException", 404, "H14"),
        ("AccessDeniedException", 403, "H13"),
        ("AWSLambdaException", 403, "H13"),
        ("RequestTooLargeException", 413, "H17"),
        ("ENILimitReachedException", 429, "H9"),
    ],
)
def test_a_refused_call_says_why_and_excludes_the_function(
    error: str, status: int, expected: str
) -> None:
    cause = refused("no", status, error)
    known = case([step(attempt(End.REFUSED, error=f"Lambda.{error}", cause=cause))])
    assert first(known) == (expected, "proven")
    stale = hypothesis(known, "H1")
    assert (stale.standing, "never ran" in stale.decided_by) == (Standing.EXCLUDED, True)


def test_lambdas_own_failure_is_told_from_the_functions() -> None:
    cause = refused("Service", 500, "ServiceException")
    known = case([step(attempt(End.FAILED, error="Lambda.ServiceException", cause=cause))])
    assert first(known) == ("H17", "proven")


def test_a_time_out_that_only_the_handler_speaks_of_is_none_of_lambdas() -> None:
    forged = raised("Sandbox.Timedout", LATE)
    known = case([failing("Sandbox.Timedout", forged)])
    assert hypothesis(known, "H2").standing is Standing.EXCLUDED
    long = case([failing("Sandbox.Timedout", forged, duration_ms=899_000.0)])
    assert "did not say" in hypothesis(long, "H2").decided_by, "its report says error"


def test_an_input_that_fails_in_every_container_is_proven() -> None:
    cause = raised("KeyError", "'id'")
    poisoned = [
        step(
            attempt(End.FAILED, error="KeyError", cause=cause, number=n, input_hash="bad", at=n),
            warm(f"c{n}", at=n, status="error", error_type="KeyError"),
        )
        for n in range(1, 5)
    ]
    fine = [
        step(attempt(input_hash=f"good{n}", at=n + 0.5), warm(f"c{n % 6}", at=n + 0.5))
        for n in range(12)
    ]
    known = case([*poisoned, *fine])
    assert first(known) == ("H8", "proven")
    assert "1 of 13 failed inputs at first, 3 of 3 failed when tried again" in (
        hypothesis(known, "H8").seen
    )


def test_an_input_that_succeeds_when_tried_again_is_not_poisoned() -> None:
    tries = [
        failing("KeyError", raised("KeyError")),
        step(attempt(number=2, input_hash="x", at=1), warm("two", at=1)),
    ]
    tries[0] = replace(tries[0], attempt=replace(tries[0].attempt, input_hash="x"))
    assert hypothesis(case(tries), "H8").standing is Standing.EXCLUDED


def changed_between(*, mixed: bool) -> Case:
    """Return six items that failed on version 1 and succeeded on version 2."""
    bad = [
        step(
            attempt(End.FAILED, error="KeyError", cause=raised("KeyError"), item=f"Map[{n}]", at=n),
            cold(f"a{n}", at=n, status="error", error_type="KeyError"),
        )
        for n in range(6)
    ]
    good = [
        step(
            attempt(number=2, item=f"Map[{n}]", at=n + (0.5 if mixed else 20)),
            cold(f"b{n}", at=n + (0.5 if mixed else 20), version="2"),
            version="2",
        )
        for n in range(6)
    ]
    other = replace(CONFIGURATION, version="2")
    both = {(FUNCTION, "1"): CONFIGURATION, (FUNCTION, "2"): other}
    return case([*bad, *good], status="SUCCEEDED", configurations=both)


def test_an_image_that_changed_between_the_tries_is_the_likely_cause() -> None:
    known = changed_between(mixed=False)
    assert first(known) == ("H15", "likely")
    assert "6 of 6 failed on version 1, 0 of 6 failed elsewhere" in hypothesis(known, "H15").seen
    assert hypothesis(known, "H6").standing is Standing.EXCLUDED, "configured alike"


def test_images_that_ran_at_the_same_time_prove_which_one_fails() -> None:
    assert first(changed_between(mixed=True)) == ("H15", "proven")


def test_versions_of_one_image_are_not_the_cause() -> None:
    known = changed_between(mixed=True)
    same = [replace(each, build=replace(each.build, digest=DIGESTS["1"])) for each in known.steps]
    assert hypothesis(replace(known, steps=tuple(same)), "H15").standing is Standing.EXCLUDED


def test_a_version_that_differs_in_its_memory_is_told() -> None:
    known = changed_between(mixed=True)
    more = replace(CONFIGURATION, version="2", memory_mb=512, environment_hash="other")
    both = {(FUNCTION, "1"): CONFIGURATION, (FUNCTION, "2"): more}
    seen = hypothesis(replace(known, configurations=both), "H6").seen
    assert seen.endswith("environment, memory")


def test_a_plain_mistake_is_likely_where_everything_fails() -> None:
    failed = [
        step(
            attempt(End.FAILED, error="ValueError", cause=raised("ValueError"), input_hash=f"{n}"),
            cold(f"c{n}", status="error", error_type="ValueError"),
        )
        for n in range(3)
    ]
    assert first(case(failed)) == ("H16", "likely")


def test_one_failure_with_nothing_to_compare_is_unknown() -> None:
    known = case([failing("ValueError", raised("ValueError", "bad"))])
    assert explain.of(known).conclusions[0].standing == "unknown"
    assert explain.of(known).conclusions[0].experiments


def test_an_execution_without_failures_has_nothing_to_explain() -> None:
    with pytest.raises(ConfigurationError, match="nothing failed in"):
        explain.of(case([step(attempt())], status="SUCCEEDED"))


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_a_workflow_that_ends_without_a_failed_task_says_so(status: str) -> None:
    known = case([step(attempt(End.ABORTED))], status=status)
    assert first(known) == ("H18", "proven")
    assert first(replace(known, unread=(Unread("the history", "denied", "allow it"),))) == (
        "H18",
        "unknown",
    )


def test_what_runs_still_is_explained_as_far_as_it_failed() -> None:
    running = case([step(attempt(End.RUNNING))], status="RUNNING")
    assert explain.of(running).conclusions == ()
    assert explain.of(running).exit_code == 11


def test_the_failure_that_ended_the_execution_comes_first() -> None:
    early = failing("States.Timeout", end=End.TIMED_OUT)
    late = failing("KeyError", raised("KeyError"))
    found = explain.of(case([early, late])).conclusions
    assert [each.failure.error for each in found] == ["KeyError", "States.Timeout"]


def test_the_best_factor_comes_first_and_each_is_told() -> None:
    (conclusion,) = explain.of(incident_b()).conclusions
    factors = [each.factor for each in conclusion.separations]
    assert set(factors[:3]) == {Factor.AGE, Factor.WARMTH, Factor.ORDINAL}
    assert all(each.is_perfect for each in conclusion.separations[:3])


def test_an_age_that_is_only_known_as_at_least_is_no_young_success() -> None:
    known = incident_b()
    more = warm("x", age=0.0, ordinal=2)
    told = replace(known, others={FUNCTION: (replace(more, ordinal=None),)})
    age = separate.by_age(explain.of(told).conclusions[0].failure.trials)
    assert age is not None
    assert age.split is not None
    assert age.split.under == (0, 17)


def test_latest_that_was_changed_before_the_first_failure_is_likely() -> None:
    modified = replace(CONFIGURATION, version="$LATEST", modified=BEGAN + 3)
    failed = replace(
        failing("ValueError", raised("ValueError"), at=5.0, version="$LATEST"),
        attempt=attempt(End.FAILED, error="ValueError", cause=raised("ValueError"), at=5.0),
    )
    fine = step(attempt(), warm("two", version="$LATEST"))
    latest = [
        replace(each, build=replace(each.build, version="$LATEST", version_known=Known.STREAM))
        for each in (fine, failed)
    ]
    known = case(latest, configurations={(FUNCTION, "$LATEST"): modified})
    assert hypothesis(known, "H6").standing is Standing.LIKELY
    unchanged = replace(known, configurations={(FUNCTION, "$LATEST"): CONFIGURATION})
    assert hypothesis(unchanged, "H6").standing is Standing.EXCLUDED


def test_three_of_each_are_too_few_for_so_many_factors() -> None:
    known = incident_b()
    few = replace(known, steps=(*known.steps[:3], *known.steps[-3:]))
    assert first(few) == ("H1", "likely")
    assert "too few succeeded to tell that from chance" in hypothesis(few, "H1").decided_by
    warmth = separate.by_warmth(explain.of(few).conclusions[0].failure.trials)
    assert warmth is not None
    assert warmth.chance == pytest.approx(1 / 20)
    assert (warmth.is_perfect, warmth.is_proof) == (True, False)


def test_each_version_that_was_looked_at_counts() -> None:
    trials = explain.of(changed_between(mixed=True)).conclusions[0].failure.trials
    found = separate.by_version(trials)
    assert found is not None
    assert found.chance == pytest.approx(2 / comb(12, 6))


def test_versions_of_other_executions_tell_nothing_of_this_one() -> None:
    known = incident_b()
    other = tuple(cold(f"x{n}", version="2") for n in range(5))
    assert "only version 1 ran" in hypothesis(replace(known, others={FUNCTION: other}), "H15").seen


def test_an_input_that_fails_in_containers_of_its_own_is_likely_only() -> None:
    tries = [
        step(
            attempt(
                End.FAILED, error="KeyError", cause=raised("KeyError"), number=n, input_hash="x"
            ),
            cold(f"bad{n}", status="error", error_type="KeyError"),
        )
        for n in range(1, 6)
    ]
    fine = [step(attempt(input_hash=f"{n}"), cold(f"good{n}")) for n in range(12)]
    assert first(case([*tries, *fine])) == ("H8", "likely")


def test_a_connection_that_only_old_containers_have_lost_is_stale_state() -> None:
    lost = raised("ConnectionResetError", "Connection reset by peer")
    bad = [
        step(
            attempt(End.FAILED, error="ConnectionResetError", cause=lost),
            warm(f"old{n}", status="error", error_type="ConnectionResetError"),
        )
        for n in range(6)
    ]
    known = case([*bad, *(step(attempt(), cold(f"new{n}")) for n in range(6))])
    assert first(known) == ("H1", "proven")
    assert hypothesis(known, "H7").standing is Standing.EXCLUDED


def test_a_failure_right_after_another_invocation_is_no_clock_that_stood_still() -> None:
    failed = failing("ValueError", raised("ValueError"), started=BEGAN + 1)
    before = step(attempt(), cold("one"))
    assert hypothesis(case([before, failed]), "H10").standing is Standing.EXCLUDED
    assert hypothesis(case([failed]), "H10").standing is Standing.POSSIBLE


def test_what_a_client_refuses_itself_is_no_outage() -> None:
    trace = ['  File "/var/task/botocore/validate.py", line 1, in check\n']
    wrong = failing("ParamValidationError", raised("ParamValidationError", "x", trace=trace))
    assert hypothesis(case([wrong]), "H7").standing is Standing.POSSIBLE


def test_only_a_function_in_a_vpc_can_have_a_network_of_its_own() -> None:
    late = raised("ConnectTimeoutError", "timed out")
    failed = step(
        attempt(End.FAILED, error="ConnectTimeoutError", cause=late),
        cold("one", status="error", error_type="ConnectTimeoutError"),
    )
    outside = case([failed])
    assert hypothesis(outside, "H9").standing is Standing.EXCLUDED
    inside = replace(CONFIGURATION, vpc=("subnet-1",))
    known = replace(outside, configurations={(FUNCTION, "1"): inside})
    assert hypothesis(known, "H9").standing is Standing.LIKELY
    unknown = replace(outside, configurations={})
    assert hypothesis(unknown, "H9").standing is Standing.POSSIBLE


def test_one_container_that_fails_while_older_ones_succeed_is_told() -> None:
    bad = [failing("OSError", raised("OSError"), ordinal=2 + n, age=10.0 + n) for n in range(5)]
    fine = [
        step(attempt(), warm(f"c{n % 3}", ordinal=9 + n, age=500.0 if n % 2 else 5.0))
        for n in range(12)
    ]
    known = case([*bad, *fine])
    assert first(known) == ("H1", "proven")
    assert "5 of 5 failed on container 2026/01/02/[1]one, 0 of 12" in hypothesis(known, "H1").seen


def one_container(*, bad: range, tries: int = 1) -> Case:
    """Return what a single container served in a row, of which some inputs failed."""
    at, steps = 0.0, [step(attempt(input_hash="0"), cold("one"))]
    for number in range(1, 40):
        failed = number in bad
        for again in range(1, tries + 1 if failed else 2):
            at += 1
            tried = attempt(
                End.FAILED if failed else End.SUCCEEDED,
                error="KeyError" if failed else "",
                cause=raised("KeyError") if failed else "",
                at=at,
                number=again,
                input_hash=str(number),
            )
            status = {"status": "error", "error_type": "KeyError"} if failed else {}
            told = warm("one", at=at, age=at, ordinal=int(at) + 1, **status)
            steps.append(step(tried, told))
    return case(steps)


def test_inputs_that_fail_last_are_not_taken_for_old_containers() -> None:
    """In one container, what comes later is older, whatever makes it fail."""
    known = one_container(bad=range(30, 40))
    assert hypothesis(known, "H1").standing is Standing.LIKELY
    assert "nothing at the same time" in hypothesis(known, "H1").decided_by


def test_tries_of_one_late_input_are_not_taken_for_old_containers() -> None:
    known = one_container(bad=range(38, 39), tries=6)
    assert first(known) == ("H8", "proven")
    assert hypothesis(known, "H1").standing is Standing.POSSIBLE
