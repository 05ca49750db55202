"""Whole incidents, at both ends, in milliseconds."""

import pytest
from failover_simulation import World, up

from failover.core import bfd, protection
from failover.core.packet import Diagnostic, State
from failover.core.protection import Selector

W, P = Selector.WORKING, Selector.PROTECTION
SEEDS = pytest.mark.parametrize("seed", range(20))


def sessions(world, path=W):
    return [end.sessions[path] for end in world.ends.values()]


def diagnostics(world, path=W):
    return [s.diagnostic for s in sessions(world, path)]


def downs(world, since=-1.0):
    return [x for x in world.effects(bfd.StateChanged, since) if x[3].previous is State.UP]


@SEEDS
def test_both_paths_come_up_within_seconds_at_the_configured_rate(seed):
    world = World(seed)
    assert world.run_until(World.normal, 5.0) < 3.0
    world.run(1.0)
    assert [s.transmit_interval_us for s in sessions(world)] == [10_000, 10_000]
    assert [s.detection_time_us for s in sessions(world, P)] == [900_000, 900_000]
    assert world.effects(protection.Select) == []
    assert not downs(world)


@SEEDS
def test_a_silent_cut_moves_both_ends_to_satellite_within_the_detection_time(seed):
    world = up(seed)
    world.cut("working")
    cut_at = world.now
    world.run(0.1)
    assert world.selectors() == (P, P)
    for at, _, _, _ in world.effects(protection.Select):
        assert 0.020 <= at - cut_at <= 0.032
    assert diagnostics(world) == [Diagnostic.CONTROL_DETECTION_TIME_EXPIRED] * 2
    assert all("BFD detection time expired" in end.protection.why for end in world.ends.values())


@SEEDS
def test_a_one_way_cut_is_told_to_the_end_that_still_hears(seed):
    world = up(seed)
    world.cut("working", "a")
    cut_at = world.now
    world.run(0.1)
    assert world.selectors() == (P, P)
    assert diagnostics(world) == [
        Diagnostic.NEIGHBOR_SIGNALED_SESSION_DOWN,
        Diagnostic.CONTROL_DETECTION_TIME_EXPIRED,
    ]
    when = {end: at for at, end, _, _ in world.effects(protection.Select)}
    assert when["b"] - cut_at <= 0.032
    assert when["a"] - when["b"] == pytest.approx(0.001), "one propagation delay later, no timer"
    a = world.ends["a"].sessions[W]
    assert a.remote_diagnostic is Diagnostic.CONTROL_DETECTION_TIME_EXPIRED
    world.run(10.0)
    assert a.state is State.INIT, "it hears a far end that does not hear it"
    assert world.selectors() == (P, P)


def test_carrier_loss_at_one_end_moves_that_end_at_once():
    world = up()
    world.cut("working")
    end = world.ends["a"]
    world.perform(end, W, end.sessions[W].path_failed(Diagnostic.PATH_DOWN, world.now))
    assert end.protection.selector is P
    world.run(0.1)
    assert world.selectors() == (P, P)


@pytest.mark.parametrize("who", ["a", "b"])
def test_admin_down_moves_no_traffic_and_is_told_by_its_diagnostic(who):
    world = up()
    end, far = world.ends[who], world.ends["b" if who == "a" else "a"]
    world.perform(end, W, end.sessions[W].admin_down(world.now))
    world.run(20.0)
    assert end.sessions[W].state is State.ADMIN_DOWN
    assert far.sessions[W].state is State.DOWN
    assert far.sessions[W].remote_state is State.ADMIN_DOWN
    assert far.sessions[W].remote_diagnostic is Diagnostic.ADMINISTRATIVELY_DOWN
    world.perform(end, W, end.sessions[W].admin_up(world.now))
    world.run(5.0)
    assert world.normal()
    assert world.effects(protection.Select) == []
    assert world.effects(bfd.SignalFail) == []


def test_repair_reverts_both_ends_after_wtr_within_a_moment_of_each_other():
    world = up(wtr_s=2.0)
    world.cut("working")
    world.run(5.0)
    world.heal("working")
    world.run_until(lambda w: all(s.state is State.UP for s in sessions(w)))
    healed_at = world.now
    world.run(1.9)
    assert world.selectors() == (P, P)
    world.run(1.0)
    assert world.selectors() == (W, W)
    times = [at for at, _, _, _ in world.effects(protection.Select, healed_at)]
    assert len(times) == 2
    assert all(1.9 < at - healed_at < 2.1 for at in times)
    assert abs(times[0] - times[1]) < 0.01


def test_a_flap_during_wtr_starts_the_wait_anew_and_switches_nothing():
    world = up(wtr_s=2.0)
    world.cut("working")
    world.run(3.0)
    world.log.clear()
    for _ in range(5):
        world.heal("working")
        world.run_until(lambda w: all(s.state is State.UP for s in sessions(w)))
        world.run(0.5)
        world.cut("working")
        world.run(0.5)
    assert world.selectors() == (P, P)
    assert world.effects(protection.Select) == []
    world.heal()
    world.run(6.0)
    assert world.normal()


def test_non_revertive_stays_on_satellite_until_that_is_lost():
    world = up(revertive=False)
    world.cut("working")
    world.run(1.0)
    world.heal()
    world.run(60.0)
    assert world.selectors() == (P, P)
    world.cut("protection")
    world.run(3.0)
    assert world.selectors() == (W, W)


@pytest.mark.parametrize("first", Selector)
def test_with_both_paths_lost_the_first_repaired_carries_at_once(first):
    world = up(wtr_s=60.0)
    world.cut("working")
    world.run(1.0)
    world.cut("protection")
    world.run(3.0)
    assert {end.protection.state for end in world.ends.values()} == {protection.State.NO_PATH}
    world.heal(first)
    world.run_until(lambda w: all(s.state is State.UP for s in sessions(w, first)))
    world.run(0.3)
    assert world.selectors() == (first, first)


def test_satellite_lost_while_on_satellite_returns_to_a_repaired_fibre_without_waiting():
    world = up(wtr_s=60.0)
    world.cut("working")
    world.run(1.0)
    world.heal("working")
    world.run(3.0)
    assert world.selectors() == (P, P)
    world.cut("protection")
    assert world.run_until(lambda w: w.selectors() == (W, W)) < 1.3


def test_hold_off_rides_out_a_short_cut():
    world = up(hold_off_s=1.5)  # more than the second that BFD may take to come up again
    world.cut("working")
    world.run(0.1)
    world.heal()
    world.run(5.0)
    assert world.effects(protection.Select) == []
    world.cut("working")
    cut_at = world.now
    world.run(2.0)
    assert world.selectors() == (P, P)
    assert all(1.5 < at - cut_at < 1.54 for at, _, _, _ in world.effects(protection.Select))


# ---- our own machines' faults are not the path's ----


@SEEDS
def test_a_late_wake_up_is_no_remote_failure(seed):
    world = up(seed)
    for _ in range(50):
        world.ends[world.random.choice("ab")].asleep_until = world.now + 0.019  # the far end's patience is 20-30 ms
        world.run(0.1)
    assert not downs(world)


def freeze(world, seconds):
    """Stop both machines, as a hypervisor does: nobody sends, and time goes on."""
    for end in world.ends.values():
        end.asleep_until = world.now + seconds
    world.run(5.0)


@SEEDS
def test_both_machines_frozen_together_is_no_failure_either(seed):
    world = up(seed)
    freeze(world, 0.5)
    assert not downs(world)
    assert world.normal()


def test_without_grace_the_same_freeze_is_a_false_failure():
    world = up()
    world.grace = False
    freeze(world, 0.5)
    assert downs(world)


@SEEDS
def test_a_restart_adopts_the_selector_and_switches_nothing_at_that_end(seed):
    world = up(seed)
    for on in (W, P):
        if on is P:
            world.cut("working")
            world.run(3.0)
        restarted_at = world.now
        world.restart("a")
        world.run(8.0)
        assert world.ends["a"].protection.selector is on
        assert world.effects(protection.Select, restarted_at, "a") == []
    world.heal()
    world.run(8.0)
    assert world.normal()


@SEEDS
def test_an_orderly_restart_switches_nothing_at_either_end(seed):
    world = up(seed)
    world.farewell("a")
    world.run(8.0)
    assert world.effects(protection.Select) == []
    assert world.effects(bfd.SignalFail, end="b") == []
    assert world.normal()


@SEEDS
def test_a_fibre_cut_during_an_orderly_restart_is_found_by_both_ends(seed):
    world = up(seed)
    end = world.ends["a"]
    for path, session in end.sessions.items():
        world.perform(end, path, session.admin_down(world.now))
    world.run(0.3)
    world.cut("working")
    world.restart("a")
    world.run(10.0)
    assert world.selectors() == (P, P)


def test_a_start_into_a_cut_fibre_finds_the_satellite():
    world = World()
    world.cut("working")
    world.run(7.0)
    assert world.selectors() == (P, P)
    assert "did not come Up within 5 s" in world.ends["a"].protection.why


@SEEDS
def test_timers_change_while_up_without_a_false_failure(seed):
    world = up(seed)
    for channel in world.channels.values():
        channel.loss = 0.02
    for interval_us in (50_000, 5_000, 300_000, 10_000):
        for end in world.ends.values():
            changed = end.sessions[W].reconfigure(
                world.now, desired_min_tx_us=interval_us, required_min_rx_us=interval_us, detect_mult=5
            )
            world.perform(end, W, changed)
            world.run(0.003)
        world.run(3.0)
        assert [s.transmit_interval_us for s in sessions(world)] == [interval_us] * 2
        assert [s.detection_time_us for s in sessions(world)] == [5 * interval_us] * 2
    assert not downs(world)


@pytest.mark.parametrize("late_final", [False, True])
def test_slowing_down_over_a_long_path_never_looks_like_silence(late_final):
    world = up(fibre_s=0.2 if late_final else 0.001)
    end = world.ends["a"]
    world.perform(end, W, end.sessions[W].reconfigure(world.now, desired_min_tx_us=1_000_000))
    world.run(20.0)
    assert end.sessions[W].transmit_interval_us == 1_000_000
    assert not downs(world)


def test_two_hundred_cuts_in_any_phase_are_each_survived_within_the_detection_time():
    world = up(wtr_s=0.0)
    worst = 0.0
    for i in range(200):
        world.run(world.random.random() * 0.1)
        world.cut("working", *("ab", "a", "b")[i % 3])
        worst = max(worst, world.run_until(lambda w: w.selectors() == (P, P)))
        world.heal()
        world.run_until(World.normal)
        world.log.clear()
    assert worst <= 0.034


# ---- with APS between the ends ----


def aligned(world):
    a, b = world.selectors()
    return a is b


@SEEDS
def test_aps_over_a_satellite_delays_no_switch(seed):
    world = up(seed, aps=True)
    world.cut("working")
    cut_at = world.now
    world.run(0.1)
    assert world.selectors() == (P, P)
    assert all(0.020 <= at - cut_at <= 0.032 for at, _, _, _ in world.effects(protection.Select))


def test_a_cut_while_the_far_end_holds_the_path_admin_down_is_told_over_aps():
    for aps in (False, True):
        world = up(aps=aps)
        end = world.ends["a"]
        world.perform(end, W, end.sessions[W].admin_down(world.now))
        world.run(1.0)
        world.cut("working")
        world.run(1.0)
        assert world.selectors() == (W, W), "AdminDown is no failure, and silence after it is none either"
        world.perform(end, W, end.sessions[W].admin_up(world.now))
        world.run(7.0)
        assert world.selectors() == ((P, P) if aps else (P, W)), "without APS the other end cannot tell"
    assert world.ends["b"].protection.state is protection.State.FAR_PROTECTING_FAILURE


def test_carrier_loss_at_one_end_is_told_to_an_end_that_sees_nothing():
    world = up(aps=True)
    end = world.ends["a"]
    world.perform(end, None, end.protection.signal_fail("working", True, world.now, "loss of carrier"))
    assert world.run_until(aligned) < 0.28
    assert world.selectors() == (P, P)


def test_both_ends_revert_within_the_time_that_news_takes():
    world = up(wtr_s=2.0, aps=True)
    world.cut("working")
    world.run(5.0)
    world.heal("working")
    world.run_until(lambda w: w.selectors() == (W, W), 10.0)
    first, last = sorted(at for at, _, _, effect in world.effects(protection.Select) if effect.selector is W)
    assert last - first < 2 * 0.28
    world.run(1.0)
    assert world.normal()


@SEEDS
def test_a_command_at_one_end_moves_both_and_clearing_it_takes_both_back(seed):
    world = up(seed, aps=True)
    end = world.ends["a"]
    outcome = end.protection.command(protection.Command.FORCE, world.now)
    world.perform(end, None, outcome.effects)
    assert world.run_until(aligned) < 0.28
    assert world.selectors() == (P, P)
    world.perform(end, None, end.protection.command(protection.Command.CLEAR, world.now).effects)
    assert world.run_until(aligned) < 0.28
    assert world.normal()


def test_a_lost_burst_is_made_good_within_a_second():
    world = up(aps=True)
    end = world.ends["a"]
    world.channels["a", P].loss = 1.0
    world.perform(end, None, end.protection.command(protection.Command.FORCE, world.now).effects)
    world.run(0.1)
    world.channels["a", P].loss = 0.0
    assert world.run_until(aligned) < 1.3


@SEEDS
def test_a_restart_with_aps_switches_nothing_at_either_end(seed):
    world = up(seed, aps=True)
    world.cut("working")
    world.run(3.0)
    restarted_at = world.now
    world.restart("a")
    world.run(8.0)
    assert world.selectors() == (P, P)
    assert world.effects(protection.Select, restarted_at) == []
    world.heal()
    world.run(8.0)
    assert world.normal()
