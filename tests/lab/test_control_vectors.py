"""Every operation's answers and refusals, as the real service was recorded to give them."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

pytest_plugins = ["control_lab"]


def ask(client: Any, call: list[Any]) -> Any:
    """Make one call and return its answer, refused or not."""
    operation, params = call
    try:
        return getattr(client, operation)(**params)
    except ClientError as problem:
        return problem.response


def test_answers_as_recorded(vector: Any, world: Any) -> None:
    for call in vector.get("before", ()):
        assert "Error" not in ask(world, call)
    answer = ask(world, vector["call"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == vector["status"], answer
    if "error" in vector:
        check_error(answer, vector["error"])
    else:
        assert "Error" not in answer, answer
    for member, value in vector.get("has", {}).items():
        assert answer[member] == value
    for member in vector.get("present", ()):
        assert answer[member] is not None
    assert not set(vector.get("absent", ())) & answer.keys()


def check_error(answer: Any, expected: Any) -> None:
    """Check code, message, who is at fault, and how the message is spelled."""
    assert answer["Error"]["Code"] == expected["code"]
    assert answer["Error"]["Message"].startswith(expected["message"])
    assert answer.get("Type") == expected["type"]
    if expected["code"] != "ValidationException":
        assert answer[expected["at"]] == answer["Error"]["Message"]
