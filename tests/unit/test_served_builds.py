"""The shares of builds are counted alike, whatever their containers tell, and drawn safely."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from deployguard.executions.nouns import Crumb, Moment, Move
from deployguard.history import chart, kept, page, render, served
from deployguard.history.served import SLOTS, Counted, History, Span
from deployguard.pages import builds

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:reports"
SPAN = Span(1_000_000.0, 1_000_000.0 + 48 * 60)
STREAM = "2026/01/02/[1]0"


def crumb(
    minute: float = 0.5,
    *,
    build: str | None = "b1",
    version: str = "1",
    container: int = 1,
    qualifier: str = ":live",
    each: bool = True,
    canary: bool = False,
) -> Crumb:
    return Crumb(
        event=Moment.INVOCATION,
        at=SPAN.since + minute * 60,
        container=f"{container:032x}",
        born=SPAN.since,
        uptime_s=minute * 60,
        invocation=1,
        version=version,
        build_id=build,
        invoked_arn=ARN + qualifier,
        request_id="r",
        stream=STREAM,
        is_canary=canary,
        tells_each=each,
    )


def folded(crumbs: Sequence[Crumb]) -> History:
    return served.fold(crumbs, function=ARN, span=SPAN)


CRUMBS = st.lists(
    st.builds(
        crumb,
        st.floats(-5, 60),
        build=st.sampled_from(["b1", "b2", None]),
        version=st.sampled_from(["1", "2", "$LATEST"]),
        container=st.integers(1, 4),
        qualifier=st.sampled_from([":live", ":$LATEST", "", "s:live"]),
        each=st.booleans(),
        canary=st.booleans(),
    ),
    max_size=20,
)


@given(CRUMBS, st.randoms())
def test_shares_of_a_route_sum_to_one_in_whatever_order_lines_came(
    crumbs: list[Crumb], random: Any
) -> None:
    history = folded(crumbs)
    shuffled = list(crumbs)
    random.shuffle(shuffled)
    for route in history.routes:
        assert abs(sum(route.share(each) for each in route.served) - 1) < 1e-9
        for each in route.served:
            assert sum(each.slots) == each.count
            assert 1 <= each.containers <= 4
    again = folded(shuffled)
    assert again.counted is history.counted
    assert {
        r.qualifier: {(s.version, s.build_id, s.count) for s in r.served} for r in again.routes
    } == {r.qualifier: {(s.version, s.build_id, s.count) for s in r.served} for r in history.routes}
    ElementTree.fromstring(chart.svg(history))  # noqa: S314 - our own
    render.text(history)
    assert render.document(kept.parse(render.document(history))) == render.document(history)


def test_one_container_that_tells_births_only_makes_all_count_alike() -> None:
    many = [crumb(minute, container=1) for minute in range(5)]
    assert folded(many).counted is Counted.INVOCATIONS
    mixed = folded([*many, crumb(build="b2", version="2", container=2, each=False)])
    assert mixed.counted is Counted.CONTAINERS
    (route,) = mixed.routes
    assert [route.share(each) for each in route.served] == [0.5, 0.5]


def test_a_call_without_a_qualifier_is_one_of_latest() -> None:
    told = folded([crumb(qualifier=""), crumb(qualifier=":$LATEST"), crumb(qualifier="s")])
    assert [(route.qualifier, route.count) for route in told.routes] == [("$LATEST", 2)]


def test_a_line_falls_into_its_slot_of_time() -> None:
    (route,) = folded([crumb(0.5), crumb(47.9), crumb(-3), crumb(99)]).routes
    (one,) = route.served
    assert (one.slots[0], one.slots[SLOTS - 1]) == (2, 2)


def test_the_picture_carries_no_markup_of_others() -> None:
    hostile = '<script>alert(1)</script>"&\x1b[2J'
    history = replace(
        folded([crumb(qualifier=f":{hostile}"), crumb(build="b2", version="2")]),
        moves=(Move(SPAN.since + 60, ARN, "live", hostile, {hostile: 0.5}),),
    )
    drawn = chart.svg(history)
    root = ElementTree.fromstring(drawn)  # noqa: S314 - our own
    kinds = {each.tag.rpartition("}")[2] for each in root.iter()}
    assert kinds == {"svg", "style", "defs", "pattern", "text", "rect", "path", "title"}
    assert "\x1b" not in drawn + render.text(history)


def test_the_page_carries_no_markup_of_others_and_loads_nothing() -> None:
    hostile = '</pre><script src="//evil">alert(1)</script><img src=x onerror=alert(1)>'
    told = folded([crumb(qualifier=f":{hostile}"), crumb(build="b2", version="2")])
    tags: Counter[str] = Counter()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags[tag] += 1
            assert not {"src", "href"} & dict(attrs).keys()
            assert not any(name.startswith("on") for name, _ in attrs)

    Reader().feed(page.html(told))
    assert not {"script", "img"} & tags.keys()
    assert (tags["svg"], tags["pre"], tags["h1"]) == (2, 1, 1)  # one holds the patterns
    assert 'content="default-src &#x27;none&#x27;; style-src' in page.html(told)


def test_more_builds_than_colours_share_the_last_one() -> None:
    many = [crumb(build=f"b{n}", version=str(n), container=n) for n in range(1, 13)]
    drawn = chart.svg(folded(many))
    assert drawn.count(builds.OTHERS) == 2 * (12 - len(builds.COLOURS))  # a column and the legend


def test_the_columns_of_a_slot_fill_its_height() -> None:
    told = folded([crumb(0.5), crumb(0.6), crumb(0.7, build="b2", version="2")])
    root = ElementTree.fromstring(chart.svg(told))  # noqa: S314 - our own
    columns = [each for each in root.iter() if each.get("class") == "share"]
    heights = [float(each.get("height", 0)) for each in columns]
    assert sorted(heights) == [30.0, 60.0]


def test_what_was_changed_is_said_in_words() -> None:
    move = Move(SPAN.since, ARN, "live", "42", {"41": 0.1})
    assert render.moved(move) == "live was moved to 42 and 10% to 41"
    code = Move(SPAN.since, ARN, "$LATEST", digest="sha256:" + "a" * 64)
    assert render.moved(code) == "$LATEST was moved to sha256:" + "a" * 64
    configured = Move(SPAN.since, ARN, "$LATEST", is_configuration=True)
    assert render.moved(configured) == "$LATEST was configured anew"
