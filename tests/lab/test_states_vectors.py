"""The histories of Lambda tasks, event by event, as the real service was recorded to write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.state_machines import ARN, HEADERS, ROLE, Stage, told

VECTORS = json.loads((Path(__file__).parent / "vectors" / "histories" / "tasks.json").read_text())


@pytest.mark.parametrize("recorded", VECTORS, ids=lambda recorded: recorded["case"])
def test_histories_as_recorded(recorded: Any, stage: Stage) -> None:
    stage.function(recorded["handler"], Timeout=10)
    states = json.loads(json.dumps(recorded["states"]).replace("{arn}", ARN))
    execution = stage.start(stage.machine(states), recorded["input"])
    assert stage.ended(execution)["status"] == recorded["status"]
    found = [_without_http(event) for event in told(stage.events(execution))]
    wanted = json.dumps(recorded["events"]).replace("{arn}", ARN).replace("{role}", ROLE)
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
