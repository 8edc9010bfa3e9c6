"""Each way a call to AWS fails: what it is taken for, how often it is sent, how the run ends."""

from __future__ import annotations

import signal
import time
from typing import Any

import botocore.session
import pytest

from deployguard.aws import failures, functions
from deployguard.aws.session import READ_S, Session
from deployguard.errors import AccessDenied, AwsFailure, ConfigurationError, NotFound, Trouble
from deployguard.lab.client import Client
from tests.guard.world import Team, eventually

EVERY: dict[str, Any] = {"times": None}
STATUS = {
    Trouble.THROTTLED: 429,
    Trouble.TRANSIENT: 500,
    Trouble.CONFLICT: 409,
    Trouble.PRECONDITION: 412,
    Trouble.DENIED: 403,
    Trouble.MISSING: 404,
    Trouble.CREDENTIALS: 403,
    Trouble.PERMANENT: 502,  # as if it were passing
}
KINDS = {Trouble.DENIED: AccessDenied, Trouble.MISSING: NotFound}
CODES = [row for row in failures.BY_CODE.items() if "." not in row[0]]
CLASSES = [  # a status and a code; how often a read and a write that end so are sent
    (429, "TooManyRequestsException", (4, 4)),
    (429, "SomethingNew", (4, 4)),
    (500, "ServiceException", (4, 1)),
    (503, "SomethingNew", (4, 1)),
    (502, "KMSAccessDeniedException", (1, 1)),
    (400, "SomethingNew", (1, 1)),
    (403, "AccessDeniedException", (1, 1)),
    (404, "ResourceNotFoundException", (1, 1)),
    (409, "ResourceConflictException", (1, 1)),
    (412, "PreconditionFailedException", (1, 1)),
    (403, "ExpiredTokenException", (1, 1)),
]


@pytest.fixture
def session(lab: Client, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Hand out a session that talks to the lab."""
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    return Session()


@pytest.fixture(scope="module")
def asking_once(shared_lab: Client) -> Session:
    """Hand out one session for all error codes, as to make one is most of such a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared_lab.environment.items():
            patch.setenv(name, value)
        session = Session()
        session.deadline = 0.0
        session.client("lambda")  # made while the lab is what the variables lead to
    return session


def read(session: Session) -> AwsFailure:
    """Return how reading a function fails."""
    with pytest.raises(AwsFailure) as caught:
        functions.function(session, "reports")
    return caught.value


def write(session: Session) -> AwsFailure:
    """Return how moving an alias fails."""
    with pytest.raises(AwsFailure) as caught:
        functions.move_alias(session, "reports", "live", version="2", weights={}, revision="r")
    return caught.value


@pytest.mark.parametrize(("code", "trouble"), CODES)
def test_a_code_means_the_same_to_a_read_and_a_write(
    lab: Client, asking_once: Session, code: str, trouble: Trouble
) -> None:
    lab.fault(operation="*", kind="error", status=STATUS[trouble], code=code, **EVERY)
    reading, writing = read(asking_once), write(asking_once)
    assert reading.trouble is writing.trouble is trouble
    assert type(reading) is KINDS.get(trouble, AwsFailure)
    assert reading.code == code
    assert code in reading.happened
    assert not reading.maybe_applied
    assert writing.maybe_applied is (trouble is Trouble.TRANSIENT)


@pytest.mark.parametrize(("status", "code", "sent"), CLASSES)
def test_only_what_may_pass_is_sent_again(
    lab: Client, session: Session, status: int, code: str, sent: tuple[int, int]
) -> None:
    lab.fault(operation="*", kind="error", status=status, code=code, **EVERY)
    read(session)
    write(session)
    calls = lab.calls()
    assert (calls["lambda.GetFunction"], calls["lambda.UpdateAlias"]) == sent


def test_a_lost_answer_is_asked_for_again_but_a_write_is_not_sent_again(
    lab: Client, session: Session
) -> None:
    lab.fault(operation="*", kind="lose", **EVERY)
    assert read(session).trouble is Trouble.LOST
    assert write(session).maybe_applied
    assert lab.calls() == {"lambda.GetFunction": 4, "lambda.UpdateAlias": 1}


def test_what_was_never_sent_was_not_applied(monkeypatch: pytest.MonkeyPatch, lab: Client) -> None:
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    session = Session()
    failure = write(session)
    assert failure.trouble is Trouble.UNSENT
    assert not failure.maybe_applied
    assert failures.is_repeated(failure, writes=True)


def test_an_answer_that_nobody_can_read_may_be_of_an_applied_write(
    live: Team, session: Session
) -> None:
    alias = functions.alias(session, live.name, "live")
    assert alias is not None
    session.functions.meta.events.register_first("before-parse.lambda.UpdateAlias", _garble)
    with pytest.raises(AwsFailure) as caught:
        functions.move_alias(
            session, live.name, "live", version="1", weights={}, revision=alias.revision
        )
    assert caught.value.trouble is Trouble.LOST
    assert caught.value.maybe_applied


def _garble(response_dict: dict[str, Any], **_: Any) -> None:
    response_dict["body"] = b"<html>captive portal</html>"


def test_every_code_that_lambda_sends_with_502_is_classified() -> None:
    model = botocore.session.get_session().get_service_model("lambda")
    shapes = [model.shape_for(name) for name in model.shape_names]
    codes = {
        shape.name
        for shape in shapes
        if shape.metadata.get("error", {}).get("httpStatusCode") == 502
    }
    assert codes
    assert codes <= failures.BY_CODE.keys()


def test_nothing_is_repeated_after_the_deadline(lab: Client, session: Session) -> None:
    session.deadline = time.monotonic()
    lab.fault(operation="*", kind="throttle", **EVERY)
    read(session)
    assert lab.calls() == {"lambda.GetFunction": 1}


def test_in_a_hurry_even_a_call_that_hangs_ends_in_time(lab: Client, session: Session) -> None:
    lab.fault(operation="*", kind="delay", seconds=60, **EVERY)
    began = time.monotonic()
    session.hurry(1.5)
    assert read(session).trouble is Trouble.LOST
    assert time.monotonic() - began < READ_S  # the usual patience


def test_a_denial_names_the_statement_that_is_missing(lab: Client, session: Session) -> None:
    lab.fault(operation="*", kind="deny", **EVERY)
    denied = read(session)
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
    assert f"lacks lambda:GetFunction on {arn}" in denied.cause
    statement = f'{{"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "{arn}"}}'
    assert statement in denied.fix


def test_a_denial_without_words_is_named_after_the_call(lab: Client, session: Session) -> None:
    lab.fault(operation="*", kind="deny", message="", **EVERY)
    assert "lacks lambda:UpdateAlias on arn:aws:lambda:eu-west-1:*:function:reports" in (
        write(session).cause
    )
    with pytest.raises(AccessDenied) as caught:
        session.read("invoke", session.functions.invoke, FunctionName="reports")
    assert "lacks lambda:InvokeFunction on" in caught.value.cause


def test_an_explicit_deny_is_not_answered_by_granting(lab: Client, session: Session) -> None:
    lab.fault(
        operation="*",
        kind="deny",
        message="User: u is not authorized to perform: lambda:GetFunction on resource: arn:a:b "
        "with an explicit deny in a service control policy",
        **EVERY,
    )
    denied = read(session)
    assert "denied explicitly in a service control policy" in denied.cause
    assert "granting the action is no use" in denied.fix


def test_an_endpoint_that_is_none_is_a_mistake_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, session: Session
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL"):
        functions.function(Session(), "reports")


@pytest.mark.parametrize(
    ("status", "code", "ended"),
    [
        (429, "TooManyRequestsException", (4, 4)),
        (500, "ServiceException", (4, 4)),
        (412, "PreconditionFailedException", (4, 4)),
        (403, "AccessDeniedException", (3, 1)),
        (502, "KMSAccessDeniedException", (4, 1)),
        (403, "ExpiredTokenException", (4, 1)),
    ],
)
def test_a_version_that_cannot_be_published_ends_the_run(
    moving: Team, status: int, code: str, ended: tuple[int, int]
) -> None:
    before = moving.lab.calls()["lambda.PublishVersion"]
    moving.lab.fault(operation="PublishVersion", kind="error", status=status, code=code, **EVERY)
    finished = moving.check()
    calls = moving.lab.calls()["lambda.PublishVersion"] - before
    assert (finished.exit_code, calls) == ended, finished.out
    assert code in finished.out
    assert moving.alias() == "1"


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_lost_answer_to_creating_the_alias_loses_nothing(team: Team, phase: str) -> None:
    team.ship("b1")
    team.lab.fault(operation="CreateAlias", phase=phase, kind="lose")
    finished = team.check()
    assert finished.exit_code == 0, finished.out
    assert team.alias() == "1"
    assert finished.function["changes"][-1]["result"] == "ok"


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_lost_answer_to_deleting_the_alias_loses_nothing(team: Team, phase: str) -> None:
    team.ship("b1")
    team.lab.fault(operation="DeleteAlias", phase=phase, kind="lose")
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, "count": None, "seconds": None}])
    team.ship("b2")
    finished = team.check("--also", "$LATEST")
    assert finished.exit_code == 10, finished.out
    assert team.alias() is None
    assert finished.function["changes"][-1]["call"] == "DeleteAlias"
    assert finished.function["changes"][-1]["result"] == "ok"


def test_a_signal_ends_the_run_in_time_even_if_aws_hangs(moving: Team) -> None:
    moving.lab.set(propagation_s=600)
    process = moving.start("check", moving.name, "--grace", "60")
    eventually(lambda: moving.alias() == "2")
    moving.lab.fault(operation="UpdateAlias", kind="delay", seconds=60, **EVERY)
    signalled = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - signalled < 8
    assert process.returncode == 143, out + err
    assert "DG402: alias live" in out
    assert "aws lambda update-alias" in out
    assert "--function-version 1" in out


@pytest.mark.parametrize("hanging", ["GetFunction", "PublishVersion", "UpdateAlias"])
def test_a_call_that_hangs_does_not_outlast_a_short_timeout(moving: Team, hanging: str) -> None:
    moving.lab.fault(operation=hanging, kind="hang")
    began = time.monotonic()
    finished = moving.check("--timeout", "3")
    assert time.monotonic() - began < 13, finished.err
    assert moving.alias() in ("1", "2" if finished.exit_code == 0 else "1")
