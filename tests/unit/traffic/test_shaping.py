from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.classify import EtherType, Match
from failover.core.shaping import (
    CONTROL,
    LEAST_BPS,
    OTHERS,
    REST,
    ClassTraffic,
    LinkTraffic,
    ShapingError,
    Tree,
    build_tree,
)

VOICE = ClassTraffic("voice", 1, 1_000_000, 3_800_000, 60, marks=(46,))
DATA = ClassTraffic("data", 3, 500_000, 3_800_000, 500)
IMAGES = ClassTraffic("images", 4, 0, 3_800_000, 500, marks=(34,), matches=(Match((), "tcp", ((554, 554),)),))
SATELLITE = LinkTraffic("sat-x", 3_800_000, 50_000, ("10.66.0.11/32", "10.1.11.0/24"), (VOICE, DATA, IMAGES))
OTHER = dataclasses.replace(SATELLITE, link="sat-y", destinations=("10.66.0.12/32", "10.1.0.0/16"))


def named(tree: Tree, link: str, name: str):
    return next(c for c in tree.classes if (c.link, c.traffic_class) == (link, name))


def test_each_class_has_its_guarantee_below_the_link_and_its_priority_for_the_rest():
    tree = build_tree([SATELLITE])
    top = named(tree, "sat-x", "")
    assert (top.rate_bps, top.ceiling_bps, top.parent, top.queue) == (3_800_000, 3_800_000, 0, None)
    assert {c.parent for c in tree.classes} == {0, top.minor}
    assert [(c.traffic_class, c.rate_bps, c.ceiling_bps, c.priority) for c in tree.leaves] == [
        (CONTROL, 50_000, 950_000, 0),
        ("voice", 1_000_000, 3_800_000, 1),
        ("data", 500_000, 3_800_000, 3),
        ("images", LEAST_BPS, 3_800_000, 4),
    ]
    assert tree.default == named(tree, "sat-x", "data").minor


def test_a_class_is_asked_before_one_of_lower_priority_and_the_rest_comes_last():
    both = dataclasses.replace(IMAGES, marks=(46,))
    tree = build_tree([dataclasses.replace(SATELLITE, classes=(both, DATA, VOICE))])
    top = named(tree, "sat-x", "").minor
    asked = [f.target for f in tree.filters if f.parent == top and f.rule.ether_type is EtherType.IPV4]
    names = {c.minor: c.traffic_class for c in tree.classes}
    assert [names[minor] for minor in dict.fromkeys(asked)] == [CONTROL, "voice", "images"]
    last = max((f for f in tree.filters if f.parent == top), key=lambda f: f.preference)
    assert (last.rule.ether_type, names[last.target]) == (EtherType.ALL, "data")


def test_links_that_share_an_interface_are_told_by_destination_the_longest_first():
    tree = build_tree([OTHER, SATELLITE])
    tops = {c.minor: c.link for c in tree.classes if not c.parent}
    asked = [tops[f.target] for f in tree.filters if not f.parent]
    assert asked == ["sat-y", "sat-x", "sat-x", "sat-y", OTHERS]
    assert named(tree, OTHERS, REST).minor == tree.default


def test_a_burst_is_no_longer_than_a_frame_on_a_slow_link_and_a_millisecond_on_a_fast_one():
    slow = build_tree([SATELLITE])
    assert all(c.burst_bytes == 1600 for c in slow.classes)
    fast = build_tree([dataclasses.replace(SATELLITE, rate_bps=950_000_000)])
    assert named(fast, "sat-x", "").burst_bytes == 118_750


def test_a_queue_is_as_long_as_its_wait_at_the_ceiling():
    tree = build_tree([SATELLITE])
    assert named(tree, "sat-x", "voice").queue.limit_bytes == 28_500
    assert named(tree, "sat-x", "images").queue.limit_bytes == 237_500


@pytest.mark.parametrize("classes", [(VOICE,), (DATA, dataclasses.replace(DATA, id="more"))])
def test_exactly_one_class_takes_the_rest(classes):
    with pytest.raises(ShapingError, match="exactly one"):
        build_tree([dataclasses.replace(SATELLITE, classes=classes)])


def test_no_link_is_no_tree():
    with pytest.raises(ShapingError):
        build_tree([])


@given(st.integers(1, 40), st.data())
def test_every_tree_is_sound(count, data):
    rates = data.draw(st.lists(st.integers(64_000, 10**11), min_size=count, max_size=count))
    links = [
        dataclasses.replace(SATELLITE, link=f"l{number}", rate_bps=rate, destinations=(f"10.{number}.0.0/16",))
        for number, rate in enumerate(rates)
    ]
    tree = build_tree(links)
    assert tree == build_tree(links)
    minors = [c.minor for c in tree.classes]
    assert len(set(minors)) == len(minors)
    assert all(0 < minor <= 0xFFFF for minor in minors)
    leaves = {c.minor for c in tree.leaves}
    assert tree.default in leaves
    for c in tree.classes:
        assert c.parent == 0 or c.parent in minors[: minors.index(c.minor)], "parents come before children"
        assert c.rate_bps > 0
        assert c.ceiling_bps > 0
        assert 1600 <= c.quantum_bytes <= 60_000
    for f in tree.filters:
        assert (f.target in leaves) == (f.parent != 0)
    assert len({(f.preference, f.rule.ether_type) for f in tree.filters}) == len({f.preference for f in tree.filters})
    assert len({(f.preference, f.parent) for f in tree.filters}) == len({f.preference for f in tree.filters})
