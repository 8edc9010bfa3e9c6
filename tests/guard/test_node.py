"""A function in Node.js, run by AWS's own runtime client, is judged as one in Python is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deployguard.lab import images
from tests.ci.tools import need
from tests.guard.test_birth_lines import JSON, configure, told
from tests.guard.world import FOR_EVER, LABEL, NODE_HELPER, Team

ASYNC = """
import { canary } from "./helper.cjs";
const selfTest = async () => true;
export const handler = canary(async (event) => ({ ok: true, event }), { selfTest });
"""
CALLBACK = """
const { canary } = require("./helper.cjs");
exports.handler = canary((event, context, callback) => {
  setTimeout(() => callback(event.fail ? new RangeError("theirs") : null, { ok: event }), 5);
});
"""
STREAMING = """
const { canary } = require("./helper.cjs");
exports.handler = canary(awslambda.streamifyResponse(async (event, stream) => {
  stream.write("a stream");
  stream.end();
}));
"""
CANARY = {"deployguard": {"canary": 1, "nonce": "0" * 32}}


@pytest.fixture(autouse=True)
def _node() -> None:
    need("node")
    need("aws-lambda-ric")


def image(build_id: str, handler: str = ASYNC) -> images.OciImage:
    """Build an image as one is that is not based on AWS's: its entry point runs the client."""
    stamp = {"schema": "deployguard/stamp/v1", "build_id": build_id}
    name = "app.mjs" if "export const" in handler else "app.js"
    files = {
        name: f"{handler}// {build_id}\n".encode(),
        "helper.cjs": NODE_HELPER,
        "build-stamp.json": json.dumps(stamp).encode(),
    }
    entrypoint = ("/usr/local/bin/npx", "aws-lambda-ric")
    return images.of_files(files, entrypoint=entrypoint, labels={LABEL: build_id})


def ship(team: Team, build_id: str, handler: str = ASYNC) -> str:
    uri = team.push(image(build_id, handler))
    team.deploy(uri)
    return uri


def invoke(team: Team, event: Any) -> tuple[Any, str | None]:
    answer = team.functions.invoke(FunctionName=team.name, Payload=json.dumps(event))
    body = answer["Payload"].read()
    return (json.loads(body) if body[:1] in b'{["' else body), answer.get("FunctionError")


def test_a_shipped_build_is_fresh(team: Team) -> None:
    uri = ship(team, "n1")
    finished = team.check("--image", uri)

    assert (finished.exit_code, finished.findings) == (0, ["DG405"])
    assert {each["build_id"] for each in finished.function["containers"]} == {"n1"}
    assert invoke(team, {"order": 7}) == ({"ok": True, "event": {"order": 7}}, None)


def test_old_containers_are_found_and_named(team: Team) -> None:
    ship(team, "n1")
    team.publish()
    team.point("1")
    team.warm(1)
    team.lab.set(linger=[{"function": team.name, **FOR_EVER}])
    ship(team, "n2")
    finished = team.check("--also", "$LATEST")

    assert finished.exit_code == 10
    assert "DG201" in finished.findings
    assert team.alias() == "1"


def test_a_self_test_is_asked_as_the_containers_age(team: Team) -> None:
    uri = ship(team, "n1")
    finished = team.check("--image", uri, "--aged", "1")

    assert finished.exit_code == 0, finished.out + finished.err


@pytest.mark.parametrize("format_", [{}, JSON])
def test_a_containers_birth_and_invocations_are_in_its_log(
    team: Team, format_: dict[str, str]
) -> None:
    ship(team, "n1")
    variables = {"Variables": {"DEPLOYGUARD_LOG": "invocation"}}
    configure(team, LoggingConfig=format_, Environment=variables)

    found = told(team)
    assert [crumb.invocation for crumb in found] == [1, 2, 3]
    assert {crumb.build_id for crumb in found} == {"n1"}


def test_a_handler_with_a_callback_answers_both(team: Team) -> None:
    ship(team, "n1", CALLBACK)

    assert invoke(team, {"order": 7}) == ({"ok": {"order": 7}}, None)
    answer, error = invoke(team, CANARY)
    assert (answer["deployguard"]["invocation"], error) == (2, None)
    failed, error = invoke(team, {"fail": True})
    assert (failed["errorType"], failed["errorMessage"], error) == (
        "RangeError",
        "theirs",
        "Unhandled",
    )


def test_a_handler_that_streams_is_left_alone(team: Team) -> None:
    ship(team, "n1", STREAMING)

    assert invoke(team, {"order": 7}) == (b"a stream", None)
    assert invoke(team, CANARY) == (b"a stream", None)


def test_an_image_whose_client_is_missing_says_so(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(team.folder))
    ship(team, "n1")
    answer, error = invoke(team, {})

    assert error == "Unhandled"
    assert answer["errorType"] == "Runtime.InvalidEntrypoint"
    assert "aws-lambda-ric" in answer["errorMessage"]
