"""Who belongs to a fleet, and how it is split: pure, deterministic, and nobody is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard.aws.turnstile import PER_SECOND, Budget
from deployguard.errors import ConfigurationError
from deployguard.fleet import file, matrix, plan
from deployguard.fleet.file import Entry, Place
from deployguard.fleet.plan import Listing, Member, Plan, Shown

ALLOWED = ("alias", "also", "on_stale", "timeout")
HERE = Place("eu-west-1")
ROLE = "arn:aws:iam::210987654321:role/deployguard"
DIGEST = f"sha256:{'7d3f' * 16}"
names = st.text("abcdefghijklmnopqrstuvwxyz-_0123456789", min_size=1, max_size=8)


def arn(name: str, *, region: str = "eu-west-1", account: str = "123456789012") -> str:
    """Return the ARN of a function."""
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def shown(name: str, **tags: str) -> Shown:
    """Return a function that AWS lists."""
    return Shown(arn(name), DIGEST, tags)


def found(tables: list[dict[str, Any]], *functions: Shown) -> dict[str, int]:
    """Return the functions that tables mean in one region, and the entry of each."""
    entries = file.parse(tables, allowed=ALLOWED, file="the file")
    listings = {
        place: Listing(functions, {"shop": frozenset({DIGEST})})
        for entry in entries
        for place in entry.places(HERE.region)
    }
    members, _ = plan.members(entries, listings, region=HERE.region)
    return {file.bare(member.function): member.entry for member in members}


def members(*functions: str) -> list[Member]:
    """Return members of these names."""
    return [Member(name, HERE, 0) for name in functions]


# The file


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "who is meant"),
        ({"name": "a", "tags": {"b": "c"}}, "who is meant"),
        ({"name": ""}, "name is a text"),
        ({"name": 1}, "name is a text"),
        ({"name": "a b"}, "is no function"),
        ({"name": "a*:live"}, "a pattern with a qualifier"),
        ({"name": "arn:aws:s3:::bucket"}, "is no function"),
        ({"name": arn("a"), "region": "us-east-1"}, "is in eu-west-1"),
        ({"name": arn("a"), "role": ROLE}, "of another account"),
        ({"name": "a", "region": "x", "regions": ["y"]}, "region and regions"),
        ({"name": "a", "region": "nowhere"}, "is no region"),
        ({"name": "a", "regions": []}, "no region"),
        ({"name": "a", "regions": "eu-west-1"}, "regions is a list"),
        ({"name": "a", "role": "deploy"}, "is no role"),
        ({"name": "a", "skip": "yes"}, "skip is true or false"),
        ({"name": "a", "skip": True, "alias": "live"}, "settings of what is skipped"),
        ({"tags": {}}, "no tag"),
        ({"tags": {"a": 1}}, "tags are texts"),
        ({"repository": "Shop"}, "is no repository"),
        ({"repository": "shop:latest"}, "is no repository"),
        ({"name": "a", "report_dir": "x"}, "unknown key 'report_dir'"),
        ({"name": "a", "all": True}, "unknown key 'all'"),
        ({"name": "a", "on-stail": "fail"}, "unknown key 'on_stail'"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(table: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        file.parse([table], allowed=ALLOWED, file="the file")
    assert said in str(refusal.value)


def test_a_misspelt_key_is_guessed() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        file.parse([{"name": "a", "on-stail": "fail"}], allowed=ALLOWED, file="the file")
    assert refusal.value.fix == "did you mean on_stale?"


def test_a_function_has_one_entry() -> None:
    for other in ("a", "a:live"):
        with pytest.raises(ConfigurationError):
            file.parse([{"name": "a"}, {"name": other}], allowed=ALLOWED, file="the file")
    file.parse(
        [{"name": "a"}, {"name": "a", "region": "us-east-1"}], allowed=ALLOWED, file="the file"
    )
    file.parse([{"name": "a"}, {"name": "a", "role": ROLE}], allowed=ALLOWED, file="the file")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)
tables = st.dictionaries(st.sampled_from([*file.KEYS, *ALLOWED]) | st.text(max_size=5), json_values)


@given(st.lists(tables, max_size=4) | json_values)
def test_whatever_the_file_holds_is_read_or_refused(content: Any) -> None:
    try:
        entries = file.parse(content, allowed=ALLOWED, file="the file")
    except ConfigurationError:
        return
    assert all(isinstance(entry, Entry) for entry in entries)


# Who is meant


def test_a_name_outweighs_what_a_pattern_finds_wherever_it_stands() -> None:
    both = [{"name": "a*"}, {"name": "ab"}]
    assert found(both, shown("ab"), shown("ac")) == {"ab": 1, "ac": 0}
    assert found(both[::-1], shown("ab"), shown("ac")) == {"ab": 0, "ac": 1}


def test_of_two_patterns_the_first_counts() -> None:
    assert found([{"name": "a*"}, {"name": "*b"}], shown("ab"), shown("b")) == {"ab": 0, "b": 1}


def test_every_tag_has_to_be_there() -> None:
    tables = [{"tags": {"team": "x", "stage": "prod"}}]
    there = [shown("a", team="x"), shown("b", team="x", stage="prod", more="1")]
    assert found(tables, *there) == {"b": 0}


def test_what_is_skipped_is_known_and_not_checked() -> None:
    entries = file.parse(
        [{"name": "*"}, {"name": "b", "skip": True}], allowed=ALLOWED, file="the file"
    )
    listings = {HERE: Listing((shown("a"), shown("b")))}
    wanted, known = plan.members(entries, listings, region=HERE.region)
    assert [file.bare(member.function) for member in wanted] == ["a"]
    assert {key[2] for key in known} == {"a", "b"}


def test_an_entry_that_finds_nobody_is_an_error_of_its_own() -> None:
    entries = file.parse([{"name": "a*"}, {"name": "b"}], allowed=ALLOWED, file="the file")
    wanted, _ = plan.members(entries, {HERE: Listing()}, region=HERE.region)
    assert [(member.function, member.error is None) for member in wanted] == [
        ("a*", False),
        ("b", True),
    ]


# Shards

fleets = st.lists(names, min_size=1, max_size=40, unique=True)


@given(fleets, st.integers(1, 9), st.data())
def test_every_function_is_in_exactly_one_shard(
    functions: list[str], shards: int, data: st.DataObject
) -> None:
    seconds = st.floats(0.1, 1000)
    past = {arn(name): data.draw(seconds) for name in functions if data.draw(st.booleans())}
    parts = plan.split(members(*functions), shards=shards, durations=past)
    assert len(parts) == shards
    assert sorted(each.function for part in parts for each in part) == sorted(functions)
    shuffled = data.draw(st.permutations(functions))
    assert plan.split(members(*shuffled), shards=shards, durations=past) == parts


@given(fleets, st.integers(1, 9))
def test_without_a_past_shards_differ_by_one_function_at_most(
    functions: list[str], shards: int
) -> None:
    sizes = [len(part) for part in plan.split(members(*functions), shards=shards, durations={})]
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.floats(1, 100), min_size=1, max_size=40), st.integers(1, 9))
def test_no_shard_takes_longer_than_one_function_above_the_mean(
    seconds: list[float], shards: int
) -> None:
    past = {arn(f"f{number}"): each for number, each in enumerate(seconds)}
    every = members(*(f"f{number}" for number in range(len(seconds))))
    parts = plan.split(every, shards=shards, durations=past)
    loads = [sum(past[arn(member.function)] for member in part) for part in parts]
    assert max(loads) <= sum(seconds) / shards + max(seconds) + 1e-6


def test_the_plan_of_another_split_has_another_digest() -> None:
    every = members("a", "b", "c", "d")
    halves = Plan(plan.split(every, shards=2, durations={}), frozenset())
    assert halves.digest == Plan(plan.split(every, shards=2, durations={}), frozenset(), 2).digest
    past = {arn("a"): 100.0, arn("b"): 1.0, arn("c"): 1.0, arn("d"): 1.0}
    for other in (
        plan.split(every, shards=3, durations={}),
        plan.split(every, shards=2, durations=past),
        plan.split(every[1:], shards=2, durations={}),
    ):
        assert Plan(other, frozenset()).digest != halves.digest


def test_the_past_of_a_function_is_that_of_its_own_region_and_account() -> None:
    past = {
        arn("a", region="us-east-1"): 50.0,
        arn("a"): 2.0,
        arn("a", account="210987654321"): 100.0,
    }
    every = [Member("a", Place("eu-west-1", ROLE), 0), *members("b", "c", "d", "e")]
    lone, others = plan.split(every, shards=2, durations={**past, arn("b"): 3.0})
    assert [member.function for member in lone] == ["a"]
    assert len(others) == 4


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/b", "1/2/3", "-1/2", "1/1000", "1/ 2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        plan.shard_of(text)


# CI services


def made(*functions: str, shards: int = 2) -> Plan:
    """Return a plan."""
    return Plan(plan.split(members(*functions), shards=shards, durations={}), frozenset())


def test_the_matrix_for_github_names_every_shard_in_one_line() -> None:
    text = matrix.github(made("a", "b", "c"))
    assert text.count("\n") == 1
    shards = [(each["shard"], each["number"]) for each in json.loads(text)["include"]]
    assert shards == [("1/2", 1), ("2/2", 2)]


def test_the_pipeline_for_gitlab_checks_every_shard_and_merges_all() -> None:
    text = matrix.gitlab(made("a", "b", "c"), base=".gitlab/x.yml", durations="it's $past.json")
    pipeline = json.loads(text)
    assert pipeline["include"] == [{"local": ".gitlab/x.yml"}]
    assert pipeline["check 2/2"]["variables"] == {
        "DEPLOYGUARD_SHARD": "2/2",
        "DEPLOYGUARD_REPORT_DIR": "deployguard-shards/2",
        "DEPLOYGUARD_DURATIONS": "it's $$past.json",  # as GitLab wants a plain dollar sign
    }
    assert pipeline["check 2/2"]["artifacts"]["paths"] == ["deployguard-shards/2"]
    assert pipeline["verdict"]["when"] == "always"
    for number in (1, 2):
        assert f"deployguard-shards/{number}/report.json" in pipeline["verdict"]["script"][0]


# The budget


def test_all_runs_of_an_account_and_region_ask_no_faster_than_aws_allows_together() -> None:
    budget, endpoint = Budget(), "https://lambda.eu-west-1.amazonaws.com"
    waits = [budget.delay("lambda", endpoint) for _ in range(25)]
    assert waits[0] == 0.0
    assert 24 / PER_SECOND["lambda"] - 0.5 < waits[-1] <= 24 / PER_SECOND["lambda"]
    assert budget.delay("ecr", endpoint) == 0.0


def test_nobody_waits_once_things_have_to_be_put_back() -> None:
    budget, endpoint = Budget(), "https://lambda.eu-west-1.amazonaws.com"
    for _ in range(10_000):
        budget.delay("lambda", endpoint)
    budget.hurry()
    budget("lambda", endpoint)  # which would take many minutes
