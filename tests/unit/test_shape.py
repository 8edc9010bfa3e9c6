"""Which shape old answers are said to have: one example of each, and what must not matter."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployguard import judge
from deployguard.exact import ALPHA
from deployguard.model import LATEST, Evidence, Probe, Remedy, Replacement, Round, Route
from deployguard.shape import Cause, Shape, ShapeKind
from tests.unit.test_judge import (
    BARE,
    DIGESTS,
    LIVE,
    agreeing,
    cases,
    evidence,
    probe,
    rounds,
    silences,
)

SPLIT = Route("callers of live", "live", {"2": 0.7, "1": 0.3})
UPDATED = 1e9 - 30.0  # by the containers' clocks; the first probe of a test is sent at 1e9
BEFORE, AFTER = -60.0, -10.0  # births, by the same clock
RUNS = 400


def old(sent: float, container: int = 1, *, version: str = "1") -> Probe:
    """Make an answer of an old version."""
    return probe(sent, version=version, build="b1", container=container)


def new(sent: float, container: int = 2, *, version: str = "2") -> Probe:
    """Make an answer of the expected version."""
    return probe(sent, version=version, container=container)


def latest(sent: float, container: int, *, build: str, born: float) -> Probe:
    """Make an answer of a container of $LATEST."""
    return probe(
        sent, qualifier=LATEST, version=LATEST, build=build, container=container, born=born
    )


def warm(sent: float, containers: Sequence[int]) -> list[Probe]:
    """Have containers from before the update answer."""
    return [latest(sent, n, build="b1", born=BEFORE - n) for n in containers]


def fresh(sent: float, containers: Sequence[int]) -> list[Probe]:
    """Have containers from after the update answer."""
    return [latest(sent, n, build="b2", born=AFTER + n / 100) for n in containers]


def answers(sent: float, *, stale: int, total: int) -> list[Probe]:
    """Make one round of an alias, some answers of which are of the old version."""
    made = [old(sent, n) for n in range(stale)]
    return made + [new(sent, 100 + n) for n in range(total - stale)]


def of(*bursts: Sequence[Probe], route: Route = LIVE, updated: float = UPDATED) -> Shape:
    """Say which shape some rounds of a route have."""
    return judge.shape_of(replace(evidence(*bursts, routes=[route]), updated=updated), route)


def called(found: Shape) -> tuple[ShapeKind, Cause]:
    return found.kind, found.points_to


def test_no_old_answer_has_no_shape() -> None:
    assert of(agreeing()) == Shape(ShapeKind.NONE, "", Cause.NOTHING)


def test_only_old_answers_of_another_version_point_to_the_routing() -> None:
    found = of(*[[old(sent, n) for n in range(4)] for sent in (0.0, 7.0, 14.0)])
    assert called(found) == (ShapeKind.CONSTANT, Cause.ROUTING)
    assert found.reasoning == (
        "12 of 12 answers in 3 rounds over 14 s are old, from version 1; live serves version 2"
    )


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ((LATEST, LATEST), "$LATEST"),
        (("1", LATEST), "versions $LATEST and 1"),
        ((LATEST, "1"), "versions $LATEST and 1"),
    ],
)
def test_whatever_an_alias_served_before_points_to_the_routing(
    others: tuple[str, str], named: str
) -> None:
    bursts = [[old(at, n, version=v) for n, v in enumerate(others * 2)] for at in (0.0, 3.0, 6.0)]
    found = of(*bursts)
    assert called(found) == (ShapeKind.CONSTANT, Cause.ROUTING)
    assert f"are old, from {named}; live serves" in found.reasoning


def test_only_old_answers_of_the_expected_image_point_to_the_image() -> None:
    found = of(*[[old(sent, n, version="2") for n in range(4)] for sent in (0.0, 7.0, 14.0)])
    assert called(found) == (ShapeKind.CONSTANT, Cause.IMAGE)


@pytest.mark.parametrize(
    ("updated", "reason"),
    [(UPDATED, "born after the update"), (0.0, "born since the first probe was sent")],
)
def test_only_containers_from_before_the_update_point_to_draining(
    updated: float, reason: str
) -> None:
    found = of(*[warm(sent, range(5)) for sent in (0.0, 2.0, 4.0)], route=BARE, updated=updated)
    assert called(found) == (ShapeKind.CONSTANT, Cause.DRAINING)
    assert found.reasoning == (
        f"5 of 5 containers in 3 rounds over 4 s are old, from $LATEST; none of them was {reason}"
    )


def test_containers_that_are_born_old_point_to_the_image() -> None:
    bursts = [warm(sent, range(5)) for sent in (0.0, 2.0)]
    late = latest(4.0, 9, build="b1", born=3.0)
    assert called(of(*bursts, [late], route=BARE)) == (ShapeKind.CONSTANT, Cause.IMAGE)


def test_one_container_is_not_many_however_often_it_is_asked() -> None:
    found = of(*[warm(sent, [1, 1, 1, 2]) for sent in (0.0, 2.0, 4.0)], route=BARE)
    assert called(found) == (ShapeKind.UNCLEAR, Cause.NOTHING)
    assert found.reasoning.startswith("2 of 2 containers in 3 rounds are old: too few to tell")


@pytest.mark.parametrize(
    "bursts",
    [
        [[old(sent, n) for n in range(4) for sent in (0.0, 14.0)]],
        [[old(sent, n) for n in range(4)] for sent in (0.0, 0.5, 1.0)],
        [[old(sent)] for sent in (0.0, 1.0, 2.0, 3.0)],
    ],
    ids=["in one round", "in a moment", "of few answers"],
)
def test_what_is_old_only_briefly_is_not_constant(bursts: list[list[Probe]]) -> None:
    assert of(*bursts).kind is ShapeKind.UNCLEAR


def test_a_share_of_two_versions_that_stays_points_to_weights() -> None:
    bursts = [answers(sent, stale=3, total=10) for sent in (0.0, 2.0, 4.0, 6.0)]
    found = of(*bursts, route=SPLIT)
    assert called(found) == (ShapeKind.FRACTION, Cause.WEIGHTS)
    assert found.reasoning == (
        "at first 6 of 20 answers in 2 rounds are old, then 6 of 20 answers in 2 rounds: a share "
        "that stays; old ones come from version 1, new ones from version 2"
    )
    unseen = of(*bursts)
    assert called(unseen) == (ShapeKind.FRACTION, Cause.WEIGHTS)
    assert unseen.reasoning == f"{found.reasoning}, though live shows version 2 alone"


def test_a_share_of_containers_of_one_version_that_stays_points_to_partitions() -> None:
    bursts = [
        [latest(sent, n, build="b1" if n % 2 else "b2", born=AFTER + n) for n in range(10)]
        for sent in (0.0, 2.0, 4.0, 6.0)
    ]
    assert called(of(*bursts, route=BARE)) == (ShapeKind.FRACTION, Cause.PARTITIONS)


def test_a_share_of_two_versions_that_falls_points_to_a_move_that_arrives() -> None:
    shares = enumerate((9, 8, 3, 1))
    found = of(*[answers(2.0 * n, stale=stale, total=10) for n, stale in shares])
    assert called(found) == (ShapeKind.SHRINKING, Cause.PROPAGATION)
    assert found.reasoning == (
        "at first 17 of 20 answers in 2 rounds are old, then 4 of 20 answers in 2 rounds: a fall "
        "(p = 4.4e-05, Fisher's exact test)"
    )


def test_a_share_of_containers_that_falls_points_to_draining() -> None:
    left = enumerate((10, 9, 2, 1))
    bursts = [warm(2.0 * n, range(k)) + fresh(2.0 * n, range(20 + k, 30)) for n, k in left]
    found = of(*bursts, route=BARE)
    assert called(found) == (ShapeKind.SHRINKING, Cause.DRAINING)
    assert found.reasoning.endswith("; the youngest old one is 66 s old")


def test_containers_that_are_old_by_their_age_are_draining_before_their_share_falls() -> None:
    found = of(warm(0.0, range(3)) + fresh(0.0, range(10, 13)), route=BARE)
    assert found == Shape(
        ShapeKind.BY_AGE,
        "3 of 6 containers in 1 round are old, and were born before all others; "
        "the youngest old one is 60 s old",
        Cause.DRAINING,
    )


def test_age_tells_nothing_of_the_containers_of_two_versions() -> None:
    elder = [replace(old(0.0, n), nonce=f"{n}") for n in range(3)]
    younger = [probe(0.0, container=n, born=AFTER) for n in range(10, 13)]
    assert of(elder + younger, route=SPLIT).kind is ShapeKind.UNCLEAR


def test_one_old_container_that_happens_to_be_the_eldest_is_not_old_by_its_age() -> None:
    bursts = [*warm(0.0, [0]), *fresh(0.0, range(10, 13))]
    assert of(bursts, route=BARE, updated=UPDATED).kind is ShapeKind.BY_AGE
    assert of(bursts, route=BARE, updated=1e9 - 90.0).kind is ShapeKind.UNCLEAR


def test_an_old_container_that_is_younger_than_a_new_one_is_not_old_by_its_age() -> None:
    late = latest(0.0, 9, build="b1", born=AFTER + 5.0)
    found = of([*warm(0.0, range(5)), late, *fresh(0.0, range(10, 15))], route=BARE)
    assert found.kind is ShapeKind.UNCLEAR


def test_containers_that_a_remedy_left_are_draining() -> None:
    left = [probe(0.0, container=n, born=BEFORE) for n in range(3)]
    made = [probe(0.0, container=n, born=AFTER) for n in range(10, 13)]
    replacement = Replacement(Remedy.WAIT, UPDATED, ())
    case = replace(evidence(left + made), replacement=replacement, updated=UPDATED)
    assert called(judge.shape_of(case, LIVE)) == (ShapeKind.BY_AGE, Cause.DRAINING)


def test_a_share_that_grows_is_no_share_that_stays() -> None:
    shares = enumerate((1, 3, 8, 9))
    found = of(*[answers(2.0 * n, stale=stale, total=10) for n, stale in shares])
    assert called(found) == (ShapeKind.UNCLEAR, Cause.NOTHING)
    assert "their share grows" in found.reasoning


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_few_answers_are_unclear_and_say_what_would_tell(version: str) -> None:
    found = of([old(0.0, version=version), new(0.0)])
    assert found == Shape(
        ShapeKind.UNCLEAR,
        "1 of 2 answers in 1 round are old: "
        "too few to tell whether their share falls or stays; more rounds would",
        Cause.IMAGE if version == "2" else Cause.NOTHING,
    )


@pytest.mark.parametrize(
    ("before", "after"), [((5, 5), (0, 4)), ((4, 5), (1, 7)), ((6, 8), (2, 8))]
)
def test_the_chance_of_a_fall_is_that_of_all_arrangements(
    before: tuple[int, int], after: tuple[int, int]
) -> None:
    total, stale = before[1] + after[1], before[0] + after[0]
    arranged = list(itertools.combinations(range(total), stale))
    as_steep = [a for a in arranged if sum(place < before[1] for place in a) >= before[0]]
    chance = len(as_steep) / len(arranged)
    halves = [before, after]
    found = of(*[answers(3.0 * n, stale=k, total=size) for n, (k, size) in enumerate(halves)])
    assert (found.kind is ShapeKind.SHRINKING) == (chance <= ALPHA)
    assert chance > ALPHA or f"(p = {chance:.2g}," in found.reasoning


# What must not matter


@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_probes_within_a_round_does_not_matter(
    case: Evidence, chance: random.Random
) -> None:
    def shuffled(each: Round) -> Round:
        return replace(each, probes=tuple(chance.sample(each.probes, len(each.probes))))

    other = replace(case, rounds=tuple(shuffled(each) for each in case.rounds))
    for route in case.routes:
        assert judge.shape_of(other, route) == judge.shape_of(case, route)


@given(cases, st.lists(silences, min_size=1, max_size=4), st.integers(0, 4))
def test_unknown_answers_change_nothing(case: Evidence, silences: list[Probe], at: int) -> None:
    unstamped = [
        replace(
            probe(20.0, qualifier=qualifier, version=version, build=None),
            nonce=f"{qualifier} of {version}",
        )
        for qualifier, version in (("live", "2"), ("2", "2"), (LATEST, LATEST))
    ]
    mixed = [replace(each, probes=(*unstamped, *each.probes, *silences)) for each in case.rounds]
    (apart,) = rounds([*silences, *unstamped])
    every = [*mixed[:at], apart, *mixed[at:]]
    numbered = tuple(replace(each, number=number) for number, each in enumerate(every, 1))
    for route in case.routes:
        other = judge.shape_of(replace(case, rounds=numbered), route)
        assert other == judge.shape_of(case, route)


@given(cases, st.permutations(["1", "2", "3"]))
def test_the_names_of_versions_do_not_matter(case: Evidence, names: list[str]) -> None:
    renamed = dict(zip(["1", "2", "3"], names, strict=True)) | {LATEST: LATEST, "": ""}

    def rename(each: Probe) -> Probe:
        version = renamed[each.executed_version or ""]
        crumb = each.breadcrumb and replace(each.breadcrumb, function_version=version)
        return replace(each, executed_version=version, breadcrumb=crumb)

    def served(route: Route) -> Route:
        return replace(route, versions={renamed[v]: share for v, share in route.versions.items()})

    other = replace(
        case,
        digests={renamed[version]: digest for version, digest in DIGESTS.items()},
        rounds=tuple(replace(r, probes=tuple(map(rename, r.probes))) for r in case.rounds),
    )
    for route in case.routes:
        again = judge.shape_of(other, served(route))
        assert called(again) == called(judge.shape_of(case, route))


# What simulated traffic is called


def draining(chance: random.Random) -> list[list[Probe]]:
    """Ask a pool each second, whose old containers end at random and are replaced when asked."""
    ends = [chance.expovariate(1 / 3.0) for _ in range(10)]

    def asked(container: int, at: float) -> Probe:
        if at < ends[container]:
            return latest(at, container, build="b1", born=BEFORE - 10 * container)
        return latest(at, 50 + container, build="b2", born=float(int(ends[container]) + 1))

    return [[asked(container, float(at)) for container in range(10)] for at in range(8)]


def weighted(chance: random.Random) -> list[list[Probe]]:
    """Ask an alias that sends the same share of all requests to the old version."""
    share = chance.uniform(0.2, 0.8)
    counts = [sum(chance.random() < share for _ in range(10)) for _ in range(8)]
    return [answers(float(at), stale=stale, total=10) for at, stale in enumerate(counts)]


def test_containers_that_end_one_by_one_are_called_draining_in_most_runs() -> None:
    found = [of(*draining(random.Random(seed)), route=BARE, updated=0.0) for seed in range(RUNS)]
    kinds = Counter(each.kind for each in found)
    assert kinds[ShapeKind.SHRINKING] + kinds[ShapeKind.BY_AGE] > 0.95 * RUNS
    assert {each.points_to for each in found} <= {Cause.DRAINING, Cause.NOTHING}


@given(st.integers(0, 2**32), st.integers(1, 8))
def test_draining_is_never_constant_once_a_new_answer_came(seed: int, asked: int) -> None:
    bursts = draining(random.Random(seed))[:asked]
    builds = {p.breadcrumb and p.breadcrumb.stamp for p in itertools.chain(*bursts)}
    assert (of(*bursts, route=BARE).kind is ShapeKind.CONSTANT) <= (len(builds) == 1)


def test_weights_are_called_a_fraction_and_a_fall_only_as_often_as_chance_has_it() -> None:
    found = [of(*weighted(random.Random(seed)), route=SPLIT) for seed in range(RUNS)]
    kinds = Counter(each.kind for each in found)
    assert kinds[ShapeKind.FRACTION] > 0.9 * RUNS
    assert kinds[ShapeKind.SHRINKING] <= ALPHA * RUNS
    assert kinds[ShapeKind.CONSTANT] == 0
