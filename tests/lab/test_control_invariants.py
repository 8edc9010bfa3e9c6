"""What holds after any sequence of calls: versions are immutable, aliases lead somewhere."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployguard.lab.control.operations import HANDLERS
from deployguard.lab.nouns import AwsError

pytest_plugins = ["control_lab"]

REGION = "eu-central-1"
NUMBERS = st.integers(1, 6).map(str)
ALIASES = st.sampled_from(["live", "next"])
FUNCTION = {"FunctionName": "img"}


def calls(operation: str, **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw calls of one operation on the function."""
    return st.tuples(st.just(operation), st.fixed_dictionaries(members))


CALLS = st.one_of(
    calls("UpdateFunctionCode", ImageUri=st.sampled_from("abc"), Publish=st.booleans()),
    calls("UpdateFunctionConfiguration", Timeout=st.integers(1, 3)),
    calls("PublishVersion"),
    calls("CreateAlias", Name=ALIASES, FunctionVersion=NUMBERS),
    calls("UpdateAlias", Name=ALIASES, FunctionVersion=NUMBERS),
    calls(
        "UpdateAlias",
        Name=ALIASES,
        RoutingConfig=st.dictionaries(NUMBERS, st.just(0.5), max_size=1).map(
            lambda weights: {"AdditionalVersionWeights": weights}
        ),
    ),
    calls("DeleteAlias", Name=ALIASES),
    calls("DeleteFunction", Qualifier=NUMBERS),
    calls("wait"),
)


def make(control: Any) -> Any:
    """Start over with one image function and three images to choose from."""
    control.cloud.reset()
    for name in "abc":
        control.pushed[name] = control.pushed.get(name) or control.image(
            control.push(name, name), REGION
        )
    ask(control, "CreateFunction", Role="r", PackageType="Image", Code={"ImageUri": "a"})
    control.clock.seconds += 2
    return control.cloud.function(REGION, "img")


def ask(control: Any, operation: str, **params: Any) -> Any:
    """Call an operation's handler; a refusal answers None."""
    try:
        return HANDLERS[operation](control.cloud, REGION, FUNCTION | params)
    except AwsError:
        return None


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sequence=st.lists(CALLS, max_size=25), update_s=st.sampled_from([0, 2]))
def test_any_sequence_of_calls(control: Any, sequence: list[Any], update_s: int) -> None:
    control.knobs.update_s = update_s
    function = make(control)
    contents: dict[str, Any] = {}
    revisions: dict[str, str] = {}
    for operation, params in sequence:
        if operation == "wait":
            control.clock.seconds += 1
        else:
            ask(control, operation, **params)
        control.cloud.settle()
        check_versions(function, contents)
        check_aliases(control, function, revisions)


def check_versions(function: Any, contents: dict[str, Any]) -> None:
    """A number names the same content for ever, and a new number is the highest yet."""
    for number, version in function.versions.items():
        if number not in contents:
            assert int(number) == max(map(int, contents), default=0) + 1
            contents[number] = version.fingerprint()
        assert version.fingerprint() == contents[number]
        if version.build is not None:
            assert version.build.code_sha256 == version.package.code_sha256


def check_aliases(control: Any, function: Any, revisions: dict[str, str]) -> None:
    """An alias leads to versions that exist, and each revision to one target."""
    for alias in function.aliases.values():
        assert alias.target.versions() <= function.versions.keys()
        target = repr((alias.name, alias.target))
        assert revisions.setdefault(alias.revision, target) == target
        if all(function.versions[one].state == "Active" for one in alias.target.versions()):
            routed = control.cloud.route(REGION, "img", alias.name)
            assert routed.executed_version in alias.target.versions()


def test_the_latest_build_is_the_one_shown_once_settled(control: Any) -> None:
    function = make(control)
    for image in "bca":
        ask(control, "UpdateFunctionCode", ImageUri=image)
        shown = ask(control, "GetFunctionConfiguration")
        assert function.latest.build.code_sha256 == shown["CodeSha256"]
    generations = [build.generation for build in control.fleet.updates]
    assert generations == sorted(set(generations))
    assert len(generations) == 3
    with pytest.raises(AwsError, match="Function not found"):
        control.cloud.route(REGION, "img", "9")
