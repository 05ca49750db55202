"""Fibre, under it microwave, under that satellite."""

import pytest

from failover.core.protection import Command, Protection, ProtectionConfig, Request, Select, Selector, State
from failover.core.protection.cascade import Cascade, Member, Reroute

LINKS = ("fibre", "microwave", "satellite")


def cascade(hold_off_s=0.0, lower_hold_off_s=0.0):
    upper = ProtectionConfig(wtr_s=10.0, hold_off_s=hold_off_s, working="fibre", protection="radio")
    lower = ProtectionConfig(wtr_s=10.0, hold_off_s=lower_hold_off_s, working="microwave", protection="satellite")
    return Cascade({
        "site": Member(Protection(upper, 0.0), "fibre", "radio"),
        "radio": Member(Protection(lower, 0.0), "microwave", "satellite"),
    })  # fmt: skip


def healthy(**kwargs):
    groups = cascade(**kwargs)
    for link in LINKS:
        groups.signal_fail(link, False, 0.0)
    assert groups["site"].state is State.NORMAL
    return groups


def reroutes(effects):
    return [(group, effect.link) for group, effect in effects if isinstance(effect, Reroute)]


def test_a_group_below_is_known_to_work_as_soon_as_the_path_it_selects_is():
    groups = cascade()
    groups.signal_fail("fibre", False, 0.0)
    assert groups["site"].failed("protection") is None
    groups.signal_fail("satellite", False, 0.0)
    assert groups["site"].failed("protection") is None
    groups.signal_fail("microwave", False, 0.0)
    assert groups["site"].state is State.NORMAL


def test_each_failure_takes_traffic_to_the_next_link_and_each_repair_takes_it_back():
    groups = healthy()
    assert reroutes(groups.signal_fail("fibre", True, 1.0)) == [("site", "microwave")]
    assert reroutes(groups.signal_fail("microwave", True, 2.0)) == [("site", "satellite"), ("radio", "satellite")]
    assert groups["site"].state is State.PROTECTING_FAILURE
    groups.signal_fail("microwave", False, 3.0)
    assert groups.next_deadline() == 13.0
    assert reroutes(groups.handle_timer(13.0)) == [("site", "microwave"), ("radio", "microwave")]
    groups.signal_fail("fibre", False, 20.0)
    assert reroutes(groups.handle_timer(30.0)) == [("site", "fibre")]


def test_the_upper_group_hears_of_a_failure_below_only_when_nothing_gets_through_there():
    groups = healthy()
    groups.signal_fail("microwave", True, 1.0)
    assert groups["site"].state is State.NORMAL
    groups.signal_fail("satellite", True, 2.0)
    assert (groups["site"].state, groups["site"].request) == (State.UNAVAILABLE, Request.SF_P)
    assert groups["site"].why == (
        "Protection path radio failed (Both paths failed, microwave (signal fail) and satellite (signal fail);"
        " staying on satellite); carrying on fibre."
    )
    groups.signal_fail("satellite", False, 3.0)
    assert groups["site"].state is State.NORMAL


def test_all_links_lost_and_whichever_comes_back_first_carries():
    for first in LINKS:
        groups = healthy()
        for at, link in enumerate(LINKS, start=1):
            groups.signal_fail(link, True, float(at))
        assert groups["site"].state is State.NO_PATH
        effects = groups.signal_fail(first, False, 9.0)
        assert groups.link_of("site") == first
        assert ("site", first) in reroutes(effects) or first == "satellite"


def test_a_lower_group_that_holds_off_has_not_failed():
    groups = healthy(lower_hold_off_s=0.5)
    groups.signal_fail("fibre", True, 1.0)
    assert groups.signal_fail("microwave", True, 2.0) == ()
    assert groups["site"].failed("protection") is False
    assert reroutes(groups.handle_timer(2.5)) == [("site", "satellite"), ("radio", "satellite")]


def test_degrade_below_is_degrade_above_when_there_is_nothing_better_below():
    groups = healthy()
    groups.signal_degrade("microwave", True, 1.0)
    assert groups.link_of("radio") == "satellite"
    assert not groups["site"].degraded("protection")
    groups.signal_degrade("satellite", True, 2.0)
    assert groups["site"].degraded("protection")


def test_a_command_below_moves_traffic_above():
    groups = healthy()
    groups.signal_fail("fibre", True, 1.0)
    outcome, effects = groups.command("radio", Command.FORCE, 2.0)
    assert outcome.accepted
    assert reroutes(effects) == [("site", "satellite"), ("radio", "satellite")]
    assert ("radio", Select(Selector.PROTECTION)) in effects


def test_groups_that_carry_each_other_are_refused():
    machine = Protection(ProtectionConfig(), 0.0)
    with pytest.raises(ValueError, match=r"groups carry each other: \w -> "):
        Cascade({"x": Member(machine, "fibre", "y"), "y": Member(machine, "radio", "x")})
