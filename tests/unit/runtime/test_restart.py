from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifeline.runtime.restart import CrashLoop, Effect, Phase, RestartPolicy, Restarts, Stable, Start

POLICY = RestartPolicy()


class World:
    """A virtual clock, and a daemon that does as the judge says."""

    def __init__(self, policy: RestartPolicy = POLICY) -> None:
        self.now = 1000.0
        self.judge = Restarts(policy)
        self.said: list[Effect] = []
        self.starts: list[float] = []

    def run_until(self, end: float) -> None:
        """Let deadlines come until `end`."""
        while (deadline := self.judge.next_deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            self.do(self.judge.handle_timer(self.now))
        self.now = end

    def do(self, effects: tuple[Effect, ...]) -> None:
        self.said += [effect for effect in effects if not isinstance(effect, Start)]
        if Start() in effects:
            self.starts.append(self.now)
            self.judge.started(self.now)

    def crash(self) -> float:
        """End the daemon now, wait for its next start, and return how long that took."""
        crashed = self.now
        self.do(self.judge.exited(self.now))
        deadline = self.judge.next_deadline()
        assert deadline is not None
        self.run_until(deadline)
        return self.starts[-1] - crashed


@pytest.fixture
def world() -> World:
    world = World()
    world.run_until(world.now)
    return world


def test_a_daemon_starts_at_once(world: World) -> None:
    assert world.starts == [1000.0]
    assert world.judge.phase is Phase.RUNNING


def test_waits_double_until_the_limit(world: World) -> None:
    world = World(RestartPolicy(crash_loop_exits=99, crash_loop_window_s=1))
    world.run_until(world.now)
    assert [round(world.crash(), 3) for _ in range(9)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0]


def test_five_exits_within_a_minute_are_a_crash_loop_tried_each_minute(world: World) -> None:
    waits = [world.crash() for _ in range(7)]
    assert waits[4:] == [60.0, 60.0, 60.0]
    assert world.said == [CrashLoop(5)], "told once"
    assert world.judge.in_crash_loop


def test_five_exits_spread_wider_are_none(world: World) -> None:
    for _ in range(20):
        world.run_until(world.now + 15)
        world.crash()
    assert world.said == []


def test_a_crash_loop_is_over_when_the_daemon_has_run_steadily(world: World) -> None:
    for _ in range(5):
        world.crash()
    started = world.now
    world.run_until(started + 59.9)
    assert world.judge.in_crash_loop
    world.run_until(started + 60)
    assert world.said == [CrashLoop(5), Stable()]
    assert not world.judge.in_crash_loop
    assert world.crash() == pytest.approx(0.2), "and back-off begins anew"


def test_steadiness_is_told_once_and_then_nothing_wakes_the_supervisor(world: World) -> None:
    world.run_until(world.now + 1000)
    assert world.said == [Stable()]
    assert world.judge.next_deadline() is None


def test_one_that_cannot_be_started_waits_as_one_that_ended() -> None:
    judge = Restarts(POLICY)
    now = 0.0
    said: list[Effect] = []
    for _ in range(6):
        assert judge.handle_timer(now) == (Start(),)
        said += judge.exited(now)
        deadline = judge.next_deadline()
        assert deadline is not None
        now = deadline
    assert said == [CrashLoop(5)]


@settings(deadline=None)
@given(st.lists(st.floats(0, 200), min_size=1, max_size=60))
def test_whatever_the_daemon_does_it_is_started_again_within_a_minute(lives: list[float]) -> None:
    world = World()
    world.run_until(world.now)
    for life in lives:
        world.run_until(world.now + life)
        assert 0 < world.crash() <= 60.001
        assert world.judge.phase is Phase.RUNNING


@settings(deadline=None)
@given(st.lists(st.floats(0, 200), min_size=1, max_size=60))
def test_crash_loops_and_steadiness_alternate(lives: list[float]) -> None:
    world = World()
    world.run_until(world.now)
    for life in lives:
        world.run_until(world.now + life)
        world.crash()
    kinds = [type(effect) for effect in world.said]
    assert not any(a is b is CrashLoop for a, b in itertools.pairwise(kinds))
