"""Followers: bounded, never waited for, and each gets the latest."""

from __future__ import annotations

import pytest

from noc import broadcast
from noc.broadcast import Broadcast


async def test_a_follower_gets_events_once_it_is_live_and_states_from_the_start() -> None:
    everybody = Broadcast()
    follower = everybody.join()
    assert not everybody.wants_events
    everybody.event(1, b"one")
    everybody.state("site:a", b"a1")
    everybody.state("site:a", b"a2")
    everybody.state("site:b", b"b1")
    assert follower.take() == ([], [b"a2", b"b1"])
    follower.live = True
    assert everybody.wants_events
    everybody.event(2, b"two")
    assert await follower.wait(1)
    assert follower.take() == ([(2, b"two")], [])
    assert not await follower.wait(0.001)


async def test_one_that_falls_behind_holds_no_more_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcast, "EVENTS_WAITING", 3)
    everybody = Broadcast()
    slow, quick = everybody.join(), everybody.join()
    slow.live = quick.live = True
    for cursor in range(1, 5):
        everybody.event(cursor, b"")
        quick.take()
    assert (slow.live, quick.live) == (False, True)
    assert slow.take() == ([], [])


async def test_the_end_reaches_those_who_follow_and_those_who_come_later() -> None:
    everybody = Broadcast()
    follower = everybody.join()
    everybody.end("replaced")
    assert follower.ended == "replaced"
    assert await follower.wait(1)
    assert everybody.join().ended is None
    everybody.end("stops", for_ever=True)
    assert everybody.join().ended == "stops"
    everybody.leave(follower)
    assert len(everybody) == 2
