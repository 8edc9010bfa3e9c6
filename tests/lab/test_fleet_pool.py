"""Which container serves, which one is started and which ones go."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from deployguard.lab.nouns import LATEST
from tests.lab.fleet_stand_ins import ARN, Limits, Stage, in_a_loop, staged, until

KINDS = pytest.mark.parametrize("virtual", [False, True], ids=["real", "virtual"])


def builds(breadcrumbs: list[dict[str, Any]]) -> Counter[str]:
    return Counter(one["stamp"]["build_id"] for one in breadcrumbs)


def who(breadcrumbs: list[dict[str, Any]]) -> set[str]:
    return {str(one["container"]) for one in breadcrumbs}


async def two_in_turn(stage: Stage) -> list[dict[str, Any]]:
    return [await stage.canary(), await stage.canary()]


@KINDS
@in_a_loop
async def test_an_idle_container_is_used_again(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        first, second = await two_in_turn(stage)
        assert first["container"] == second["container"]
        assert (first["invocation"], second["invocation"]) == (1, 2)
        assert first["born"] == second["born"] <= first["received"]
        [only] = stage.fleet.containers()
        assert only["log_stream"] == second["log_stream"]
        assert (only["state"], only["invocations"], only["virtual"]) == ("idle", 2, virtual)


@KINDS
@in_a_loop
async def test_overlapping_invocations_have_a_container_each(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        cold = await stage.burst(3)
        warm = await stage.burst(3)
        assert len(who(cold)) == 3
        assert who(cold) == who(warm)
        assert [one["invocation"] for one in warm] == [2, 2, 2]


@KINDS
@in_a_loop
async def test_who_waits_for_a_cold_start_keeps_the_container(
    virtual: bool, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.knobs.cold_start_s = 0.05
        found = await stage.burst(4, hold_ms=0)
        assert len(who(found)) == 4
        assert {one["invocation"] for one in found} == {1}


@KINDS
@in_a_loop
async def test_an_update_ends_idle_containers(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        old = await stage.burst(2)
        stage.deploy("two")
        assert stage.fleet.containers() == []
        new = await stage.burst(2)
        assert builds(old) == {"one": 2}
        assert builds(new) == {"two": 2}
        assert not who(old) & who(new)


@KINDS
@in_a_loop
async def test_an_invocation_finishes_on_the_code_it_started_on(
    virtual: bool, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        held = asyncio.create_task(stage.canary(400))
        await until(lambda: bool(stage.fleet.containers()))
        await until(lambda: stage.fleet.containers()[0]["state"] == "busy")
        stage.deploy("two")
        assert builds([await stage.canary()]) == {"two": 1}
        assert not held.done()
        assert builds([await held]) == {"one": 1}
        assert [one["generation"] for one in stage.fleet.containers()] == [2]


@KINDS
@in_a_loop
async def test_an_update_during_a_cold_start_leaves_it_the_old_code(
    virtual: bool, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.knobs.cold_start_s = 0.2
        held = asyncio.create_task(stage.canary())
        await until(stage.fleet.containers)
        assert [one["state"] for one in stage.fleet.containers()] == ["starting"]
        stage.deploy("two")
        assert builds([await held]) == {"one": 1}
        assert stage.fleet.containers() == []


@KINDS
@in_a_loop
async def test_exactly_as_many_stale_containers_linger_as_asked(
    virtual: bool, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.knobs.linger = [{"function": "reports", "count": 2, "seconds": None}]
        await stage.burst(3)
        stage.deploy("two")
        assert [one["lingering"] for one in stage.fleet.containers()] == [True, True]
        assert builds(await stage.burst(5)) == {"one": 2, "two": 3}
        stage.deploy("three")
        found = await stage.burst(5)
        assert len([one for one in found if builds([one]) != {"three": 1}]) == 2


@KINDS
@in_a_loop
async def test_stale_containers_linger_for_the_time_asked(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.knobs.linger = [{"function": "reports", "count": None, "seconds": 0.4}]
        await stage.burst(2)
        stage.deploy("two")
        assert builds([await stage.canary()]) == {"one": 1}
        await until(lambda: not stage.fleet.containers())
        assert builds([await stage.canary()]) == {"two": 1}


@in_a_loop
async def test_lingering_can_be_for_the_first_updates_only(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        once, twice = ({"function": "reports", "count": n, "updates": n} for n in (1, 2))
        stage.knobs.linger = [once, twice]
        await stage.burst(4)
        left = []
        for build_id in ("two", "three", "four", "five"):
            stage.deploy(build_id)
            left.append(len(stage.fleet.containers()))
            await stage.burst(4)
        assert left == [1, 2, 2, 0]


@in_a_loop
async def test_an_update_that_finds_no_container_counts_as_well(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.knobs.linger = [{"function": "reports", "updates": 1}]
        stage.deploy("two")
        await stage.canary()
        stage.deploy("three")
        assert stage.fleet.containers() == []


@in_a_loop
async def test_lingering_is_for_the_function_that_the_rule_names(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.knobs.linger = [{"function": "other", "count": None, "seconds": None}]
        await stage.canary()
        stage.deploy("two")
        assert builds([await stage.canary()]) == {"two": 1}


@KINDS
@in_a_loop
async def test_most_recently_used_routing_stays_with_one(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        await stage.burst(3)
        assert len(who([await stage.canary() for _ in range(6)])) == 1


@KINDS
@in_a_loop
async def test_least_recently_used_routing_goes_round(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.knobs.routing = "lru"
        await stage.burst(3)
        found = [str((await stage.canary())["container"]) for _ in range(6)]
        assert len(set(found[:3])) == 3
        assert found[:3] == found[3:]


@in_a_loop
async def test_random_routing_reaches_every_container(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.knobs.routing = "random"
        await stage.burst(3)
        found = Counter([str((await stage.canary())["container"]) for _ in range(300)])
        assert len(found) == 3
        assert min(found.values()) > 60


@KINDS
@in_a_loop
async def test_partitioned_routing_sees_one_partition_at_a_time(
    virtual: bool, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.knobs.routing, stage.knobs.partitions = "partitioned", 3
        found = [await stage.canary() for _ in range(30)]
        assert len(who(found)) == 3
        partitions = {one["partition"] for one in stage.fleet.containers()}
        assert partitions == {0, 1, 2}


@KINDS
@in_a_loop
async def test_versions_have_pools_of_their_own(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.deploy("two", version="1")
        latest, first = await stage.canary(), await stage.canary(qualifier="1")
        assert (latest["function_version"], first["function_version"]) == (LATEST, "1")
        assert "[1]" in str(first["log_stream"])
        assert first["invoked_arn"] == f"{ARN}:1"
        stage.deploy("three")
        assert [one["version"] for one in stage.fleet.containers()] == ["1"]


@KINDS
@in_a_loop
async def test_a_deleted_version_loses_its_containers(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        stage.deploy("two", version="1")
        await asyncio.gather(stage.canary(), stage.canary(qualifier="1"))
        stage.fleet.retired(ARN, "1")
        assert [one["version"] for one in stage.fleet.containers()] == [LATEST]
        stage.fleet.retired(ARN, None)
        assert stage.fleet.containers() == []


@in_a_loop
async def test_a_function_made_anew_starts_with_new_containers(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        first = stage.cloud.builds[LATEST]
        stage.deploy("two")
        old = await stage.canary()
        stage.fleet.retired(ARN, None)
        stage.cloud.builds[LATEST] = first
        new = await stage.canary()
        assert (builds([old]), builds([new])) == ({"two": 1}, {"one": 1})


@in_a_loop
async def test_a_fleet_can_be_stopped_and_started_anew(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        first = stage.cloud.builds[LATEST]
        stage.deploy("two")
        old = await stage.canary()
        await stage.fleet.stop()
        await stage.fleet.start()
        assert stage.fleet.containers() == []
        stage.cloud.builds[LATEST] = first
        stage.deploy("three")
        assert builds([old, await stage.canary()]) == {"two": 1, "three": 1}


@KINDS
@in_a_loop
async def test_containers_are_reaped_when_idle_for_long(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        first = await stage.canary()
        stage.knobs.idle_s = 0.1
        await until(lambda: not stage.fleet.containers())
        stage.knobs.idle_s = None
        assert (await stage.canary())["container"] != first["container"]


@KINDS
@in_a_loop
async def test_killed_containers_finish_their_work_first(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        await stage.burst(2)
        held = asyncio.create_task(stage.canary(300))
        await until(lambda: "busy" in [one["state"] for one in stage.fleet.containers()])
        assert stage.fleet.kill("reports") == 2
        assert [one["state"] for one in stage.fleet.containers()] == ["busy"]
        assert builds([await held]) == {"one": 1}
        assert stage.fleet.containers() == []
        assert stage.fleet.kill("reports") == 0


@KINDS
@in_a_loop
async def test_provisioned_containers_are_warm_and_come_first(
    virtual: bool, tmp_path: Path
) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        build = stage.deploy("two", version="1")
        stage.cloud.limits = Limits(provisioned={"1": 2})
        stage.fleet.provision(build, 2)
        assert stage.fleet.provisioned(ARN, "1") == (0, None)
        await until(lambda: stage.fleet.provisioned(ARN, "1") == (2, None))
        found = await stage.burst(3, qualifier="1")
        kinds = Counter(one["initialization_type"] for one in found)
        assert kinds == {"provisioned-concurrency": 2, "on-demand": 1}
        again = await stage.canary(qualifier="1")
        assert again["initialization_type"] == "provisioned-concurrency"
        stage.fleet.provision(build, 0)
        assert stage.fleet.provisioned(ARN, "1") == (0, None)
        assert [one["initialization_type"] for one in stage.fleet.containers()] == ["on-demand"]


@KINDS
@in_a_loop
async def test_a_lost_provisioned_container_is_replaced(virtual: bool, tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=virtual) as stage:
        build = stage.deploy("two", version="1")
        stage.fleet.provision(build, 1)
        await until(lambda: stage.fleet.provisioned(ARN, "1") == (1, None))
        stage.fleet.kill()
        assert stage.fleet.provisioned(ARN, "1") == (0, None)
        await until(lambda: stage.fleet.provisioned(ARN, "1") == (1, None))


@in_a_loop
async def test_provisioning_fails_when_the_function_cannot_start(tmp_path: Path) -> None:
    async with staged(tmp_path, handler="raise RuntimeError('no')") as stage:
        build = stage.cloud.builds[LATEST]
        stage.fleet.provision(build, 1)
        reason = "FUNCTION_ERROR_INIT_FAILURE"
        await until(lambda: stage.fleet.provisioned(ARN, LATEST) == (0, reason))
        await until(lambda: not stage.fleet.containers())


@in_a_loop
async def test_a_thousand_virtual_containers_are_held_at_once(tmp_path: Path) -> None:
    async with staged(tmp_path, virtual=True) as stage:
        stage.cloud.limits = Limits(account_unreserved=2000)
        found = await stage.burst(1000, hold_ms=1500)
        last_received = max(one["received"] for one in found)
        first_released = min(one["released"] for one in found)
        assert last_received < first_released
        assert len(who(found)) == 1000
        assert len(who(await stage.burst(2000, hold_ms=3000))) == 2000
        assert len(stage.fleet.containers()) == 2000
        stage.deploy("two")
        assert stage.fleet.containers() == []
