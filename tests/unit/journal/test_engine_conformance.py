"""What every Engine must do. The suite knows the protocol only; `conftest.ENGINES` names the implementations."""

from __future__ import annotations

import asyncio

import pytest

from lifeline.clock import monotonic_s
from lifeline.journal.engine import Engine
from lifeline.model.records import Event, EventKind


def event(seq: int, node: str = "n/agent", boot_id: str = "b1", **changes) -> Event:
    fields = {"observed_at_ns": 7, "kind": EventKind.BFD, "subject": "link:a", "body": {"n": seq, "名": [None, 1.5]}}
    return Event(node, boot_id, seq, **(fields | changes))


async def everything(engine: Engine, after: int = 0, **how) -> list[Event]:
    return [stored.event async for stored in engine.read(after, **how)]


# ------------------------------------------------------------------ events


async def test_appended_events_read_back_equal_and_in_order(engine: Engine) -> None:
    events = [event(seq) for seq in range(1, 4)] + [event(1, node="m/agent")]
    stored = await engine.append(events)
    assert [s.event for s in stored] == events
    assert [s.cursor for s in stored] == sorted({s.cursor for s in stored})
    assert [s async for s in engine.read(0)] == stored
    assert await engine.head() == stored[-1].cursor


async def test_appending_twice_is_appending_once(engine: Engine) -> None:
    first = await engine.append([event(1), event(2)])
    again = await engine.append([event(1), event(2), event(3), event(3)])
    assert [s.event.seq for s in again] == [3]
    assert again[0].cursor > first[-1].cursor
    assert await everything(engine) == [event(1), event(2), event(3)]
    assert await engine.append([event(1)]) == []
    assert await engine.append([]) == []


async def test_the_key_is_node_boot_and_seq(engine: Engine) -> None:
    await engine.append([event(1), event(1, boot_id="b2"), event(1, node="m/agent")])
    assert len(await everything(engine)) == 3


async def test_of_two_with_one_key_the_first_stands(engine: Engine) -> None:
    stored = await engine.append([event(1, subject="link:first"), event(1, subject="link:second")])
    assert [s.event.subject for s in stored] == ["link:first"]
    await engine.append([event(1, subject="link:third")])
    assert [e.subject for e in await everything(engine)] == ["link:first"]


async def test_reading_pages_resumes_and_filters(engine: Engine) -> None:
    stored = await engine.append(
        [event(n, subject=f"link:{n % 3}", kind=EventKind.BFD if n % 2 else EventKind.DAEMON) for n in range(1, 1400)]
    )
    assert len(await everything(engine)) == 1399
    assert [e.seq for e in await everything(engine, after=stored[9].cursor, limit=5)] == [11, 12, 13, 14, 15]
    assert [e.seq for e in await everything(engine, limit=600)] == list(range(1, 601))
    assert [e.seq for e in await everything(engine, subject="link:1", limit=3)] == [1, 4, 7]
    assert [e.seq for e in await everything(engine, subject="link:1", kind=EventKind.DAEMON, limit=2)] == [4, 10]
    assert await everything(engine, limit=0) == []
    assert await everything(engine, after=stored[-1].cursor) == []


async def test_an_empty_journal_has_head_zero(engine: Engine) -> None:
    assert await engine.head() == 0
    assert await everything(engine) == []


async def test_appends_at_the_same_time_are_all_kept_each_once(engine: Engine) -> None:
    results = await asyncio.gather(
        *(engine.append([event(seq, node=f"n{node}") for seq in range(1, 21)]) for node in range(10)),
        *(engine.append([event(seq, node=f"n{node}") for seq in range(1, 21)]) for node in range(10)),
    )
    new = [stored.event.key for result in results for stored in result]
    assert len(new) == len(set(new)) == 200
    for node in range(10):
        seqs = [e.seq for e in await everything(engine) if e.node == f"n{node}"]
        assert seqs == list(range(1, 21))


async def test_a_reader_in_the_middle_does_not_hold_up_the_writer(engine: Engine) -> None:
    await engine.append([event(n) for n in range(1, 1001)])
    reader = engine.read(0)
    first = await anext(reader)
    async with asyncio.timeout(5):
        await engine.append([event(n) for n in range(1001, 1003)])
    rest = [stored.event.seq async for stored in reader]
    assert [first.event.seq, *rest] == list(range(1, 1003))


# ------------------------------------------------------------------ queue


async def test_a_claimed_task_is_invisible_until_it_is_finished(engine: Engine) -> None:
    ids = [await engine.enqueue("runs", {"n": n}) for n in range(3)]
    first = await engine.claim("runs", "w1", 2, visible_s=60)
    second = await engine.claim("runs", "w2", 5, visible_s=60)
    assert [task.id for task in first + second] == ids
    assert [task.payload for task in first] == [{"n": 0}, {"n": 1}]
    assert await engine.claim("runs", "w3", 5, visible_s=60) == []
    assert await engine.claim("others", "w3", 5, visible_s=60) == []
    assert await engine.finish(first[0], {"ok": True})
    assert not await engine.finish(first[0], {"ok": False}), "it is finished once"


async def test_a_task_comes_back_after_its_time_and_the_stale_token_is_refused(engine: Engine) -> None:
    await engine.enqueue("runs", {})
    [slow] = await engine.claim("runs", "slow", 1, visible_s=0.0)
    [again] = await engine.claim("runs", "quick", 1, visible_s=60)
    assert (again.id, again.attempt) == (slow.id, 2)
    assert again.token > slow.token
    assert not await engine.finish(slow, "late")
    assert await engine.finish(again, "done")
    assert await engine.claim("runs", "w", 1, visible_s=60) == []


async def test_enqueue_is_once_per_key_even_after_it_was_finished(engine: Engine) -> None:
    first = await engine.enqueue("runs", {"n": 1}, dedup_key="k")
    assert await engine.enqueue("runs", {"n": 2}, dedup_key="k") == first
    assert await engine.enqueue("others", {"n": 2}, dedup_key="k") != first
    [task] = await engine.claim("runs", "w", 5, visible_s=60)
    assert task.payload == {"n": 1}
    assert await engine.finish(task, None)
    assert await engine.enqueue("runs", {"n": 3}, dedup_key="k") == first
    assert await engine.claim("runs", "w", 5, visible_s=60) == []


# ------------------------------------------------------------------ leases


async def test_a_lease_is_one_holders_until_it_runs_out_and_its_token_only_grows(engine: Engine) -> None:
    before_s = monotonic_s()
    first = await engine.lease("lead", "a", ttl_s=0.2)
    assert first is not None
    assert before_s + 0.2 <= first.deadline_s <= monotonic_s() + 0.2
    assert await engine.lease("lead", "b", ttl_s=0.2) is None
    renewed = await engine.lease("lead", "a", ttl_s=0.3)
    assert renewed is not None
    assert renewed.token == first.token
    assert renewed.deadline_s > first.deadline_s
    async with asyncio.timeout(5):
        while (taken := await engine.lease("lead", "b", ttl_s=60)) is None:  # noqa: ASYNC110 - a lease runs out silently
            await asyncio.sleep(0.01)
    assert monotonic_s() >= renewed.deadline_s, "no overlap"
    assert taken.token > renewed.token
    assert await engine.lease("lead", "a", ttl_s=60) is None
    assert await engine.lease("other", "a", ttl_s=60) is not None


async def test_a_lease_that_ran_out_gets_a_new_token_even_for_its_holder(engine: Engine) -> None:
    first = await engine.lease("lead", "a", ttl_s=0.0)
    again = await engine.lease("lead", "a", ttl_s=60)
    assert first is not None
    assert again is not None
    assert again.token == first.token + 1


async def test_of_many_who_ask_at_once_one_gets_the_lease(engine: Engine) -> None:
    leases = await asyncio.gather(*(engine.lease("lead", f"h{n}", ttl_s=60) for n in range(20)))
    assert sum(lease is not None for lease in leases) == 1


# ------------------------------------------------------------------ snapshots


async def test_a_snapshot_is_the_last_one_saved_under_its_name(engine: Engine) -> None:
    assert await engine.load_snapshot("projection") is None
    await engine.save_snapshot("projection", 5, {"alarms": []})
    await engine.save_snapshot("projection", 9, {"alarms": ["告警"]})
    await engine.save_snapshot("other", 1, None)
    assert await engine.load_snapshot("projection") == (9, {"alarms": ["告警"]})
    assert await engine.load_snapshot("other") == (1, None)


async def test_a_body_that_is_no_json_is_refused_and_nothing_kept(engine: Engine) -> None:
    with pytest.raises((ValueError, TypeError)):
        await engine.save_snapshot("projection", 1, {"x": {1, 2}})
    assert await engine.load_snapshot("projection") is None
