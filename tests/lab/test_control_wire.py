"""The wire itself: routes, parameters as they come, refusals of malformed requests."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest

from deployguard.lab.control import wire
from deployguard.lab.control.operations import HANDLERS
from deployguard.lab.nouns import AwsError

pytest_plugins = ["control_lab"]

REGION = "eu-central-1"


def ask(control: Any, method: str, path: str, body: bytes = b"", **query: str) -> wire.Answer:
    """Send one raw request and return the answer, refused or not."""
    given = {name: [value] for name, value in query.items()}
    operation = wire.operation(method, path, query=given)
    assert operation is not None
    try:
        return wire.handle(
            control.cloud,
            operation=operation,
            region=REGION,
            path=path,
            query=given,
            headers={},
            body=body,
        )
    except AwsError as problem:
        return wire.error(problem)


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/2015-03-31/functions", "ListFunctions"),
        ("GET", "/2015-03-31/functions/", "ListFunctions"),
        ("POST", "/2015-03-31/functions/", "CreateFunction"),
        ("POST", "/2015-03-31/functions/fn/invocations", "Invoke"),
        ("GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu%3A1%3Afunction%3Afn", "GetFunction"),
        ("GET", "/2015-03-31/functions/fn?Qualifier=live", "GetFunction"),
        ("GET", "/2019-09-30/functions/fn/concurrency", "GetFunctionConcurrency"),
        ("PUT", "/2017-10-31/functions/fn/concurrency", "PutFunctionConcurrency"),
        (
            "GET",
            "/2019-09-30/functions/fn/provisioned-concurrency?Qualifier=1",
            "GetProvisionedConcurrencyConfig",
        ),
        (
            "GET",
            "/2019-09-30/functions/fn/provisioned-concurrency?List=ALL",
            "ListProvisionedConcurrencyConfigs",
        ),
        ("PATCH", "/2015-03-31/functions/fn", None),
        ("GET", "/2015-03-31/nothing", None),
        ("POST", "/", None),
    ],
)
def test_routes_come_from_the_model(method: str, path: str, operation: str | None) -> None:
    assert wire.operation(method, path) == operation


def test_the_list_is_told_from_the_get_when_only_the_path_was_routed(
    control: Any, world: Any
) -> None:
    answer = wire.handle(
        control.cloud,
        operation="GetProvisionedConcurrencyConfig",
        region=REGION,
        path="/2019-09-30/functions/fn/provisioned-concurrency",
        query={"List": ["ALL"]},
        headers={},
        body=b"",
    )
    assert json.loads(answer.body) == {"ProvisionedConcurrencyConfigs": []}


def test_every_handler_is_an_operation_of_the_model() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    assert set(HANDLERS) <= set(model.operation_names)


def test_an_operation_that_the_lab_lacks_is_loud(control: Any) -> None:
    answer = ask(control, "GET", "/2018-10-31/layers")
    assert answer.status == 501
    assert answer.headers["x-amzn-errortype"] == "NotImplementedByLab"
    assert "ListLayers" in json.loads(answer.body)["message"]


def test_an_error_names_its_code_in_the_header(control: Any) -> None:
    answer = ask(control, "GET", "/2015-03-31/functions/none")
    assert answer.status == 404
    assert answer.headers["x-amzn-errortype"] == "ResourceNotFoundException"
    body = json.loads(answer.body)
    assert body.keys() == {"Type", "Message"}
    assert body["Type"] == "User"


def test_other_members_of_an_error_reach_the_body() -> None:
    problem = AwsError(
        429,
        "TooManyRequestsException",
        "Rate Exceeded.",
        Reason="ReservedFunctionConcurrentInvocationLimitExceeded",
    )
    assert json.loads(wire.error(problem).body) == {
        "Type": "User",
        "message": "Rate Exceeded.",
        "Reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    }


def test_a_denied_call_has_no_type() -> None:
    body = json.loads(wire.error(AwsError(403, "AccessDeniedException", "no")).body)
    assert body == {"Message": "no"}


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"{", "InvalidRequestContentException", "Could not parse request body into json"),
        (b"[]", "SerializationException", "JSON object"),
        (b'{"FunctionVersion": 1, "Name": "a"}', "SerializationException", "FunctionVersion"),
        (
            b"{}",
            "ValidationException",
            "2 validation errors detected: Value null at 'name' failed",
        ),
        (
            b'{"FunctionVersion": "", "Name": "a"}',
            "ValidationException",
            "Member must have length greater than or equal to 1",
        ),
    ],
)
def test_malformed_requests(control: Any, world: Any, body: bytes, code: str, message: str) -> None:
    answer = ask(control, "POST", "/2015-03-31/functions/fn/aliases", body)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (400, code)
    assert message in json.loads(answer.body)["message"]


def test_null_and_unknown_members_are_passed_over(control: Any, world: Any) -> None:
    body = b'{"FunctionVersion": "2", "Name": "a", "RoutingConfig": null, "Other": {"x": 1}}'
    answer = ask(control, "POST", "/2015-03-31/functions/fn/aliases", body)
    assert answer.status == 201
    assert json.loads(answer.body)["FunctionVersion"] == "2"


@pytest.mark.parametrize(("size", "status"), [("1", 200), ("0", 400), ("many", 400)])
def test_numbers_in_a_query(control: Any, world: Any, size: str, status: int) -> None:
    answer = ask(control, "GET", "/2015-03-31/functions/fn/versions", MaxItems=size)
    assert answer.status == status


def test_times_are_written_as_the_service_writes_them(world: Any) -> None:
    shown = world.get_function_configuration(FunctionName="fn")["LastModified"]
    assert shown == "2026-01-02T18:53:20.000+0000"
