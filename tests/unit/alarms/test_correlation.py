"""One cause is one root, whatever the order in which its consequences are heard of."""

from __future__ import annotations

import itertools
import random

import pytest
from alarm_world import HUB, NOW, Fact, S, Watch, cleared, dark, duct_cut, path_down, silent, topology_of
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.alarms import Topology, alarm_id, why
from lifeline.alarms.correlate import LINGER_S, next_deadline_ns
from lifeline.config import parse_inventory
from lifeline.model.records import EventType, PerceivedSeverity, ProbableCause

STATIONS = 20
DUCT = alarm_id("srg:duct", "duct-cut")


@pytest.fixture(scope="module")
def topology() -> Topology:
    return topology_of(STATIONS)


@pytest.fixture
def watch(topology: Topology) -> Watch:
    return Watch(topology)


def roots_after(watch: Watch, *facts: Fact) -> set[str]:
    watch.tell(*(fact.event() for fact in facts))
    watch.tick()
    return watch.roots()


# ---------------------------------------------------------------- one duct


def test_a_duct_cut_is_one_root_in_a_thousand_orders_of_arrival(topology: Topology) -> None:
    """The hub looks at any moment in between as well; what it says in the end does not depend on that."""
    events = [fact.event() for fact in duct_cut(STATIONS)]
    dice = random.Random(20)
    seen = set()
    for _order in range(1000):
        dice.shuffle(events)
        watch = Watch(topology)
        looks = sorted(dice.sample(range(len(events)), 2))
        for start, end in itertools.pairwise([0, *looks, len(events)]):
            watch.tell(*events[start:end])
            watch.tick()
        verdicts = watch.verdicts()
        assert {verdict.id for verdict in verdicts.values() if verdict.is_root} == {DUCT}
        assert len(verdicts[DUCT].consequences) == len(events)
        assert watch.raised.count(DUCT) == 1
        seen.add(frozenset((v.id, v.root, v.parents) for v in verdicts.values()))
    assert len(seen) == 1


def test_the_duct_is_said_to_be_whole_when_the_last_of_its_links_is_back(watch: Watch) -> None:
    facts = duct_cut(STATIONS)
    roots_after(watch, *facts)
    watch.tell(*cleared(facts[1:], 60))
    watch.tick(60)
    assert watch.roots() == {DUCT}, "partial recovery: one link is still down, and the cut still explains it"
    watch.tell(*cleared(facts[:1], 70))
    watch.tick(71)
    assert watch.roots() == set()


def test_two_links_of_many_are_two_faults(watch: Watch) -> None:
    assert roots_after(watch, path_down("fibre-s0"), path_down("fibre-s2")) == {
        path_down("fibre-s0").id, path_down("fibre-s2").id,
    }  # fmt: skip


def test_links_that_fail_an_hour_apart_are_no_cut(watch: Watch) -> None:
    hours = [path_down(f"fibre-s{number}", number * 3600.0) for number in range(STATIONS)]
    assert DUCT not in roots_after(watch, *hours)


def test_what_power_explains_is_no_cut(watch: Watch) -> None:
    facts = [it for number in range(STATIONS) for it in (path_down(f"fibre-s{number}"), dark(f"s{number}"))]
    assert roots_after(watch, *facts) == {dark(f"s{number}").id for number in range(STATIONS)}


def test_a_cut_that_turns_out_to_be_dark_sites_is_taken_back(watch: Watch) -> None:
    assert roots_after(watch, *(path_down(f"fibre-s{number}") for number in range(STATIONS))) == {DUCT}
    assert roots_after(watch, *(dark(f"s{number}") for number in range(STATIONS))) == {
        dark(f"s{number}").id for number in range(STATIONS)
    }


def test_a_flapping_link_does_not_flap_the_cut(watch: Watch) -> None:
    facts = duct_cut(STATIONS)
    roots_after(watch, *facts)
    for second in range(11, 40, 3):
        watch.tell(facts[0].event(cleared=True, at_s=second))
        watch.tick(second)
        watch.tell(facts[0].event(at_s=second + 1))
        watch.tick(second + 1)
        assert watch.roots() == {DUCT}
    assert watch.raised.count(DUCT) == 1


# ---------------------------------------------------------------- across domains


def test_a_site_whose_only_link_is_down_is_silent_because_of_it(watch: Watch) -> None:
    link = path_down("fibre-s0")
    assert roots_after(watch, link, silent("s0"), Fact("device:s0/router", "unreachable")) == {link.id}


def test_a_site_that_is_silent_while_a_link_works_is_a_root(watch: Watch) -> None:
    link = path_down("fibre-s1")
    assert roots_after(watch, link, silent("s1")) == {link.id, silent("s1").id}


def test_a_site_behind_a_relay_follows_from_the_relays_links(watch: Watch) -> None:
    links = [path_down("to-relay"), path_down("lone-a")]
    assert roots_after(watch, *links, silent("relay"), silent("hut")) == {alarm_id("srg:bridge", "duct-cut")}
    assert watch.verdicts()[silent("hut").id].parents == (links[1].id, links[0].id)


def test_two_independent_parents(watch: Watch) -> None:
    """The duct takes the fibre, the satellite fails for itself: the station is silent for both."""
    satellite = path_down("sat-s1", 300)
    facts = [*duct_cut(STATIONS), satellite, Fact("group:pg-s1", "no-path", 300), silent("s1", 305)]
    assert roots_after(watch, *facts) == {DUCT, satellite.id}
    verdicts = watch.verdicts()
    assert set(verdicts[silent("s1").id].parents) == {satellite.id, path_down("fibre-s1").id}
    assert verdicts[silent("s1").id].root == DUCT, "the earliest parent leads"


def test_all_bearers_of_a_site_together_are_the_site_itself(watch: Watch) -> None:
    facts = [path_down("fibre-s1"), path_down("sat-s1", 1), silent("s1"), Fact("group:pg-s1", "no-path", 1)]
    assert roots_after(watch, *facts) == {silent("s1").id}


def test_a_dead_ups_explains_the_router_and_the_router_its_links(watch: Watch) -> None:
    facts = [
        Fact("power:s1/ups", "output-lost", 0, PerceivedSeverity.CRITICAL, ProbableCause.POWER_PROBLEM),
        Fact("device:s1/router", "unreachable", 1, node="s1/netwatch"),
        path_down("fibre-s1", 1), path_down("sat-s1", 1), Fact("group:pg-s1", "no-path", 1),
    ]  # fmt: skip
    assert roots_after(watch, *facts) == {facts[0].id}


def test_a_time_source_explains_the_base_stations_that_lose_synchronisation(watch: Watch) -> None:
    source = Fact("time:hut/gnss", "source-lost", cause=ProbableCause.TIMING_PROBLEM)
    station = Fact("device:hut/base", "sync-lost", cause=ProbableCause.LOSS_OF_SYNCHRONISATION)
    assert roots_after(watch, source, station) == {source.id}


def test_a_device_that_drifts_alone_is_no_time_sources_doing(watch: Watch) -> None:
    source = Fact("time:hut/gnss", "source-lost", cause=ProbableCause.TIMING_PROBLEM)
    alone = Fact("device:hut/base", "time-offset", cause=ProbableCause.LOSS_OF_SYNCHRONISATION)
    assert roots_after(watch, source, alone) == {source.id, alone.id}


def test_a_crashing_agent_is_why_its_site_is_silent(watch: Watch) -> None:
    crash = Fact("daemon:s1/agent", "crash-loop")
    assert roots_after(watch, silent("s1"), crash) == {crash.id}


def test_a_daemon_that_knows_the_cause_is_believed(watch: Watch) -> None:
    feed = Fact("power:s1/feed-a", "feed-lost")
    battery = Fact("power:s1/ups", "on-battery", because=(("power:s1/feed-a", "feed-lost"),))
    assert roots_after(watch, battery, feed) == {feed.id}


def test_daemons_that_blame_one_another_have_one_root_all_the_same(watch: Watch) -> None:
    a = Fact("power:s1/a", "x", because=(("power:s1/b", "x"),))
    b = Fact("power:s1/b", "x", because=(("power:s1/a", "x"),))
    assert roots_after(watch, b, a) == {a.id}


# ---------------------------------------------------------------- recovery


def test_a_cause_that_has_cleared_explains_a_little_longer(watch: Watch) -> None:
    link = path_down("fibre-s0")
    roots_after(watch, link, silent("s0"))
    watch.tell(link.event(cleared=True, at_s=20))
    watch.tick(21)
    assert watch.roots() == set(), "silence takes a few seconds to end"
    assert next_deadline_ns(watch.alarms, watch.now_ns) == NOW + int((20 + LINGER_S) * S)
    watch.tick(20 + LINGER_S)
    assert watch.roots() == {silent("s0").id}, "it does not end: it has a cause of its own"


def test_what_begins_after_the_cause_has_cleared_does_not_follow_from_it(watch: Watch) -> None:
    link = path_down("fibre-s0")
    roots_after(watch, link)
    watch.tell(link.event(cleared=True, at_s=20), silent("s0", 22).event())
    watch.tick(23)
    assert watch.roots() == {silent("s0", 22).id}


# ---------------------------------------------------------------- any mixture

ANY = [
    *duct_cut(6), path_down("sat-s1", 2), path_down("to-relay"), path_down("to-hut", 1), silent("hut"), silent("relay"),
    dark("s2"), dark("hut", 1), Fact("device:hut/base", "isolated", 3), Fact("link:fibre-s3", "path-degraded"),
    Fact("time:core", "holdover"), Fact("device:hut/base", "sync-lost", 4, cause=ProbableCause.TIMING_PROBLEM),
    Fact("device:s1/router", "broken", 0, PerceivedSeverity.CRITICAL, ProbableCause.EQUIPMENT_MALFUNCTION, HUB, (),
         EventType.EQUIPMENT),
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_the_verdict_depends_on_what_stands_and_not_on_how_it_came(data: st.DataObject) -> None:
    topology = CITY
    chosen = data.draw(st.lists(st.sampled_from(ANY), unique_by=lambda fact: fact.id, min_size=1))
    other = data.draw(st.permutations(chosen))
    verdicts = []
    for order in (chosen, other):
        watch = Watch(topology)
        watch.tell(*(fact.event() for fact in order))
        watch.tick()
        found = watch.verdicts()
        verdicts.append(found)
        for verdict in found.values():
            assert found[verdict.root].is_root
            assert verdict.is_root or verdict.id in found[verdict.root].consequences
            assert why(watch.alarms.get(verdict.id), verdict, watch.alarms.get, topology).endswith(".")
    assert verdicts[0] == verdicts[1]


CITY = topology_of(6)


def test_why_is_a_sentence(watch: Watch, topology: Topology) -> None:
    roots_after(watch, *duct_cut(STATIONS))
    verdicts = watch.verdicts()

    def said(identifier: str) -> str:
        alarm = watch.alarms.get(identifier)
        assert alarm is not None
        return why(alarm, verdicts[identifier], watch.alarms.get, topology)

    assert said(silent("s0").id) == (
        "It follows from path-down of fibre-s0: no other path leads to its site; the root is duct-cut of duct."
    )
    assert "which has 20, failed together" in said(DUCT)
    assert said(DUCT).endswith("50 alarms follow from it.")


# ---------------------------------------------------------------- the radio network

RADIO = """\
lifeline: 1
sites:
  core: {kind: core-room-800m, name: C, devices: {controller: {kind: radio-controller}, router: {kind: router}}}
  a: {kind: super-base-station, name: A, devices: {station: {kind: base-station}}}
  b: {kind: super-base-station, name: B, devices: {station: {kind: base-station}}}
links:
  to-a:
    media: fibre
    a: {site: a, interface: fibre, address: 10.9.0.2/30}
    b: {site: core, interface: to-a, address: 10.9.0.1/30}
"""
CONTROLLER = Fact("device:core/controller", "device-status", severity=PerceivedSeverity.MINOR)


def on_its_own(site: str) -> list[Fact]:
    """Return what a station and its controller say when they have lost one another."""
    station = f"device:{site}/station"
    return [
        Fact(station, "isolated"),
        Fact(station, "lmr-backhaul"),
        Fact(station, "alarm-summary"),
        Fact("device:core/controller", f"lmr-backhaul[site {site}]"),
        Fact("device:core/controller", f"lmr-control-channel[{site}]"),
    ]


@pytest.fixture
def city() -> Watch:
    return Watch(Topology(parse_inventory(RADIO)))


def test_a_controller_that_stops_is_the_root_of_all_stations_on_their_own(city: Watch) -> None:
    facts = [CONTROLLER, *on_its_own("a"), *on_its_own("b")]
    for order in (facts, facts[::-1]):
        watch = Watch(city.topology)
        assert roots_after(watch, *order) == {CONTROLLER.id}


def test_a_station_on_its_own_is_the_root_of_what_both_ends_say(city: Watch) -> None:
    assert roots_after(city, *on_its_own("a")) == {alarm_id("device:a/station", "isolated")}


def test_a_station_cut_off_explains_what_its_controller_says(city: Watch) -> None:
    lost = path_down("to-a")
    told = Fact("device:core/controller", "lmr-backhaul[site a]", 5)
    assert roots_after(city, lost, told, Fact("device:a/station", "unreachable", 15)) == {lost.id}


def test_a_summary_without_an_alarm_stands_for_itself(city: Watch) -> None:
    summary = Fact("device:a/station", "alarm-summary")
    assert roots_after(city, summary) == {summary.id}
    assert roots_after(city, Fact("device:a/station", "lmr-sync")) == {alarm_id("device:a/station", "lmr-sync")}
