"""Both ends of a group under everything that can happen: a random walk by seed, and one that Hypothesis steers."""

import random
import subprocess
import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from failover.core.protection import Command, DampingConfig, Selector, State, channel, machine
from failover.walk import InvariantError, Pair, Settings, walk

ENDS = st.sampled_from("ab")
PATHS = st.sampled_from(Selector)


class TwoEnds(RuleBasedStateMachine):
    """`Pair` holds its invariants after every event; here are the events, and the end of all trouble."""

    @initialize(
        seed=st.integers(0, 2**16),
        revertive=st.booleans(),
        wtr_s=st.sampled_from([0.0, 0.5, 2.0]),
        hold_off_s=st.sampled_from([0.0, 0.5]),
        delay_s=st.sampled_from([0.001, 0.27]),
        jitter_s=st.sampled_from([0.0, 0.02]),
        damped=st.booleans(),
    )
    def begin(self, seed, revertive, wtr_s, hold_off_s, delay_s, jitter_s, damped):
        damping = DampingConfig(half_life_s=3.0) if damped else None
        self.pair = Pair(
            random.Random(seed),
            Settings((revertive, revertive), wtr_s, hold_off_s, delay_s, jitter_s, damping=damping),
        )

    @rule(seconds=st.sampled_from([0.001, 0.03, 0.2, 0.3, 1.0, 6.0]))
    def wait(self, seconds):
        self.pair.run(seconds)

    @rule(path=PATHS, hearers=st.sampled_from(["a", "b", "ab"]), works=st.booleans())
    def cut_or_mend(self, path, hearers, works):
        self.pair.set_path(path, hearers, works=works)

    @rule(name=ENDS, path=PATHS, degraded=st.booleans())
    def degrade(self, name, path, degraded):
        self.pair.degrade(name, path, degraded=degraded)

    @rule(name=ENDS, command=st.sampled_from(Command))
    def command(self, name, command):
        self.pair.command(name, command)

    @rule(loss=st.sampled_from([0.0, 0.3, 1.0]))
    def lose(self, loss):
        self.pair.loss = loss

    @rule(name=ENDS)
    def restart(self, name):
        self.pair.restart(name)

    @rule()
    def settle(self):
        self.pair.settle(3.0)

    @invariant()
    def a_command_that_is_refused_has_a_reason(self):
        if hasattr(self, "pair"):
            for end in self.pair.ends.values():
                for command in Command:
                    assert end.machine.plan(command, self.pair.now).reason

    def teardown(self):
        if hasattr(self, "pair"):
            for name in "ab":
                for path in Selector:
                    self.pair.set_path(path, "ab", works=True)
                    self.pair.degrade(name, path, degraded=False)
                for _ in range(2):  # a freeze, then what stands under it
                    self.pair.command(name, Command.CLEAR)
            self.pair.settle(20.0)
            assert {end.machine.state for end in self.pair.ends.values()} == {self.at_rest()}
            assert not any(end.machine.defects for end in self.pair.ends.values())

    def at_rest(self):
        on = self.pair.ends["a"].machine.selector
        revertive = self.pair.settings.revertive[0]
        return State.NORMAL if revertive or on is Selector.WORKING else State.DO_NOT_REVERT


TwoEnds.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
test_two_ends_hold_their_invariants_and_meet_whatever_happens = TwoEnds.TestCase


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_violates_no_invariant(seed):
    assert walk(5_000, seed).steps == 5_000


def test_a_walk_comes_by_every_state():
    assert walk(12_000, 11).states == set(State)


def test_a_walk_can_be_walked_again():
    assert walk(1_500, 3) == walk(1_500, 3)


def test_a_walk_from_the_command_line():
    done = subprocess.run(
        [sys.executable, "-m", "failover.walk", "--steps", "600", "--seed", "5"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("600 steps, ")
    assert done.stdout.endswith(" states, no invariant violated\n")


# ---- the walk is no formality: what breaks the rules is found ----


def test_ends_that_do_not_hear_each_other_are_found_misaligned(monkeypatch):
    monkeypatch.setattr(channel.Channel, "far", property(lambda _: None))
    with pytest.raises(InvariantError, match="not aligned"):
        walk(10_000, 0)


def test_a_lockout_that_strands_traffic_is_found(monkeypatch):
    monkeypatch.setattr(machine.Protection, "_strands", lambda *_: False)
    with pytest.raises(InvariantError, match="sent traffic to a failed path"):
        walk(30_000, 0)


def test_hold_off_that_delays_where_nothing_gets_through_is_found(monkeypatch):
    def declare(self, now):
        for path in self._paths.values():
            path.declared |= bool(path.failed) and now >= path.failed_at + self._config.hold_off_s
        self._channel.protection_failed(self._paths[Selector.PROTECTION].declared, now)

    monkeypatch.setattr(machine.Protection, "_declare", declare)
    with pytest.raises(InvariantError):
        walk(10_000, 0)
