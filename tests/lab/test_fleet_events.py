"""Asynchronous events: accepted at once, tried again, and sometimes lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from deployguard.lab.nouns import LATEST
from tests.lab.fleet_stand_ins import ARN, Limits, in_a_loop, staged, until

KINDS = pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])


@KINDS
@in_a_loop
async def test_an_event_is_accepted_at_once_and_run_later(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        event = {"deployguard": {"canary": 1, "nonce": "x", "hold_ms": 100}}
        answer = await stage.call(event, invocation_type="Event")
        assert (answer.status, answer.body) == (202, b"")
        assert "X-Amz-Executed-Version" not in answer.headers
        assert stage.fleet.events.waiting == 1
        await until(lambda: stage.fleet.events.waiting == 0)
        assert [one["invocations"] for one in stage.fleet.containers()] == [1]
        assert answer.headers["x-amzn-RequestId"] in stage.lines()
        assert not stage.fleet.events.dropped


@in_a_loop
async def test_a_failing_event_is_tried_three_times_and_lost(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        event = {"do": "raise", "message": "no"}
        answer = await stage.call(event, invocation_type="Event")
        await until(lambda: stage.fleet.events.dropped)
        [lost] = stage.fleet.events.dropped
        request_id = answer.headers["x-amzn-RequestId"]
        assert stage.lines().count(f"START RequestId: {request_id}") == 3
        assert (lost.condition, lost.approximate_invoke_count) == ("RetriesExhausted", 3)
        assert (lost.request_id, json.loads(lost.payload)) == (request_id, event)


@in_a_loop
async def test_events_are_lost_while_nothing_is_reserved(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.cloud.limits = Limits(reserved=0)
        assert (await stage.call({}, invocation_type="Event")).status == 202
        await until(lambda: stage.fleet.events.dropped)
        [lost] = stage.fleet.events.dropped
        assert (lost.condition, lost.approximate_invoke_count) == ("ZeroReservedConcurrency", 0)
        assert lost.function_arn == f"{ARN}:{LATEST}"
        assert stage.fleet.containers() == []


@in_a_loop
async def test_a_throttled_event_waits_for_room(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.cloud.limits = Limits(reserved=1)
        held = asyncio.create_task(stage.canary(200))
        await until(stage.fleet.containers)
        for _ in range(3):
            await stage.call({}, invocation_type="Event")
        await held
        await until(lambda: stage.fleet.events.waiting == 0)
        assert [one["invocations"] for one in stage.fleet.containers()] == [4]
        assert not stage.fleet.events.dropped


@in_a_loop
async def test_an_event_for_a_function_that_went_away_is_lost(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        await stage.call({}, invocation_type="Event")
        stage.cloud.builds.clear()
        await until(lambda: stage.fleet.events.dropped)
        assert stage.fleet.events.dropped[0].condition == "FunctionNotFound"
