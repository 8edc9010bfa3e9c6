"""Histories as AWS writes them, read as attempts; and whatever else may come in their place."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.errors import ConfigurationError
from deployguard.executions import definition, events, history, names
from deployguard.executions.events import Event
from deployguard.executions.history import History
from deployguard.executions.nouns import Attempt, End
from deployguard.routes.definitions import UnreadableError

ARN = "arn:aws:states:eu-west-1:123456789012:execution:nightly:e1"
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:nightly"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
ID = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
OTHER = "99999999-e9f4-11e8-9739-2dfe598c3fcd"
LAMBDA = {"resourceType": "lambda", "resource": "invoke", "region": "eu-west-1"}
Row = tuple[int, str, Any]


def read(*rows: Row, item: str | None = None) -> History:
    """Read a history of rows: the event before, the type and the details; one a second."""
    told = (Event(number, *row[:2], float(number), row[2]) for number, row in enumerate(rows, 1))
    return history.read(told, execution=ARN, item=item)


def one(*rows: Row) -> Attempt:
    """Return the only attempt of a state that a history enters, given what follows."""
    entered: Row = (0, "TaskStateEntered", {"name": "Render"})
    (attempt,) = read((0, "ExecutionStarted", {"input": "{}"}), entered, *rows).attempts
    return attempt


def scheduled(previous: int = 2, **given: Any) -> Row:
    """Return the event that schedules `lambda:invoke`."""
    parameters = {"FunctionName": f"{FUNCTION}:live", "Payload": {"a": 1}} | given
    return previous, "TaskScheduled", LAMBDA | {"parameters": json.dumps(parameters)}


def failed(previous: int, error: str, cause: Any) -> Row:
    text = cause if isinstance(cause, str) else json.dumps(cause)
    return previous, "TaskFailed", LAMBDA | {"error": error, "cause": text}


OUTPUT = {
    "ExecutedVersion": "42",
    "Payload": {},
    "SdkHttpMetadata": {"HttpHeaders": {"x-amzn-RequestId": ID}, "HttpStatusCode": 200},
    "SdkResponseMetadata": {"RequestId": ID},
    "StatusCode": 200,
}


# The three shapes


def test_lambda_invoke_tells_the_version_and_the_request() -> None:
    output = json.dumps(OUTPUT)
    attempt = one(
        scheduled(),
        (3, "TaskStarted", LAMBDA),
        (4, "TaskSucceeded", LAMBDA | {"output": output}),
    )
    assert (attempt.function, attempt.qualifier) == (FUNCTION, "live")
    assert (attempt.version, attempt.request_id) == ("42", ID)
    assert (attempt.scheduled, attempt.started, attempt.ended) == (3.0, 4.0, 5.0)
    assert (attempt.end, attempt.state, attempt.number) == (End.SUCCEEDED, "Render", 1)
    assert (attempt.machine, attempt.input_size) == (MACHINE, len('{"a":1}'))


def test_a_functions_arn_tells_only_what_was_called() -> None:
    attempt = one(
        (2, "LambdaFunctionScheduled", {"resource": f"{FUNCTION}:7", "input": "{}"}),
        (3, "LambdaFunctionStarted", {}),
        (4, "LambdaFunctionSucceeded", {"output": json.dumps(OUTPUT)}),
    )
    assert (attempt.function, attempt.qualifier) == (FUNCTION, "7")
    assert (attempt.version, attempt.request_id) == (None, "")
    assert attempt.end is End.SUCCEEDED


def test_a_function_error_in_an_answer_of_the_plain_sdk_is_a_failure() -> None:
    error = json.dumps({"errorType": "ValueError", "errorMessage": "no", "requestId": ID})
    output = {"ExecutedVersion": "42", "FunctionError": "Unhandled", "Payload": error}
    sdk = LAMBDA | {"resourceType": "aws-sdk:lambda"}
    parameters = json.dumps({"FunctionName": "reports", "Qualifier": "live"})
    attempt = one(
        (2, "TaskScheduled", sdk | {"parameters": parameters}),
        (3, "TaskStarted", sdk),
        (4, "TaskSucceeded", sdk | {"output": json.dumps(output)}),
    )
    assert (attempt.end, attempt.error, attempt.request_id) == (End.FAILED, "ValueError", ID)
    assert (attempt.function, attempt.qualifier, attempt.version) == (FUNCTION, "live", "42")


@pytest.mark.parametrize(
    ("name", "qualifier", "told"),
    [
        ("reports", None, (FUNCTION, None)),
        ("reports:live", None, (FUNCTION, "live")),
        ("reports", "42", (FUNCTION, "42")),
        ("function:reports", "", (FUNCTION, None)),
        ("123456789012:function:reports:live", None, (FUNCTION, "live")),
        (f"{FUNCTION}:$LATEST", None, (FUNCTION, "$LATEST")),
        (FUNCTION.replace("123456789012", "999999999999"), None,
         (FUNCTION.replace("123456789012", "999999999999"), None)),
        ("no such name", None, ("", None)),
        (None, "live", ("", None)),
        (["reports"], {}, ("", None)),
    ],
)  # fmt: skip
def test_a_function_is_named_in_many_ways(name: Any, qualifier: Any, told: Any) -> None:
    assert names.callee(name, qualifier, at=names.execution(ARN)) == told


# How attempts end


@pytest.mark.parametrize(
    ("error", "cause", "end", "request_id"),
    [
        ("ValueError", {"errorType": "ValueError", "requestId": ID}, End.FAILED, ID),
        (
            "Runtime.ExitError",
            {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {ID} Error: exit"},
            End.FAILED,
            ID,
        ),
        (
            "Lambda.Unknown",
            (
                "The cause could not be determined because Lambda did not return an error type. "
                'Returned payload: {"errorMessage":"2026-01-02T18:57:49.123Z '
                f'{ID} Task timed out after 3.01 seconds"}}'
            ),
            End.FAILED,
            ID,
        ),
        (
            "Lambda.TooManyRequestsException",
            (
                "Rate Exceeded. (Service: AWSLambda; Status Code: 429; Error Code: "
                f"TooManyRequestsException; Request ID: {ID}; Proxy: null)"
            ),
            End.REFUSED,
            ID,
        ),
        (
            "Lambda.ResourceNotFoundException",
            f"Function not found (Service: Lambda, Status Code: 404, Request ID: {ID})",
            End.REFUSED,
            ID,
        ),
        (
            "Lambda.ServiceException",
            (
                "The service encountered an error (Service: AWSLambda; Status Code: 500; "
                f"Error Code: ServiceException; Request ID: {ID}; Proxy: null)"
            ),
            End.FAILED,
            ID,
        ),
        ("Lambda.SdkClientException", "Unable to execute HTTP request", End.FAILED, ""),
    ],
)
def test_a_failure_says_whether_the_function_was_reached(
    error: str, cause: Any, end: End, request_id: str
) -> None:
    attempt = one(scheduled(), (3, "TaskStarted", LAMBDA), failed(4, error, cause))
    assert (attempt.end, attempt.error, attempt.request_id) == (end, error, request_id)


def test_a_function_cannot_pretend_that_it_was_never_reached() -> None:
    said = {
        "errorType": "Lambda.TooManyRequestsException",
        "errorMessage": f"(Service: AWSLambda; Status Code: 429; Request ID: {ID}; Proxy: null)",
    }
    cut_off = json.dumps(said).removesuffix('"}')
    for cause in (said, f"Returned payload: {json.dumps(said)}", cut_off):
        attempt = one(scheduled(), failed(3, "Lambda.TooManyRequestsException", cause))
        assert attempt.end is End.FAILED


@pytest.mark.parametrize("error", ["States.Timeout", "States.HeartbeatTimeout", ""])
def test_a_time_out_is_of_step_functions(error: str) -> None:
    limits = {"timeoutInSeconds": 5, "heartbeatInSeconds": 2}
    previous, kind, details = scheduled()
    attempt = one(
        (previous, kind, details | limits),
        (3, "TaskStarted", LAMBDA),
        (4, "TaskTimedOut", LAMBDA | {"error": error}),
    )
    assert (attempt.end, attempt.error) == (End.TIMED_OUT, error or "States.Timeout")
    assert (attempt.timeout_s, attempt.heartbeat_s) == (5.0, 2.0)


def test_a_cause_that_was_cut_off_is_kept_and_names_no_request() -> None:
    attempt = one(scheduled(), failed(3, "ValueError", '{"errorMessage":"' + "x" * 32_700))
    assert (attempt.end, attempt.request_id) == (End.FAILED, "")
    assert len(attempt.cause) == 32_717


def test_retries_are_attempts_of_one_visit_and_a_redrive_goes_on_counting() -> None:
    told = read(
        (0, "ExecutionStarted", {}),
        (0, "TaskStateEntered", {"name": "Render"}),
        scheduled(2),
        failed(3, "E", "{}"),
        scheduled(4),
        failed(5, "E", "{}"),
        (6, "ExecutionFailed", {"error": "E"}),
        (7, "ExecutionRedriven", {"redriveCount": 1}),
        scheduled(2),
        (9, "TaskSucceeded", LAMBDA | {"output": json.dumps(OUTPUT)}),
    )
    ends = [(each.number, each.end) for each in told.attempts]
    assert ends == [(1, End.FAILED), (2, End.FAILED), (3, End.SUCCEEDED)]


def test_what_is_open_when_an_execution_ends_was_aborted_and_else_it_runs() -> None:
    entered: Row = (0, "TaskStateEntered", {"name": "A"})
    start: list[Row] = [(0, "ExecutionStarted", {}), entered, scheduled()]
    assert read(*start).attempts[0].end is End.RUNNING
    told = read(*start, (3, "ExecutionAborted", {"error": "by hand"}))
    assert (told.attempts[0].end, told.attempts[0].ended) == (End.ABORTED, 4.0)


def test_iterations_have_paths_whatever_event_theirs_follow() -> None:
    told = read(
        (0, "ExecutionStarted", {}),
        (0, "MapStateEntered", {"name": "Outer"}),
        (2, "MapStateStarted", {"length": 2}),
        (3, "MapIterationStarted", {"name": "Outer", "index": 0}),
        (4, "MapStateEntered", {"name": "Inner"}),
        (5, "MapStateStarted", {"length": 1}),
        (6, "MapIterationStarted", {"name": "Inner", "index": 3}),
        (7, "TaskStateEntered", {"name": "Render"}),
        scheduled(8),
        (9, "TaskSucceeded", LAMBDA | {"output": "{}"}),
        (10, "MapIterationSucceeded", {"name": "Inner", "index": 3}),
        (11, "MapStateExited", {"name": "Inner"}),
        (12, "MapIterationStarted", {"name": "Outer", "index": 1}),  # on the same thread
        (13, "TaskStateEntered", {"name": "Other"}),
        scheduled(14),
        (15, "TaskStateAborted", {}),
        (16, "MapStateExited", {"name": "Outer"}),
        (17, "TaskStateEntered", {"name": "Last"}),
        scheduled(18),
        item="Nested[0]",
    )
    assert [(each.state, each.item, each.end) for each in told.attempts] == [
        ("Render", "Nested[0].Outer[0].Inner[3]", End.SUCCEEDED),
        ("Other", "Nested[0].Outer[1]", End.ABORTED),
        ("Last", "Nested[0]", End.RUNNING),
    ]


# What an execution starts, and what is hidden


def test_nested_executions_and_map_runs_are_found_with_their_place() -> None:
    inner = "arn:aws:states:eu-west-1:123456789012:execution:inner:x"
    starts = {"resourceType": "states", "resource": "startExecution.sync:2"}
    told = read(
        (0, "ExecutionStarted", {}),
        (0, "TaskStateEntered", {"name": "Nested"}),
        (2, "TaskScheduled", starts | {"parameters": "{}"}),
        (3, "TaskSubmitted", starts | {"output": json.dumps({"ExecutionArn": inner})}),
        (4, "TaskFailed", starts | {"cause": json.dumps({"ExecutionArn": inner})}),
        (5, "MapStateEntered", {"name": "Many"}),
        (6, "MapRunStarted", {"mapRunArn": "arn:run"}),
    )
    assert [(each.arn, each.item, each.state) for each in told.executions] == [
        (inner, None, "Nested")
    ]
    assert [(each.arn, each.item, each.state) for each in told.map_runs] == [
        ("arn:run", "Many", "Many")
    ]
    assert told.attempts == ()


def test_what_a_callback_says_is_nobodys_answer() -> None:
    waits = LAMBDA | {"resource": "invoke.waitForTaskToken"}
    parameters = json.dumps({"FunctionName": "reports:live"})
    forged = OUTPUT | {"ExecutedVersion": "99", "SdkResponseMetadata": {"RequestId": OTHER}}
    attempt = one(
        (2, "TaskScheduled", waits | {"parameters": parameters}),
        (3, "TaskSubmitted", waits | {"output": json.dumps(OUTPUT)}),
        (4, "TaskSucceeded", waits | {"output": json.dumps(forged)}),
    )
    assert (attempt.version, attempt.request_id, attempt.end) == ("42", ID, End.SUCCEEDED)


def test_hidden_data_leave_the_function_unknown() -> None:
    told = read(
        (0, "ExecutionStarted", {}),
        (0, "TaskStateEntered", {"name": "Render"}),
        (2, "TaskScheduled", LAMBDA),
        (3, "TaskSucceeded", LAMBDA),
    )
    (attempt,) = told.attempts
    assert (attempt.function, attempt.version, attempt.input_size) == ("", None, None)
    assert told.hides


def test_inputs_are_told_apart_by_a_hash_and_kept_nowhere() -> None:
    same = one(scheduled(Payload={"b": 2, "a": 1})), one(scheduled(Payload='{"a": 1, "b": 2}'))
    assert same[0].input_hash == same[1].input_hash != one(scheduled()).input_hash
    secret = one(scheduled(Payload={"password": "hunter2"}))
    assert "hunter2" not in repr(secret)


# Both forms of an event, and anything else


def test_an_event_of_the_api_and_one_of_a_log_are_the_same() -> None:
    details = {"name": "Render", "input": "{}"}
    at = datetime(2026, 1, 2, 18, 57, 49, 123000, tzinfo=UTC)
    api = {
        "id": 2,
        "previousEventId": 1,
        "type": "TaskStateEntered",
        "timestamp": at,
        "stateEnteredEventDetails": details,
    }
    log = {
        "id": "2",
        "previous_event_id": "1",
        "type": "TaskStateEntered",
        "event_timestamp": str(round(at.timestamp() * 1000)),
        "execution_arn": ARN,
        "details": details,
    }
    assert events.of_log(json.dumps(log)) == (ARN, events.of_api(api))
    assert events.of_log("[INFO] something else") is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
DETAILS = st.dictionaries(
    st.sampled_from(
        ["name", "index", "resource", "resourceType", "parameters", "input", "output", "error",
         "cause", "mapRunArn", "timeoutInSeconds", "heartbeatInSeconds"]
    ),
    ANYTHING
    | ANYTHING.map(lambda value: json.dumps(value, default=str))
    | st.sampled_from(["lambda", "invoke", "states", "startExecution.sync", "Render"]),
)  # fmt: skip
EVENT = st.tuples(
    st.integers(0, 12), st.sampled_from([*history.HANDLERS, "MapIterationStarted"]), DETAILS
)


@given(st.lists(EVENT, max_size=12))
def test_any_events_are_borne(rows: list[Row]) -> None:
    told = read(*rows)
    assert all(isinstance(attempt.end, End) for attempt in told.attempts)


@given(ANYTHING, st.text(max_size=30))
def test_any_line_of_a_log_is_borne(value: Any, text: str) -> None:
    for line in (text, json.dumps(value, default=str)):
        found = events.of_log(line)
        assert found is None or isinstance(found[1], Event)


@given(ANYTHING)
def test_any_definition_is_read_or_refused(value: Any) -> None:
    with suppress(UnreadableError):
        definition.states(json.dumps(value, default=str))


def test_a_definition_tells_limits_retries_and_functions_by_state() -> None:
    inner = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "reports", "Qualifier": "live", "Payload.$": "$"},
        "TimeoutSeconds": 30,
        "Retry": [{"ErrorEquals": ["A", "B"], "MaxAttempts": 5}, {"ErrorEquals": ["States.ALL"]}],
    }
    dynamic = inner | {"Parameters": {"FunctionName.$": "$.name"}}
    processor = {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "States": {"R": inner, "D": dynamic}}
    text = json.dumps(
        {"States": {"M": {"Type": "Map", "MaxConcurrency": 9, "ItemProcessor": processor}}}
    )
    told = definition.states(text)
    assert (told["R"].timeout_s, told["R"].most_tries) == (30.0, 6)
    assert told["R"].retried == ("A", "B", "States.ALL")
    assert (told["M"].is_distributed, told["M"].max_concurrency) == (True, 9)
    callees = definition.callees(text, at=names.execution(ARN))
    assert callees == {"R": (FUNCTION, "live")}


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "reports",
        ARN + ":extra",
        ARN.replace("execution", "express"),
        ARN.replace(":states:", ":lambda:"),
        ARN.replace("eu-west-1", "nowhere"),
        ARN + "\n",
    ],
)
def test_what_is_no_arn_of_an_execution_is_refused(arn: str) -> None:
    with pytest.raises(ConfigurationError, match="not the ARN of an execution"):
        names.execution(arn)


@pytest.mark.parametrize(
    ("arn", "is_express"),
    [
        (ARN, False),
        (ARN.replace("nightly:", "nightly/Each:"), False),
        (ARN.replace("execution", "express") + f":{ID}", True),
    ],
)
def test_an_execution_names_its_state_machine(arn: str, is_express: bool) -> None:
    place = names.execution(arn)
    assert (place.machine, place.region, place.is_express) == (MACHINE, "eu-west-1", is_express)
