"""Each fault against the arbiter on a virtual clock: named rightly, in time, and the sound source stays."""

from copy import deepcopy
from functools import cache

import pytest

from lab.simulators.time_sky import Fault
from lab.simulators.time_world import World
from timesync.core.reasons import ClockState, Reason

WARM_S = 600


@cache
def _warmed(seed, options):
    world = World(seed=seed, **dict(options))
    world.run(WARM_S)
    return world


def warm(seed, **options):
    """Return a world that has been locked for a while; warming up is done once."""
    return deepcopy(_warmed(seed, tuple(options.items())))


@pytest.mark.parametrize("liar", ["beidou", "gps"])
@pytest.mark.parametrize(
    ("kind", "size", "reason", "within"),
    [
        ("step", 1_000, Reason.STEP, 5),
        ("step", -1_000, Reason.STEP, 5),
        ("step", 50e6, Reason.STEP, 4),
        ("ramp", 1_000, Reason.RAMP, 6),
        ("ramp", 20, Reason.RAMP, 70),
        ("meacon", 2_000, Reason.MEACONED, 5),
        ("jam", 0, Reason.JAMMED, 3),
        ("silent", 0, Reason.SILENT, 6),
        ("frozen", 0, Reason.FROZEN, 5),
        ("leap", 1, Reason.LEAP, 5),
        ("week", -1024, Reason.WEEK, 5),
        ("walk", 20, Reason.MOVED, 12),
    ],
)
def test_a_fault_is_named_and_the_sound_source_stays(liar, kind, size, reason, within):
    world = warm(seed=7)
    assert world.decision.selected == {"beidou", "gps"}
    world.receivers[liar].fault = Fault(kind, world.now + 0.5, size)
    took = world.until(lambda it: it.sources[liar].reason is reason, within + 1)
    other = "gps" if liar == "beidou" else "beidou"
    assert took <= within + 1
    for _ in range(60):
        decision = world.step()
        assert decision.selected == {other}
        assert decision.serve
        assert decision.state is ClockState.LOCKED
        assert decision.sources[liar].verdict is reason or reason is Reason.SILENT
        assert decision.sources[liar].evidence
        assert abs(decision.model.x_ns - world.oscillator.x_ns) < 300


@pytest.mark.parametrize("liar", ["beidou", "gps"])
def test_a_ramp_of_one_nanosecond_a_second_is_found_against_the_holdover_model(liar):
    world = World(seed=3)
    world.run(2 * 3600)
    world.receivers[liar].fault = Fault("ramp", world.now, 1.0)
    world.until(lambda it: it.sources[liar].reason is Reason.RAMP, 1500)
    assert world.decision.selected == {"beidou", "gps"} - {liar}
    assert world.decision.sources[liar].evidence[0].by == "holdover"


def test_two_that_disagree_from_the_beginning_are_unresolved_and_nothing_is_served():
    world = World()
    world.receivers["gps"].fault = Fault("step", 0, 5_000)
    world.run(400)
    assert world.reason("gps") is world.reason("beidou") is Reason.DIVERGED
    assert not world.decision.serve
    assert not world.decision.selected


def test_a_third_arbiter_decides_between_two_when_it_can_see_the_difference():
    world = World(ntp=True)
    world.receivers["gps"].fault = Fault("step", 0, 5e6)
    world.run(330)
    assert world.reason("gps") in {Reason.STEP, Reason.RAMP}
    assert world.decision.selected == {"beidou"}
    assert world.reason("ntp") is Reason.COARSE


def test_a_third_arbiter_too_coarse_for_the_difference_decides_nothing():
    world = World(ntp=True)
    world.receivers["gps"].fault = Fault("step", 0, 5_000)
    world.run(60)
    assert world.reason("gps") is world.reason("beidou") is Reason.DIVERGED


def test_both_stepping_together_convince_nobody():
    world = warm(seed=5)
    for receiver in world.receivers.values():
        receiver.fault = Fault("step", world.now + 0.5, 2_000)
    world.until(lambda it: it.state is ClockState.HOLDOVER_IN_SPEC, 8)
    assert {world.reason(name) for name in world.receivers} == {Reason.STEP}


def test_both_lost_holds_over_and_service_is_withdrawn_before_the_limit_is_passed():
    for seed in range(3):
        world = warm(seed=seed, oscillator="tcxo")
        for receiver in world.receivers.values():
            receiver.fault = Fault("silent", world.now)
        world.until(lambda it: it.state is ClockState.HOLDOVER_IN_SPEC, 8)
        budget = world.decision.left_low_s
        assert world.decision.left_low_s <= world.decision.left_mid_s <= world.decision.left_high_s
        lasted = 0
        while world.step().serve:
            lasted += 1
            assert abs(world.decision.model.x_ns - world.oscillator.x_ns) <= 1500
        assert budget * 0.98 - 8 <= lasted <= budget
        assert world.until(lambda it: it.state is ClockState.HOLDOVER_OUT_OF_SPEC, 10)


def test_a_source_comes_back_only_after_it_has_qualified_and_its_history_is_gone():
    world = warm(seed=2, qualification_s=120)
    world.receivers["gps"].fault = Fault("step", world.now, 3_000)
    world.until(lambda it: it.sources["gps"].reason is Reason.STEP, 6)
    world.run(200)
    assert world.reason("gps") is Reason.STEP
    world.receivers["gps"].fault = None
    took = world.until(lambda it: it.sources["gps"].reason is None, 200)
    assert 118 <= took <= 126
    assert (
        max(abs(it.phase_ns - world.arbiter.model.phase_ns(it.at_s)) for it in world.arbiter.sources["gps"].samples)
        < 1_000
    )


def test_a_glitch_in_qualification_starts_it_anew():
    world = warm(seed=2, qualification_s=120)
    world.receivers["gps"].fault = Fault("step", world.now, 3_000)
    world.run(20)
    world.receivers["gps"].fault = None
    world.run(100)
    world.receivers["gps"].fault = Fault("step", world.now, 3_000)
    world.run(5)
    world.receivers["gps"].fault = None
    assert world.until(lambda it: it.sources["gps"].reason is None, 200) > 115


def test_what_people_say_holds_and_does_not_make_the_unsound_sound():
    world = warm(seed=4)
    world.arbiter.exclude("gps", "wang")
    assert world.step().selected == {"beidou"}
    assert world.reason("gps") is Reason.EXCLUDED
    world.arbiter.release("gps")
    assert world.run(30).selected == {"beidou", "gps"}
    world.arbiter.select(["gps"], "wang")
    assert world.step().selected == {"gps"}
    world.receivers["gps"].fault = Fault("jam", world.now)
    world.run(5)
    assert world.decision.selected == frozenset()
    assert world.decision.state is ClockState.HOLDOVER_IN_SPEC
    world.arbiter.release()
    assert world.run(2).selected == {"beidou"}


def test_swapped_receivers_are_told():
    world = World()
    world.receivers = {"beidou": world.receivers["gps"], "gps": world.receivers["beidou"]}
    world.run(30)
    assert world.reason("gps") is world.reason("beidou") is Reason.FOREIGN


def test_an_oscillator_that_jumps_is_outvoted_by_two_that_agree():
    world = warm(seed=6, oscillator="computer")
    world.oscillator.x_ns += 4_000
    world.run(60)
    assert world.decision.selected == {"beidou", "gps"}
    assert abs(world.decision.model.x_ns - world.oscillator.x_ns) < 300


def creeping(seed):
    """Return a room whose poor oscillator cannot tell at once which of two that creep apart is wrong."""
    world = World(seed=seed, oscillator="computer", limit_ns=5_000, qualification_s=60)
    world.run(400)
    world.receivers["gps"].fault = Fault("ramp", world.now, 30.0)
    return world


@pytest.mark.parametrize("seed", range(4))
def test_who_was_doubted_only_because_of_a_liar_is_selected_again_as_soon_as_the_liar_is_known(seed):
    world = creeping(seed)
    world.until(lambda it: it.sources["gps"].reason in {Reason.RAMP, Reason.STEP, Reason.DIVERGED}, 200)
    world.until(lambda it: it.sources["gps"].reason in {Reason.RAMP, Reason.STEP}, 200)
    assert world.until(lambda it: it.selected == {"beidou"}, 3) <= 3


@pytest.mark.parametrize("seed", [1, 4])
def test_while_two_disagree_the_bound_counts_how_far_the_wrong_one_pulled(seed):
    world = creeping(seed)
    world.until(lambda it: it.sources["gps"].reason is Reason.DIVERGED, 200)
    assert abs(world.decision.model.x_ns - world.oscillator.x_ns) > 3 * world.decision.floor_ns
    while world.reason("gps") is Reason.DIVERGED:
        assert abs(world.decision.model.x_ns - world.oscillator.x_ns) <= world.decision.bound_ns
        world.step()


def test_two_that_disagreed_and_agree_again_without_a_verdict_qualify_anew():
    world = creeping(1)
    world.until(lambda it: it.sources["gps"].reason is Reason.DIVERGED, 200)
    world.receivers["gps"].fault = None
    world.until(lambda it: it.sources["gps"].reason is not Reason.DIVERGED, 10)
    assert {world.reason(name) for name in world.receivers} <= {Reason.QUALIFYING, Reason.STEP, Reason.RAMP}
    assert world.until(lambda it: it.selected == {"beidou", "gps"}, 130) > 50


def test_two_that_have_both_been_accused_and_disagree_do_not_qualify_side_by_side():
    world = World(seed=5, qualification_s=20)
    for receiver in world.receivers.values():  # accused before anything was locked, then merely apart
        receiver.fault = Fault("walk", world.now, 500.0)
    world.run(15)
    assert all(it.verdict is not None for it in world.decision.sources.values())
    world.receivers["beidou"].fault, world.receivers["gps"].fault = None, Fault("step", world.now, 7e6)
    for _ in range(120):
        assert world.step().selected == set()
    world.receivers["gps"].fault = None
    world.until(lambda it: it.selected == {"beidou", "gps"}, 60)
