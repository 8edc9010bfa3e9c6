"""Where invocations go: qualifiers, weights, and moves that take time to spread."""

from __future__ import annotations

from typing import Any

import pytest

from deployguard.lab.nouns import AwsError

pytest_plugins = ["control_lab"]

REGION = "eu-central-1"
ARN = f"arn:aws:lambda:{REGION}:123456789012:function:fn"


def versions(control: Any, count: int, qualifier: str = "live") -> list[str]:
    """Return which versions a number of invocations ran."""
    return [control.cloud.route(REGION, "fn", qualifier).executed_version for _ in range(count)]


@pytest.mark.parametrize(
    ("name", "qualifier", "ran"),
    [
        ("fn", None, ("$LATEST", ARN)),
        ("fn", "$LATEST", ("$LATEST", f"{ARN}:$LATEST")),
        ("fn", "2", ("2", f"{ARN}:2")),
        ("fn", "live", ("1", f"{ARN}:live")),
        ("fn:live", None, ("1", f"{ARN}:live")),
        (ARN, None, ("$LATEST", ARN)),
        (f"{ARN}:live", "live", ("1", f"{ARN}:live")),
        ("123456789012:function:fn:2", None, ("2", f"{ARN}:2")),
    ],
)
def test_every_form_of_a_function(
    control: Any, world: Any, name: str, qualifier: str | None, ran: tuple[str, str]
) -> None:
    routed = control.cloud.route(REGION, name, qualifier)
    assert (routed.executed_version, routed.invoked_arn) == ran
    assert routed.function_arn == ARN
    assert (routed.build.version, routed.provisioned) == (ran[0], False)


@pytest.mark.parametrize(
    ("name", "qualifier", "message"),
    [
        ("none", None, "Function not found: arn:aws:lambda:{r}:123456789012:function:none:$LATEST"),
        ("fn", "none", "Function not found: arn:aws:lambda:{r}:123456789012:function:fn:none"),
        (
            "999999999999:function:fn",
            None,
            "Function not found: 999999999999:function:fn",
        ),
        ("fn", "42", "Function not found: arn:aws:lambda:{r}:123456789012:function:fn:42"),
    ],
)
def test_what_is_not_there(
    control: Any, world: Any, name: str, qualifier: str | None, message: str
) -> None:
    with pytest.raises(AwsError) as refused:
        control.cloud.route(REGION, name, qualifier)
    assert (refused.value.status, refused.value.code) == (404, "ResourceNotFoundException")
    assert refused.value.message == message.format(r=REGION)


def test_regions_do_not_see_each_other(control: Any, world: Any) -> None:
    with pytest.raises(AwsError, match="are not reachable in this region"):
        control.cloud.route("us-east-1", ARN, None)
    with pytest.raises(AwsError, match="Function not found"):
        control.cloud.route("us-east-1", "fn", None)


def test_a_weight_sends_its_share(control: Any, world: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.2}}
    world.update_alias(FunctionName="fn", Name="live", RoutingConfig=routing)
    ran = versions(control, 5000)
    assert set(ran) == {"1", "2"}
    assert 0.17 < ran.count("2") / 5000 < 0.23


def test_the_seed_repeats_the_choices(control: Any, world: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 0.5}}
    world.update_alias(FunctionName="fn", Name="live", RoutingConfig=routing)
    control.cloud.random.seed(3)
    first = versions(control, 50)
    control.cloud.random.seed(3)
    assert versions(control, 50) == first


def test_a_leftover_weight_survives_a_move(control: Any, world: Any) -> None:
    routing = {"AdditionalVersionWeights": {"2": 1.0}}
    world.update_alias(FunctionName="fn", Name="live", RoutingConfig=routing)
    world.update_function_configuration(FunctionName="fn", Timeout=9)
    world.publish_version(FunctionName="fn")
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="3")
    assert set(versions(control, 20)) == {"2"}
    cleared: dict[str, Any] = {"AdditionalVersionWeights": {}}
    world.update_alias(FunctionName="fn", Name="live", RoutingConfig=cleared)
    assert set(versions(control, 20)) == {"3"}


def test_a_move_spreads_in_one_step(control: Any, world: Any) -> None:
    control.knobs.propagation_s = 4
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    assert world.get_alias(FunctionName="fn", Name="live")["FunctionVersion"] == "2"
    control.clock.seconds += 3.9
    assert set(versions(control, 20)) == {"1"}
    control.clock.seconds += 0.2
    assert set(versions(control, 20)) == {"2"}


def test_a_move_spreads_along_a_ramp(control: Any, world: Any) -> None:
    control.knobs.propagation_s = 4
    control.knobs.propagation_mode = "ramp"
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    shares = []
    for _ in range(5):
        shares.append(versions(control, 1000).count("1") / 1000)
        control.clock.seconds += 1
    assert shares[0] == 1
    assert shares[4] == 0
    assert shares[1:4] == pytest.approx([0.75, 0.5, 0.25], abs=0.06)


def test_an_update_without_a_move_spreads_nothing(control: Any, world: Any) -> None:
    control.knobs.propagation_s = 4
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    control.clock.seconds += 4
    world.update_alias(FunctionName="fn", Name="live", Description="only words")
    assert set(versions(control, 20)) == {"2"}


def test_deleting_the_old_version_too_early_loses_invocations(control: Any, world: Any) -> None:
    control.knobs.propagation_s = 4
    world.update_alias(FunctionName="fn", Name="live", FunctionVersion="2")
    world.delete_function(FunctionName="fn", Qualifier="1")
    with pytest.raises(AwsError, match=f"Function not found: {ARN}:1"):
        control.cloud.route(REGION, "fn", "live")
    control.clock.seconds += 4
    assert versions(control, 1) == ["2"]


def test_limits_follow_reservations_and_provisions(control: Any, world: Any) -> None:
    limits = control.cloud.throttle(REGION, "fn")
    assert (limits.reserved, limits.account_unreserved) == (None, 1000)
    world.put_function_concurrency(FunctionName="fn", ReservedConcurrentExecutions=10)
    world.put_provisioned_concurrency_config(
        FunctionName="fn", Qualifier="live", ProvisionedConcurrentExecutions=4
    )
    world.publish_version(FunctionName="img")
    world.put_provisioned_concurrency_config(
        FunctionName="img", Qualifier="1", ProvisionedConcurrentExecutions=50
    )
    limits = control.cloud.throttle(REGION, "fn")
    assert (limits.reserved, limits.account_unreserved) == (10, 940)
    assert limits.provisioned == {"1": 4}
    account = world.get_account_settings()["AccountLimit"]
    assert account["ConcurrentExecutions"] == 1000
    assert account["UnreservedConcurrentExecutions"] == 990
    assert control.cloud.route(REGION, "fn", "live").provisioned is True
    assert control.cloud.route(REGION, "fn", "2").provisioned is False
