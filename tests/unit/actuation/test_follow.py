"""When a router that follows a selector is changed, tried again and checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from failover.core.follow import (
    ACTUATION_FAILED,
    BACKOFF_FIRST_S,
    BACKOFF_MOST_S,
    Follower,
    Why,
    judge_actuation,
)
from lifeline.model.records import PerceivedSeverity


def test_nothing_is_done_before_it_is_known_which_path_carries():
    follower = Follower(300)
    assert follower.due is None
    assert not follower.order(1.0)
    assert follower.due is None


def test_a_switch_is_carried_out_at_once_and_then_checked():
    follower = Follower(300)
    follower.select("protection", 10.0)
    assert (follower.due, follower.why) == (10.0, Why.SWITCH)
    assert follower.begin() == "protection"
    assert follower.due is None
    follower.ended("protection", 11.0, as_wanted=True)
    assert (follower.stands, follower.due, follower.why) == ("protection", 311.0, Why.CHECK)
    follower.select("protection", 12.0)
    assert follower.due == 311.0, "nothing new"


def test_a_router_that_fails_is_tried_ever_more_slowly_and_for_ever():
    follower = Follower(300)
    follower.select("protection", 0.0)
    pauses = []
    now = 0.0
    for _ in range(100):
        selector = follower.begin()
        follower.ended(selector, now, as_wanted=False)
        assert follower.why is Why.RETRY
        assert follower.due is not None
        pauses.append(follower.due - now)
        now = follower.due
    assert pauses[:3] == [BACKOFF_FIRST_S, 2 * BACKOFF_FIRST_S, 4 * BACKOFF_FIRST_S]
    assert set(pauses[10:]) == {BACKOFF_MOST_S}
    follower.select("working", now)
    assert (follower.due, follower.failures) == (now, 0), "a new selection does not wait"


@pytest.mark.parametrize("as_wanted", [False, True])
def test_what_comes_while_it_is_being_changed_is_done_right_afterwards(as_wanted):
    follower = Follower(300)
    follower.select("protection", 0.0)
    running = follower.begin()
    follower.select("working", 1.0)
    assert follower.due is None, "one session at a time"
    follower.ended(running, 2.0, as_wanted=as_wanted)
    assert (follower.due, follower.why, follower.failures) == (2.0, Why.SWITCH, 0)
    assert follower.begin() == "working"
    assert follower.order(3.0)
    follower.ended("working", 4.0, as_wanted=as_wanted)
    assert (follower.due, follower.why) == (4.0, Why.ORDER)


@given(st.lists(st.sampled_from(["working", "protection", "order", "fail", "succeed", "wait"]), max_size=60))
def test_whatever_comes_the_newest_selection_is_carried_out_in_the_end(steps):
    follower, now, running = Follower(300), 0.0, None

    def look(*, as_wanted):
        nonlocal running
        if running is None and follower.due is not None and follower.due <= now:
            running = follower.begin()
        if running is not None:
            follower.ended(running, now, as_wanted=as_wanted)
            running = None

    for step in steps:
        now += 1.0
        match step:
            case "working" | "protection":
                follower.select(step, now)
            case "order":
                follower.order(now)
            case "fail" | "succeed":
                look(as_wanted=step == "succeed")
            case "wait":
                if running is None and follower.due is not None and follower.due <= now:
                    running = follower.begin()
    if not follower.wanted:
        assert follower.due is None
        return
    for _ in range(3):
        now = max(now, follower.due or now)
        look(as_wanted=True)
    assert follower.stands == follower.wanted
    assert follower.due is not None


def test_a_router_that_does_not_follow_is_a_condition():
    key = ("group:pg", ACTUATION_FAILED)
    raised = judge_actuation("pg", "core", "core/edge", "protection", trouble="no answer", helpless=False)[key]
    assert raised is not None
    assert raised.perceived_severity is PerceivedSeverity.MAJOR
    assert raised.text == "core cannot bring core/edge to protection of pg: no answer"
    helpless = judge_actuation("pg", "core", "core/edge", "protection", trouble="lost", helpless=True)[key]
    assert helpless is not None
    assert helpless.perceived_severity is PerceivedSeverity.CRITICAL
    assert judge_actuation("pg", "core", "core/edge", "working", trouble="", helpless=False) == {key: None}
