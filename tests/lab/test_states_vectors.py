"""The histories of Lambda tasks, event by event, as the real service was recorded to write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.state_machines import ARN, HEADERS, ROLE, Stage, told

VECTORS = json.loads((Path(__file__).parent / "vectors" / "histories" / "tasks.json").read_text())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_histories_as_recorded(vector: Any, stage: Stage) -> None:
    stage.function(vector["handler"], Timeout=10)
    states = json.loads(json.dumps(vector["states"]).replace("{arn}", ARN))
    execution = stage.start(stage.machine(states), vector["input"])
    assert stage.ended(execution)["status"] == vector["status"]
    found = [_without_http(event) for event in told(stage.events(execution))]
    wanted = json.dumps(vector["events"]).replace("{arn}", ARN).replace("{role}", ROLE)
    assert found == json.loads(wanted)


def _without_http(value: Any) -> Any:
    """Check the headers that an invocation's result shows, and put a word in their place."""
    if isinstance(value, list):
        return [_without_http(each) for each in value]
    if not isinstance(value, dict):
        return value
    about = value.get("SdkHttpMetadata")
    if about is not None:
        headers = about["HttpHeaders"]
        assert headers.keys() - {"X-Amz-Log-Result"} == HEADERS
        assert about["AllHttpHeaders"] == {name: [each] for name, each in headers.items()}
        assert about["HttpStatusCode"] == 200
        return {**value, "SdkHttpMetadata": "{http}"}
    return {name: _without_http(inner) for name, inner in value.items()}
